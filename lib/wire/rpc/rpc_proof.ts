/** The frame by which who connected proves the cluster's secret; it belongs to the feature `secret`. */
import { assert } from "../../util/assert.ts";
import type { ByteReader, ByteWriter } from "../../util/bytes.ts";
import { beginFrame, endFrame } from "./frame.ts";
import { type Frame, FrameType, SECRET_MAC_BYTES } from "./rpc_types.ts";

export function encodeProof(out: ByteWriter, mac: Uint8Array): void {
  assert(mac.length === SECRET_MAC_BYTES, `A proof of ${mac.length} bytes`);
  const at = beginFrame(out, FrameType.proof);
  out.raw(mac);
  endFrame(out, at);
}

export function decodeProof(reader: ByteReader): Frame {
  return { type: "proof", mac: reader.view(SECRET_MAC_BYTES).slice() };
}
