/** The Redis protocol, versions 2 and 3: docs/redis.md. */
import { COMMAND_HEAD_BYTES, commandLength } from "../../kv/commands/command.ts";
import type { Result } from "../../kv/commands/result.ts";
import type { ByteWriter } from "../../util/bytes.ts";
import type { ClientAddress, Codec, LogTime, ServerViewSource } from "../codec.ts";
import {
  Action,
  BATCH_COMMANDS_MAX,
  ClientError,
  type CommandBatch,
  ReplyMode,
} from "../command_batch.ts";
import { writeBackupReply } from "./resp_backup.ts";
import { writeServerReply } from "./resp_server_replies.ts";
import { CLUSTER_DOWN } from "./resp_cluster.ts";
import { Outcome, RespReader } from "./resp_reader.ts";
import { RESP3, RespMode, writeLine, writeRespResult, writeText } from "./resp_replies.ts";
import { type RespIdentity, type RespLimits, RespRequest } from "./resp_request.ts";
import { findCommand, type RespCommand } from "./resp_table.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What a transaction may hold for as long as its client likes. */
const IDLE_BYTES_MAX = 65_536;

/** How much of an unknown command's arguments its error repeats. */
const SHOWN_BYTES_MAX = 128;

/** The words for what is not a command's own result. What follows MOVED is added to it. */
const ERRORS: Readonly<Record<ClientError, string>> = {
  [ClientError.redirect]: CLUSTER_DOWN,
  [ClientError.noLeader]: CLUSTER_DOWN,
  [ClientError.busy]: "-TRYAGAIN This server is busy: nothing was done, try again later",
  [ClientError.noSpace]:
    "-MISCONF The disk is full: nothing was done, reads and deletes continue, others wait for room",
  [ClientError.command]: "-ERR this can't be done",
  [ClientError.hint]: "-ERR this can't be done",
  [ClientError.tooMuch]:
    "-ERR this transaction would rewrite more than 64 MiB of values: nothing was done, " +
    "change fewer large values at a time",
  [ClientError.timeout]:
    "-ERR outcome unknown: the command is in the log and was not confirmed in time, " +
    "it may be done or not",
  [ClientError.internal]: "-ERR outcome unknown: this server has failed, it may be done or not",
  [ClientError.loading]: "-LOADING This server has nothing yet: nothing was read, try another one",
  [ClientError.clusterVersion]:
    "-ERR not before the cluster version is raised, which waits until every server runs a build " +
    "that knows this command: nothing was done, see raftkv check",
  [ClientError.discarded]: "-EXECABORT Transaction discarded because of previous errors.",
};
const ERROR_LINES = new Map<number, Uint8Array>();
for (const [error, line] of Object.entries(ERRORS)) {
  ERROR_LINES.set(Number(error), encoder.encode(`${line}\r\n`));
}

/** One connection's codec. Never throws on any input. */
export class RespCodec implements Codec {
  readonly #reader: RespReader;
  readonly #request: RespRequest;
  #isClosed = false;
  /** EXEC is next, and what is watched is not known yet. */
  #isStalled = false;

  constructor(limits: RespLimits, identity: RespIdentity) {
    this.#reader = new RespReader(limits.commandBytesMax);
    this.#request = new RespRequest(limits, identity);
  }

  parse(
    bytes: Uint8Array,
    start: number,
    end: number,
    batch: CommandBatch,
    room: number,
  ): number {
    if (this.#isClosed) return end - start;
    const countMax = Math.min(batch.count + room, BATCH_COMMANDS_MAX);
    const r = this.#request;
    r.bytes = bytes;
    r.batch = batch;
    let at = start;
    this.#isStalled = false;
    while (batch.count < countMax && !this.#isClosed) {
      const outcome = this.#reader.read(bytes, at, end);
      if (outcome === Outcome.request) {
        if (!this.#dispatch()) break;
      } else if (outcome === Outcome.tooLarge) {
        r.refuse(tooLarge("a command", r.limits.commandBytesMax));
      } else if (outcome === Outcome.malformed) {
        r.replyNow(`-ERR Protocol error: ${this.#reader.problem}`, Action.localAndClose);
        this.#isClosed = true;
      }
      at += this.#reader.consumed;
      if (outcome === Outcome.more) break;
    }
    this.#reader.shrink();
    return at - start;
  }

  bytesNeeded(): number {
    return Math.min(this.#reader.bytesNeeded, this.#request.limits.commandBytesMax);
  }

  /** A large transaction has to get on as a command does: others may wait for its memory. */
  isMidCommand(): boolean {
    return this.#reader.isInside || this.heldBytes() > IDLE_BYTES_MAX;
  }

  get isUndecided(): boolean {
    return false;
  }

  fellSilent(): void {}

  heldBytes(): number {
    const { queue, watches } = this.#request;
    return (queue === null ? 0 : queue.bytes.length) + watches.bytes;
  }

  isWaiting(): boolean {
    return this.#isStalled && this.#request.watches.isWaiting;
  }

  writeResult(out: ByteWriter, replyMode: number, result: Result, time: LogTime): void {
    if ((replyMode & ~RESP3) === RespMode.watch) {
      this.#request.watches.answered(result);
      writeLine(out, "+OK");
      return;
    }
    writeRespResult(out, replyMode, result, time);
  }

  writeLocal(
    out: ByteWriter,
    replyMode: number,
    bytes: Uint8Array,
    offset: number,
    source: ServerViewSource,
  ): void {
    const start = offset + COMMAND_HEAD_BYTES;
    const end = offset + commandLength(bytes, offset);
    const mode = replyMode & ~RESP3;
    if (mode === ReplyMode.plain || mode === ReplyMode.beginTransaction) {
      out.slice(bytes, start, end);
      return;
    }
    if (mode === RespMode.status) {
      writeText(out, source.statusText());
      return;
    }
    const argument = decoder.decode(bytes.subarray(start, end));
    if (mode === RespMode.backup) return writeBackupReply(out, argument, source.backups());
    writeServerReply(out, mode, (replyMode & RESP3) !== 0, argument, source.serverView());
  }

  writeError(
    out: ByteWriter,
    _replyMode: number,
    error: ClientError,
    leader: ClientAddress | null,
    slot: number,
  ): void {
    if (error === ClientError.redirect && leader !== null) {
      writeLine(out, `-MOVED ${slot} ${leader.hostname}:${leader.port}`);
    } else out.raw(ERROR_LINES.get(error)!);
  }

  noteRefused(replyMode: number, isRevoked: boolean): void {
    if ((replyMode & ~RESP3) !== RespMode.watch) return;
    if (isRevoked) this.#request.watches.revoked();
    else this.#request.watches.refused();
  }

  /** Looks at one request; false where it has to wait for a reply that is due. */
  #dispatch(): boolean {
    const r = this.#request;
    r.starts = this.#reader.starts;
    r.ends = this.#reader.ends;
    r.count = this.#reader.count;
    const command = findCommand(r);
    if (command === null) {
      r.refuse(unknownCommand(r));
      return true;
    }
    if (command.arity > 0 ? r.count !== command.arity : r.count < -command.arity) {
      const problem = `wrong number of arguments for '${command.name}' command`;
      if (command.name !== "exec") r.refuse(`ERR ${problem}`);
      else abort(r, problem);
      return true;
    }
    if (command.name === "exec" && r.queue !== null && r.watches.isWaiting) {
      this.#isStalled = true;
      return false;
    }
    if (r.queue !== null && !command.isImmediate && !this.#mayQueue(command)) return true;
    command.run(r);
    if (command.name === "quit") this.#isClosed = true;
    return true;
  }

  /** True where the transaction has room for one more command. */
  #mayQueue(_command: RespCommand): boolean {
    const r = this.#request;
    const { commandBytesMax } = r.limits;
    // Encoded, no command is twice as long as it came.
    const room = commandBytesMax - r.queue!.length - r.watches.bytes;
    if (2 * this.#reader.consumed <= room) return true;
    r.refuse(tooLarge("a transaction", commandBytesMax));
    return false;
  }
}

/** An EXEC that is wrong itself ends its transaction. */
function abort(r: RespRequest, problem: string): void {
  if (r.queue !== null) r.endTransaction();
  r.replyNow(`-EXECABORT Transaction discarded because of: ${problem}`);
}

function unknownCommand(r: RespRequest): string {
  let shown = "";
  for (let i = 1; i < r.count && shown.length < SHOWN_BYTES_MAX; i++) {
    shown += `'${r.shortText(i, SHOWN_BYTES_MAX - shown.length)}' `;
  }
  const name = r.shortText(0, SHOWN_BYTES_MAX);
  return `ERR unknown command '${name}', with args beginning with: ${shown}`;
}

function tooLarge(what: string, bytesMax: number): string {
  const bounds = "limits.valueBytesMax and limits.redisKeyBytesMax bound it";
  return `ERR ${what} has more than ${bytesMax} bytes (${bounds})`;
}
