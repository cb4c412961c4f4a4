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
