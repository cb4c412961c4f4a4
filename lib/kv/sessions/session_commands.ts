/**
 * What client sessions do when an entry is applied: a write that is sent again under the same session and
 * sequence gets the first one's reply, and is not done again.
 *
 * A write is not done where its session is unknown, over or another user's, or where it was acknowledged:
 * whether it was done before can't be told any more. Whether its user may do it is judged when it is done
 * first, not when it is sent again: its reply shows nothing that the user was not shown, and "not permitted"
 * would deny what was done.
 */
import { assert } from "../../util/assert.ts";
import { ByteWriter } from "../../util/bytes.ts";
import {
  afterWatches,
  commandLength,
  IN_SESSION_BYTES,
  innerOf,
  keyLength,
  keyOffset,
  Op,
} from "../commands/command.ts";
import type { Keyspace } from "../commands/keyspace.ts";
import { type Result, Status } from "../commands/result.ts";
import { userIdOf } from "../users/operations.ts";
import type { User } from "../users/user.ts";
import { latin1, latin1Bytes } from "../../util/latin1.ts";
import type { ClientSession } from "./client_session.ts";
import { type ClientSessions, SHORT_REPLY_BYTES } from "./client_sessions.ts";
import { encodeReply, KeptReply } from "./kept_reply.ts";
import { binds, firstNumberOf, lowestOf, sequenceOf, visitKept } from "./operations.ts";

/** One entry ends sessions until so many bound keys have gone, or so many sessions. */
const ENDED_KEYS_MAX = 1_000;
const ENDED_SESSIONS_MAX = 1_000;
/** The buffer of replies is given back where one grew it beyond this. */
const SCRATCH_BYTES_KEPT = 65_536;

export class SessionCommands {
  readonly #sessions: ClientSessions;
  readonly #keys: Keyspace;
  readonly #run: (bytes: Uint8Array, offset: number, result: Result) => void;
  #scratch = new ByteWriter(0);

  /** `run`: judges and applies a write that is in no session. */
  constructor(
    sessions: ClientSessions,
    keys: Keyspace,
    run: (bytes: Uint8Array, offset: number, result: Result) => void,
  ) {
    this.#sessions = sessions;
    this.#keys = keys;
    this.#run = run;
  }

  /** Applies the openSession, closeSession or keepSessions at `bytes[at]`, which its user may do. */
  apply(bytes: Uint8Array, at: number, user: User | null, result: Result): void {
    const userId = user?.id ?? 0;
    const { clockMs } = this.#keys;
    const sessions = this.#sessions;
    switch (bytes[at + 4]) {
      case Op.openSession: {
        if (!sessions.hasRoomForOne(userId)) {
          result.status = Status.sessionsFull;
          return;
        }
        const { id } = sessions.open(userId, firstNumberOf(bytes, at), clockMs);
        return result.setInteger(id);
      }
      case Op.closeSession: {
        const session = sessions.find(firstNumberOf(bytes, at), userId, clockMs);
        result.status = session === null ? Status.notFound : Status.deleted;
        if (session !== null) this.#end(session);
        return;
      }
      case Op.keepSessions:
        visitKept(bytes, at, (id) => {
          const session = sessions.byId(id);
          if (session !== null && session.deadlineMs > clockMs) sessions.touch(session, clockMs);
        });
        // Else a leader would let time pass for sessions that were kept alive by now.
        sessions.findEarliest();
        result.status = Status.stored;
        return;
      default:
        assert(false, `Operation ${bytes[at + 4]} is none of sessions`);
    }
  }

  /** Applies the inSession at `bytes[offset]`: what is in it, or the reply that this came to before. */
  runOnce(bytes: Uint8Array, offset: number, result: Result): void {
    const sessions = this.#sessions;
    const at = offset + IN_SESSION_BYTES;
    const userId = bytes[at + 4] === Op.byUser ? userIdOf(bytes, at) : 0;
    const session = sessions.find(firstNumberOf(bytes, offset), userId, this.#keys.clockMs);
    const sequence = sequenceOf(bytes, offset);
    if (session === null || sequence < session.lowest) {
      result.status = Status.noSession;
      return;
    }
    sessions.touch(session, this.#keys.clockMs, lowestOf(bytes, offset));
    const reply = session.replies.get(sequence);
    if (reply !== undefined) {
      reply.decode(result);
      retag(bytes, innerOf(bytes, offset), result);
      return;
    }
    const isBound = binds(bytes, offset);
    if (!sessions.hasRoom(session, isBound)) {
      result.status = Status.sessionsFull;
      return;
    }
    // What earlier commands have left in it must not get into what is kept.
    result.version = 0;
    result.deadlineMs = 0;
    if (isBound) this.#runAndBind(session, bytes, at, result);
    else this.#run(bytes, at, result);
    sessions.keepReply(session, sequence, this.#kept(result));
  }

  /** How long the session at `bytes[at]` of a pingSession has left, in ms. */
  ping(bytes: Uint8Array, at: number, user: User | null, result: Result): void {
    const { clockMs } = this.#keys;
    const session = this.#sessions.find(firstNumberOf(bytes, at), user?.id ?? 0, clockMs);
    result.deadlineMs = 0;
    if (session === null) {
      result.status = Status.noSession;
      return;
    }
    result.setInteger(session.deadlineMs - clockMs);
    result.deadlineMs = session.deadlineMs;
  }

  /** At the end of an entry: ends sessions whose time has come, with the keys that are bound to them. */
  endDue(): void {
    const sessions = this.#sessions;
    const { clockMs } = this.#keys;
    if (sessions.earliestMs > clockMs) return;
    let ended = 0;
    let keys = 0;
    let earliestMs = Infinity;
    for (const session of sessions.all()) {
      const isDue = session.deadlineMs <= clockMs;
      if (isDue && ended < ENDED_SESSIONS_MAX && keys < ENDED_KEYS_MAX) {
        ended++;
        keys += session.keys.size;
        this.#end(session);
      } else earliestMs = Math.min(earliestMs, session.deadlineMs);
    }
    sessions.earliestMs = earliestMs;
  }

  /** Ends it, with the keys that nobody has written since they were bound. */
  #end(session: ClientSession): void {
    const keys = this.#keys;
    for (const [key, version] of session.keys) {
      const bytes = latin1Bytes(key);
      if (keys.find(bytes, 0, bytes.length) && keys.head.version === version) keys.remove();
    }
    this.#sessions.end(session);
  }

  #runAndBind(session: ClientSession, bytes: Uint8Array, at: number, result: Result): void {
    const keys = this.#keys;
    const inner = innerOf(bytes, at);
    const start = keyOffset(bytes, inner);
    const length = keyLength(bytes, inner);
    const before = keys.find(bytes, start, length) ? keys.head.version : 0;
    this.#run(bytes, at, result);
    if (!keys.find(bytes, start, length) || keys.head.version === before) return;
    const key = latin1(bytes.subarray(start, start + length));
    this.#sessions.bind(session, key, keys.head.version);
  }

  #kept(result: Result): KeptReply {
    if (result.status === Status.stored) return KeptReply.ofStored(result);
    const out = this.#scratch;
    out.clear();
    const isWhole = encodeReply(out, result);
    if (!isWhole || (out.length > SHORT_REPLY_BYTES && this.#sessions.areFull)) {
      out.clear();
      out.u8(Status.notKept);
      out.u8(0);
    }
    const reply = KeptReply.of(out.copy());
    if (out.bytes.length > SCRATCH_BYTES_KEPT) this.#scratch = new ByteWriter(0);
    return reply;
  }
}

/** A transaction's replies are written as whoever asks now wants them: tags stand before its commands. */
function retag(bytes: Uint8Array, at: number, result: Result): void {
  if (bytes[at + 4] !== Op.transaction || result.status !== Status.list) return;
  const end = at + commandLength(bytes, at);
  let one = afterWatches(bytes, at);
  for (let i = 0; one < end && i < result.listLength; i++) {
    result.list[i]!.tag = bytes[one]!;
    one += 1 + commandLength(bytes, one + 1);
  }
}
