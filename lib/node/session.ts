/**
 * One client connection, synchronous: bytes in, bytes out. It decides parsing, order, windows and
 * replies; the async stages of net/ and the simulator are thin shells around it.
 *
 * Commands of a connection act in their order. A read in front of a write must not see that write,
 * and waits for its leadership's confirmation longer than the write may take to commit. So a read is
 * evaluated, at the latest, just before a later write of its own connection is applied: the state
 * then holds all up to its read index and nothing behind it. Its reply is held back until the round
 * confirms, and replaced by a refusal where the leadership is lost first.
 */
import { assert } from "../util/assert.ts";
import { InputBuffer } from "../util/input_buffer.ts";
import { type Result, Status } from "../kv/result.ts";
import type { Codec } from "../wire/codec.ts";
import {
  BATCH_COMMANDS_MAX,
  type BatchPool,
  ClientError,
  type CommandBatch,
  ReplyMode,
} from "../wire/command_batch.ts";
import type { Evaluation } from "./evaluation.ts";
import { Pace } from "./gathering.ts";
import { BudgetShare, type MemoryBudget } from "./memory_budget.ts";
import { PendingCommands, PendingKind } from "./pending_commands.ts";
import { ReplyComposer } from "./reply_composer.ts";
import type { ClientSession } from "./shells.ts";
import { Submission } from "./submission.ts";

const INPUT_SPACE_BYTES = 4_096;
/** A client that has not said more after this long waits for an answer to what it said. */
const SILENCE_MS = 200;

export interface SessionLimits {
  readonly pipelineCommandsMax: number;
  readonly outputBytesMax: number;
  /** The largest command of the codec: the input buffer never holds much more. */
  readonly commandBytesMax: number;
  /** Shared by all sessions. */
  readonly budget: MemoryBudget;
  readonly batches: BatchPool;
}

/** The most bytes that a session holds of what it received and has not parsed. */
export function sessionInputBytesMax(commandBytesMax: number): number {
  return commandBytesMax + INPUT_SPACE_BYTES;
}

export class Session implements ClientSession {
  readonly remote: string;
  onActivity: (() => void) | null = null;
  closing: string | null = null;
  /** Set by the evaluation while this session waits for the end of the turn or for time to pass. */
  isMarkedActive = false;
  isWaitingForTime = false;
  /** How soon it sends its next write; for the gathering of writes. */
  readonly pace = new Pace();

  readonly #codec: Codec;
  readonly #evaluation: Evaluation;
  readonly #limits: SessionLimits;
  readonly #input: InputBuffer;
  readonly #replies: ReplyComposer;
  readonly #pending = new PendingCommands();
  /** From the parsing of its commands until they are submitted. */
  #batch: CommandBatch | null = null;
  readonly #submission: Submission;
  #confirmedRound = 0;
  /** It was disconnected. */
  isGone = false;
  /** Nothing is parsed any more; close once the commands up to here are answered. */
  #lastPosition = Infinity;
  #lastReason = "";
  #midCommandSinceMs = -1;
  readonly #share: BudgetShare;

  constructor(remote: string, codec: Codec, evaluation: Evaluation, limits: SessionLimits) {
    this.remote = remote;
    this.#codec = codec;
    this.#evaluation = evaluation;
    this.#limits = limits;
    this.#share = new BudgetShare(limits.budget);
    this.#replies = new ReplyComposer(codec, evaluation, this.#pending, limits.outputBytesMax);
    this.#submission = new Submission(this, this.#pending, evaluation);
    this.#input = new InputBuffer(sessionInputBytesMax(limits.commandBytesMax));
  }

  // Input.

  inputSpace(): Uint8Array {
    const wanted = this.#codec.bytesNeeded() - (this.#input.end - this.#input.start);
    return this.#input.space(Math.max(wanted, INPUT_SPACE_BYTES));
  }

  received(count: number): void {
    this.#input.commit(count);
  }

  get wantsInput(): boolean {
    return this.#isReading() && !this.#codec.isWaiting() && !this.#checkBudget();
  }

  nextBatch(): CommandBatch | null {
    if (this.closing !== null || this.#lastPosition !== Infinity || !this.#hasRoom()) return null;
    const input = this.#input;
    const batch = this.#batch ??= this.#limits.batches.take();
    batch.clear();
    const room = Math.min(
      BATCH_COMMANDS_MAX,
      this.#limits.pipelineCommandsMax - this.#pending.length,
    );
    const consumed = this.#codec.parse(input.bytes, input.start, input.end, batch, room);
    input.consume(consumed);
    if (!this.#codec.midCommand()) this.#midCommandSinceMs = -1;
    else if (this.#midCommandSinceMs < 0 || batch.count > 0) {
      this.#midCommandSinceMs = this.#evaluation.monotonicMs();
    }
    if (batch.count > 0) return batch;
    this.#giveBack(batch);
    return null;
  }

  submit(batch: CommandBatch): void {
    const evaluation = this.#evaluation;
    const refusal = evaluation.refusal();
    const end = this.#submission.submit(batch, refusal);
    this.#giveBack(batch);
    if (end !== null) this.#endAfter(this.#pending.tail - 1, end);
    this.advance();
    if (this.#submission.round > 0) evaluation.expectRound(this, this.#submission.round);
  }

  inputEnded(): void {
    this.#decideInSilence();
    this.#endAfter(this.#pending.tail - 1, "the client ended the connection");
    this.advance();
  }

  disconnected(): void {
    this.isGone = true;
    this.onActivity = null;
    this.#evaluation.forget(this);
    this.#share.giveBack();
  }

  // Output.

  takeOutput(): Uint8Array | null {
    return this.#replies.stream.take();
  }

  outputWritten(): void {
    const wasFull = !this.#hasRoom();
    this.#replies.stream.written();
    if (wasFull) this.advance();
    if (wasFull || this.#replies.stream.hasReleased) this.#evaluation.markActive(this);
  }

  get hasPending(): boolean {
    return this.#pending.length > 0;
  }

  /** Commands that only a leader can answer: none may be left where this server leads no more. */
  get waitingForLeader(): number {
    return this.isGone ? 0 : this.#pending.waitingForLeader;
  }

  // Evaluation: called by the node.

  /** Evaluates what stands in front of the write at `position`, which is about to be applied. */
  beforeApply(position: number): void {
    const pending = this.#pending;
    if (this.isGone || pending.evaluated >= position) return;
    while (pending.evaluated < position) {
      const kind = pending.kind(pending.evaluated);
      assert(kind !== PendingKind.write, "A write was applied before one in front of it");
      if (this.#replies.isFull && this.#mayBeLong(kind, pending.replyMode(pending.evaluated))) {
        // The write can't wait and the reply has no room: the one that may be turned away here.
        pending.refuse(pending.evaluated, ClientError.busy);
        this.#replies.composeRefusal();
      } else if (kind === PendingKind.refused) this.#replies.composeRefusal();
      else if (kind === PendingKind.local) this.#replies.composeLocal();
      else if (kind === PendingKind.staleRead) this.#replies.composeStaleRead();
      else this.#replies.composeRead(false);
    }
  }

  /** Composes the reply to the write at `position`, which was just applied. */
  applied(position: number, result: Result): void {
    const pending = this.#pending;
    if (this.isGone || pending.evaluated !== position) return;
    if (pending.kind(position) !== PendingKind.write) return;
    if (result.showsMuch && this.#checkBudget()) result.status = Status.leftOut;
    this.#replies.composeResult(result);
  }

  /** A read round was confirmed, and the store holds all up to its read index. */
  confirmed(round: number): void {
    this.#confirmedRound = Math.max(this.#confirmedRound, round);
    this.advance();
  }

  /** Composes all replies at the front that can be, and releases what may leave. */
  advance(): void {
    const pending = this.#pending;
    while (pending.evaluated < pending.tail && !this.#evaluation.mustRest(this)) {
      const kind = pending.kind(pending.evaluated);
      if (kind === PendingKind.write) break;
      if (kind === PendingKind.refused) this.#replies.composeRefusal();
      else if (kind !== PendingKind.read) {
        if (this.#replies.isFull) break;
        if (kind === PendingKind.local) this.#replies.composeLocal();
        else this.#replies.composeStaleRead();
      } else {
        if (pending.round(pending.evaluated) > this.#confirmedRound) break;
        if (this.#replies.isFull) break; // outputWritten() goes on from here
        if (this.#checkBudget()) break; // checkDeadlines() goes on from here
        if (!this.#replies.composeRead(true)) {
          this.#evaluation.waitForTime(this);
          break;
        }
      }
    }
    this.#release();
  }

  /** Refuses writes that were gathered but never came into the log: nothing was done. */
  refuseWrites(position: number, count: number, error: ClientError): void {
    if (this.isGone) return;
    for (let p = position; p < position + count; p++) {
      if (p >= this.#pending.evaluated) this.#pending.refuse(p, error);
    }
    this.advance();
  }

  /**
   * Gives up on all commands submitted at or before `cutoffMs`: a write may be in the log, so its
   * outcome is unknown; of a read nothing was done. Reads whose round is confirmed wait for nothing
   * but their client, and may be left to it.
   */
  giveUp(cutoffMs: number, readError: ClientError, confirmedToo = true): void {
    const pending = this.#pending;
    if (this.isGone || pending.length === 0) return;
    let recompose = false;
    for (let p = pending.head; p < pending.tail && pending.submittedMs(p) <= cutoffMs; p++) {
      const kind = pending.kind(p);
      const isConfirmed = kind === PendingKind.read && pending.round(p) <= this.#confirmedRound;
      if (p < pending.evaluated) {
        if (kind !== PendingKind.read || isConfirmed) continue;
        pending.refuse(p, readError);
        recompose = true;
      } else if (kind === PendingKind.write) pending.refuse(p, ClientError.timeout);
      else if (kind === PendingKind.read && (confirmedToo || !isConfirmed)) {
        pending.refuse(p, readError);
      }
    }
    if (recompose) this.#replies.recompose();
    this.advance();
  }

  /** The leadership that gave out read rounds is gone; a later one counts anew. */
  leadershipLost(readError: ClientError): void {
    this.giveUp(Infinity, readError);
    this.#confirmedRound = 0;
  }

  /** Closes once what is due has gone out. */
  end(reason: string): void {
    this.#endAfter(this.#pending.tail - 1, reason);
    this.advance();
  }

  /** Looks at the session's deadlines; called every now and then. */
  checkDeadlines(nowMs: number, commandTimeoutMs: number, halfCommandTimeoutMs: number): void {
    const pending = this.#pending;
    if (pending.length > 0 && pending.submittedMs(pending.head) <= nowMs - commandTimeoutMs) {
      this.giveUp(nowMs - commandTimeoutMs, ClientError.noLeader, false);
    }
    const since = this.#midCommandSinceMs;
    if (since >= 0 && nowMs - since >= SILENCE_MS) this.#decideInSilence();
    if (since >= 0 && nowMs - since >= halfCommandTimeoutMs && this.#isReading()) {
      this.end("half a command, and no more of it in time");
    }
    if (this.#share.isHeldBack && !this.#checkBudget()) {
      this.advance();
      this.#evaluation.markActive(this);
    }
  }

  /** Answers what meant one thing or another until now: empty lines, and no byte after them. */
  #decideInSilence(): void {
    if (!this.#codec.isUndecided || this.#batch !== null || !this.#isReading()) return;
    const batch = this.#limits.batches.take();
    this.#codec.fellSilent(batch);
    this.#midCommandSinceMs = -1;
    this.submit(batch);
    this.#limits.batches.give(batch);
  }

  /** True where a reply takes more than a few bytes, or than its command did. */
  #mayBeLong(kind: PendingKind, replyMode: number): boolean {
    if (kind === PendingKind.local) return replyMode > ReplyMode.beginTransaction;
    return kind === PendingKind.read || kind === PendingKind.staleRead;
  }

  #giveBack(batch: CommandBatch): void {
    if (batch !== this.#batch) return;
    this.#batch = null;
    this.#limits.batches.give(batch);
  }

  #isReading(): boolean {
    return this.closing === null && this.#lastPosition === Infinity && this.#hasRoom();
  }

  /** Tells the budget what this session holds; true where it has to wait for others to let go. */
  #checkBudget(): boolean {
    if (this.isGone) return true;
    const inputBytes = this.#input.bytes.length;
    return this.#share.hold(
      inputBytes + this.#replies.stream.heldBytes + this.#codec.heldBytes(),
    );
  }

  #hasRoom(): boolean {
    return this.#pending.length < this.#limits.pipelineCommandsMax && !this.#replies.isFull;
  }

  /** Moves the line behind which replies wait for their round. */
  #release(): void {
    const pending = this.#pending;
    const before = pending.head;
    while (pending.head < pending.evaluated) {
      const isRead = pending.kind(pending.head) === PendingKind.read;
      if (isRead && pending.round(pending.head) > this.#confirmedRound) break;
      this.#replies.stream.release(pending.replyEnd(pending.head));
      pending.head++;
    }
    if (pending.head > this.#lastPosition && this.closing === null) {
      this.closing = this.#lastReason;
    }
    if (pending.head !== before || this.closing !== null) this.#evaluation.markActive(this);
  }

  #endAfter(position: number, reason: string): void {
    if (this.#lastPosition !== Infinity) return;
    this.#lastPosition = position;
    this.#lastReason = reason;
  }
}
