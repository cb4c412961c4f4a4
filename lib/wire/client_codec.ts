/** One port for both protocols: a connection's first byte tells which of them it speaks. */
import type { Result } from "../kv/result.ts";
import type { ByteWriter } from "../util/bytes.ts";
import type { ClientAddress, Codec, ServerViewSource } from "./codec.ts";
import type { ClientError, CommandBatch } from "./command_batch.ts";
import { LineCodec, lineCommandBytesMax } from "./line.ts";
import { RespCodec } from "./resp.ts";
import type { RespIdentity } from "./resp_request.ts";

const STAR = 0x2a;
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
  #codec: Codec;
  #isChosen = false;

  constructor(limits: ClientLimits, identity: RespIdentity) {
    this.#limits = limits;
    this.#identity = identity;
    this.#codec = new LineCodec({ valueBytesMax: limits.valueBytesMax });
  }

  parse(
    bytes: Uint8Array,
    start: number,
    end: number,
    batch: CommandBatch,
    room: number,
  ): number {
    if (!this.#isChosen && start < end) {
      this.#isChosen = true;
      if (bytes[start] === STAR) this.#codec = this.#makeResp();
    }
    return this.#codec.parse(bytes, start, end, batch, room);
  }

  bytesNeeded(): number {
    return this.#codec.bytesNeeded();
  }

  midCommand(): boolean {
    return this.#codec.midCommand();
  }

  heldBytes(): number {
    return this.#codec.heldBytes();
  }

  isWaiting(): boolean {
    return this.#codec.isWaiting();
  }

  writeResult(out: ByteWriter, replyMode: number, result: Result, nowMs: number): void {
    this.#codec.writeResult(out, replyMode, result, nowMs);
  }

  writeLocal(
    out: ByteWriter,
    replyMode: number,
    bytes: Uint8Array,
    offset: number,
    source: ServerViewSource,
  ): void {
    this.#codec.writeLocal(out, replyMode, bytes, offset, source);
  }

  writeError(
    out: ByteWriter,
    replyMode: number,
    error: ClientError,
    leader: ClientAddress | null,
    slot: number,
  ): void {
    this.#codec.writeError(out, replyMode, error, leader, slot);
  }

  noteRefused(replyMode: number, isRevoked: boolean): void {
    this.#codec.noteRefused(replyMode, isRevoked);
  }

  #makeResp(): RespCodec {
    const { valueBytesMax, redisKeyBytesMax: keyBytesMax } = this.#limits;
    const commandBytesMax = clientCommandBytesMax(this.#limits);
    return new RespCodec({ valueBytesMax, keyBytesMax, commandBytesMax }, this.#identity);
  }
}
