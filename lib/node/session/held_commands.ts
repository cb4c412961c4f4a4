/**
 * A connection's commands that wait for a leader to be known: they arrived while none was known, or did
 * not get into the log before a leadership ended. Nothing was done for any of them. They keep their
 * places in the ring of pending commands; once a leader is known, all continue, as if they had arrived
 * just then. Until then everything that needs a leader is held, so no command overtakes another.
 */
import { commandLength } from "../../kv/commands/command.ts";
import { Action, ClientError, type CommandBatch, ReplyMode } from "../../wire/command_batch.ts";
import {
  AWAIT_LEADER,
  FORWARD,
  type NodeSession,
  type Refusal,
  type SessionHost,
} from "./session_host.ts";
import type { PendingCommands } from "./pending_commands.ts";
import { PendingKind } from "./pending_kind.ts";

/** The session that holds them. */
export interface HoldingSession extends NodeSession {
  /** True where it may hold a command of so many bytes more until a leader is known. */
  mayHold(bytes: number): boolean;
}

/** What the submission of commands knows besides. */
export interface SubmissionState {
  /** A command of the transaction that is being gathered was refused. */
  isDiscarded: boolean;
  /** The round for a read that is submitted now. */
  roundForRead(): number;
}

export class HeldCommands {
  count = 0;
  /** The position of the oldest, where there is any. */
  #first = 0;
  readonly #session: HoldingSession;
  readonly #pending: PendingCommands;
  readonly #host: SessionHost;
  readonly #submission: SubmissionState;

  constructor(
    session: HoldingSession,
    pending: PendingCommands,
    host: SessionHost,
    submission: SubmissionState,
  ) {
    this.#session = session;
    this.#pending = pending;
    this.#host = host;
    this.#submission = submission;
  }

  /** Holds a batch's command; refuses it where the connection or the server holds too much already. */
  hold(batch: CommandBatch, i: number, nowMs: number): void {
    const [start, end] = [batch.starts[i]!, batch.ends[i]!];
    const [action, reply, slot] = [batch.actions[i] as Action, batch.replies[i]!, batch.slots[i]!];
    const command = batch.commands[i]!;
    // These take a few bytes whatever the client sent: the bound on its pipeline is enough.
    const isSmall = action === Action.queue || action === Action.layout;
    const pending = this.#pending;
    if (isSmall || this.#session.mayHold(end - start)) {
      const { bytes } = batch.bytes;
      const position = pending.pushHeld(action, reply, nowMs, slot, command, bytes, start, end);
      this.#noteHeld(position, 1);
    } else {
      const position = pending.push(PendingKind.refused, reply, nowMs, slot, command);
      pending.refuse(position, ClientError.busy);
    }
  }

  /** See PendingCommands.holdWrites. */
  holdWrites(position: number, count: number, bytes: Uint8Array, start: number): void {
    // A transaction that came this far was not discarded: it is a write like any other.
    const nowMs = this.#host.monotonicMs();
    this.#pending.holdWrites(position, count, Action.write, nowMs, bytes, start);
    this.#noteHeld(position, count);
  }

  /** `action`: of the read, or the question, there. */
  holdRead(position: number, action: Action): void {
    this.#pending.holdRead(position, action, this.#host.monotonicMs());
    this.#noteHeld(position, 1);
  }

  /** The command there was sent to another server, and nothing was done. */
  holdForwarded(position: number): void {
    this.#pending.holdForwarded(position);
    this.#noteHeld(position, 1);
  }

  /** See Submission.resume. */
  resume(refusal: Refusal, cutoffMs: number): void {
    if (this.count === 0) return;
    const pending = this.#pending;
    const nowMs = this.#host.monotonicMs();
    const { tail } = pending;
    for (let p = this.#first; p < tail;) {
      const kind = pending.kind(p);
      if (kind !== PendingKind.held) {
        const begins = kind === PendingKind.local &&
          pending.replyMode(p) === ReplyMode.beginTransaction;
        if (begins) this.#submission.isDiscarded = false;
        p++;
        continue;
      }
      if (refusal === AWAIT_LEADER && pending.submittedMs(p) > cutoffMs) {
        this.#first = p;
        return;
      }
      if (refusal === FORWARD && needsLeader(pending.action(p))) {
        if (!this.#forward(p, cutoffMs)) {
          this.#first = p;
          return;
        }
        p++;
        continue;
      }
      p = this.#resumeOne(p, errorOf(refusal), nowMs);
    }
    pending.shrink();
  }

  /** Sends the held command at `p` to the server that leads, or refuses it; false where it has to wait. */
  #forward(p: number, cutoffMs: number): boolean {
    const pending = this.#pending;
    const forwarded = this.#session.forwarded!;
    if (pending.action(p) === Action.transaction && this.#submission.isDiscarded) {
      this.#refuse(p, ClientError.discarded);
    } else if (forwarded.send(p)) this.count--;
    else if (forwarded.isRetrying && pending.submittedMs(p) <= cutoffMs) {
      forwarded.noteRefused();
      this.#refuse(p, ClientError.noLeader);
    } else return false;
    return true;
  }

  /** Resumes or refuses the held command at `p`; returns the position of the next to look at. */
  #resumeOne(p: number, refusal: ClientError | 0, nowMs: number): number {
    const pending = this.#pending;
    const action = pending.action(p);
    if (action === Action.layout) this.#release(p, PendingKind.local, nowMs);
    else if (action === Action.transaction && this.#submission.isDiscarded) {
      this.#refuse(p, ClientError.discarded);
    } else if (refusal !== 0) {
      if (action === Action.queue) this.#submission.isDiscarded = true;
      this.#refuse(p, refusal);
    } else if (action === Action.read) {
      this.#release(p, PendingKind.read, nowMs, this.#submission.roundForRead());
    } else if (action === Action.ask) {
      this.#release(p, PendingKind.question, nowMs, this.#submission.roundForRead());
    } else if (action === Action.queue) this.#release(p, PendingKind.local, nowMs);
    else return this.#write(p, action, nowMs);
    return p + 1;
  }

  /** Puts the run of held writes that begins at `p` into the log's next entry. */
  #write(p: number, action: Action, nowMs: number): number {
    const pending = this.#pending;
    const { bytes } = pending.readBytes;
    const start = pending.readStart(p);
    let offset = start;
    let q = p;
    while (q < pending.tail && pending.kind(q) === PendingKind.held) {
      if (pending.action(q) !== action) break;
      const error = this.#host.writeRefusal(bytes, offset);
      if (error !== 0) {
        if (q > p) break;
        this.#refuse(p, error);
        return p + 1;
      }
      offset += commandLength(bytes, offset);
      this.#release(q++, PendingKind.write, nowMs);
    }
    this.#host.append(this.#session, p, bytes, start, offset, q - p);
    return q;
  }

  #release(p: number, kind: PendingKind, nowMs: number, round = 0): void {
    this.#pending.release(p, kind, nowMs, round);
    this.count--;
  }

  #refuse(p: number, error: ClientError): void {
    this.#pending.refuse(p, error);
    this.count--;
  }

  #noteHeld(position: number, count: number): void {
    if (this.count === 0 || position < this.#first) this.#first = position;
    this.count += count;
    this.#host.awaitLeader(this.#session);
  }
}

/** It is decided where the leader is, by whoever that is. */
function needsLeader(action: Action): boolean {
  return action !== Action.layout && action !== Action.queue;
}

/** What is left to say of a command that waited: nothing, where only its place in the order did. */
function errorOf(refusal: Refusal): ClientError | 0 {
  if (refusal === FORWARD) return 0;
  return refusal === AWAIT_LEADER ? ClientError.noLeader : refusal;
}
