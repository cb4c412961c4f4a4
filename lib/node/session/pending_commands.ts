/**
 * A connection's commands that are not answered yet, in their order, in a ring of two plain arrays:
 * no object per command, and little for a connection that is idle. Positions are absolute and never
 * reused: `position & mask` is the place.
 *
 *   head ≤ evaluated ≤ tail
 *   [head, evaluated)  the reply's bytes are composed; some wait for a read round's confirmation
 *   [evaluated, tail)  waiting for the log, or for an earlier command
 */
import { commandLength } from "../../kv/commands/command.ts";
import { ByteWriter } from "../../util/bytes.ts";
import { hasBytes, PendingKind, waitsForLeader } from "./pending_kind.ts";
import type { Action, ClientError } from "../../wire/command_batch.ts";

/** Most connections are idle, or have one command under way at a time. */
const START_SIZE = 2;
/** The words of one place: kind, reply mode, error (of a held command: action), hash slot, number. */
const WORDS = 5;
const KIND = 0;
const REPLY = 1;
const ERROR = 2;
const ACTION = ERROR;
const SLOT = 3;
const COMMAND = 4;
/**
 * The numbers of one place: the round that confirms it (reads); where its encoded command begins in
 * `readBytes` (reads, local and held commands); when it was submitted, and where its composed reply ends,
 * as an absolute output position (all).
 */
const NUMBERS = 4;
const ROUND = 0;
const READ_START = 1;
const SUBMITTED_MS = 2;
const REPLY_END = 3;
/** The bytes of waiting reads are moved to the front of their buffer beyond this. */
const READ_BYTES_COMPACT = 16_384;
/** A buffer that held commands grew is given back beyond this. */
const READ_BYTES_KEEP = 65_536;

export class PendingCommands {
  head = 0;
  evaluated = 0;
  tail = 0;
  #mask = START_SIZE - 1;
  #words = new Uint16Array(START_SIZE * WORDS);
  #numbers = new Float64Array(START_SIZE * NUMBERS);
  /** Encoded reads, local and held commands that are not evaluated yet. */
  readBytes: ByteWriter = new ByteWriter(0);
  #withBytes = 0;

  get length(): number {
    return this.tail - this.head;
  }

  /** Commands that there are places for; grows as needed. */
  get capacity(): number {
    return this.#mask + 1;
  }

  /** Commands that have bytes in `readBytes` still. */
  get commandsWithBytes(): number {
    return this.#withBytes;
  }

  /** What only a leader can answer and has not, replies to reads composed or not. */
  get waitingForLeader(): number {
    let count = 0;
    for (let p = this.head; p < this.tail; p++) {
      const kind = this.kind(p);
      if (kind === PendingKind.read || (p >= this.evaluated && waitsForLeader(kind))) count++;
    }
    return count;
  }

  /** Adds a command at the tail and returns its position. */
  push(
    kind: PendingKind,
    replyMode: number,
    submittedMs: number,
    slot: number,
    command: number,
  ): number {
    if (this.tail - this.head > this.#mask) this.#grow();
    const place = this.tail & this.#mask;
    const at = place * WORDS;
    this.#words[at + KIND] = kind;
    this.#words[at + REPLY] = replyMode;
    this.#words[at + SLOT] = slot;
    this.#words[at + COMMAND] = command;
    this.#numbers[place * NUMBERS + SUBMITTED_MS] = submittedMs;
    return this.tail++;
  }

  /** Adds a read, a local or a held command: encoded, it is `bytes[start, end)`. */
  pushBytes(
    kind: PendingKind,
    replyMode: number,
    submittedMs: number,
    slot: number,
    command: number,
    round: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    if (this.#withBytes === 0) this.#clearBytes();
    const at = (this.push(kind, replyMode, submittedMs, slot, command) & this.#mask) * NUMBERS;
    this.#numbers[at + ROUND] = round;
    this.#numbers[at + READ_START] = this.readBytes.length;
    this.readBytes.slice(bytes, start, end);
    this.#withBytes++;
  }

  /** Adds a command that waits for a leader; once there is one, it takes `action`. */
  pushHeld(
    action: Action,
    replyMode: number,
    submittedMs: number,
    slot: number,
    command: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): number {
    const position = this.tail;
    this.pushBytes(PendingKind.held, replyMode, submittedMs, slot, command, 0, bytes, start, end);
    this.#words[(position & this.#mask) * WORDS + ACTION] = action;
    return position;
  }

  /** What the held command there is to do once a leader is known. */
  action(position: number): Action {
    return this.#words[(position & this.#mask) * WORDS + ACTION] as Action;
  }

  /** Turns the held command there into a write, whose bytes the log has now, a read or a local command. */
  release(position: number, kind: PendingKind, submittedMs: number, round = 0): void {
    const place = position & this.#mask;
    if (!hasBytes(kind)) this.#withBytes--;
    this.#words[place * WORDS + KIND] = kind;
    this.#words[place * WORDS + ERROR] = 0;
    this.#numbers[place * NUMBERS + ROUND] = round;
    this.#numbers[place * NUMBERS + SUBMITTED_MS] = submittedMs;
  }

  /** The held command there was sent to the server that leads: it keeps its bytes, and its action. */
  forward(position: number): void {
    this.#words[(position & this.#mask) * WORDS + KIND] = PendingKind.forwarded;
  }

  /** Nothing was done of it there: it is held again, for as long as is left of its time. */
  holdForwarded(position: number): void {
    this.#words[(position & this.#mask) * WORDS + KIND] = PendingKind.held;
  }

  /** Where the bytes of the command there end. */
  bytesEnd(position: number): number {
    const start = this.readStart(position);
    return start + commandLength(this.readBytes.bytes, start);
  }

  /** Holds a read, or a question, again that waited for its round, and is not evaluated. */
  holdRead(position: number, action: Action, nowMs: number): void {
    const place = position & this.#mask;
    this.#words[place * WORDS + KIND] = PendingKind.held;
    this.#words[place * WORDS + ACTION] = action;
    this.#numbers[place * NUMBERS + SUBMITTED_MS] = nowMs;
  }

  /**
   * Holds `count` writes from `position` on again. They did not get into the log, and none of them is
   * evaluated. Encoded, back to back, they begin at `bytes[start]`.
   */
  holdWrites(
    position: number,
    count: number,
    action: Action,
    nowMs: number,
    bytes: Uint8Array,
    start: number,
  ): void {
    const before = this.readBytes;
    const after = new ByteWriter(0);
    let offset = start;
    for (let p = this.evaluated; p < this.tail; p++) {
      const at = (p & this.#mask) * NUMBERS;
      const isWrite = p >= position && p < position + count;
      if (!isWrite && !hasBytes(this.kind(p))) continue;
      const from = isWrite ? offset : this.#numbers[at + READ_START]!;
      const source = isWrite ? bytes : before.bytes;
      this.#numbers[at + READ_START] = after.length;
      after.slice(source, from, from + commandLength(source, from));
      if (!isWrite) continue;
      offset += commandLength(bytes, offset);
      this.#withBytes++;
      this.#words[(p & this.#mask) * WORDS + KIND] = PendingKind.held;
      this.#words[(p & this.#mask) * WORDS + ACTION] = action;
      this.#numbers[at + SUBMITTED_MS] = nowMs;
    }
    this.readBytes = after;
  }

  /** Gives back the memory that held commands took, once no command has bytes any more. */
  shrink(): void {
    if (this.#withBytes === 0) this.#clearBytes();
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

  /** The command's number (kv/users/command_numbers.ts), where permissions are asked; 0 elsewhere. */
  command(position: number): number {
    return this.#words[(position & this.#mask) * WORDS + COMMAND]!;
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

  /** When the last command came, answered or not; null where none has. Its place is not used again yet. */
  lastSubmittedMs(): number | null {
    return this.tail === 0 ? null : this.submittedMs(this.tail - 1);
  }

  replyEnd(position: number): number {
    return this.#numbers[(position & this.#mask) * NUMBERS + REPLY_END]!;
  }

  setReplyEnd(position: number, outputPosition: number): void {
    this.#numbers[(position & this.#mask) * NUMBERS + REPLY_END] = outputPosition;
  }

  /** The question there, or name and password, the next command of all, was put to the node. */
  noteAsked(position: number): void {
    const at = (position & this.#mask) * WORDS + KIND;
    const isQuestion = this.#words[at] === PendingKind.question;
    this.#forgetBytes(this.#words[at]!);
    this.#words[at] = isQuestion ? PendingKind.asked : PendingKind.authenticating;
  }

  /** What the node was asked there came to a write, which the log has now. */
  noteWritten(position: number, nowMs: number): void {
    const place = position & this.#mask;
    this.#words[place * WORDS + KIND] = PendingKind.write;
    this.#numbers[place * NUMBERS + SUBMITTED_MS] = nowMs;
  }

  /** Turns a command into a refusal; its reply is composed when its turn comes. */
  refuse(position: number, error: ClientError): void {
    const at = (position & this.#mask) * WORDS;
    if (position >= this.evaluated) this.#forgetBytes(this.#words[at + KIND]!);
    this.#words[at + KIND] = PendingKind.refused;
    this.#words[at + ERROR] = error;
  }

  /** Refuses those of `count` commands from `position` on that are not evaluated. */
  refuseFrom(position: number, count: number, error: ClientError): void {
    for (let p = Math.max(position, this.evaluated); p < position + count; p++) {
      this.refuse(p, error);
    }
  }

  /** Moves `evaluated` past the next command, whose reply was composed up to `outputPosition`. */
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

  /** Keeps `readBytes` from growing for ever on a connection that always has reads waiting. */
  #dropReadBytes(): void {
    if (this.readBytes.length < READ_BYTES_COMPACT) return;
    if (this.#withBytes === 0) return this.#clearBytes();
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

  #clearBytes(): void {
    if (this.readBytes.bytes.length > READ_BYTES_KEEP) this.readBytes = new ByteWriter(0);
    else this.readBytes.clear();
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
