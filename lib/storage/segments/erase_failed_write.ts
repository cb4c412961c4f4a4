/** Undoes a write that found no room. */
import { type DiskFile, DiskFullError } from "../../host/ports.ts";
import { isZero } from "./records.ts";

/**
 * Zeroes what a write of `count` bytes at `offset` left. If even that finds no room (some file systems
 * need room to overwrite), the bytes stay: they don't check out, so the worst that they can do is to make
 * the server suspect after a crash.
 */
export function eraseFailedWrite(file: DiskFile, offset: number, count: number): void {
  const written = new Uint8Array(count);
  file.read(offset, written);
  let end = count;
  while (end > 0 && written[end - 1] === 0) end--;
  if (isZero(written, 0, end)) return;
  try {
    file.write(offset, new Uint8Array(end));
  } catch (error) {
    if (!(error instanceof DiskFullError)) throw error;
  }
}
