/**
 * A connection's commands that are not answered yet, in their order, in a ring of two plain arrays:
 * no object per command, and little for a connection that is idle. Positions are absolute and never
 * reused: `position & mask` is the place.
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
  /** Decided without the store: its error says how. */
  refused: 3,
  /** Answered by the codec, without the store. */
  local: 4,
  /** A read of the store as it is, which no round confirms. */
  staleRead: 5,
} as const;
export type PendingKind = typeof PendingKind[keyof typeof PendingKind];

/** Most connections are idle, or have one command under way at a time. */
const START_SIZE = 2;
/** What the words of one place are: kind, reply mode, error, hash slot. */
const WORDS = 4;
const KIND = 0;
const REPLY = 1;
const ERROR = 2;
const SLOT = 3;
/**
 * And its numbers. Reads: the round that confirms them; reads and local commands: where their encoded
 * command begins in `readBytes`; all: when they were submitted, and where the composed reply ends, as
 * an absolute output position.
 */
const NUMBERS = 4;
const ROUND = 0;
const READ_START = 1;
const SUBMITTED_MS = 2;
const REPLY_END = 3;
/** The bytes of waiting reads are moved to the front of their buffer beyond this. */
const READ_BYTES_COMPACT = 16_384;

export class PendingCommands {
  head = 0;
  evaluated = 0;
  tail = 0;
  #mask = START_SIZE - 1;
  #words = new Uint16Array(START_SIZE * WORDS);
  #numbers = new Float64Array(START_SIZE * NUMBERS);
  /** Encoded reads and local commands that are not evaluated yet. */
  readonly readBytes: ByteWriter = new ByteWriter(0);
  /** Commands that have bytes in `readBytes` still. */
  #withBytes = 0;

  get length(): number {
    return this.tail - this.head;
  }

  /** Reads and writes that are not answered, their replies composed or not. */
  get waitingForLeader(): number {
    let count = 0;
    for (let p = this.head; p < this.tail; p++) {
      const kind = this.kind(p);
      if (kind === PendingKind.read || (kind === PendingKind.write && p >= this.evaluated)) count++;
    }
    return count;
  }

  /** Adds a command at the tail and returns its position. */
  push(kind: PendingKind, replyMode: number, submittedMs: number, slot = 0): number {
    if (this.tail - this.head > this.#mask) this.#grow();
    const place = this.tail & this.#mask;
    const at = place * WORDS;
    this.#words[at + KIND] = kind;
    this.#words[at + REPLY] = replyMode;
    this.#words[at + SLOT] = slot;
    this.#numbers[place * NUMBERS + SUBMITTED_MS] = submittedMs;
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
    const at = (this.push(kind, replyMode, submittedMs, slot) & this.#mask) * NUMBERS;
    this.#numbers[at + ROUND] = round;
    this.#numbers[at + READ_START] = this.readBytes.length;
    this.readBytes.slice(bytes, start, end);
    this.#withBytes++;
  }

  kind(position: number): PendingKind {
    return this.#words[(position & this.#mask) * WORDS + KIND] as PendingKind;
  }

  replyMode(position: number): number {
    return this.#words[(position & this.#mask) * WORDS + REPLY]!;
  }

  error(position: number): ClientError {
    return this.#words[(position & this.#mask) * WORDS + ERROR] as ClientError;
  }

  slot(position: number): number {
    return this.#words[(position & this.#mask) * WORDS + SLOT]!;
  }

  round(position: number): number {
    return this.#numbers[(position & this.#mask) * NUMBERS + ROUND]!;
  }

  readStart(position: number): number {
    return this.#numbers[(position & this.#mask) * NUMBERS + READ_START]!;
  }

  submittedMs(position: number): number {
    return this.#numbers[(position & this.#mask) * NUMBERS + SUBMITTED_MS]!;
  }

  replyEnd(position: number): number {
    return this.#numbers[(position & this.#mask) * NUMBERS + REPLY_END]!;
  }

  setReplyEnd(position: number, outputPosition: number): void {
    this.#numbers[(position & this.#mask) * NUMBERS + REPLY_END] = outputPosition;
  }

  /** Turns a command into a refusal; its reply is composed when its turn comes. */
  refuse(position: number, error: ClientError): void {
    const at = (position & this.#mask) * WORDS;
    if (position >= this.evaluated) this.#forgetBytes(this.#words[at + KIND]!);
    this.#words[at + KIND] = PendingKind.refused;
    this.#words[at + ERROR] = error;
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
      const at = (p & this.#mask) * NUMBERS + READ_START;
      if (hasBytes(this.kind(p))) this.#numbers[at]! -= from;
    }
  }

  #grow(): void {
    const size = (this.#mask + 1) * 2;
    const words = new Uint16Array(size * WORDS);
    const numbers = new Float64Array(size * NUMBERS);
    for (let p = this.head; p < this.tail; p++) {
      const from = p & this.#mask;
      const to = p & (size - 1);
      for (let i = 0; i < WORDS; i++) words[to * WORDS + i] = this.#words[from * WORDS + i]!;
      for (let i = 0; i < NUMBERS; i++) {
        numbers[to * NUMBERS + i] = this.#numbers[from * NUMBERS + i]!;
      }
    }
    this.#mask = size - 1;
    this.#words = words;
    this.#numbers = numbers;
  }
}

function hasBytes(kind: number): boolean {
  return kind === PendingKind.read || kind === PendingKind.local || kind === PendingKind.staleRead;
}
