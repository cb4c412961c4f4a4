/**
 * Clients' lines into commands: byte ranges of the input are encoded straight into the batch, with
 * no object, string or closure for each. docs/protocol.md says what a client sees.
 *
 * What may be left over between two calls:
 *   line     the front of the input begins a command; nothing of it is consumed until it is whole
 *   swallow  the value of a refused set or cas, counted down
 *   drop     a line of no use, up to its end
 *   closed   the connection is to be closed: what still comes is of no use
 * A value's bytes are never looked at, and a command of known size is not looked at again before
 * all of it is there: input in small chunks costs no more than the length of the line each time.
 */
import { encodeCas, encodeKeyOnly, encodeSet, ExpiryKind, Op } from "../../kv/commands/command.ts";
import { Action, BATCH_COMMANDS_MAX, ClientError, ReplyMode } from "../command_batch.ts";
import type { CommandBatch } from "../command_batch.ts";
import { readDecimal } from "../decimal.ts";
import { addHelp, isHelp, mayBeTyped, refuseWithHint } from "./line_hints.ts";
import { beginsLikeHttp, isLegalKey, isNoreply, looksLikeHttp, verbAt } from "./line_tokens.ts";

/**
 * The longest line, its end included. The longest legal one has some 320 bytes; the rest is room
 * to answer a key that is too long without closing the connection.
 */
export const LINE_BYTES_MAX = 4096;

/** The longest time to live, in seconds: 136 years. */
export const EXPTIME_SECONDS_MAX = 4_294_967_295;

export interface LineLimits {
  readonly valueBytesMax: number;
  readonly keyBytesMax: number;
}

const Phase = { line: 0, swallow: 1, drop: 2, closed: 3 } as const;
type Phase = typeof Phase[keyof typeof Phase];

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;

/** Arguments whose place is remembered: cas has the most, five. Those after them are only counted. */
const ARGUMENTS_KEPT = 5;

export class LineParser {
  readonly #limits: LineLimits;
  #phase: Phase = Phase.line;
  #isFirstLine = true;
  /** Bytes of a refused command's value that are still to come (phase swallow). */
  #swallowLeft = 0;
  /** How many bytes of the front line are known to hold no line feed. */
  #scanned = 0;
  /** How many bytes the front command needs at least, more than are there; 0: nothing is known. */
  #needed = 0;
  #argumentCount = 0;
  readonly #argumentStarts = new Int32Array(ARGUMENTS_KEPT);
  readonly #argumentEnds = new Int32Array(ARGUMENTS_KEPT);

  constructor(limits: LineLimits) {
    this.#limits = limits;
  }

  /** As `Codec.parse`. */
  parse(
    bytes: Uint8Array,
    start: number,
    end: number,
    batch: CommandBatch,
    room: number,
  ): number {
    const countMax = Math.min(batch.count + room, BATCH_COMMANDS_MAX);
    let at = start;
    while (at < end && batch.count < countMax) {
      const next = this.#step(bytes, at, end, batch);
      if (next === at) break;
      at = next;
    }
    return at - start;
  }

  /** As `Codec.bytesNeeded`. */
  bytesNeeded(): number {
    return this.#phase === Phase.swallow || this.#phase === Phase.drop ? 1 : this.#needed;
  }

  /** As `Codec.isMidCommand`. */
  isMidCommand(): boolean {
    return this.bytesNeeded() > 0;
  }

  /** Does what the phase asks for from `at` on; returns where it got, `at` where bytes are missing. */
  #step(bytes: Uint8Array, at: number, end: number, batch: CommandBatch): number {
    switch (this.#phase) {
      case Phase.line:
        return this.#line(bytes, at, end, batch);
      case Phase.swallow: {
        const count = Math.min(this.#swallowLeft, end - at);
        this.#swallowLeft -= count;
        if (this.#swallowLeft === 0) this.#phase = Phase.drop;
        return at + count;
      }
      case Phase.drop: {
        const lineFeed = bytes.subarray(at, end).indexOf(LF);
        if (lineFeed === -1) return end;
        this.#phase = Phase.line;
        return at + lineFeed + 1;
      }
      case Phase.closed:
        return end;
    }
  }

  #line(bytes: Uint8Array, at: number, end: number, batch: CommandBatch): number {
    if (end - at < this.#needed) return at;
    const scanEnd = Math.min(end, at + LINE_BYTES_MAX);
    let lineFeed = at + this.#scanned;
    while (lineFeed < scanEnd && bytes[lineFeed] !== LF) lineFeed++;
    if (lineFeed === scanEnd) {
      if (scanEnd - at === LINE_BYTES_MAX) return this.#overlongLine(bytes, at, batch);
      return this.#wait(at, lineFeed, lineFeed + 1);
    }
    const lineEnd = lineFeed > at && bytes[lineFeed - 1] === CR ? lineFeed - 1 : lineFeed;
    if (this.#isFirstLine && looksLikeHttp(bytes, at, lineEnd)) {
      batch.add(Action.close, ClientError.command, batch.bytes.length);
      return this.#done(Phase.closed, lineFeed + 1);
    }
    const verbEnd = this.#split(bytes, at, lineEnd);
    const op = verbAt(bytes, at, verbEnd);
    if (op === Op.set || op === Op.cas) return this.#store(op, bytes, at, lineFeed, end, batch);
    if (op === 0) {
      if (isHelp(bytes, at, verbEnd)) addHelp(batch);
      else if (mayBeTyped(bytes, at, verbEnd, lineEnd)) refuseWithHint(batch);
      else refuse(batch);
      return this.#done(Phase.line, lineFeed + 1);
    }
    if (this.#argumentCount !== 1 || !this.#keyIsLegal(bytes)) {
      refuse(batch);
      return this.#done(Phase.line, lineFeed + 1);
    }
    const from = batch.bytes.length;
    encodeKeyOnly(batch.bytes, op, bytes, this.#argumentStarts[0]!, this.#argumentEnds[0]!);
    if (op === Op.delete) batch.add(Action.write, ReplyMode.plain, from);
    else batch.add(Action.read, op === Op.getm ? ReplyMode.withMeta : ReplyMode.plain, from);
    return this.#done(Phase.line, lineFeed + 1);
  }

  /**
   * A line that shows no end within `LINE_BYTES_MAX`. Where it may announce a value, what follows
   * can't be told from commands: the connection ends. Any other is dropped as it comes.
   */
  #overlongLine(bytes: Uint8Array, at: number, batch: CommandBatch): number {
    const lineEnd = at + LINE_BYTES_MAX;
    if (this.#isFirstLine && beginsLikeHttp(bytes, at, lineEnd)) {
      batch.add(Action.close, ClientError.command, batch.bytes.length);
      return this.#done(Phase.closed, lineEnd);
    }
    const op = bytes[at + 3] === SPACE ? verbAt(bytes, at, at + 3) : 0;
    if (op === Op.set || op === Op.cas) {
      batch.add(Action.refuseAndClose, ClientError.command, batch.bytes.length);
      return this.#done(Phase.closed, lineEnd);
    }
    refuse(batch);
    return this.#done(Phase.drop, lineEnd);
  }

  /** A set or cas whose line is whole. `lineFeed` is where the line ends, the value comes next. */
  #store(
    op: Op,
    bytes: Uint8Array,
    at: number,
    lineFeed: number,
    end: number,
    batch: CommandBatch,
  ): number {
    const isCas = op === Op.cas;
    const sizeAt = isCas ? 3 : 2;
    const count = this.#argumentCount;
    const silent = count === sizeAt + 2 && this.#argumentIsNoreply(bytes, sizeAt + 1);
    const size = this.#announcedBytes(bytes, sizeAt);
    if (size < 0) {
      const action = silent ? Action.close : Action.refuseAndClose;
      batch.add(action, ClientError.command, batch.bytes.length);
      return this.#done(Phase.closed, lineFeed + 1);
    }
    const exptime = this.#number(bytes, 1, EXPTIME_SECONDS_MAX);
    const version = isCas ? this.#number(bytes, 2, Number.MAX_SAFE_INTEGER) : 0;
    const countIsRight = count === sizeAt + 1 || silent;
    if (!countIsRight || exptime < 0 || version < 0 || !this.#keyIsLegal(bytes)) {
      if (!silent) refuse(batch);
      this.#swallowLeft = size;
      return this.#done(size > 0 ? Phase.swallow : Phase.drop, lineFeed + 1);
    }
    const valueEnd = lineFeed + 1 + size;
    if (end <= valueEnd) return this.#wait(at, lineFeed, valueEnd + 1);
    let next = valueEnd;
    if (bytes[valueEnd] === LF) next = valueEnd + 1;
    else if (bytes[valueEnd] === CR) {
      if (end === valueEnd + 1) return this.#wait(at, lineFeed, valueEnd + 2);
      if (bytes[valueEnd + 1] === LF) next = valueEnd + 2;
    }
    if (next === valueEnd) {
      if (!silent) refuse(batch);
      return this.#done(Phase.drop, valueEnd);
    }
    this.#encodeStore(isCas, bytes, exptime, version, lineFeed + 1, valueEnd, batch, silent);
    return this.#done(Phase.line, next);
  }

  #encodeStore(
    isCas: boolean,
    bytes: Uint8Array,
    exptimeSeconds: number,
    version: number,
    valueStart: number,
    valueEnd: number,
    batch: CommandBatch,
    silent: boolean,
  ): void {
    const out = batch.bytes;
    const from = out.length;
    const kind = exptimeSeconds === 0 ? ExpiryKind.never : ExpiryKind.relative;
    const expiryMs = exptimeSeconds * 1000;
    const keyStart = this.#argumentStarts[0]!;
    const keyEnd = this.#argumentEnds[0]!;
    if (isCas) {
      encodeCas(out, kind, expiryMs, version, bytes, keyStart, keyEnd, valueStart, valueEnd);
    } else {
      encodeSet(out, kind, expiryMs, bytes, keyStart, keyEnd, valueStart, valueEnd);
    }
    batch.add(Action.write, silent ? ReplyMode.none : ReplyMode.plain, from);
  }

  /**
   * The length that the argument at `sizeAt` announces, or -1. An empty argument before it (two
   * spaces in a row) moves the fields: then no length can be trusted.
   */
  #announcedBytes(bytes: Uint8Array, sizeAt: number): number {
    if (this.#argumentCount <= sizeAt) return -1;
    for (let i = 0; i < sizeAt; i++) {
      if (this.#argumentStarts[i] === this.#argumentEnds[i]) return -1;
    }
    return this.#number(bytes, sizeAt, this.#limits.valueBytesMax);
  }

  #number(bytes: Uint8Array, argument: number, maximum: number): number {
    return readDecimal(
      bytes,
      this.#argumentStarts[argument]!,
      this.#argumentEnds[argument]!,
      maximum,
    );
  }

  #keyIsLegal(bytes: Uint8Array): boolean {
    const start = this.#argumentStarts[0]!;
    return isLegalKey(bytes, start, this.#argumentEnds[0]!, this.#limits.keyBytesMax);
  }

  #argumentIsNoreply(bytes: Uint8Array, argument: number): boolean {
    return isNoreply(bytes, this.#argumentStarts[argument]!, this.#argumentEnds[argument]!);
  }

  /** Finds the arguments of a line, each after exactly one space; returns where the verb ends. */
  #split(bytes: Uint8Array, start: number, lineEnd: number): number {
    let at = start;
    while (at < lineEnd && bytes[at] !== SPACE) at++;
    const verbEnd = at;
    let count = 0;
    while (at < lineEnd) {
      const argumentStart = ++at;
      while (at < lineEnd && bytes[at] !== SPACE) at++;
      if (count < ARGUMENTS_KEPT) {
        this.#argumentStarts[count] = argumentStart;
        this.#argumentEnds[count] = at;
      }
      count++;
    }
    this.#argumentCount = count;
    return verbEnd;
  }

  /** Leaves the command at `at` unconsumed until the bytes up to `neededEnd` are there. */
  #wait(at: number, scannedEnd: number, neededEnd: number): number {
    this.#scanned = scannedEnd - at;
    this.#needed = neededEnd - at;
    return at;
  }

  /** Ends the front line: what comes at `next` is read in `phase`. */
  #done(phase: Phase, next: number): number {
    this.#phase = phase;
    this.#isFirstLine = false;
    this.#scanned = 0;
    this.#needed = 0;
    return next;
  }
}

function refuse(batch: CommandBatch): void {
  batch.add(Action.refuse, ClientError.command, batch.bytes.length);
}
