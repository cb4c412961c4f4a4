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
  /** Reads: the round that confirms them. */
  #rounds = new Float64Array(START_SIZE);
  /** Reads: where their encoded command begins in `readBytes`. */
  #readStarts = new Int32Array(START_SIZE);
  #submittedMs = new Float64Array(START_SIZE);
  /** Composed replies: the absolute output position where they end. */
  #replyEnds = new Float64Array(START_SIZE);
  /** Encoded reads that are not evaluated yet. */
  readonly readBytes: ByteWriter = new ByteWriter(0);
  #waitingReads = 0;

  get length(): number {
    return this.tail - this.head;
  }

  /** Reads that are not evaluated yet. */
  get waitingReads(): number {
    return this.#waitingReads;
  }

  /** Adds a command at the tail and returns its position. */
  push(kind: PendingKind, replyMode: number, submittedMs: number): number {
    if (this.tail - this.head > this.#mask) this.#grow();
    const at = this.tail & this.#mask;
    this.#kinds[at] = kind;
    this.#replies[at] = replyMode;
    this.#submittedMs[at] = submittedMs;
    return this.tail++;
  }

  /** Adds a read: its encoded command is `bytes[start, end)`. */
  pushRead(
    replyMode: number,
    submittedMs: number,
    round: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    if (this.#waitingReads === 0) this.readBytes.clear();
    const at = this.push(PendingKind.read, replyMode, submittedMs) & this.#mask;
    this.#rounds[at] = round;
    this.#readStarts[at] = this.readBytes.length;
    this.readBytes.slice(bytes, start, end);
    this.#waitingReads++;
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
    if (this.#kinds[at] === PendingKind.read && position >= this.evaluated) this.#waitingReads--;
    this.#kinds[at] = PendingKind.refused;
    this.#errors[at] = error;
  }

  /** Moves `evaluated` over the command there, whose reply was composed up to `outputPosition`. */
  passEvaluated(outputPosition: number): void {
    if (this.kind(this.evaluated) === PendingKind.read) {
      this.#waitingReads--;
      this.#dropReadBytes();
    }
    this.setReplyEnd(this.evaluated, outputPosition);
    this.evaluated++;
  }

  /** Keeps `readBytes` from growing for ever under a connection whose reads never run dry. */
  #dropReadBytes(): void {
    if (this.readBytes.length < READ_BYTES_COMPACT) return;
    let next = this.evaluated + 1;
    while (next < this.tail && this.kind(next) !== PendingKind.read) next++;
    const from = next < this.tail ? this.readStart(next) : this.readBytes.length;
    if (from < this.readBytes.length / 2) return;
    this.readBytes.bytes.copyWithin(0, from, this.readBytes.length);
    this.readBytes.length -= from;
    for (let p = next; p < this.tail; p++) {
      if (this.kind(p) === PendingKind.read) this.#readStarts[p & this.#mask]! -= from;
    }
  }

  #grow(): void {
    const size = (this.#mask + 1) * 2;
    const kinds = new Uint8Array(size);
    const replies = new Uint8Array(size);
    const errors = new Uint8Array(size);
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
      rounds[to] = this.#rounds[from]!;
      readStarts[to] = this.#readStarts[from]!;
      submittedMs[to] = this.#submittedMs[from]!;
      replyEnds[to] = this.#replyEnds[from]!;
    }
    this.#mask = size - 1;
    this.#kinds = kinds;
    this.#replies = replies;
    this.#errors = errors;
    this.#rounds = rounds;
    this.#readStarts = readStarts;
    this.#submittedMs = submittedMs;
    this.#replyEnds = replyEnds;
  }
}
