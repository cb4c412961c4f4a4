/**
 * The frames by which one end of a connection asks at once whether the process at the other still
 * answers; they belong to the feature `start`. Either end may ask.
 */
import type { ByteReader, ByteWriter } from "../../util/bytes.ts";
import { beginFrame, endFrame } from "./frame.ts";
import { type Frame, FrameType } from "./rpc_types.ts";

/** Appends the question; the answer carries the same number. */
export function encodeProbe(out: ByteWriter, number: number): void {
  const at = beginFrame(out, FrameType.probe);
  out.u64(number);
  endFrame(out, at);
}

export function encodeProbeResponse(out: ByteWriter, number: number): void {
  const at = beginFrame(out, FrameType.probeResponse);
  out.u64(number);
  endFrame(out, at);
}

export function decodeProbe(reader: ByteReader, type: "probe" | "probeResponse"): Frame {
  return { type, number: reader.u64() };
}
