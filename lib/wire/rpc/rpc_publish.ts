/**
 * The frame by which a server hands on what one of its clients has published; it belongs to the feature
 * `publish`. It is told to those who subscribe there, and handed on no further.
 */
import type { ByteReader, ByteWriter } from "../../util/bytes.ts";
import { beginFrame, endFrame } from "./frame.ts";
import { type Frame, FrameType } from "./rpc_types.ts";

/** Appends the frame; both are bytes as the client sent them. */
export function encodePublish(out: ByteWriter, channel: Uint8Array, message: Uint8Array): void {
  const at = beginFrame(out, FrameType.publish);
  out.u32(channel.length);
  out.u32(message.length);
  out.raw(channel);
  out.raw(message);
  endFrame(out, at);
}

export function decodePublish(reader: ByteReader): Frame {
  const [channelBytes, messageBytes] = [reader.u32(), reader.u32()];
  const channel = reader.copy(channelBytes);
  return { type: "publish", notice: { channel, message: reader.copy(messageBytes) } };
}
