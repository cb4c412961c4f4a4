/**
 * One client connection, synchronous: bytes in, bytes out. It decides parsing, order, windows and
 * replies; the async stages of net/ and the simulator are thin shells around it.
 */
import { type Result, Status } from "../../kv/commands/result.ts";
import type { ClientView } from "../../wire/clients.ts";
import type { Codec } from "../../wire/codec.ts";
import { ClientAccess } from "../../wire/client_access.ts";
import { ClientError, type CommandBatch } from "../../wire/command_batch.ts";
import type { Answer } from "../../wire/questions.ts";
import { Asking } from "./asking.ts";
import { composeReplies, type ComposingParts } from "./compose_replies.ts";
import { CommandInput } from "./command_input.ts";
import { ClientPace } from "./client_pace.ts";
import {
  AWAIT_LEADER,
  FORWARD,
  type Refusal,
  type SessionHost,
  type UserGate,
} from "./session_host.ts";
import { ForwardedCommands } from "./forwarded_commands.ts";
import type { ForwardRoute } from "./forwarding.ts";
import { allWithoutLeader, type GiveUp, giveUpUntil, overdueUntil } from "./give_up.ts";
import type { HoldingSession } from "./held_commands.ts";
import { BudgetShare } from "./memory_budget.ts";
import { PendingCommands } from "./pending_commands.ts";
import { PendingKind } from "./pending_kind.ts";
import { releaseReplies } from "./release.ts";
import { ReplyComposer } from "./reply_composer.ts";
import type { CheckedSession } from "./session_invariants.ts";
import { SessionEnd } from "./session_end.ts";
import { checkedSession, sessionView } from "./session_view.ts";
import type { SessionLimits } from "./session_limits.ts";
import type { ClientSession } from "../api.ts";
import { Submission } from "./submission.ts";
import { WatchOutput } from "./watch_output.ts";

/** A client that has sent nothing more for this long waits for an answer to what it sent. */
const SILENCE_MS = 200;

export class Session implements ClientSession, HoldingSession {
  readonly remote: string;
  readonly access: ClientAccess;
  gate: UserGate | null = null;
  /** What the client connected to; set by the node, where it is known. */
  local = "";
  readonly openedMs: number;
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
  readonly input: CommandInput;
  readonly #replies: ReplyComposer;
  readonly #pending = new PendingCommands();
  readonly #submission: Submission;
  readonly #composing: ComposingParts;
  readonly #watching: WatchOutput;
  #confirmedRound = 0;
  isGone = false;
  isDying = false;
  isKilled = false;
  forwarded: ForwardedCommands | null = null;
  readonly #end = new SessionEnd();
  readonly #share: BudgetShare;

  /** `access`: the one that the codec has; nobody's, where there are no users, unless given. */
  constructor(
    remote: string,
    codec: Codec,
    host: SessionHost,
    limits: SessionLimits,
    access: ClientAccess = new ClientAccess(),
  ) {
    this.remote = remote;
    this.openedMs = host.monotonicMs();
    this.#codec = codec;
    this.access = access;
    this.#host = host;
    this.#limits = limits;
    this.#share = new BudgetShare(limits.budget);
    this.#watching = new WatchOutput(this, host, () => !this.#checkBudget());
    const [pending, watches] = [this.#pending, this.#watching];
    const told = { codec, host, pending, access, watches };
    const replies = this.#replies = new ReplyComposer(told, limits.outputBytesMax);
    const submission = this.#submission = new Submission(this, pending, host);
    const asking = new Asking(this, pending, replies, host, access);
    const mustWait = () => this.#checkBudget();
    this.#composing = { session: this, pending, replies, host, asking, submission, mustWait };
    this.input = new CommandInput(codec, limits.batches, limits.commandBytesMax);
  }

  /** What needs a leader is sent to it, where that is another server. */
  forwardBy(route: ForwardRoute): void {
    this.forwarded = new ForwardedCommands({ ...this.#composing, session: this, route });
  }

  inputSpace(): Uint8Array {
    return this.input.space();
  }

  received(count: number): void {
    this.input.received(count);
  }

  get wantsInput(): boolean {
    return this.#isReading() && !this.#codec.isWaiting() && !this.#checkBudget();
  }

  nextBatch(commandsMax = Infinity): CommandBatch | null {
    if (this.closing !== null || this.#end.isSet || !this.#hasRoom()) return null;
    const room = this.#limits.pipelineCommandsMax - this.#pending.length;
    return this.input.nextBatch(Math.min(room, commandsMax), this.#host);
  }

  /** `refused`: why this batch is, whatever else this server would do with it. */
  submit(batch: CommandBatch, refused: ClientError | null = null): void {
    const refusal = this.#refusal();
    if (refusal !== AWAIT_LEADER) this.#resumeHeld(refusal, 0);
    const end = this.#submission.submit(batch, refused ?? refusal);
    this.input.giveBack(batch);
    if (end !== null) this.#end.after(this.#pending.tail - 1, end);
    if (this.#submission.isHolding) this.#checkBudget();
    if (refusal === FORWARD) this.#resumeHeld(refusal, 0);
    this.#proceed();
  }

  inputEnded(): void {
    this.#decideInSilence();
    // It may have left, and must not find done what it has given up: it waits for no leader.
    const refusal = this.#refusal();
    this.#resumeHeld(refusal === AWAIT_LEADER ? ClientError.noLeader : refusal, 0);
    this.#end.after(this.#pending.tail - 1, "the client ended the connection");
    this.advance();
  }

  disconnected(): void {
    this.isGone = true;
    this.onActivity = null;
    this.#host.forget(this);
    this.#codec.gone?.();
    this.forwarded?.gone();
    this.#watching.gone();
    this.#share.giveBack();
  }

  get listens(): boolean {
    return this.#watching.listens;
  }

  takeOutput(): Uint8Array | null {
    return this.isKilled ? null : this.#watching.take(this.#replies);
  }

  outputWritten(): void {
    const wasFull = !this.#hasRoom();
    this.#watching.written(this.#replies.stream);
    if (wasFull) this.advance();
    this.forwarded?.outputWritten();
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
    if (this.forwarded !== null) return true; // it takes in no more than it has room for
    const heldBytes = this.#pending.readBytes.length + bytes;
    return this.heldCommands === 0 || heldBytes <= this.#limits.commandBytesMax;
  }

  /** Evaluates all commands before the write at `position`, which is about to be applied. */
  beforeApply(position: number): void {
    this.#watching.writes(true);
    const pending = this.#pending;
    while (!this.isGone && pending.evaluated < position) this.#replies.composeBeforeWrite();
  }

  /** Composes the reply to the write at `position`, which was just applied. */
  applied(position: number, result: Result): void {
    this.#watching.writes(false);
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
    composeReplies(this.#composing, this.forwarded, this.#confirmedRound);
    this.#release();
  }

  answered(position: number, answer: Answer | ClientError): void {
    if (!this.isGone && this.#composing.asking.answered(position, answer)) this.advance();
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
    if (lacksLeader && this.mayHoldAgain && position >= this.#pending.evaluated) {
      this.#submission.holdAgain(position, count, bytes, start);
    } else this.#pending.refuseFrom(position, count, error);
    this.advance();
  }

  /** A write may be in the log, so its outcome is unknown; of a read nothing was done. */
  giveUp(what: GiveUp): void {
    const pending = this.#pending;
    if (this.isGone || pending.length === 0) return;
    if (giveUpUntil(pending, what, this.#confirmedRound)) this.#replies.recompose();
    this.advance();
  }

  leadershipLost(readError: ClientError): void {
    if (this.isGone) return;
    if (this.mayHoldAgain) this.#submission.holdReadsAgain();
    this.giveUp(allWithoutLeader(readError));
    this.#confirmedRound = 0;
  }

  resumeHeld(cutoffMs: number): void {
    if (!this.isGone) this.#resumeHeld(this.#refusal(), cutoffMs);
  }

  end(reason: string): void {
    this.#end.after(this.#pending.tail - 1, reason);
    this.advance();
  }

  kill(reason: string): void {
    this.isKilled = true;
    this.closing ??= reason;
    this.#host.markActive(this);
  }

  view(nowMs: number): ClientView {
    const [facts, user, replies] = [this.#codec.facts(), this.access.name, this.#replies.stream];
    const parts = { facts, user, pending: this.#pending, replies, ...this.#watching.subscribed };
    return sessionView(this, parts, nowMs);
  }

  inspect(): CheckedSession {
    const parts = { pending: this.#pending, replies: this.#replies.stream };
    return checkedSession(this, parts, this.#confirmedRound, this.#share.bytes);
  }

  checkDeadlines(nowMs: number, commandTimeoutMs: number, halfCommandTimeoutMs: number): void {
    const [pending, cutoffMs] = [this.#pending, nowMs - commandTimeoutMs];
    if (pending.length > 0 && pending.submittedMs(pending.head) <= cutoffMs) {
      this.giveUp(overdueUntil(cutoffMs));
    }
    const since = this.input.midCommandSinceMs;
    if (since >= 0 && nowMs - since >= SILENCE_MS) this.#decideInSilence();
    if (since >= 0 && nowMs - since >= halfCommandTimeoutMs && this.#isReading()) {
      this.end("half a command, and no more of it in time");
    }
    this.closing ??= this.#watching.elapse(nowMs);
    if (this.#share.isHeldBack && !this.#checkBudget()) {
      this.advance();
      this.#host.markActive(this);
    }
  }

  /** Decides what empty lines meant, now that nothing follows them, and answers them. */
  #decideInSilence(): void {
    const batch = this.#isReading() ? this.input.silentBatch() : null;
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

  get mayHoldAgain(): boolean {
    const mayWait = this.forwarded !== null || this.#host.refusal() === AWAIT_LEADER;
    return !this.#end.isSet && mayWait;
  }

  #refusal(): Refusal {
    const refusal = this.#host.refusal();
    return this.forwarded === null ? refusal : this.forwarded.refusal(refusal);
  }

  #isReading(): boolean {
    return this.closing === null && !this.#end.isSet && this.#hasRoom();
  }

  /** Tells the budget what this session holds; true where it has to wait for others to let go. */
  #checkBudget(): boolean {
    if (this.isGone) return true;
    const commandBytes = this.#pending.readBytes.bytes.length + (this.forwarded?.heldBytes ?? 0);
    return this.#share.hold(this.input.heldBytes + this.#replies.stream.heldBytes + commandBytes);
  }

  #hasRoom(): boolean {
    const hasPlace = this.#pending.length < this.#limits.pipelineCommandsMax;
    return hasPlace && !this.#replies.isFull && this.forwarded?.hasRoom !== false;
  }

  /** Releases replies up to the first one that waits for its round. */
  #release(): void {
    const pending = this.#pending;
    const before = pending.head;
    releaseReplies(pending, this.#replies.stream, this.#host.meters, this.#confirmedRound);
    this.closing ??= this.#end.reasonAt(pending.head);
    if (pending.head !== before || this.closing !== null) this.#host.markActive(this);
  }
}
