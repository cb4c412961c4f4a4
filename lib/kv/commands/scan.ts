/** Walking over the keys in the order of their hashes: the same on all servers of a cluster. */
import { fromPosition, toPosition } from "../memory/hash.ts";
import type { Keyspace } from "./keyspace.ts";
import { recordKeyLength, recordKeyStart } from "../memory/record.ts";
import { PAGE_SLOTS } from "../memory/table.ts";

const POSITIONS = 0x1_0000_0000;

/** Called with each key of a scan; the bytes are valid during the call only. */
export type KeyVisitor = (bytes: Uint8Array, keyStart: number, keyLength: number) => void;

/** As `scanKeys`, over one store. */
export type Scan = (cursor: number, keysMax: number, visit: KeyVisitor) => number;

/**
 * Visits keys from `cursor` (0 to begin) on. Returns the cursor to continue with, or 0 at the end. A key
 * that is there from the first call to the last is visited exactly once. Visits `keysMax` keys or
 * slightly more: those of equal hash are not parted. Looks at up to twice as many due ones.
 */
export function scanKeys(
  keys: Keyspace,
  cursor: number,
  keysMax: number,
  visit: KeyVisitor,
): number {
  const { table, slabs } = keys.contents;
  let position = cursor;
  let visited = 0;
  let looked = 0;
  while (position < POSITIONS && visited < keysMax && looked < 2 * keysMax) {
    if (!table.next(fromPosition(position))) return 0;
    const { words, end } = table;
    let at = table.at;
    const hash = words[at]!;
    for (; at < end && words[at] === hash; at++, looked++) {
      const ref = words[at + PAGE_SLOTS]!;
      if (keys.isDue(ref)) continue;
      const slab = slabs.bytesOf(ref);
      const record = slabs.offsetOf(ref);
      visit(slab, recordKeyStart(slab, record), recordKeyLength(slab, record));
      visited++;
    }
    position = toPosition(hash) + 1;
  }
  return position === POSITIONS ? 0 : position;
}
