/**
 * One client connection, synchronous: bytes in, bytes out. It decides parsing, order, windows and
 * replies; the async stages of net/ and the simulator are thin shells around it.
 *
 * Commands of a connection act in their order. A read before a write must not see that write, but
 * confirming leadership can take longer than committing the write. So a read is evaluated just before a
 * later write of its own connection is applied, if not earlier: the store then holds everything up to
 * its read index and nothing after it. Its reply is kept until the round confirms, and becomes a refusal
 * where the leadership is lost first.
 */
import { assert } from "../../util/assert.ts";
import { type Result, Status } from "../../kv/commands/result.ts";
import type { Codec } from "../../wire/codec.ts";
import { ClientError, type CommandBatch } from "../../wire/command_batch.ts";
import { CommandInput } from "./command_input.ts";
import { ClientPace } from "./client_pace.ts";
import { AWAIT_LEADER, type Refusal, type SessionHost } from "./session_host.ts";
import { giveUpUntil } from "./give_up.ts";
import type { HoldingSession } from "./held_commands.ts";
import { BudgetShare } from "./memory_budget.ts";
import { PendingCommands, PendingKind } from "./pending_commands.ts";
import { mayBeLong, ReplyComposer } from "./reply_composer.ts";
import type { CheckedSession } from "./session_invariants.ts";
import type { SessionLimits } from "./session_limits.ts";
import type { ClientSession } from "../api.ts";
import { Submission } from "./submission.ts";

/** A client that has sent nothing more for this long waits for an answer to what it sent. */
const SILENCE_MS = 200;

export class Session implements ClientSession, HoldingSession {
  readonly remote: string;
  onActivity: (() => void) | null = null;
  closing: string | null = null;
  /** Set by the node while this session waits for the end of the turn or for time to pass. */
  isMarkedActive = false;
  isWaitingForTime = false;
  isAwaitingLeader = false;
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
    const refusal = this.#host.refusal();
    if (refusal !== AWAIT_LEADER) this.#resumeHeld(refusal, 0);
    const end = this.#submission.submit(batch, refusal);
    this.#input.giveBack(batch);
    if (end !== null) this.#endAfter(this.#pending.tail - 1, end);
    if (this.#submission.isHolding) this.#checkBudget();
    this.#proceed();
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

  get waitingForLeader(): number {
    return this.isGone ? 0 : this.#pending.waitingForLeader;
  }

  get heldCommands(): number {
    return this.isGone ? 0 : this.#submission.heldCommands;
  }

  mayHold(bytes: number): boolean {
    if (!this.#share.mayHoldMore(bytes)) return false;
    const heldBytes = this.#pending.readBytes.length + bytes;
    return this.heldCommands === 0 || heldBytes <= this.#limits.commandBytesMax;
  }

  // Evaluation: called by the node.

  /** Evaluates all commands before the write at `position`, which is about to be applied. */
  beforeApply(position: number): void {
    const pending = this.#pending;
    if (this.isGone || pending.evaluated >= position) return;
    while (pending.evaluated < position) {
      const kind = pending.kind(pending.evaluated);
      assert(
        kind !== PendingKind.write && kind !== PendingKind.held,
        "A write was applied before an earlier one",
      );
      if (this.#replies.isFull && mayBeLong(kind, pending.replyMode(pending.evaluated))) {
        // The write can't wait, and there is no room for the read's reply: the read is refused.
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

  confirmed(round: number): void {
    this.#confirmedRound = Math.max(this.#confirmedRound, round);
    this.advance();
  }

  /** Composes the next replies as far as possible, and releases what may leave. */
  advance(): void {
    const pending = this.#pending;
    while (pending.evaluated < pending.tail) {
      const kind = pending.kind(pending.evaluated);
      if (kind === PendingKind.write || kind === PendingKind.held) break;
      if (this.#host.mustRest(this)) break;
      if (kind === PendingKind.refused) this.#replies.composeRefusal();
      else if (kind !== PendingKind.read) {
        if (this.#replies.isFull) break;
        this.#replies.composeNow(kind);
      } else {
        if (pending.round(pending.evaluated) > this.#confirmedRound) break;
        if (this.#replies.isFull) break; // outputWritten() continues from here
        if (this.#checkBudget()) break; // checkDeadlines() continues from here
        if (!this.#replies.composeRead(true)) {
          this.#host.waitForExpiry(this);
          break;
        }
      }
    }
    this.#release();
  }

  /** Writes did not come into the log. Those that only lack a leader wait for the next one. */
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
    const confirmed = this.#confirmedRound;
    if (giveUpUntil(pending, cutoffMs, readError, confirmed, confirmedToo)) {
      this.#replies.recompose();
    }
    this.advance();
  }

  /**
   * The leadership that gave out read rounds is gone; a later one counts its own. Writes in the log have
   * an unknown outcome. Reads after the last of those wait for the next leader. A read before it must not
   * see it, but a later leader may have applied it by the time it is asked: such a read is refused.
   */
  leadershipLost(readError: ClientError): void {
    if (this.isGone) return;
    if (this.#mayHoldAgain()) this.#submission.holdReadsAgain();
    this.giveUp(Infinity, readError);
    this.#confirmedRound = 0;
  }

  resumeHeld(cutoffMs: number): void {
    if (!this.isGone) this.#resumeHeld(this.#host.refusal(), cutoffMs);
  }

  end(reason: string): void {
    this.#endAfter(this.#pending.tail - 1, reason);
    this.advance();
  }

  inspect(): CheckedSession {
    const { remote, isAwaitingLeader, heldCommands } = this;
    const confirmedRound = this.#confirmedRound;
    const [pending, replies] = [this.#pending, this.#replies.stream];
    const shareBytes = this.#share.bytes;
    return { remote, isAwaitingLeader, heldCommands, confirmedRound, pending, replies, shareBytes };
  }

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

  /** Decides what empty lines meant, now that nothing follows them, and answers them. */
  #decideInSilence(): void {
    const batch = this.#isReading() ? this.#input.silentBatch() : null;
    if (batch !== null) this.submit(batch);
  }

  #resumeHeld(refusal: Refusal, cutoffMs: number): void {
    if (!this.#submission.isHolding) return;
    this.#submission.resume(refusal, cutoffMs);
    this.#proceed();
  }

  /** After commands were submitted. */
  #proceed(): void {
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

  /** Releases replies up to the first one that waits for its round. */
  #release(): void {
    const pending = this.#pending;
    const before = pending.head;
    const { meters } = this.#host;
    let [runMs, count] = [0, 0];
    let runKind: PendingKind = PendingKind.refused;
    while (pending.head < pending.evaluated) {
      const kind = pending.kind(pending.head);
      if (kind === PendingKind.read && pending.round(pending.head) > this.#confirmedRound) break;
      this.#replies.stream.release(pending.replyEnd(pending.head));
      const submittedMs = pending.submittedMs(pending.head);
      if (kind !== runKind || submittedMs !== runMs) {
        meters.answered(runKind, runMs, count);
        runKind = kind;
        runMs = submittedMs;
        count = 0;
      }
      count++;
      pending.head++;
    }
    meters.answered(runKind, runMs, count);
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
