/**
 * A connection's commands that are not answered yet, in their order, in a ring of plain arrays: no
 * object per command. Positions are absolute and never reused: `position & mask` is the place.
 *
 *   head ≤ evaluated ≤ tail
 *   [head, evaluated)  the reply's bytes are composed; some wait for a read round's confirmation
 *   [evaluated, tail)  waiting for the log, or for a command in front
 */
import { ByteWriter } from "../util/bytes.ts";
import type { ClientError } from "../wire/command_batch.ts";

export const PendingKind = {
  /** In the log, or gathered for it. */
  write: 1,
  /** A read of the leader's store. */
  read: 2,
  /** Decided without the store: `errors` says how. */
  refused: 3,
  /** Answered by the codec, without the store. */
  local: 4,
  /** A read of the store as it is, which no round confirms. */
  staleRead: 5,
} as const;
export type PendingKind = typeof PendingKind[keyof typeof PendingKind];

const START_SIZE = 16;
/** The bytes of waiting reads are moved to the front of their buffer beyond this. */
const READ_BYTES_COMPACT = 16_384;

export class PendingCommands {
  head = 0;
  evaluated = 0;
  tail = 0;
  #mask = START_SIZE - 1;
  #kinds = new Uint8Array(START_SIZE);
  #replies = new Uint8Array(START_SIZE);
  #errors = new Uint8Array(START_SIZE);
  #slots = new Uint16Array(START_SIZE);
  /** Reads: the round that confirms them. */
  #rounds = new Float64Array(START_SIZE);
  /** Reads and local commands: where their encoded command begins in `readBytes`. */
  #readStarts = new Int32Array(START_SIZE);
  #submittedMs = new Float64Array(START_SIZE);
  /** Composed replies: the absolute output position where they end. */
  #replyEnds = new Float64Array(START_SIZE);
  /** Encoded reads and local commands that are not evaluated yet. */
  readonly readBytes: ByteWriter = new ByteWriter(0);
  #waitingReads = 0;
  /** Commands that have bytes in `readBytes` still. */
  #withBytes = 0;

  get length(): number {
    return this.tail - this.head;
  }

  /** Reads that are not evaluated yet. */
  get waitingReads(): number {
    return this.#waitingReads;
  }

  /** Adds a command at the tail and returns its position. */
  push(kind: PendingKind, replyMode: number, submittedMs: number, slot = 0): number {
    if (this.tail - this.head > this.#mask) this.#grow();
    const at = this.tail & this.#mask;
    this.#kinds[at] = kind;
    this.#replies[at] = replyMode;
    this.#submittedMs[at] = submittedMs;
    this.#slots[at] = slot;
    return this.tail++;
  }

  /** Adds a read or a local command: encoded, it is `bytes[start, end)`. */
  pushBytes(
    kind: PendingKind,
    replyMode: number,
    submittedMs: number,
    slot: number,
    round: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    if (this.#withBytes === 0) this.readBytes.clear();
    const at = this.push(kind, replyMode, submittedMs, slot) & this.#mask;
    this.#rounds[at] = round;
    this.#readStarts[at] = this.readBytes.length;
    this.readBytes.slice(bytes, start, end);
    this.#withBytes++;
    if (kind === PendingKind.read) this.#waitingReads++;
  }

  kind(position: number): PendingKind {
    return this.#kinds[position & this.#mask] as PendingKind;
  }

  replyMode(position: number): number {
    return this.#replies[position & this.#mask]!;
  }

  error(position: number): ClientError {
    return this.#errors[position & this.#mask] as ClientError;
  }

  slot(position: number): number {
    return this.#slots[position & this.#mask]!;
  }

  round(position: number): number {
    return this.#rounds[position & this.#mask]!;
  }

  readStart(position: number): number {
    return this.#readStarts[position & this.#mask]!;
  }

  submittedMs(position: number): number {
    return this.#submittedMs[position & this.#mask]!;
  }

  replyEnd(position: number): number {
    return this.#replyEnds[position & this.#mask]!;
  }

  setReplyEnd(position: number, outputPosition: number): void {
    this.#replyEnds[position & this.#mask] = outputPosition;
  }

  /** Turns a command into a refusal; its reply is composed when its turn comes. */
  refuse(position: number, error: ClientError): void {
    const at = position & this.#mask;
    if (position >= this.evaluated) this.#forgetBytes(this.#kinds[at]!);
    this.#kinds[at] = PendingKind.refused;
    this.#errors[at] = error;
  }

  /** Moves `evaluated` over the command there, whose reply was composed up to `outputPosition`. */
  passEvaluated(outputPosition: number): void {
    if (this.#forgetBytes(this.kind(this.evaluated))) this.#dropReadBytes();
    this.setReplyEnd(this.evaluated, outputPosition);
    this.evaluated++;
  }

  /** Counts off a command of this kind; true where it has bytes. */
  #forgetBytes(kind: number): boolean {
    if (!hasBytes(kind)) return false;
    this.#withBytes--;
    if (kind === PendingKind.read) this.#waitingReads--;
    return true;
  }

  /** Keeps `readBytes` from growing for ever under a connection whose reads never run dry. */
  #dropReadBytes(): void {
    if (this.readBytes.length < READ_BYTES_COMPACT) return;
    let next = this.evaluated + 1;
    while (next < this.tail && !hasBytes(this.kind(next))) next++;
    const from = next < this.tail ? this.readStart(next) : this.readBytes.length;
    if (from < this.readBytes.length / 2) return;
    this.readBytes.bytes.copyWithin(0, from, this.readBytes.length);
    this.readBytes.length -= from;
    for (let p = next; p < this.tail; p++) {
      if (hasBytes(this.kind(p))) this.#readStarts[p & this.#mask]! -= from;
    }
  }

  #grow(): void {
    const size = (this.#mask + 1) * 2;
    const kinds = new Uint8Array(size);
    const replies = new Uint8Array(size);
    const errors = new Uint8Array(size);
    const slots = new Uint16Array(size);
    const rounds = new Float64Array(size);
    const readStarts = new Int32Array(size);
    const submittedMs = new Float64Array(size);
    const replyEnds = new Float64Array(size);
    for (let p = this.head; p < this.tail; p++) {
      const from = p & this.#mask;
      const to = p & (size - 1);
      kinds[to] = this.#kinds[from]!;
      replies[to] = this.#replies[from]!;
      errors[to] = this.#errors[from]!;
      slots[to] = this.#slots[from]!;
      rounds[to] = this.#rounds[from]!;
      readStarts[to] = this.#readStarts[from]!;
      submittedMs[to] = this.#submittedMs[from]!;
      replyEnds[to] = this.#replyEnds[from]!;
    }
    this.#mask = size - 1;
    this.#kinds = kinds;
    this.#replies = replies;
    this.#errors = errors;
    this.#slots = slots;
    this.#rounds = rounds;
    this.#readStarts = readStarts;
    this.#submittedMs = submittedMs;
    this.#replyEnds = replyEnds;
  }
}

function hasBytes(kind: number): boolean {
  return kind === PendingKind.read || kind === PendingKind.local || kind === PendingKind.staleRead;
}
