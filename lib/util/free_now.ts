import { assert } from "./assert.ts";

/**
 * Frees the memory behind `bytes` now, where they are all of their buffer: every view of it becomes
 * empty, so nobody may need one any more. Without this the collector finds out some time: it lets tens
 * of megabytes gather first, and then goes through everything for their sake. What somebody holds
 * (`hold`) is freed once nobody does.
 */
export function freeNow(bytes: Uint8Array): void {
  const { buffer } = bytes;
  const isAll = bytes.byteLength > 0 && bytes.byteLength === buffer.byteLength;
  if (!isAll || !(buffer instanceof ArrayBuffer)) return;
  const holding = HELD.get(buffer);
  if (holding === undefined) buffer.transfer(0);
  else holding.isGivenUp = true;
}

/** By buffer: how many hold it, and whether its owner has given it up meanwhile. */
const HELD = new WeakMap<ArrayBufferLike, { count: number; isGivenUp: boolean }>();

/** Keeps the memory behind `bytes` as it is, whoever frees it, until `release`. */
export function hold({ buffer }: Uint8Array): void {
  const holding = HELD.get(buffer);
  if (holding === undefined) HELD.set(buffer, { count: 1, isGivenUp: false });
  else holding.count++;
}

/** To be called once for each `hold` of the buffer behind `bytes`. */
export function release(bytes: Uint8Array): void {
  const holding = HELD.get(bytes.buffer);
  assert(holding !== undefined, "A buffer was released that nobody holds");
  if (--holding.count > 0) return;
  HELD.delete(bytes.buffer);
  if (holding.isGivenUp) freeNow(bytes);
}

/** Of a view and its buffer: what comes with a frame's data, such as its head. */
const AROUND_BYTES_MAX = 256;

/** The same for a view of nearly all of its buffer, of which nobody has anything else. */
export function freeBehind({ buffer, byteLength }: Uint8Array): void {
  const isMost = byteLength > AROUND_BYTES_MAX &&
    buffer.byteLength - byteLength <= AROUND_BYTES_MAX;
  if (isMost && buffer instanceof ArrayBuffer) buffer.transfer(0);
}
