/** The frames around the messages: hello, welcome, refusal, and how far the cluster has formed. */
import type { FoundingMember } from "../../storage/types.ts";
import type { ByteReader, ByteWriter } from "../../util/bytes.ts";
import { assert } from "../../util/assert.ts";
import { CHECKSUM_CRC32 } from "../../util/checksum.ts";
import {
  beginFrame,
  CLUSTER_ID_BYTES,
  endFrame,
  INCARNATION_BYTES,
  LENGTH_BYTES,
  readHex,
  readServerId,
  writeHex,
} from "./frame.ts";
import { decodeFeatures, encodeFeatures } from "./rpc_features.ts";
import {
  type FormationNotice,
  type Frame,
  FrameType,
  HANDSHAKE_MAGIC,
  type Hello,
  HELLO_BYTES_MAX,
  NO_FEATURES,
  PROTOCOL_VERSION,
  PROTOCOL_VERSION_MIN,
  ProtocolError,
  REFUSAL_TEXT_BYTES_MAX,
} from "./rpc_types.ts";

const STAGE_MAX = 2;
const MEMBER_BYTES = 8 + INCARNATION_BYTES;

/** Appends the first frame of the side that connects. */
export function encodeHello(out: ByteWriter, hello: Hello): void {
  encodeHandshake(out, FrameType.hello, hello);
}

/** Appends the answer to a hello that was found good. */
export function encodeWelcome(out: ByteWriter, hello: Hello): void {
  encodeHandshake(out, FrameType.welcome, hello);
}

/** Appends the answer to a hello that was not; a text beyond `REFUSAL_TEXT_BYTES_MAX` is cut. */
export function encodeRefusal(out: ByteWriter, reason: number, text: string): void {
  const at = beginFrame(out, FrameType.refusal);
  const bytes = new Uint8Array(REFUSAL_TEXT_BYTES_MAX);
  // encodeInto stops before a character that does not fit whole.
  const { written } = new TextEncoder().encodeInto(text, bytes);
  out.u16(reason);
  out.u16(written);
  out.slice(bytes, 0, written);
  endFrame(out, at);
}

export function encodeFormation(out: ByteWriter, notice: FormationNotice): void {
  const at = beginFrame(out, FrameType.formation);
  out.u8(notice.stage);
  writeHex(out, notice.incarnation, INCARNATION_BYTES);
  writeHex(out, notice.clusterId, CLUSTER_ID_BYTES);
  out.u16(notice.members.length);
  for (const member of notice.members) {
    out.u64(member.serverId);
    writeHex(out, member.incarnation, INCARNATION_BYTES);
  }
  endFrame(out, at);
}

/** The body of a hello or welcome, up to the reader's end. */
export function decodeHandshake(reader: ByteReader, type: "hello" | "welcome"): Frame {
  if (reader.u32() !== HANDSHAKE_MAGIC) {
    throw new ProtocolError(`a ${type} without the magic bytes: no raftkv server speaks there`);
  }
  const protocolVersion = reader.u16();
  const checksumAlgorithm = reader.u8();
  const isKnown = protocolVersion >= PROTOCOL_VERSION_MIN && protocolVersion <= PROTOCOL_VERSION;
  if (!isKnown || checksumAlgorithm !== CHECKSUM_CRC32) {
    reader.offset = reader.end;
    return { type: "otherVersion", protocolVersion, checksumAlgorithm };
  }
  const clusterId = readHex(reader, CLUSTER_ID_BYTES);
  const from = readServerId(reader);
  const to = readServerId(reader);
  const incarnation = readHex(reader, INCARNATION_BYTES);
  const features = protocolVersion === PROTOCOL_VERSION_MIN ? NO_FEATURES : decodeFeatures(reader);
  return { type, hello: { protocolVersion, clusterId, from, to, incarnation, features } };
}

export function decodeRefusal(reader: ByteReader): Frame {
  const reason = reader.u16();
  const textBytes = reader.u16();
  if (textBytes > REFUSAL_TEXT_BYTES_MAX) {
    throw new ProtocolError(
      `a refusal's text has ${textBytes} bytes: at most ${REFUSAL_TEXT_BYTES_MAX} are allowed`,
    );
  }
  // Not fatal: bytes that are no UTF-8 are shown as U+FFFD.
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(reader.view(textBytes));
  return { type: "refusal", reason, text: escapeControls(text) };
}

export function decodeFormation(reader: ByteReader): Frame {
  const stage = reader.u8();
  if (stage > STAGE_MAX) throw new ProtocolError(`the stage ${stage} of forming is unknown`);
  const incarnation = readHex(reader, INCARNATION_BYTES);
  const clusterId = readHex(reader, CLUSTER_ID_BYTES);
  const count = reader.u16();
  if (count * MEMBER_BYTES > reader.remaining) {
    throw new ProtocolError(`${count} members are announced in ${reader.remaining} bytes`);
  }
  const members: FoundingMember[] = [];
  let lastId = 0;
  for (let i = 0; i < count; i++) {
    const serverId = readServerId(reader);
    if (serverId <= lastId) throw new ProtocolError("the members are not sorted by id");
    lastId = serverId;
    members.push({ serverId, incarnation: readHex(reader, INCARNATION_BYTES) });
  }
  return { type: "formation", notice: { stage, incarnation, clusterId, members } };
}

/**
 * A peer's text made safe for a terminal and a log: control characters (C0, DEL, C1), line and
 * paragraph separators, and what turns the direction of writing become `\u{…}`.
 */
export function escapeControls(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\u2028\u2029]/gu,
    (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`,
  );
}

function encodeHandshake(out: ByteWriter, type: FrameType, hello: Hello): void {
  const at = beginFrame(out, type);
  out.u32(HANDSHAKE_MAGIC);
  out.u16(hello.protocolVersion);
  out.u8(CHECKSUM_CRC32);
  writeHex(out, hello.clusterId, CLUSTER_ID_BYTES);
  out.u64(hello.from);
  out.u64(hello.to);
  writeHex(out, hello.incarnation, INCARNATION_BYTES);
  if (hello.protocolVersion > PROTOCOL_VERSION_MIN) encodeFeatures(out, hello.features);
  endFrame(out, at);
  const length = out.length - at - LENGTH_BYTES;
  assert(length <= HELLO_BYTES_MAX, `A handshake of ${length} bytes: older builds take less`);
}
