/** The line protocol, for people with netcat and for simple clients: docs/protocol.md. */
import type { Result } from "../../kv/commands/result.ts";
import { assert } from "../../util/assert.ts";
import type { ByteWriter } from "../../util/bytes.ts";
import type { ClientAddress, Codec, LogTime } from "../codec.ts";
import type { ClientError, CommandBatch } from "../command_batch.ts";
import { LINE_BYTES_MAX, type LineLimits, LineParser } from "./line_parser.ts";
import { writeLineError, writeLineHelp, writeLineResult } from "./line_replies.ts";

/** The longest key of the line protocol. */
export const KEY_BYTES_MAX = 250;

/** The most bytes that one command takes in the input: its line, its value, the value's line end. */
export function lineCommandBytesMax(valueBytesMax: number): number {
  return LINE_BYTES_MAX + valueBytesMax + 2;
}

/** One connection's codec: it remembers what is half read. Never throws on any input. */
export class LineCodec implements Codec {
  readonly #parser: LineParser;

  constructor(options: { readonly valueBytesMax: number; readonly keyBytesMax?: number }) {
    const limits: LineLimits = {
      valueBytesMax: options.valueBytesMax,
      keyBytesMax: options.keyBytesMax ?? KEY_BYTES_MAX,
    };
    assert(
      Number.isSafeInteger(limits.valueBytesMax) && limits.valueBytesMax >= 0 &&
        limits.valueBytesMax <= 0x3fff_ffff,
      `Cannot take values of up to ${limits.valueBytesMax} bytes: choose at most 1 GiB`,
    );
    assert(
      limits.keyBytesMax >= 1 && limits.keyBytesMax <= KEY_BYTES_MAX,
      `Cannot take keys of up to ${limits.keyBytesMax} bytes: choose 1 to ${KEY_BYTES_MAX}`,
    );
    this.#parser = new LineParser(limits);
  }

  parse(
    bytes: Uint8Array,
    start: number,
    end: number,
    batch: CommandBatch,
    room: number,
  ): number {
    return this.#parser.parse(bytes, start, end, batch, room);
  }

  bytesNeeded(): number {
    return this.#parser.bytesNeeded();
  }

  isMidCommand(): boolean {
    return this.#parser.isMidCommand();
  }

  get isUndecided(): boolean {
    return false;
  }

  fellSilent(): void {}

  heldBytes(): number {
    return 0;
  }

  isWaiting(): boolean {
    return false;
  }

  noteRefused(): void {}

  writeLocal(out: ByteWriter): void {
    writeLineHelp(out);
  }

  writeResult(out: ByteWriter, replyMode: number, result: Result, time: LogTime): void {
    writeLineResult(out, replyMode, result, time);
  }

  writeError(
    out: ByteWriter,
    replyMode: number,
    error: ClientError,
    leader: ClientAddress | null,
  ): void {
    writeLineError(out, replyMode, error, leader);
  }
}
