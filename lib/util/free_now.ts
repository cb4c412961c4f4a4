/**
 * Frees the memory behind `bytes` now, where they are all of their buffer: every view of it becomes
 * empty, so nobody may need one any more. Without this the collector finds out some time: it lets tens
 * of megabytes gather first, and then goes through everything for their sake.
 */
export function freeNow(bytes: Uint8Array): void {
  const { buffer } = bytes;
  const isAll = bytes.byteLength > 0 && bytes.byteLength === buffer.byteLength;
  if (isAll && buffer instanceof ArrayBuffer) buffer.transfer(0);
}

/** Of a view and its buffer: what comes with a frame's data, such as its head. */
const AROUND_BYTES_MAX = 256;

/** The same for a view of nearly all of its buffer, of which nobody has anything else. */
export function freeBehind({ buffer, byteLength }: Uint8Array): void {
  const isMost = byteLength > AROUND_BYTES_MAX &&
    buffer.byteLength - byteLength <= AROUND_BYTES_MAX;
  if (isMost && buffer instanceof ArrayBuffer) buffer.transfer(0);
}
