/** All that the links between servers need of the frames on the log port, in one place. */
export { appendFrameBytesMax } from "./entries.ts";
export { FrameDecoder } from "./frame_decoder.ts";
export { encodeDigest } from "./rpc_digest.ts";
export {
  encodeFormation,
  encodeHello,
  encodeRefusal,
  encodeWelcome,
  escapeControls,
} from "./rpc_handshake.ts";
export { encodeMessage, snapshotChunkBytesMax } from "./rpc_messages.ts";
export { encodePing, encodePong } from "./rpc_ping.ts";
export {
  type DigestNotice,
  type FormationNotice,
  type Frame,
  FrameType,
  HANDSHAKE_MAGIC,
  type Hello,
  PROTOCOL_VERSION,
  ProtocolError,
  REFUSAL_TEXT_BYTES_MAX,
  RefusalReason,
} from "./rpc_types.ts";
