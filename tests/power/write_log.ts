/**
 * The log of what a disk was told, in its order:
 *
 *   0  1  kind: 1 a write, 2 a flush
 *   1  1  which disk, from 0
 *   2  8  offset on the disk, u64, big-endian
 *  10  4  bytes
 *  14     that many bytes
 */
import { readU32, readU64, writeU32, writeU64 } from "../../lib/util/bytes.ts";

export const WRITE = 1;
export const FLUSH = 2;
export const RECORD_HEAD_BYTES = 14;

export interface LogRecord {
  readonly kind: number;
  readonly disk: number;
  readonly offset: number;
  readonly bytes: number;
}

/** A record and where it stands in the log. */
export interface PlacedRecord extends LogRecord {
  /** Of its bytes in the log. */
  readonly dataAt: number;
  /** Behind it: it has happened where a cut comes at this place or later. */
  readonly end: number;
}

export function writeRecordHead(into: Uint8Array, record: LogRecord): void {
  into[0] = record.kind;
  into[1] = record.disk;
  writeU64(into, 2, record.offset);
  writeU32(into, 10, record.bytes);
}

/** All whole records of the log at `path`, without their bytes. */
export function readLog(path: string): PlacedRecord[] {
  const file = Deno.openSync(path, { read: true });
  try {
    const records: PlacedRecord[] = [];
    const size = file.statSync().size;
    const head = new Uint8Array(RECORD_HEAD_BYTES);
    for (let at = 0; at + RECORD_HEAD_BYTES <= size;) {
      file.seekSync(at, Deno.SeekMode.Start);
      if (file.readSync(head) !== RECORD_HEAD_BYTES) break;
      const bytes = readU32(head, 10);
      const dataAt = at + RECORD_HEAD_BYTES;
      const end = dataAt + bytes;
      if (end > size) break;
      records.push({
        kind: head[0]!,
        disk: head[1]!,
        offset: readU64(head, 2),
        bytes,
        dataAt,
        end,
      });
      at = end;
    }
    return records;
  } finally {
    file.close();
  }
}
