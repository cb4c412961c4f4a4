/**
 * The frame in which a server says where one is: itself, first of all after a handshake in which both ends
 * have named the feature `claim`, then others that have told it themselves. Its body: u64 server id, 8
 * bytes of its incarnation, u16 length, the bytes of node/members/addresses.ts, which this folder does not
 * look into; the log has the same.
 */
import { ADDRESSES_BYTES_MAX } from "../../raft/configuration_codec.ts";
import type { ByteReader, ByteWriter } from "../../util/bytes.ts";
import {
  beginFrame,
  endFrame,
  INCARNATION_BYTES,
  readHex,
  readServerId,
  writeHex,
} from "./frame.ts";
import { type AddressNotice, type Frame, FrameType, ProtocolError } from "./rpc_types.ts";

export function encodeAddressNotice(out: ByteWriter, notice: AddressNotice): void {
  const at = beginFrame(out, FrameType.addresses);
  out.u64(notice.id);
  writeHex(out, notice.incarnation, INCARNATION_BYTES);
  out.u16(notice.addresses.length);
  out.raw(notice.addresses);
  endFrame(out, at);
}

export function decodeAddressNotice(reader: ByteReader): Frame {
  const id = readServerId(reader);
  const incarnation = readHex(reader, INCARNATION_BYTES);
  const length = reader.u16();
  if (length === 0 || length > ADDRESSES_BYTES_MAX) {
    throw new ProtocolError(`addresses of ${length} bytes: 1 to ${ADDRESSES_BYTES_MAX}`);
  }
  return { type: "addresses", notice: { id, incarnation, addresses: reader.copy(length) } };
}
