/** Bytes that take room on a disk and mean nothing. */
import type { Disk } from "../../host/ports.ts";
import { Random } from "../../util/random.ts";
import type { Done } from "../types.ts";

/** Written and synced at a time: what waits for a sync meanwhile does not wait for long. */
export const PIECE_BYTES = 1_048_576;

let filler = new Uint8Array(0);

/** `count` bytes, at most `PIECE_BYTES`, which no file system can compress away. */
export function fillerOf(count: number): Uint8Array {
  if (filler.length < count) {
    const random = new Random(PIECE_BYTES);
    filler = new Uint8Array(Math.ceil(count / 4) * 4);
    for (let i = 0; i < filler.length; i += 4) {
      const word = random.u32();
      filler[i] = word;
      filler[i + 1] = word >>> 8;
      filler[i + 2] = word >>> 16;
      filler[i + 3] = word >>> 24;
    }
  }
  return filler.subarray(0, count);
}

/** Writes `bytes` at `offset` of the file at `path` and syncs them, off the event loop. */
export function writePieceLater(
  disk: Disk,
  path: string,
  offset: number,
  bytes: Uint8Array,
  create: boolean,
  done: Done,
): void {
  let file;
  try {
    file = disk.open(path, { create });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return disk.defer(() => done(error));
  }
  const opened = file;
  const end: Done = (error) => {
    opened.close();
    done(error);
  };
  opened.writeLater(offset, bytes, (error) => error === null ? opened.sync(end) : end(error));
}
