/** Feeds a FrameDecoder and overwrites each chunk once the decoder is done with it. */
import { ByteWriter, writeU32 } from "../../lib/util/bytes.ts";
import { checksum } from "../../lib/util/checksum.ts";
import { type Frame, FrameDecoder, ProtocolError } from "../../lib/wire/rpc/rpc.ts";
import { FRAME_BYTES_MAX } from "./rpc_samples.ts";

export class RpcDriver {
  readonly decoder: FrameDecoder;
  readonly frames: Frame[] = [];

  constructor(frameBytesMax = FRAME_BYTES_MAX) {
    this.decoder = new FrameDecoder(frameBytesMax);
  }

  push(bytes: Uint8Array): this {
    // Somewhere inside a larger buffer, as a connection's reads are.
    const buffer = new Uint8Array(bytes.length + 11).fill(0xaa);
    buffer.set(bytes, 5);
    this.decoder.push(buffer.subarray(5, 5 + bytes.length));
    try {
      let frame = this.decoder.next();
      while (frame !== null) {
        this.frames.push(frame);
        frame = this.decoder.next();
      }
    } finally {
      buffer.fill(0xee);
    }
    return this;
  }
}

/** The frames of `bytes`, cut at `cuts` on the way in. */
export function decodeCut(bytes: Uint8Array, cuts: readonly number[]): Frame[] {
  const driver = new RpcDriver();
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    driver.push(bytes.subarray(from, cut));
    from = cut;
  }
  return driver.frames;
}

/** What is wrong with the bytes, or null; throws where it is another error than the decoder's own. */
export function problemOf(bytes: Uint8Array, cuts: readonly number[] = []): string | null {
  try {
    decodeCut(bytes, cuts);
    return null;
  } catch (error) {
    if (error instanceof ProtocolError) return error.message;
    throw error;
  }
}

/** A frame with any type and body, its length and checksum right. */
export function rawFrame(type: number, body: Uint8Array): Uint8Array {
  const out = new ByteWriter(0);
  out.u32(1 + body.length + 4);
  out.u8(type);
  out.raw(body);
  out.u32(checksum(out.bytes.subarray(4, out.length)));
  return out.copy();
}

/** Changes a good frame's body and puts the checksum right again. `at` counts from the body on. */
export function withBody(frame: Uint8Array, at: number, bytes: readonly number[]): Uint8Array {
  const changed = frame.slice();
  changed.set(bytes, 5 + at);
  const sumAt = changed.length - 4;
  writeU32(changed, sumAt, checksum(changed.subarray(4, sumAt)));
  return changed;
}
