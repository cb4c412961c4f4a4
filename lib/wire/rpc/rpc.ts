/** All that the links between servers need of the frames on the log port, in one place. */
export { appendFrameBytesMax } from "./entries.ts";
export { FrameDecoder } from "./frame_decoder.ts";
export { encodeAddressNotice } from "./rpc_addresses.ts";
export { encodeDigest } from "./rpc_digest.ts";
export { encodeFacts, factsBytes } from "./rpc_facts.ts";
export { featureOf, featureOfFrame } from "./rpc_features.ts";
export {
  encodeForward,
  encodeForwardEnd,
  encodeForwardTaken,
  FORWARD_PIECE_BYTES_MAX,
  ForwardPurpose,
} from "./rpc_forward.ts";
export {
  encodeFormation,
  encodeHello,
  encodeRefusal,
  encodeWelcome,
  escapeControls,
} from "./rpc_handshake.ts";
export { encodeMessage, type PieceTaker, snapshotChunkBytesMax } from "./rpc_messages.ts";
export { encodePing, encodePong } from "./rpc_ping.ts";
export { encodeProbe, encodeProbeResponse } from "./rpc_probe.ts";
export { encodeProof } from "./rpc_proof.ts";
export { encodePublish } from "./rpc_publish.ts";
export { encodeStatus } from "./rpc_status.ts";
export {
  type AddressNotice,
  type DigestNotice,
  type FactsNotice,
  Feature,
  type Features,
  type FormationNotice,
  type Frame,
  FrameType,
  HANDSHAKE_BYTES_MAX,
  HANDSHAKE_MAGIC,
  type Hello,
  HELLO_BYTES_MAX,
  NO_FEATURES,
  NONCE_BYTES,
  PROTOCOL_VERSION,
  PROTOCOL_VERSION_MIN,
  ProtocolError,
  type PublishNotice,
  REFUSAL_TEXT_BYTES_MAX,
  RefusalReason,
  type StatusNotice,
} from "./rpc_types.ts";
