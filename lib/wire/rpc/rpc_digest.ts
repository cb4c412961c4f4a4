/** The frame by which servers compare what they hold. */
import type { ByteReader, ByteWriter } from "../../util/bytes.ts";
import { beginFrame, endFrame, readHex, writeHex } from "./frame.ts";
import { type DigestNotice, type Frame, FrameType } from "./rpc_types.ts";

const DIGEST_BYTES = 8;

export function encodeDigest(out: ByteWriter, notice: DigestNotice): void {
  const at = beginFrame(out, FrameType.digest);
  out.u64(notice.index);
  writeHex(out, notice.digest, DIGEST_BYTES);
  endFrame(out, at);
}

export function decodeDigest(reader: ByteReader): Frame {
  const index = reader.u64();
  return { type: "digest", notice: { index, digest: readHex(reader, DIGEST_BYTES) } };
}
