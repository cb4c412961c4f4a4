/** The frame by which a server tells the others how it is; it belongs to the feature `status`. */
import type { ByteReader, ByteWriter } from "../../util/bytes.ts";
import { beginFrame, endFrame } from "./frame.ts";
import { type Frame, FrameType, type StatusNotice } from "./rpc_types.ts";

const HAS_ROOM = 1;
const CAN_WRITE = 2;
const SUSPECT = 4;
const REPAIRING = 8;

export function encodeStatus(out: ByteWriter, status: StatusNotice): void {
  const at = beginFrame(out, FrameType.status);
  out.u8(
    (status.hasRoom ? HAS_ROOM : 0) | (status.canWrite ? CAN_WRITE : 0) |
      (status.isSuspect ? SUSPECT : 0) | (status.isRepairing ? REPAIRING : 0),
  );
  out.u64(status.appliedIndex);
  out.u64(status.logTimeMs);
  endFrame(out, at);
}

/** Flags and bytes that this build does not know are skipped: later ones tell more. */
export function decodeStatus(reader: ByteReader): Frame {
  const flags = reader.u8();
  const appliedIndex = reader.u64();
  const logTimeMs = reader.u64();
  reader.offset = reader.end;
  const status = {
    hasRoom: (flags & HAS_ROOM) !== 0,
    canWrite: (flags & CAN_WRITE) !== 0,
    isSuspect: (flags & SUSPECT) !== 0,
    isRepairing: (flags & REPAIRING) !== 0,
    appliedIndex,
    logTimeMs,
  };
  return { type: "status", status };
}
