/**
 * What a codec makes of a chunk of a client's bytes: commands in the store's own encoding, back to
 * back, with what the session has to know of each in plain arrays. Reused from chunk to chunk.
 */
import { ByteWriter } from "../util/bytes.ts";
import { SpareBuffers } from "../util/spare_buffers.ts";

/** What the session does with a command. */
export const Action = {
  /** Into the log: the encoded command is in `bytes`. */
  write: 1,
  /** Answered by the leader from its store: the encoded command is in `bytes`. */
  read: 2,
  /** Answered at once with the error in `reply`; nothing in `bytes`. */
  refuse: 3,
  /** As refuse, then the connection is closed. */
  refuseAndClose: 4,
  /** Closed without a word (the first line looked like HTTP). */
  close: 5,
  /** Answered by the codec itself in its place: `bytes` holds a constant command, its value for it. */
  local: 6,
  /** As local, then the connection is closed. */
  localAndClose: 7,
  /** As local where this server leads, else refused, and with it the transaction it belongs to. */
  queue: 8,
  /** A write that is a whole transaction: discarded where one of its commands was refused. */
  transaction: 9,
  /** A read that a follower may answer too, from what it has applied. */
  staleRead: 10,
  /** As local, about the cluster's layout: waits for the next leader, but not for ever. */
  layout: 11,
  /** A question about the cluster's members (members.ts), which the leader answers, perhaps later. */
  ask: 12,
  /** Name and password: nothing after it is parsed before it is decided who the client is (acl.ts). */
  authenticate: 13,
  /** As refuse, and nothing is said: the client wants no reply. It counts as a command all the same. */
  refuseSilently: 14,
} as const;
export type Action = typeof Action[keyof typeof Action];

/** The errors that a client can see; each codec has its own words for them. */
export const ClientError = {
  redirect: 1,
  noLeader: 2,
  busy: 3,
  noSpace: 4,
  command: 5,
  timeout: 6,
  /** Reserved: nothing sends it. A server that can't continue ends, and its connections with it. */
  internal: 7,
  /** A transaction one of whose commands was refused: nothing of it is done. */
  discarded: 8,
  /** As command, where a person may have typed it: the answer says how to continue. */
  hint: 9,
  /** A transaction that would copy more of large values than one may. */
  tooMuch: 10,
  /** A read of this server's own store, which has nothing yet. */
  loading: 11,
  /** A command that the cluster's version does not allow yet, see kv/cluster_version.ts. */
  clusterVersion: 12,
  /** This server was removed from its cluster, and knows it. */
  removed: 13,
  /** There are users, and the client has not said which of them it is. */
  notAuthenticated: 14,
  /** The user may not run this command. */
  notPermitted: 15,
  /** The user may not do this with one of its keys. */
  notPermittedKey: 16,
  /** It is beyond `limits.perAddress` or `limits.perUser`, and had to wait for too long. */
  overRate: 17,
  /** No user has this name and password. */
  wrongPassword: 18,
  /** There is nobody to authenticate as: there are no users. */
  noUsers: 19,
  /** The user has as many connections as `limits.perUser` lets it. */
  tooManyOfUser: 20,
  /** More keys than may be compared with so many patterns as its user has. */
  tooMuchToJudge: 21,
  /** The user may not use one of these channels. */
  notPermittedChannel: 22,
  /** The leader runs a build that takes no forwarded commands. */
  leaderTooOld: 23,
} as const;
export type ClientError = typeof ClientError[keyof typeof ClientError];

/** Reply modes that every codec shares; codecs number their own from 16 on. */
export const ReplyMode = {
  /** No reply at all, errors included. */
  none: 0,
  /** The codec's default; of a local command: its own few bytes, whatever happens. */
  plain: 1,
  /** A read that shows version and time left as well. */
  withMeta: 2,
  /** A local reply that begins a transaction. */
  beginTransaction: 3,
  /** Who the client is, from now on. */
  authenticate: 4,
} as const;

/** The most commands that one batch carries; the rest of the chunk is parsed into the next. */
export const BATCH_COMMANDS_MAX = 1024;

export class CommandBatch {
  count = 0;
  /** Commands as kv/commands/command.ts has them, back to back. */
  readonly bytes: ByteWriter = new ByteWriter(4096);
  /** Where in `bytes` each command begins; `ends` where it ends. */
  readonly starts: Int32Array = new Int32Array(BATCH_COMMANDS_MAX);
  readonly ends: Int32Array = new Int32Array(BATCH_COMMANDS_MAX);
  readonly actions: Uint8Array = new Uint8Array(BATCH_COMMANDS_MAX);
  /** The reply mode of a write, read or local command, the ClientError of a refusal. */
  readonly replies: Uint8Array = new Uint8Array(BATCH_COMMANDS_MAX);
  /** The hash slot of its first key, where the codec has such a thing; 0 elsewhere. */
  readonly slots: Uint16Array = new Uint16Array(BATCH_COMMANDS_MAX);
  /** Its number (kv/users/command_numbers.ts), where permissions are asked later; 0 elsewhere. */
  readonly commands: Uint16Array = new Uint16Array(BATCH_COMMANDS_MAX);

  readonly #ownBytes = this.bytes.bytes;

  clear(): void {
    this.count = 0;
    this.bytes.clear();
  }

  /** An empty batch continues in this buffer, for a large command. */
  useBuffer(buffer: Uint8Array): void {
    this.bytes.bytes = buffer;
  }

  /** And in its own again; returns the other one, null where it had none. */
  giveBuffer(): Uint8Array | null {
    const { bytes } = this.bytes;
    if (bytes === this.#ownBytes) return null;
    this.bytes.bytes = this.#ownBytes;
    return bytes;
  }

  /** Adds what was encoded into `bytes` since `start` (or nothing, for a refusal). */
  add(action: Action, reply: number, start: number, slot = 0, command = 0): void {
    const at = this.count++;
    this.actions[at] = action;
    this.replies[at] = reply;
    this.starts[at] = start;
    this.ends[at] = this.bytes.length;
    this.slots[at] = slot;
    this.commands[at] = command;
  }
}

/**
 * Free batches beyond this are left to the collector; those whose bytes outgrew this give up their buffer.
 * In one turn of the loop each connection that has sent something uses one: of fewer, the rest would be
 * made again every turn, 16 KiB each.
 */
const FREE_BATCHES_MAX = 256;
const FREE_BATCH_BYTES_MAX = 65_536;

/**
 * Batches that connections share: one is in use only from the parsing of its commands until they are
 * submitted, and most connections are idle.
 */
export class BatchPool {
  readonly #free: CommandBatch[] = [];
  /** For large commands, on their way in and encoded. */
  readonly spares = new SpareBuffers();

  /** An empty batch, for commands that came in so many bytes. */
  take(inputBytes = 0): CommandBatch {
    const batch = this.#free.pop() ?? new CommandBatch();
    // Most commands get shorter where they are encoded.
    if (inputBytes > FREE_BATCH_BYTES_MAX) batch.useBuffer(this.spares.take(inputBytes));
    return batch;
  }

  /** Takes a batch back; whoever gives it must not touch it any more. */
  give(batch: CommandBatch): void {
    batch.clear();
    if (batch.bytes.bytes.length > FREE_BATCH_BYTES_MAX) {
      const buffer = batch.giveBuffer();
      if (buffer !== null) this.spares.give(buffer);
    }
    if (this.#free.length < FREE_BATCHES_MAX) this.#free.push(batch);
  }
}
