/**
 * One port for both protocols: a connection's first byte tells which of them it speaks. Empty lines
 * tell nothing: in the Redis protocol they are passed over, in that of lines each is answered. So they
 * are counted until another byte comes, or none for a while, as where a person only pressed enter.
 */
import type { Result } from "../kv/commands/result.ts";
import type { ByteWriter } from "../util/bytes.ts";
import type { ClientFacts } from "./clients.ts";
import type { ClientAddress, Codec, LogTime, ServerViewSource } from "./codec.ts";
import { ClientAccess } from "./client_access.ts";
import { BATCH_COMMANDS_MAX, type ClientError, type CommandBatch } from "./command_batch.ts";
import { LineCodec, lineCommandBytesMax } from "./line/line_codec.ts";
import { refuseWithHint } from "./line/line_hints.ts";
import type { Answer } from "./questions.ts";
import type { ClientWatches } from "./watching.ts";
import { RespCodec } from "./resp/resp_codec.ts";
import type { RespIdentity } from "./resp/resp_request.ts";

const STAR = 0x2a;
const CR = 0x0d;
const LF = 0x0a;
/** No client of the Redis protocol begins with more empty lines than this. */
const EMPTY_LINES_MAX = 1_024;
/** What a request's own bytes take besides key and value, with room for options. */
const REQUEST_BYTES = 4_096;

export interface ClientLimits {
  readonly valueBytesMax: number;
  /** The longest key of the Redis protocol; that of lines has its own. */
  readonly redisKeyBytesMax: number;
}

/** The most bytes that one command takes in the input, whichever protocol it comes in. */
export function clientCommandBytesMax(limits: ClientLimits): number {
  const respBytesMax = REQUEST_BYTES + limits.redisKeyBytesMax + limits.valueBytesMax;
  return Math.max(lineCommandBytesMax(limits.valueBytesMax), respBytesMax);
}

/**
 * The most bytes of one run of commands, encoded: what an input buffer of `inputBytesMax` comes to.
 * None is twice as long as it came; a transaction carries what was queued before on top.
 */
export function encodedRunBytesMax(inputBytesMax: number): number {
  return 3 * inputBytesMax;
}

export class ClientCodec implements Codec {
  readonly #limits: ClientLimits;
  readonly #identity: RespIdentity;
  readonly #access: ClientAccess;
  #codec: Codec;
  #isChosen = false;
  /** Empty lines that came first, and are not answered. */
  #emptyLines = 0;
  /** A carriage return came, and not yet what follows it. */
  #isInLineEnd = false;

  /** `access`: who its client is; nobody, where there are no users, unless given. */
  constructor(
    limits: ClientLimits,
    identity: RespIdentity,
    access: ClientAccess = new ClientAccess(),
  ) {
    this.#limits = limits;
    this.#identity = identity;
    this.#access = access;
    this.#codec = new LineCodec({ valueBytesMax: limits.valueBytesMax }, access);
  }

  parse(
    bytes: Uint8Array,
    start: number,
    end: number,
    batch: CommandBatch,
    room: number,
  ): number {
    if (this.#isChosen && this.#emptyLines === 0) {
      return this.#codec.parse(bytes, start, end, batch, room);
    }
    const countMax = Math.min(batch.count + room, BATCH_COMMANDS_MAX);
    const at = this.#isChosen ? start : this.#choose(bytes, start, end);
    if (!this.#isChosen) return at - start;
    this.#answerEmptyLines(batch, countMax);
    const left = countMax - batch.count;
    if (left === 0) return at - start;
    return at - start + this.#codec.parse(bytes, at, end, batch, left);
  }

  fellSilent(batch: CommandBatch): void {
    if (!this.isUndecided) return;
    this.#isChosen = true;
    this.#isInLineEnd = false;
    this.#answerEmptyLines(batch, BATCH_COMMANDS_MAX);
  }

  get isUndecided(): boolean {
    return !this.#isChosen && this.#emptyLines > 0;
  }

  bytesNeeded(): number {
    if (this.#isInLineEnd) return 2;
    // Empty lines that are not answered yet are a command that was begun.
    return this.#isChosen && this.#emptyLines > 0 ? 1 : this.#codec.bytesNeeded();
  }

  isMidCommand(): boolean {
    return this.#isInLineEnd || this.isUndecided || this.#codec.isMidCommand();
  }

  get isPassingOver(): boolean {
    return this.#codec.isPassingOver;
  }

  heldBytes(): number {
    return this.#codec.heldBytes();
  }

  facts(): ClientFacts {
    return { ...this.#codec.facts(), clientId: this.#identity.clientId };
  }

  isWaiting(): boolean {
    return this.#codec.isWaiting();
  }

  writeResult(out: ByteWriter, replyMode: number, result: Result, time: LogTime): void {
    this.#codec.writeResult(out, replyMode, result, time);
  }

  writeLocal(
    out: ByteWriter,
    replyMode: number,
    bytes: Uint8Array,
    offset: number,
    source: ServerViewSource,
    watches: ClientWatches,
  ): ClientError | 0 {
    return this.#codec.writeLocal(out, replyMode, bytes, offset, source, watches);
  }

  writeAnswer(
    out: ByteWriter,
    replyMode: number,
    answer: Answer,
    source: ServerViewSource,
  ): void {
    this.#codec.writeAnswer(out, replyMode, answer, source);
  }

  writeError(
    out: ByteWriter,
    replyMode: number,
    error: ClientError,
    leader: ClientAddress | null,
    slot: number,
    command: number,
  ): void {
    this.#codec.writeError(out, replyMode, error, leader, slot, command);
  }

  noteRefused(replyMode: number, isRevoked: boolean): void {
    this.#codec.noteRefused(replyMode, isRevoked);
  }

  /** Counts the empty lines from `start` on, and looks at what follows them; returns where that is. */
  #choose(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    this.#isInLineEnd = false;
    while (at < end && this.#emptyLines < EMPTY_LINES_MAX) {
      if (bytes[at] === LF) at++;
      else if (bytes[at] !== CR) break;
      else if (at + 1 === end) {
        this.#isInLineEnd = true;
        return at;
      } else if (bytes[at + 1] === LF) at += 2;
      else break;
      this.#emptyLines++;
    }
    if (at === end) return at;
    this.#isChosen = true;
    if (bytes[at] === STAR) {
      this.#emptyLines = 0;
      this.#codec = this.#makeResp();
    }
    return at;
  }

  #answerEmptyLines(batch: CommandBatch, countMax: number): void {
    for (; this.#emptyLines > 0 && batch.count < countMax; this.#emptyLines--) {
      refuseWithHint(batch);
    }
  }

  #makeResp(): RespCodec {
    const { valueBytesMax, redisKeyBytesMax: keyBytesMax } = this.#limits;
    const commandBytesMax = clientCommandBytesMax(this.#limits);
    return new RespCodec(
      { valueBytesMax, keyBytesMax, commandBytesMax },
      this.#identity,
      this.#access,
    );
  }
}
