/** The frames by which both ends of a link know that the connection between them still carries. */
import type { ByteWriter } from "../../util/bytes.ts";
import { beginFrame, endFrame } from "./frame.ts";
import { FrameType } from "./rpc_types.ts";

/** Appends what a server sends now and then over a link that it made; it has no body. */
export function encodePing(out: ByteWriter): void {
  endFrame(out, beginFrame(out, FrameType.ping));
}

/** Appends what the other end answers to frames of any kind; it has no body. */
export function encodePong(out: ByteWriter): void {
  endFrame(out, beginFrame(out, FrameType.pong));
}
