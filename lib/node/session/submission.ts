/** Decides what each command of a batch does on this server now: it is appended, read or refused. */
import { commandNumbered } from "../../kv/users/command_numbers.ts";
import { unreachable } from "../../util/assert.ts";
import { Action, ClientError, type CommandBatch, ReplyMode } from "../../wire/command_batch.ts";
import { needsRound } from "../../wire/questions.ts";
import { AWAIT_LEADER, FORWARD, type Refusal, type SessionHost } from "./session_host.ts";
import { HeldCommands, type HoldingSession } from "./held_commands.ts";
import type { PendingCommands } from "./pending_commands.ts";
import { PendingKind } from "./pending_kind.ts";

export class Submission {
  readonly #session: HoldingSession;
  readonly #pending: PendingCommands;
  readonly #host: SessionHost;
  /** Null while nothing is held: most connections never hold anything. */
  #held: HeldCommands | null = null;
  /** A command of the transaction that is being gathered was refused. */
  isDiscarded = false;
  #round = 0;

  constructor(session: HoldingSession, pending: PendingCommands, host: SessionHost) {
    this.#session = session;
    this.#pending = pending;
    this.#host = host;
  }

  /** The read round that confirms the reads of the last batch; 0 where it had none. */
  get round(): number {
    return this.#round;
  }

  /** Commands that wait for a leader. */
  get heldCommands(): number {
    return this.#held === null ? 0 : this.#held.count;
  }

  get isHolding(): boolean {
    return this.#held !== null && this.#held.count > 0;
  }

  /**
   * Submits every command of a batch, in order. `refusal` is why this server takes none, or 0.
   * Returns why the connection is to end after them, or null.
   */
  submit(batch: CommandBatch, refusal: Refusal): string | null {
    this.#round = 0;
    const nowMs = this.#host.monotonicMs();
    for (let i = 0; i < batch.count;) {
      const action = batch.actions[i] as Action;
      if (refusal === ClientError.overRate && isWorkOfOurs(batch, i)) {
        this.#refuse(batch, i++, refusal, nowMs);
        continue;
      }
      switch (action) {
        case Action.write:
        case Action.transaction:
          if (refusal === AWAIT_LEADER || refusal === FORWARD) this.#hold(batch, i, nowMs);
          else if (action === Action.transaction && this.isDiscarded) {
            this.#refuse(batch, i, ClientError.discarded, nowMs);
          } else {
            i = this.#writes(batch, i, refusal, nowMs);
            continue;
          }
          break;
        case Action.read:
          if (refusal === 0) this.#read(batch, i, nowMs);
          else this.#holdOrRefuse(batch, i, refusal, nowMs);
          break;
        case Action.ask:
          if (refusal === 0) {
            const round = needsRound(batch.bytes.bytes, batch.starts[i]!) ? this.roundForRead() : 0;
            this.#bytes(PendingKind.question, batch, i, nowMs, round);
          } else this.#holdOrRefuse(batch, i, refusal, nowMs);
          break;
        case Action.authenticate:
          this.#bytes(PendingKind.authenticate, batch, i, nowMs, 0);
          break;
        case Action.staleRead:
          this.#staleRead(batch, i, refusal, nowMs);
          break;
        case Action.queue:
          if (refusal === 0 || refusal === FORWARD) {
            this.#bytes(PendingKind.local, batch, i, nowMs, 0);
          } else {
            if (refusal !== AWAIT_LEADER) this.isDiscarded = true;
            this.#holdOrRefuse(batch, i, refusal, nowMs);
          }
          break;
        case Action.layout:
          if (refusal === AWAIT_LEADER && !this.#host.knowsLayout()) {
            this.#hold(batch, i, nowMs);
          } else this.#bytes(PendingKind.local, batch, i, nowMs, 0);
          break;
        case Action.local:
          this.#local(batch, i, nowMs);
          break;
        case Action.localAndClose:
          this.#bytes(PendingKind.local, batch, i, nowMs, 0);
          return "the client, or its error, asks for the end";
        case Action.refuse:
        case Action.refuseSilently:
        case Action.refuseAndClose:
          this.#refusePlainly(batch, i, nowMs);
          if (action === Action.refuseAndClose) return "a command that can't be skipped";
          break;
        case Action.close:
          return "this is no client of ours (HTTP?)";
        default:
          unreachable(action);
      }
      i++;
    }
    return null;
  }

  /**
   * Resumes all that was held where `refusal` is not AWAIT_LEADER, or sends it where that is FORWARD;
   * otherwise refuses what was submitted at or before `cutoffMs`.
   */
  resume(refusal: Refusal, cutoffMs: number): void {
    this.#round = 0;
    this.#held?.resume(refusal, cutoffMs);
    if (!this.isHolding) this.#held = null;
  }

  /** Holds writes again that did not get into the log, see PendingCommands.holdWrites. */
  holdAgain(position: number, count: number, bytes: Uint8Array, start: number): void {
    this.#forHolding().holdWrites(position, count, bytes, start);
  }

  /** Holds a command again that another server has not done. */
  holdForwardedAgain(position: number): void {
    this.#forHolding().holdForwarded(position);
  }

  /** Holds the reads after the last write again: the leadership that was to confirm them is gone. */
  holdReadsAgain(): void {
    const pending = this.#pending;
    let p = pending.tail;
    while (p > pending.evaluated && pending.kind(p - 1) !== PendingKind.write) p--;
    for (; p < pending.tail; p++) {
      const kind = pending.kind(p);
      if (kind === PendingKind.read) this.#forHolding().holdRead(p, Action.read);
      else if (kind === PendingKind.question) this.#forHolding().holdRead(p, Action.ask);
    }
  }

  /** The round for a read that is submitted now: a batch asks for one with its first read. */
  roundForRead(): number {
    if (this.#round === 0) this.#round = this.#host.readRound();
    return this.#round;
  }

  #local(batch: CommandBatch, i: number, nowMs: number): void {
    // After held commands, `resume` comes to it in its turn.
    if (batch.replies[i] === ReplyMode.beginTransaction && !this.isHolding) {
      this.isDiscarded = false;
    }
    this.#bytes(PendingKind.local, batch, i, nowMs, 0);
  }

  #staleRead(batch: CommandBatch, i: number, refusal: Refusal, nowMs: number): void {
    if (refusal === 0) return this.#read(batch, i, nowMs);
    const isMeant = refusal === ClientError.busy || refusal === ClientError.overRate;
    const error = isMeant ? refusal : this.#host.staleRefusal();
    if (error === 0) this.#bytes(PendingKind.staleRead, batch, i, nowMs, 0);
    else this.#refuse(batch, i, error, nowMs);
  }

  #forHolding(): HeldCommands {
    return this.#held ??= new HeldCommands(this.#session, this.#pending, this.#host, this);
  }

  #hold(batch: CommandBatch, i: number, nowMs: number): void {
    this.#forHolding().hold(batch, i, nowMs);
  }

  #holdOrRefuse(batch: CommandBatch, i: number, refusal: Refusal, nowMs: number): void {
    if (refusal === AWAIT_LEADER || refusal === FORWARD) this.#hold(batch, i, nowMs);
    else this.#refuse(batch, i, refusal as ClientError, nowMs);
  }

  /** Puts a run of consecutive writes into the log's next entry; returns the index of what follows. */
  #writes(
    batch: CommandBatch,
    from: number,
    refusal: ClientError | 0,
    nowMs: number,
  ): number {
    const host = this.#host;
    const bytes = batch.bytes.bytes;
    const firstPosition = this.#pending.tail;
    const action = batch.actions[from];
    let error = refusal;
    let i = from;
    for (; i < batch.count && batch.actions[i] === action; i++) {
      if (refusal === 0) error = host.writeRefusal(bytes, batch.starts[i]!);
      if (error !== 0) break;
      const [replyMode, slot] = [batch.replies[i]!, batch.slots[i]!];
      this.#pending.push(PendingKind.write, replyMode, nowMs, slot, batch.commands[i]!);
    }
    if (i > from) {
      const [start, end] = [batch.starts[from]!, batch.ends[i - 1]!];
      host.append(this.#session, firstPosition, bytes, start, end, i - from);
    }
    if (error === 0) return i;
    this.#refuse(batch, i, error, nowMs);
    return i + 1;
  }

  /** A batch asks for a round with its first read: writes need none, and a round costs messages. */
  #read(batch: CommandBatch, i: number, nowMs: number): void {
    this.#bytes(PendingKind.read, batch, i, nowMs, this.roundForRead());
  }

  #bytes(kind: PendingKind, batch: CommandBatch, i: number, nowMs: number, round: number): void {
    this.#pending.pushBytes(
      kind,
      batch.replies[i]!,
      nowMs,
      batch.slots[i]!,
      batch.commands[i]!,
      round,
      batch.bytes.bytes,
      batch.starts[i]!,
      batch.ends[i]!,
    );
  }

  #refuse(batch: CommandBatch, i: number, error: ClientError, nowMs: number): void {
    const pending = this.#pending;
    const replyMode = batch.replies[i]!;
    const [slot, command] = [batch.slots[i]!, batch.commands[i]!];
    pending.refuse(pending.push(PendingKind.refused, replyMode, nowMs, slot, command), error);
  }

  #refusePlainly(batch: CommandBatch, i: number, nowMs: number): void {
    const pending = this.#pending;
    const isSilent = batch.actions[i] === Action.refuseSilently;
    const replyMode = isSilent ? ReplyMode.none : ReplyMode.plain;
    const position = pending.push(PendingKind.refused, replyMode, nowMs, 0, batch.commands[i]!);
    pending.refuse(position, batch.replies[i] as ClientError);
  }
}

/** It needs no leader, and is more than a reply that is there already or a matter of its connection. */
function isWorkOfOurs({ actions, replies, commands }: CommandBatch, i: number): boolean {
  const action = actions[i];
  if (action === Action.authenticate || action === Action.layout) return true;
  return action === Action.local && replies[i]! > ReplyMode.beginTransaction &&
    commandNumbered(commands[i]!)?.isFree !== true;
}
