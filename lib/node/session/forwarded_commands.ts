/**
 * The commands of one connection that another server decides: this one sends them on in their order, and
 * composes the replies from what comes back.
 *
 * What the other server says it has not done, as it leads no more, waits for the next leader and is sent
 * again: by this server, for no server sends on what was sent to it. What was sent over a connection that
 * ended has an unknown outcome and is never sent again; of a read nothing can have been done. No command
 * overtakes another: what was not done, but stands before one that was, or may have been, is refused.
 */
import { AssertionError } from "../../util/assert.ts";
import { AnswerReader, type ForwardedAnswer } from "../../wire/forward/answer_reader.ts";
import { AnswerKind } from "../../wire/forward/forwarded_answers.ts";
import { FORWARDED_HEAD_BYTES } from "../../wire/forward/forwarded_commands.ts";
import { ProtocolError } from "../../wire/rpc/rpc_types.ts";
import type { ClientAccess } from "../../wire/client_access.ts";
import { Action, ClientError } from "../../wire/command_batch.ts";
import type { ForwardRoute, ForwardStream, HeldForwarder, StreamOwner } from "./forwarding.ts";
import type { PendingCommands } from "./pending_commands.ts";
import { PendingKind } from "./pending_kind.ts";
import type { ReplyComposer } from "./reply_composer.ts";
import { SentCommands } from "./sent_commands.ts";
import {
  AWAIT_LEADER,
  FORWARD,
  type NodeSession,
  type OwnRefusal,
  type Refusal,
  type SessionHost,
} from "./session_host.ts";

/** What a connection may have on its way that is not answered; one larger command goes alone. */
const IN_FLIGHT_BYTES_MAX = 262_144;
/** The other server may not have heard yet who leads in its place; nor may this one. */
const RETRY_MS = 20;
/** How often the other server hears what was taken in, in parts of what it may send unheard. */
const TAKEN_PARTS = 4;

/** The connection, as this sees it. */
export interface ForwardingSession extends NodeSession {
  readonly access: ClientAccess;
  /** True where commands of which nothing was done may wait for the next leader. */
  readonly mayHoldAgain: boolean;
}

export interface ForwardedParts {
  readonly session: ForwardingSession;
  readonly submission: { holdForwardedAgain(position: number): void };
  readonly pending: PendingCommands;
  readonly replies: ReplyComposer;
  readonly host: SessionHost;
  readonly route: ForwardRoute;
}

export class ForwardedCommands implements StreamOwner, HeldForwarder {
  readonly #session: ForwardingSession;
  readonly #submission: ForwardedParts["submission"];
  readonly #pending: PendingCommands;
  readonly #replies: ReplyComposer;
  readonly #host: SessionHost;
  readonly #route: ForwardRoute;
  #stream: ForwardStream | null = null;
  /** The answers come in this order. */
  readonly #sent: SentCommands;
  readonly #answers = new AnswerReader();
  /** Bytes of answers of which the other server has not heard that they were taken in. */
  #untaken = 0;
  /** Something was not done: nothing is sent before it is known what became of all that was. */
  #isSettling = false;
  /** Nothing is sent before this. */
  #retryAtMs = -Infinity;
  /** What was sent last was not done: what waits for too long is refused. */
  isRetrying = false;

  constructor({ session, submission, pending, replies, host, route }: ForwardedParts) {
    this.#session = session;
    this.#submission = submission;
    this.#pending = pending;
    this.#replies = replies;
    this.#host = host;
    this.#route = route;
    this.#sent = new SentCommands(route.meters);
  }

  /** What becomes of a command now that needs a leader; `own`: where this server looks at itself alone. */
  refusal(own: OwnRefusal): Refusal {
    if (own !== ClientError.redirect) {
      // This server leads, by now: what was sent before comes first.
      const leads = own === 0 || own === ClientError.busy;
      return leads && this.#sent.length > 0 ? AWAIT_LEADER : own;
    }
    const { state } = this.#route;
    if (state === "ready") return FORWARD;
    return state === "older" ? ClientError.leaderTooOld : AWAIT_LEADER;
  }

  /** The connection may take in more commands. */
  get hasRoom(): boolean {
    const { commandsWithBytes, readBytes } = this.#pending;
    return commandsWithBytes === 0 || readBytes.length < 2 * IN_FLIGHT_BYTES_MAX;
  }

  get heldBytes(): number {
    return this.#answers.heldBytes;
  }

  /** Sends the held command at `position`; false where it has to wait. */
  send(position: number): boolean {
    const [pending, route] = [this.#pending, this.#route];
    if (this.#isSettling || this.#host.monotonicMs() < this.#retryAtMs) return false;
    this.#passGivenUp();
    const { bytes } = pending.readBytes;
    const start = pending.readStart(position);
    const end = pending.bytesEnd(position);
    const size = FORWARDED_HEAD_BYTES + end - start;
    if (this.#sent.bytes > 0 && this.#sent.bytes + size > IN_FLIGHT_BYTES_MAX) return false;
    if (this.#stream?.isCurrent === false) {
      if (this.#sent.length > 0) return false;
      this.#forgetStream()?.close();
    }
    this.#stream ??= route.open(this);
    if (this.#stream === null || !this.#stream.isCurrent) return false;
    pending.forward(position);
    this.#sent.push(position, size);
    route.meters.sent++;
    const head = {
      action: pending.action(position),
      replyMode: pending.replyMode(position),
      command: pending.command(position),
      userId: this.#session.access.userId,
    };
    this.#stream.send(head, bytes, start, end);
    return true;
  }

  answersReceived(bytes: Uint8Array): void {
    this.#untaken += bytes.length;
    if (this.#untaken > this.#route.windowBytes) {
      throw new ProtocolError("more answers came than may come unheard");
    }
    this.#answers.push(bytes);
    this.#passGivenUp();
    this.#session.advance();
    const { problem } = this.#answers;
    if (problem !== null) throw new ProtocolError(problem);
    this.#tellTaken();
  }

  streamEnded(isOrderly: boolean): void {
    this.#stream = null;
    this.#untaken = 0;
    this.#settle(isOrderly ? "orderly" : "lost");
    this.#session.advance();
  }

  /** The client is gone: what it sent and is not decided is nobody's. */
  gone(): void {
    this.#forgetStream()?.close();
    this.#sent.cut(0);
    this.#answers.clear();
  }

  /** Composes the reply to the next command, which was sent; false where its answer is not here. */
  compose(): boolean {
    try {
      return this.#compose();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      // Its stream ends by that, and what was sent is settled: none of the answers counts.
      this.#answers.clear();
      if (this.#stream !== null) this.#stream.distrust(error.message);
      else this.#settle("lost");
      return this.#pending.kind(this.#pending.evaluated) !== PendingKind.forwarded;
    }
  }

  #compose(): boolean {
    this.#passGivenUp();
    const pending = this.#pending;
    const { isWhole, problem } = this.#answers;
    if (problem !== null) throw new ProtocolError(problem);
    if (this.#sent.at(0) !== pending.evaluated || !isWhole) return false;
    const answer = this.#answers.peek();
    if (answer.kind === AnswerKind.error && isNotDone(answer.error)) {
      this.#isSettling = true;
      if (!this.#areAllAnswered()) return false;
      this.#settle("answered");
      return pending.kind(pending.evaluated) !== PendingKind.forwarded;
    }
    if (answer.kind === AnswerKind.users && !this.#hasApplied(answer.appliedIndex)) return false;
    this.#write(answer);
    this.isRetrying = false;
    this.#answers.skip();
    this.#sent.shift();
    return true;
  }

  /** @throws {ProtocolError} where the answer is none to this command. */
  #write(answer: ForwardedAnswer): void {
    const [pending, replies] = [this.#pending, this.#replies];
    const { writer } = replies.stream;
    const before = writer.length;
    const isReply = answer.kind === AnswerKind.reply || answer.kind === AnswerKind.users;
    if (isReply && pending.action(pending.evaluated) !== Action.ask) {
      throw new ProtocolError("the answer to a question came for another command");
    }
    try {
      if (answer.kind === AnswerKind.error) replies.composeAnswer(answer.error);
      else if (answer.kind === AnswerKind.users) replies.composeAnswer({ kind: "users" });
      else if (answer.kind === AnswerKind.result) {
        replies.composeForwarded(answer.result, answer.time);
      } else replies.composeAnswer({ kind: "script", reply: answer.reply });
    } catch (error) {
      // A codec knows what its own commands come to, and no other result.
      if (!(error instanceof AssertionError)) throw error;
      writer.length = before;
      throw new ProtocolError(`no command of this kind comes to that: ${error.message}`);
    }
  }

  #hasApplied(index: number): boolean {
    if (this.#host.serverView().appliedIndex >= index) return true;
    this.#host.waitForExpiry(this.#session);
    return false;
  }

  /** Whoever was given up meanwhile has its reply: the answer says nothing any more. */
  #passGivenUp(): void {
    const pending = this.#pending;
    for (let p = this.#sent.at(0); p !== undefined; p = this.#sent.at(0)) {
      const isWaiting = p >= pending.evaluated && pending.kind(p) === PendingKind.forwarded;
      if (isWaiting || !this.#answers.isWhole) return;
      this.#answers.skip();
      this.#sent.shift();
    }
  }

  #areAllAnswered(): boolean {
    return this.#answers.errors().length >= this.#sent.length;
  }

  /**
   * All that was sent is answered, or will not be: what was not done is held again, where nothing after it
   * was, or may have been.
   */
  #settle(why: "answered" | "orderly" | "lost"): void {
    const [pending, { meters }] = [this.#pending, this.#route];
    const errors = this.#answers.errors();
    const count = this.#sent.length;
    let decided = -1;
    for (let i = 0; i < count; i++) {
      const p = this.#sent.at(i)!;
      if (!this.#isWaiting(p)) continue;
      const error = errors[i];
      const mayBeDone = error === undefined
        ? why === "lost" && pending.action(p) !== Action.read
        : !isNotDone(error);
      if (mayBeDone) decided = i;
    }
    const mayHold = this.#session.mayHoldAgain;
    const again: number[] = [];
    for (let i = 0; i < count; i++) {
      const p = this.#sent.at(i)!;
      const error = errors[i];
      if (!this.#isWaiting(p) || (error !== undefined && !isNotDone(error))) continue;
      if (error === undefined && why === "lost" && pending.action(p) !== Action.read) {
        meters.lost++;
        pending.refuse(p, ClientError.timeout);
        continue;
      }
      meters.notDone++;
      if (i > decided && mayHold) again.push(p);
      else pending.refuse(p, ClientError.noLeader);
    }
    // Answers to what is composed later stay; those after them say that nothing was done.
    const kept = Math.min(errors.length, decided + 1);
    this.#answers.cut(kept);
    this.#sent.cut(kept);
    this.#isSettling = false;
    for (const p of again) this.#submission.holdForwardedAgain(p);
    if (again.length === 0) return;
    this.isRetrying = true;
    this.#retryAtMs = this.#host.monotonicMs() + RETRY_MS;
  }

  /** What was not done waited too long for whoever would do it. */
  noteRefused(): void {
    this.#route.meters.refused++;
  }

  #isWaiting(p: number): boolean {
    return p >= this.#pending.evaluated && this.#pending.kind(p) === PendingKind.forwarded;
  }

  #forgetStream(): ForwardStream | null {
    const stream = this.#stream;
    this.#stream = null;
    this.#untaken = 0;
    return stream;
  }

  /** Answers that wait here are not taken in; of one that is not whole, what came is. */
  #tellTaken(): void {
    if (this.#stream === null) return;
    const waiting = this.#answers.isWhole ? this.#answers.length : 0;
    const taken = this.#untaken - waiting;
    if (taken < this.#route.windowBytes / TAKEN_PARTS) return;
    this.#untaken -= taken;
    this.#stream.taken(taken);
  }

  /** The client has taken replies: so more answers may be taken in. */
  outputWritten(): void {
    this.#tellTaken();
  }
}

/** The other server did not lead any more, by its own word. */
function isNotDone(error: ClientError | 0): boolean {
  return error === ClientError.redirect || error === ClientError.noLeader ||
    error === ClientError.removed;
}
