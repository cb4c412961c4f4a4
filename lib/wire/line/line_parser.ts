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
import type { SessionPlace } from "../../kv/sessions/operations.ts";
import { encodeCredentials, PASSWORD_BYTES_MAX } from "../acl.ts";
import type { ClientAccess } from "../client_access.ts";
import { Action, BATCH_COMMANDS_MAX, ClientError, ReplyMode } from "../command_batch.ts";
import type { CommandBatch } from "../command_batch.ts";
import { readDecimal } from "../decimal.ts";
import * as commands from "./line_commands.ts";
import { addSession, afterPlace, beginsWithPlace, readPlace } from "./line_sessions.ts";
import { addHelp, isAuth, isHelp, refuse, refuseOther } from "./line_hints.ts";
import { addScan } from "./line_scan.ts";
import { addWatching } from "./line_watching.ts";
import {
  beginsLikeHttp,
  beginsLikeTls,
  isLegalKey,
  isNoreply,
  looksLikeHttp,
  valueEnd,
  verbAt,
} from "./line_tokens.ts";

/** The longest line, its end included: room to answer a key that is too long, and to scan after one. */
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
  readonly #access: ClientAccess;
  /** It is being decided who the client is: nothing is parsed before. */
  isAuthenticating = false;
  #phase: Phase = Phase.line;
  #isFirstLine = true;
  /** Bytes of a refused command's value that are still to come (phase swallow). */
  #swallowLeft = 0;
  /** How many bytes of the front line are known to hold no line feed. */
  #scanned = 0;
  /** How many bytes the front command needs at least, more than are there; 0: nothing is known. */
  #needed = 0;
  #argumentCount = 0;
  /** Which write of a client session the front line is; null for none. */
  #place: SessionPlace | null = null;
  readonly #argumentStarts = new Int32Array(ARGUMENTS_KEPT);
  readonly #argumentEnds = new Int32Array(ARGUMENTS_KEPT);

  constructor(limits: LineLimits, access: ClientAccess) {
    this.#limits = limits;
    this.#access = access;
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
    while (at < end && batch.count < countMax && !this.isAuthenticating) {
      const next = this.#step(bytes, at, end, batch);
      if (next === at) break;
      at = next;
    }
    return at - start;
  }

  /** As `Codec.bytesNeeded`. */
  bytesNeeded(): number {
    return this.isPassingOver ? 1 : this.#needed;
  }

  /** As `Codec.isPassingOver`. */
  get isPassingOver(): boolean {
    return this.#phase === Phase.swallow || this.#phase === Phase.drop;
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
    if (this.#isFirstLine && beginsLikeTls(bytes, at)) return this.#close(batch, at + 1);
    const scanEnd = Math.min(end, at + LINE_BYTES_MAX);
    let lineFeed = at + this.#scanned;
    while (lineFeed < scanEnd && bytes[lineFeed] !== LF) lineFeed++;
    if (lineFeed === scanEnd) {
      if (scanEnd - at === LINE_BYTES_MAX) return this.#overlongLine(bytes, at, batch);
      return this.#wait(at, lineFeed, lineFeed + 1);
    }
    const lineEnd = lineFeed > at && bytes[lineFeed - 1] === CR ? lineFeed - 1 : lineFeed;
    if (this.#isFirstLine && looksLikeHttp(bytes, at, lineEnd)) {
      return this.#close(batch, lineFeed + 1);
    }
    const verbStart = beginsWithPlace(bytes, at) ? afterPlace(bytes, at, lineEnd) : at;
    const verbEnd = this.#split(bytes, verbStart, lineEnd);
    const op = verbAt(bytes, verbStart, verbEnd);
    this.#place = verbStart > at ? readPlace(bytes, at, verbStart) : null;
    // What can't be understood may announce a value.
    if (verbStart > at && (this.#place === null || !commands.isSessionWrite(op))) {
      return this.#close(batch, lineFeed + 1, Action.refuseAndClose);
    }
    if (op === Op.set || op === Op.cas) return this.#store(op, bytes, at, lineFeed, end, batch);
    if (op === 0) {
      if (isAuth(bytes, at, verbEnd)) return this.#authenticate(bytes, at, lineFeed, end, batch);
      if (this.#access.isShut) refuse(batch, ClientError.notAuthenticated);
      else if (isHelp(bytes, at, verbEnd)) addHelp(batch);
      else if (
        !addScan(batch, this.#access, bytes, at, lineEnd) &&
        !addSession(batch, this.#access, bytes, at, lineEnd) &&
        !addWatching(batch, bytes, at, lineEnd, this.#limits)
      ) refuseOther(batch, bytes, at, verbEnd, lineEnd);
      return this.#done(Phase.line, lineFeed + 1);
    }
    const isShut = this.#access.isShut;
    if (isShut || this.#argumentCount !== 1 || !this.#keyIsLegal(bytes)) {
      refuse(batch, isShut ? ClientError.notAuthenticated : ClientError.command);
      return this.#done(Phase.line, lineFeed + 1);
    }
    const command = commands.commandOf(op);
    const from = commands.beginCommand(batch, this.#access, command, this.#place);
    encodeKeyOnly(batch.bytes, op, bytes, this.#argumentStarts[0]!, this.#argumentEnds[0]!);
    commands.endCommand(batch, this.#access, from, this.#place);
    const mode = op === Op.getm ? ReplyMode.withMeta : ReplyMode.plain;
    batch.add(op === Op.delete ? Action.write : Action.read, mode, from, 0, command);
    return this.#done(Phase.line, lineFeed + 1);
  }

  #close(batch: CommandBatch, at: number, action: Action = Action.close): number {
    batch.add(action, ClientError.command, batch.bytes.length);
    return this.#done(Phase.closed, at);
  }

  /**
   * A line that shows no end within `LINE_BYTES_MAX`. Where it may announce a value, what follows
   * can't be told from commands: the connection ends. Any other is dropped as it comes.
   */
  #overlongLine(bytes: Uint8Array, at: number, batch: CommandBatch): number {
    const lineEnd = at + LINE_BYTES_MAX;
    if (this.#isFirstLine && beginsLikeHttp(bytes, at, lineEnd)) return this.#close(batch, lineEnd);
    const op = bytes[at + 3] === SPACE ? verbAt(bytes, at, at + 3) : 0;
    const isPlaced = beginsWithPlace(bytes, at);
    if (op === Op.set || op === Op.cas || isPlaced || isAuth(bytes, at, at + 4)) {
      return this.#close(batch, lineEnd, Action.refuseAndClose);
    }
    refuse(batch, this.#access.isShut ? ClientError.notAuthenticated : ClientError.command);
    return this.#done(Phase.drop, lineEnd);
  }

  /** `auth <user> <numbytes>`: the password comes after it, as the value of a set does. */
  #authenticate(
    bytes: Uint8Array,
    at: number,
    lineFeed: number,
    end: number,
    batch: CommandBatch,
  ): number {
    const size = this.#argumentCount === 2 ? this.#number(bytes, 1, PASSWORD_BYTES_MAX) : -1;
    if (size < 0 || this.#argumentStarts[0] === this.#argumentEnds[0]) {
      return this.#close(batch, lineFeed + 1, Action.refuseAndClose);
    }
    const next = this.#valueEnd(bytes, at, lineFeed, size, end);
    if (next === 0) return at;
    const passwordEnd = lineFeed + 1 + size;
    if (next === passwordEnd) {
      refuse(batch);
      return this.#done(Phase.drop, passwordEnd);
    }
    const name = bytes.subarray(this.#argumentStarts[0]!, this.#argumentEnds[0]!);
    const from = encodeCredentials(batch.bytes, name, bytes.subarray(lineFeed + 1, passwordEnd));
    this.isAuthenticating = true;
    batch.add(Action.authenticate, ReplyMode.authenticate, from, 0, commands.LineCommand.auth);
    return this.#done(Phase.line, next);
  }

  /** As `valueEnd`; 0 where bytes are missing. */
  #valueEnd(bytes: Uint8Array, at: number, lineFeed: number, size: number, end: number): number {
    const next = valueEnd(bytes, lineFeed + 1 + size, end);
    if (next > 0) return next;
    this.#wait(at, lineFeed, -next);
    return 0;
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
      return this.#close(batch, lineFeed + 1, silent ? Action.close : Action.refuseAndClose);
    }
    const exptime = this.#number(bytes, 1, EXPTIME_SECONDS_MAX);
    const version = isCas ? this.#number(bytes, 2, Number.MAX_SAFE_INTEGER) : 0;
    const countIsRight = count === sizeAt + 1 || silent;
    const isShut = this.#access.isShut;
    if (isShut || !countIsRight || exptime < 0 || version < 0 || !this.#keyIsLegal(bytes)) {
      refuse(batch, isShut ? ClientError.notAuthenticated : ClientError.command, silent);
      this.#swallowLeft = size;
      return this.#done(size > 0 ? Phase.swallow : Phase.drop, lineFeed + 1);
    }
    const next = this.#valueEnd(bytes, at, lineFeed, size, end);
    if (next === 0) return at;
    const valueEnd = lineFeed + 1 + size;
    if (next === valueEnd) {
      refuse(batch, ClientError.command, silent);
      return this.#done(Phase.drop, valueEnd);
    }
    const from = commands.beginCommand(batch, this.#access, commands.storeOf(isCas), this.#place);
    const keyStart = this.#argumentStarts[0]!;
    const keyEnd = this.#argumentEnds[0]!;
    const valueStart = lineFeed + 1;
    const out = batch.bytes;
    const kind = exptime === 0 ? ExpiryKind.never : ExpiryKind.relative;
    const ms = exptime * 1000;
    if (isCas) encodeCas(out, kind, ms, version, bytes, keyStart, keyEnd, valueStart, valueEnd);
    else encodeSet(out, kind, ms, bytes, keyStart, keyEnd, valueStart, valueEnd);
    commands.endCommand(batch, this.#access, from, this.#place);
    const mode = silent ? ReplyMode.none : ReplyMode.plain;
    batch.add(Action.write, mode, from, 0, commands.storeOf(isCas));
    return this.#done(Phase.line, next);
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
