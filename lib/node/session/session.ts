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
import { assert } from "../../util/assert.ts";
import { type Result, Status } from "../../kv/commands/result.ts";
import type { Codec } from "../../wire/codec.ts";
import { ClientError, type CommandBatch } from "../../wire/command_batch.ts";
import { CommandInput } from "./command_input.ts";
import { ClientPace } from "./client_pace.ts";
import { AWAIT_LEADER, type Refusal, type SessionHost } from "./session_host.ts";
import type { HoldingSession } from "./held_commands.ts";
import { BudgetShare } from "./memory_budget.ts";
import { PendingCommands, PendingKind } from "./pending_commands.ts";
import { mayBeLong, ReplyComposer } from "./reply_composer.ts";
import type { SessionLimits } from "./session_limits.ts";
import type { ClientSession } from "../api.ts";
import { Submission } from "./submission.ts";

/** A client that has not said more after this long waits for an answer to what it said. */
const SILENCE_MS = 200;

export class Session implements ClientSession, HoldingSession {
  readonly remote: string;
  onActivity: (() => void) | null = null;
  closing: string | null = null;
  /** Set by the node while this session waits for the end of the turn or for time to pass. */
  isMarkedActive = false;
  isWaitingForTime = false;
  isAwaitingLeader = false;
  /** How soon it sends its next write; for the gathering of writes. */
  readonly pace = new ClientPace();

  readonly #codec: Codec;
  readonly #host: SessionHost;
  readonly #limits: SessionLimits;
  readonly #input: CommandInput;
  readonly #replies: ReplyComposer;
  readonly #pending = new PendingCommands();
  readonly #submission: Submission;
  #confirmedRound = 0;
  /** It was disconnected. */
  isGone = false;
  /** Nothing is parsed any more; close once the commands up to here are answered. */
  #lastPosition = Infinity;
  #lastReason = "";
  readonly #share: BudgetShare;

  constructor(remote: string, codec: Codec, host: SessionHost, limits: SessionLimits) {
    this.remote = remote;
    this.#codec = codec;
    this.#host = host;
    this.#limits = limits;
    this.#share = new BudgetShare(limits.budget);
    this.#replies = new ReplyComposer(codec, host, this.#pending, limits.outputBytesMax);
    this.#submission = new Submission(this, this.#pending, host);
    this.#input = new CommandInput(codec, limits.batches, limits.commandBytesMax);
  }

  // Input.

  inputSpace(): Uint8Array {
    return this.#input.space();
  }

  received(count: number): void {
    this.#input.received(count);
  }

  get wantsInput(): boolean {
    return this.#isReading() && !this.#codec.isWaiting() && !this.#checkBudget();
  }

  nextBatch(): CommandBatch | null {
    if (this.closing !== null || this.#lastPosition !== Infinity || !this.#hasRoom()) return null;
    const room = this.#limits.pipelineCommandsMax - this.#pending.length;
    return this.#input.nextBatch(room, this.#host);
  }

  submit(batch: CommandBatch): void {
    const host = this.#host;
    const refusal = host.refusal();
    if (refusal !== AWAIT_LEADER && this.#submission.isHolding) this.resumeHeld(0);
    const end = this.#submission.submit(batch, refusal);
    this.#input.giveBack(batch);
    if (end !== null) this.#endAfter(this.#pending.tail - 1, end);
    if (this.#submission.isHolding) this.#checkBudget();
    this.#goOn();
  }

  inputEnded(): void {
    this.#decideInSilence();
    // It may have left, and must not find done what it has given up: it waits for no leader.
    const refusal = this.#host.refusal();
    this.#resumeHeld(refusal === AWAIT_LEADER ? ClientError.noLeader : refusal, 0);
    this.#endAfter(this.#pending.tail - 1, "the client ended the connection");
    this.advance();
  }

  disconnected(): void {
    this.isGone = true;
    this.onActivity = null;
    this.#host.forget(this);
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
    if (wasFull || this.#replies.stream.hasReleased) this.#host.markActive(this);
  }

  get hasPending(): boolean {
    return this.#pending.length > 0;
  }

  /** Commands that only a leader can answer: none may be left where this server leads no more. */
  get waitingForLeader(): number {
    return this.isGone ? 0 : this.#pending.waitingForLeader;
  }

  /** Commands that wait until a leader is known. */
  get heldCommands(): number {
    return this.isGone ? 0 : this.#submission.heldCommands;
  }

  /** True where this session may hold a command of so many bytes more until a leader is known. */
  mayHold(bytes: number): boolean {
    if (!this.#share.mayHoldMore(bytes)) return false;
    const heldBytes = this.#pending.readBytes.length + bytes;
    return this.heldCommands === 0 || heldBytes <= this.#limits.commandBytesMax;
  }

  // Evaluation: called by the node.

  /** Evaluates what stands in front of the write at `position`, which is about to be applied. */
  beforeApply(position: number): void {
    const pending = this.#pending;
    if (this.isGone || pending.evaluated >= position) return;
    while (pending.evaluated < position) {
      const kind = pending.kind(pending.evaluated);
      assert(
        kind !== PendingKind.write && kind !== PendingKind.held,
        "A write was applied before one in front of it",
      );
      if (this.#replies.isFull && mayBeLong(kind, pending.replyMode(pending.evaluated))) {
        // The write can't wait and the reply has no room: the one that may be turned away here.
        pending.refuse(pending.evaluated, ClientError.busy);
        this.#replies.composeRefusal();
      } else this.#replies.composeNow(kind);
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
    while (pending.evaluated < pending.tail && !this.#host.mustRest(this)) {
      const kind = pending.kind(pending.evaluated);
      if (kind === PendingKind.write || kind === PendingKind.held) break;
      if (kind === PendingKind.refused) this.#replies.composeRefusal();
      else if (kind !== PendingKind.read) {
        if (this.#replies.isFull) break;
        this.#replies.composeNow(kind);
      } else {
        if (pending.round(pending.evaluated) > this.#confirmedRound) break;
        if (this.#replies.isFull) break; // outputWritten() goes on from here
        if (this.#checkBudget()) break; // checkDeadlines() goes on from here
        if (!this.#replies.composeRead(true)) {
          this.#host.waitForExpiry(this);
          break;
        }
      }
    }
    this.#release();
  }

  /** Writes did not come into the log: they wait for the next leader, where that is what they lack. */
  refuseWrites(
    position: number,
    count: number,
    error: ClientError,
    bytes: Uint8Array,
    start: number,
  ): void {
    if (this.isGone) return;
    const lacksLeader = error === ClientError.redirect || error === ClientError.noLeader;
    if (lacksLeader && this.#mayHoldAgain() && position >= this.#pending.evaluated) {
      this.#submission.holdAgain(position, count, bytes, start);
    } else this.#pending.refuseFrom(position, count, error);
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

  /**
   * The leadership that gave out read rounds is gone; a later one counts anew. Writes in the log have an
   * unknown outcome. Reads behind the last of those wait for the next leader; one in front of it must
   * not see it, and a later leader may apply it before it is asked.
   */
  leadershipLost(readError: ClientError): void {
    if (this.isGone) return;
    if (this.#mayHoldAgain()) this.#submission.holdReadsAgain();
    this.giveUp(Infinity, readError);
    this.#confirmedRound = 0;
  }

  /**
   * Goes on with held commands, where a leader is known now or this server does not wait for one any
   * more; else gives up on those submitted at or before `cutoffMs`.
   */
  resumeHeld(cutoffMs: number): void {
    if (!this.isGone) this.#resumeHeld(this.#host.refusal(), cutoffMs);
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
    const since = this.#input.midCommandSinceMs;
    if (since >= 0 && nowMs - since >= SILENCE_MS) this.#decideInSilence();
    if (since >= 0 && nowMs - since >= halfCommandTimeoutMs && this.#isReading()) {
      this.end("half a command, and no more of it in time");
    }
    if (this.#share.isHeldBack && !this.#checkBudget()) {
      this.advance();
      this.#host.markActive(this);
    }
  }

  /** Answers what meant one thing or another until now: empty lines, and no byte after them. */
  #decideInSilence(): void {
    const batch = this.#isReading() ? this.#input.silentBatch() : null;
    if (batch !== null) this.submit(batch);
  }

  #resumeHeld(refusal: Refusal, cutoffMs: number): void {
    if (!this.#submission.isHolding) return;
    this.#submission.resume(refusal, cutoffMs);
    this.#goOn();
  }

  /** After commands were submitted. */
  #goOn(): void {
    this.advance();
    const { round } = this.#submission;
    if (round > 0) this.#host.expectRound(this, round);
  }

  /** True where commands of which nothing was done may wait for the next leader. */
  #mayHoldAgain(): boolean {
    return this.#lastPosition === Infinity && this.#host.refusal() === AWAIT_LEADER;
  }

  #isReading(): boolean {
    return this.closing === null && this.#lastPosition === Infinity && this.#hasRoom();
  }

  /** Tells the budget what this session holds; true where it has to wait for others to let go. */
  #checkBudget(): boolean {
    if (this.isGone) return true;
    const heldBytes = this.#input.heldBytes + this.#replies.stream.heldBytes;
    return this.#share.hold(heldBytes + this.#pending.readBytes.bytes.length);
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
    if (pending.head !== before || this.closing !== null) this.#host.markActive(this);
  }

  #endAfter(position: number, reason: string): void {
    if (this.#lastPosition !== Infinity) return;
    this.#lastPosition = position;
    this.#lastReason = reason;
  }
}
