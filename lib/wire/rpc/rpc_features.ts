/**
 * Features: what a server can do beyond the first version of the protocol, named in its handshake. A
 * frame or field that belongs to a feature goes only to a server that named it, so servers of
 * different builds can be in one cluster. In a hello or welcome of version 2, after the fields of
 * version 1:
 *
 *   0  u16  how many features follow
 *   then each: u8 length of the name, the name in ASCII, u16 length of the value, the value
 *
 * Names that this build does not know are skipped. A value may grow at its end: what follows the bytes
 * that this build knows is skipped, too. docs/protocol.md says how a feature is added.
 */
import { assert } from "../../util/assert.ts";
import type { ByteReader, ByteWriter } from "../../util/bytes.ts";
import { isPiece } from "./rpc_messages.ts";
import {
  Feature,
  type Features,
  type Frame,
  FrameType,
  NONCE_BYTES,
  ProtocolError,
  SECRET_MAC_BYTES,
} from "./rpc_types.ts";

/** How many bytes of its value a feature needs; more are skipped, but for those below. */
const VALUE_BYTES: Readonly<Record<Feature, number>> = {
  status: 0,
  start: 8,
  facts: 0,
  clusterVersion: 3,
  claim: 24,
  secret: NONCE_BYTES,
  pieces: 0,
  publish: 0,
  forward: 1,
};

/** And how many are kept, where there may be more. */
const VALUE_BYTES_KEPT: Readonly<Partial<Record<Feature, number>>> = {
  secret: NONCE_BYTES + SECRET_MAC_BYTES,
};

/** The frames that belong to a feature; all others are part of version 1. */
const FEATURE_OF_FRAME: Readonly<Partial<Record<number, Feature>>> = {
  [FrameType.status]: Feature.status,
  [FrameType.probe]: Feature.start,
  [FrameType.probeResponse]: Feature.start,
  [FrameType.facts]: Feature.facts,
  [FrameType.addresses]: Feature.claim,
  [FrameType.proof]: Feature.secret,
  [FrameType.snapshotPiece]: Feature.pieces,
  [FrameType.publish]: Feature.publish,
  [FrameType.forward]: Feature.forward,
  [FrameType.forwardTaken]: Feature.forward,
  [FrameType.forwardEnd]: Feature.forward,
};

const NAME_BYTES_MAX = 32;
/** A name of one byte, and no value. */
const FEATURE_BYTES_MIN = 1 + 1 + 2;

/** The feature that both ends must have named before a frame of this type may be sent; null for none. */
export function featureOfFrame(type: number): Feature | null {
  return FEATURE_OF_FRAME[type] ?? null;
}

/** The same of a frame that came. */
export function featureOf(frame: Frame): Feature | null {
  if (frame.type === "otherVersion") return null;
  if (frame.type !== "message") return featureOfFrame(FrameType[frame.type]);
  return isPiece(frame.message) ? featureOfFrame(FrameType.snapshotPiece) : null;
}

export function encodeFeatures(out: ByteWriter, features: Features): void {
  out.u16(features.size);
  for (const [name, value] of features) {
    assert(value.length >= VALUE_BYTES[name], `The value of the feature ${name} is too short`);
    out.u8(name.length);
    for (let i = 0; i < name.length; i++) out.u8(name.charCodeAt(i));
    out.u16(value.length);
    out.raw(value);
  }
}

/** Reads all features and keeps those that this build knows, with as much of a value as it knows. */
export function decodeFeatures(reader: ByteReader): Features {
  const count = reader.u16();
  if (count * FEATURE_BYTES_MIN > reader.remaining) {
    throw new ProtocolError(`${count} features are announced in ${reader.remaining} bytes`);
  }
  const seen = new Set<string>();
  const features = new Map<Feature, Uint8Array>();
  for (let i = 0; i < count; i++) {
    const name = readName(reader);
    if (seen.has(name)) throw new ProtocolError(`the feature ${name} is named twice`);
    seen.add(name);
    const value = reader.view(reader.u16());
    if (!isKnown(name)) continue;
    const wanted = VALUE_BYTES[name];
    if (value.length < wanted) {
      throw new ProtocolError(
        `the feature ${name} has a value of ${value.length} bytes, of at least ${wanted}`,
      );
    }
    features.set(name, value.slice(0, VALUE_BYTES_KEPT[name] ?? wanted));
  }
  return features;
}

function readName(reader: ByteReader): string {
  const length = reader.u8();
  if (length === 0 || length > NAME_BYTES_MAX) {
    throw new ProtocolError(`a feature's name has ${length} bytes: 1 to ${NAME_BYTES_MAX}`);
  }
  let name = "";
  for (let i = 0; i < length; i++) {
    const byte = reader.u8();
    if (byte <= 0x20 || byte > 0x7e) throw new ProtocolError("a feature's name is not in ASCII");
    name += String.fromCharCode(byte);
  }
  return name;
}

function isKnown(name: string): name is Feature {
  return Object.hasOwn(VALUE_BYTES, name);
}
