/**
 * A connection's codec with an account of what its client does: in place of the codec itself where there is
 * an audit log, and nowhere else. What is parsed is remembered until its reply is written, in the same order.
 */
import { COMMAND_HEAD_BYTES, commandLength } from "../kv/commands/command.ts";
import { type Result, Status } from "../kv/commands/result.ts";
import { commandNumbered } from "../kv/users/command_numbers.ts";
import { latin1 } from "../util/latin1.ts";
import { type ByteWriter, readU32 } from "../util/bytes.ts";
import type { AuditEntry, AuditTrail } from "./audit.ts";
import { deletedUsers, keysOf, queuedIn, type TouchedKeys } from "./audited_keys.ts";
import { type ClientAccess, denialOf } from "./client_access.ts";
import type { ClientFacts } from "./clients.ts";
import type { ClientAddress, Codec, LogTime, ServerViewSource } from "./codec.ts";
import { Action, ClientError, type CommandBatch, ReplyMode } from "./command_batch.ts";
import { type Answer, targetOf } from "./questions.ts";
import type { ClientWatches } from "./watching.ts";

/** What of a command stands when it is parsed. */
interface Awaited extends TouchedKeys {
  readonly command: number;
  readonly user: string | null;
  readonly target?: string | undefined;
  /** Of a transaction: what was queued. */
  readonly queued: readonly Awaited[];
}

const UNKNOWN: ReadonlySet<ClientError> = new Set([ClientError.timeout, ClientError.internal]);
const DASH = 0x2d;
const ERROR_WORD_MAX = 32;
const NO_KEYS: TouchedKeys = { keys: 0, prefixes: [] };

export class AuditedCodec implements Codec {
  readonly #codec: Codec;
  readonly #trail: AuditTrail;
  readonly #access: ClientAccess;
  readonly #remote: string;
  /** Parsed and not answered, from `#first` on; null where nobody wants to know. */
  #awaited: (Awaited | null)[] = [];
  #first = 0;
  /** The numbers of what is queued for a transaction. */
  #queued: number[] = [];
  /** What is written next takes the place of a reply that counted already. */
  #isRevoked = false;

  constructor(codec: Codec, trail: AuditTrail, access: ClientAccess, remote: string) {
    this.#codec = codec;
    this.#trail = trail;
    this.#access = access;
    this.#remote = remote;
  }

  parse(
    bytes: Uint8Array,
    start: number,
    end: number,
    batch: CommandBatch,
    room: number,
  ): number {
    const before = batch.count;
    const consumed = this.#codec.parse(bytes, start, end, batch, room);
    this.#lookAt(batch, before);
    return consumed;
  }

  fellSilent(batch: CommandBatch): void {
    const before = batch.count;
    this.#codec.fellSilent(batch);
    this.#lookAt(batch, before);
  }

  writeResult(out: ByteWriter, replyMode: number, result: Result, time: LogTime): void {
    const from = out.length;
    this.#codec.writeResult(out, replyMode, result, time);
    const awaited = this.#take();
    if (awaited === null) return;
    const error = errorIn(out, from);
    this.#tell(awaited, error === null ? "done" : "refused", error);
    const wasAborted = result.status === Status.aborted;
    for (const [i, one] of awaited.queued.entries()) {
      const isDenied = result.status === Status.list && denialOf(result.list[i]!.status) !== 0;
      const why = error ?? (isDenied ? "NOPERM" : wasAborted ? "WATCH" : null);
      this.#tell(one, why === null ? "done" : "refused", why, true);
    }
  }

  writeLocal(
    out: ByteWriter,
    replyMode: number,
    bytes: Uint8Array,
    offset: number,
    source: ServerViewSource,
    watches: ClientWatches,
  ): ClientError | 0 {
    const from = out.length;
    const denial = this.#codec.writeLocal(out, replyMode, bytes, offset, source, watches);
    // Where it is denied its error is written next.
    if (denial === 0) this.#decided(out, from);
    return denial;
  }

  writeAnswer(out: ByteWriter, replyMode: number, answer: Answer, source: ServerViewSource): void {
    const from = out.length;
    this.#codec.writeAnswer(out, replyMode, answer, source);
    this.#decided(out, from);
  }

  writeError(
    out: ByteWriter,
    replyMode: number,
    error: ClientError,
    leader: ClientAddress | null,
    slot: number,
    command: number,
  ): void {
    const from = out.length;
    this.#codec.writeError(out, replyMode, error, leader, slot, command);
    if (this.#isRevoked) {
      this.#isRevoked = false;
      return;
    }
    const awaited = this.#take();
    if (awaited === null) return;
    const outcome = UNKNOWN.has(error) ? "unknown" : "refused";
    // Nothing is written to who wants no replies.
    const why = errorIn(out, from) ?? (error === ClientError.noSpace ? "MISCONF" : "ERR");
    this.#tell(awaited, outcome, why);
    for (const one of awaited.queued) this.#tell(one, outcome, why, true);
  }

  noteRefused(replyMode: number, isRevoked: boolean): void {
    this.#codec.noteRefused(replyMode, isRevoked);
    this.#isRevoked = isRevoked;
  }

  /** What was not answered may be done, or be done yet. */
  gone(): void {
    for (let one = this.#next(); one !== undefined; one = this.#next()) {
      if (one === null) continue;
      this.#tell(one, "unknown", null);
      for (const queued of one.queued) this.#tell(queued, "unknown", null, true);
    }
  }

  bytesNeeded(): number {
    return this.#codec.bytesNeeded();
  }

  isMidCommand(): boolean {
    return this.#codec.isMidCommand();
  }

  get isPassingOver(): boolean {
    return this.#codec.isPassingOver;
  }

  get isUndecided(): boolean {
    return this.#codec.isUndecided;
  }

  heldBytes(): number {
    return this.#codec.heldBytes();
  }

  facts(): ClientFacts {
    return this.#codec.facts();
  }

  isWaiting(): boolean {
    return this.#codec.isWaiting();
  }

  /** Remembers the commands from `from` on. Nothing is parsed while it changes who the client is. */
  #lookAt(batch: CommandBatch, from: number): void {
    const user = this.#access.userId === 0 ? null : this.#access.name;
    for (let i = from; i < batch.count; i++) {
      const awaited = this.#look(batch, i, user);
      // No reply is written to what closes the connection without a word.
      if (batch.actions[i] !== Action.close) this.#awaited.push(awaited);
      else if (awaited !== null) this.#tell(awaited, "refused", null);
    }
  }

  #look(batch: CommandBatch, i: number, user: string | null): Awaited | null {
    const command = batch.commands[i]!;
    const action = batch.actions[i] as Action;
    const [bytes, at] = [batch.bytes.bytes, batch.starts[i]!];
    if (action === Action.queue) {
      this.#queued.push(command);
      return null;
    }
    if (action === Action.transaction) {
      const queued = queuedIn(bytes, at)
        .map((keys, n) => ({ command: this.#queued[n] ?? 0, user, ...keys, queued: [] }))
        .filter((one) => this.#trail.wants(one.command));
      this.#queued = [];
      if (queued.length === 0 && !this.#trail.wants(command)) return null;
      return { command, user, ...NO_KEYS, queued };
    }
    if (batch.replies[i] === ReplyMode.beginTransaction) this.#queued = [];
    if (!this.#trail.wants(command)) return null;
    const awaited = { command, user, ...NO_KEYS, queued: [] };
    switch (action) {
      case Action.write:
      case Action.read:
      case Action.staleRead:
        return { ...awaited, ...keysOf(bytes, at), target: deletedUsers(bytes, at) };
      case Action.ask:
        return { ...awaited, target: targetOf(bytes, at) };
      case Action.authenticate:
        return { ...awaited, user: this.#meantUser(bytes, at) };
      default:
        return awaited;
    }
  }

  /** The name in credentials where it is a user's: what was typed may be a password in the wrong place. */
  #meantUser(bytes: Uint8Array, at: number): string | null {
    const start = at + COMMAND_HEAD_BYTES;
    const end = Math.min(start + 4 + readU32(bytes, start), at + commandLength(bytes, at));
    const name = latin1(bytes.subarray(start + 4, end));
    return (this.#access.users?.idOf(name) ?? 0) === 0 ? null : name;
  }

  #decided(out: ByteWriter, from: number): void {
    const awaited = this.#take();
    if (awaited === null) return;
    const error = errorIn(out, from);
    this.#tell(awaited, error === null ? "done" : "refused", error);
  }

  #take(): Awaited | null {
    return this.#next() ?? null;
  }

  #next(): Awaited | null | undefined {
    if (this.#first === this.#awaited.length) return undefined;
    const next = this.#awaited[this.#first++]!;
    if (this.#first === this.#awaited.length) {
      this.#awaited = [];
      this.#first = 0;
    }
    return next;
  }

  #tell(
    { command, user, target, keys, prefixes }: Awaited,
    outcome: AuditEntry["outcome"],
    error: string | null,
    isQueued = false,
  ): void {
    // The transaction may be there for what was queued alone.
    if (!this.#trail.wants(command)) return;
    const name = commandNumbered(command)?.name ?? "invalid";
    const more = { ...(target !== undefined && { target }), ...(error !== null && { error }) };
    const remote = this.#remote;
    this.#trail.note({ user, remote, command: name, keys, prefixes, isQueued, outcome, ...more });
  }
}

/** The first word of the reply that begins at `from`, where it is an error of either protocol. */
function errorIn(out: ByteWriter, from: number): string | null {
  const { bytes, length } = out;
  if (from === length) return null;
  const start = bytes[from] === DASH ? from + 1 : from;
  const text = latin1(bytes.subarray(start, Math.min(length, start + ERROR_WORD_MAX)));
  if (start === from && !text.startsWith("ERR_")) return null;
  return /^[A-Z_]+/.exec(text)?.[0] ?? "ERR";
}
