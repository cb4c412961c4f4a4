/** The Redis protocol, versions 2 and 3: docs/redis.md. */
import { COMMAND_HEAD_BYTES, commandLength } from "../../kv/commands/command.ts";
import type { Result } from "../../kv/commands/result.ts";
import { InSessionFlag } from "../../kv/sessions/operations.ts";
import { broken } from "../../util/assert.ts";
import type { ByteWriter } from "../../util/bytes.ts";
import { ClientAccess } from "../client_access.ts";
import type { ClientFacts } from "../clients.ts";
import type { ClientAddress, Codec, LogTime, ServerViewSource } from "../codec.ts";
import {
  Action,
  BATCH_COMMANDS_MAX,
  ClientError,
  type CommandBatch,
  ReplyMode,
} from "../command_batch.ts";
import type { Answer } from "../questions.ts";
import { putReply } from "../scripts.ts";
import type { ClientWatches } from "../watching.ts";
import { writeAclReply, writeAclResult, writeDeleted } from "./resp_acl_replies.ts";
import { resetConnection } from "./resp_connection.ts";
import { writeLocalReply } from "./resp_local.ts";
import { writeMemberAnswer } from "./resp_members.ts";
import { TrackedTransactions } from "./resp_tracking.ts";
import { watchingProblem } from "./resp_watching.ts";
import { welcome } from "./resp_welcome.ts";
import { ERROR_LINES } from "./resp_error_lines.ts";
import { asks, isOfQuestion } from "./resp_questions.ts";
import { Outcome, RespReader } from "./resp_reader.ts";
import { writeLine } from "./resp_bytes.ts";
import { RESP3, RespMode, writeRespResult } from "./resp_replies.ts";
import { notPermitted, tooLarge, unknownCommand } from "./resp_refusals.ts";
import { type RespIdentity, type RespLimits, RespRequest } from "./resp_request.ts";
import { commandNumber, findCommand, type RespCommand } from "./resp_table.ts";

/** The largest command of a client that may do nothing yet. */
const SHUT_COMMAND_BYTES_MAX = 16_384;
/** What a transaction may hold for as long as its client likes. */
const IDLE_BYTES_MAX = 65_536;

/** One connection's codec. Never throws on any input. */
export class RespCodec implements Codec {
  readonly isPassingOver = false; // what is too large is counted at its end
  readonly #reader: RespReader;
  readonly #request: RespRequest;
  #isClosed = false;
  /** EXEC is next, and what is watched is not known yet. */
  #isStalled = false;
  /** A question is not answered: that may take long, and what comes after it has to come after it. */
  #isAsking = false;
  /** What it watches; null where it never has. */
  #watches: ClientWatches | null = null;
  readonly #transactions = new TrackedTransactions();
  /** For CLIENT LIST. */
  #last: RespCommand | null = null;

  /** `access`: who its client is; nobody, where there are no users, unless given. */
  constructor(
    limits: RespLimits,
    identity: RespIdentity,
    access: ClientAccess = new ClientAccess(),
  ) {
    this.#reader = new RespReader(limits.commandBytesMax);
    this.#request = new RespRequest(limits, identity, access);
  }

  parse(
    bytes: Uint8Array,
    start: number,
    end: number,
    batch: CommandBatch,
    room: number,
  ): number {
    if (this.#isClosed) return end - start;
    if (this.#isAsking) return 0;
    const countMax = Math.min(batch.count + room, BATCH_COMMANDS_MAX);
    const r = this.#request;
    r.bytes = bytes;
    r.batch = batch;
    let at = start;
    this.#isStalled = false;
    // Who may do nothing yet has no use for large ones, and takes no room for them.
    const { commandBytesMax } = r.limits;
    this.#reader.commandBytesMax = r.access.isShut
      ? Math.min(SHUT_COMMAND_BYTES_MAX, commandBytesMax)
      : commandBytesMax;
    while (batch.count < countMax && !this.#isClosed && !this.#isAsking) {
      const outcome = this.#reader.read(bytes, at, end);
      if (outcome === Outcome.request) {
        if (!this.#dispatch()) break;
      } else if (outcome === Outcome.tooLarge) {
        r.command = 0;
        if (r.access.isShut) r.deny(ClientError.notAuthenticated);
        else r.refuse(tooLarge("a command", r.limits.commandBytesMax));
      } else if (outcome === Outcome.malformed) {
        r.command = 0;
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
    return this.#isAsking || (this.#isStalled && this.#request.watches.isWaiting);
  }

  writeResult(out: ByteWriter, replyMode: number, result: Result, time: LogTime): void {
    const mode = replyMode & ~RESP3;
    if (mode === RespMode.watch) {
      this.#request.watches.answered(result);
      writeLine(out, "+OK");
      return;
    }
    if (mode === RespMode.acl) {
      this.#isAsking = false;
      return writeAclResult(out, this.#request, result);
    }
    if (mode === RespMode.script) this.#isAsking = false;
    if (mode === RespMode.transaction) this.#transactions.answered(this.#request, result);
    if (mode === RespMode.deleteUsers) writeDeleted(out, result);
    else writeRespResult(out, replyMode, result, time);
  }

  writeLocal(
    out: ByteWriter,
    replyMode: number,
    bytes: Uint8Array,
    offset: number,
    source: ServerViewSource,
    watches: ClientWatches,
  ): ClientError | 0 {
    const start = offset + COMMAND_HEAD_BYTES;
    const end = offset + commandLength(bytes, offset);
    const mode = replyMode & ~RESP3;
    const r = this.#request;
    if (mode === RespMode.reset) {
      this.#isAsking = false;
      resetConnection(r);
      watches.close(null);
      r.subscriptions?.reset();
    }
    if (mode <= ReplyMode.beginTransaction || mode === RespMode.reset) {
      out.slice(bytes, start, end);
      return 0;
    }
    if (mode === RespMode.watching) this.#watches = watches;
    if (mode === RespMode.subscribing || mode === RespMode.tracking) {
      this.#isAsking = false;
      r.subscriptions = watches.subscriptions;
      r.subscriptions.clientId = r.identity.clientId;
    }
    if (mode === RespMode.hello) this.#speaks(out, (replyMode & RESP3) !== 0);
    return writeLocalReply(out, r, replyMode, bytes, offset, source, watches);
  }

  writeAnswer(
    out: ByteWriter,
    replyMode: number,
    answer: Answer,
    source: ServerViewSource,
  ): void {
    this.#isAsking = false;
    const r = this.#request;
    if (answer.kind !== "users") r.aclArguments = [];
    switch (answer.kind) {
      case "authenticated":
        this.#speaks(out, (r.pendingHello?.version ?? r.version) === 3);
        return welcome(r, out, source);
      case "users":
        return writeAclReply(out, r, (replyMode & RESP3) !== 0);
      case "script":
        return putReply(out, answer);
      case "wrongRule":
        return writeLine(out, answer.why);
      case "write":
        return broken("A write is no answer");
      default:
        writeMemberAnswer(out, (replyMode & RESP3) !== 0, answer);
    }
  }

  /** What waits to be told is told in the version in which it was asked for. */
  #speaks(out: ByteWriter, isResp3: boolean): void {
    const { subscriptions } = this.#request;
    if (subscriptions === null) return;
    subscriptions.flush(out);
    subscriptions.isResp3 = isResp3;
  }

  writeError(
    out: ByteWriter,
    _replyMode: number,
    error: ClientError,
    leader: ClientAddress | null,
    slot: number,
    command: number,
  ): void {
    if (error === ClientError.redirect && leader !== null) {
      writeLine(out, `-MOVED ${slot} ${leader.hostname}:${leader.port}`);
    } else if (error === ClientError.notPermitted) writeLine(out, notPermitted(command));
    else out.raw(ERROR_LINES.get(error)!);
  }

  noteRefused(replyMode: number, isRevoked: boolean): void {
    const mode = replyMode & ~RESP3;
    // A reply that was given already is no longer waited for: by now another command may be asking.
    if (isOfQuestion(mode) && !isRevoked) {
      this.#isAsking = false;
      this.#request.pendingHello = null;
      this.#request.aclArguments = [];
    }
    if (mode === RespMode.transaction && !isRevoked) this.#transactions.refused();
    if (mode !== RespMode.watch) return;
    if (isRevoked) this.#request.watches.revoked();
    else this.#request.watches.refused();
  }

  facts(): ClientFacts {
    const r = this.#request;
    const command = this.#last?.name ?? "";
    return {
      clientId: r.identity.clientId,
      protocol: r.version,
      name: r.name,
      isReadonly: r.isReadonly,
      queuedCommands: r.queue === null ? -1 : r.queued,
      watchedKeys: r.watches.count,
      transactionBytes: this.heldBytes(),
      command: command === "client" && r.subcommand !== "" ? `client|${r.subcommand}` : command,
      libraryName: r.libraryName,
      libraryVersion: r.libraryVersion,
    };
  }

  /** Looks at one request; false where it has to wait for a reply that is due. */
  #dispatch(): boolean {
    const r = this.#request;
    r.starts = this.#reader.starts;
    r.ends = this.#reader.ends;
    r.count = this.#reader.count;
    r.runsIn = null;
    return this.#dispatchCommand();
  }

  #dispatchCommand(): boolean {
    const r = this.#request;
    const command = findCommand(r);
    this.#last = command;
    r.command = command === null ? 0 : commandNumber(command, r);
    const isFree = command !== null && isFreeTo(r.access, command);
    if (!isFree && r.access.isShut) {
      r.deny(ClientError.notAuthenticated);
      return true;
    }
    if (command === null) {
      r.refuse(unknownCommand(r));
      return true;
    }
    const problem = watchingProblem(r, command.name, this.#watches);
    if (problem !== null) {
      r.refuse(problem);
      return true;
    }
    if (command.arity > 0 ? r.count !== command.arity : r.count < -command.arity) {
      const problem = `wrong number of arguments for '${command.name}' command`;
      if (command.name !== "exec") r.refuse(`ERR ${problem}`);
      else abort(r, problem);
      return true;
    }
    if (!command.isJudgedLater && !isFree && !r.access.mayRun(r.command)) {
      if (command.name !== "exec") r.deny(ClientError.notPermitted);
      else abort(r, notPermitted(r.command).slice(1));
      return true;
    }
    if (command.name === "exec" && r.queue !== null && r.watches.isWaiting) {
      this.#isStalled = true;
      return false;
    }
    if (r.runsIn !== null && !mayRunInSession(r, command)) return true;
    if (r.queue !== null && !command.isImmediate && !this.#mayQueue(command)) return true;
    const isFirst = r.runsIn === null;
    command.run(r);
    if (isFirst && r.runsIn !== null) return this.#dispatchCommand();
    const { batch } = r;
    if (command.name === "exec") this.#transactions.sent(r);
    this.#isAsking = asks(batch);
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

/** Whoever is at the other end may send it, whatever the rules. */
function isFreeTo({ userId, isLoopback }: ClientAccess, command: RespCommand): boolean {
  return command.isFree || (command.isFreeOnLoopback && isLoopback && userId === 0);
}

/** What RAFTKV.SESSION RUN may stand before; where it may not, that is the answer. */
function mayRunInSession(r: RespRequest, command: RespCommand): boolean {
  const isExec = command.name === "exec";
  const isBound = r.runsIn!.flags === InSessionFlag.bind;
  const hasOneKey = command.firstKey === 1 && (command.lastKey === 1 || r.count === 2);
  const isWrite = command.flags.includes("write");
  if (isBound && !(isWrite && hasOneKey)) r.refuse("ERR BIND takes a command that writes one key");
  else if (!isWrite && !isExec) r.refuse("ERR a session runs commands that write, and EXEC");
  else if (r.queue !== null && !isExec) {
    r.refuse("ERR within MULTI a session runs EXEC alone: with it, all that was queued");
  } else return true;
  return false;
}

/** An EXEC that is wrong itself ends its transaction. */
function abort(r: RespRequest, problem: string): void {
  if (r.queue !== null) r.endTransaction();
  r.replyNow(`-EXECABORT Transaction discarded because of: ${problem}`);
}
