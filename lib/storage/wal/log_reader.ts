/**
 * Reads entries that left memory, off the event loop, from the segments that still have them. Every byte
 * is checked: a record counts only where its checksum continues that of the record before it. A file that the
 * disk can't give is as good as damaged: this server itself has what was in it, and others get a snapshot.
 */
import { type Disk, type DiskFile, isDiskProblem } from "../../host/ports.ts";
import type { EntriesRequest, Entry } from "../../raft/types.ts";
import { broken } from "../../util/assert.ts";
import { ByteReader, readU32 } from "../../util/bytes.ts";
import { DataDirectoryError } from "../errors.ts";
import { checkRecord, RECORD_HEAD_BYTES, RecordType } from "../segments/records.ts";
import type { EntriesRead, EntriesReader } from "../types.ts";
import type { LogIndex, Run } from "./log_index.ts";

const NOTHING = new Uint8Array(0);

/** A run as it was when the read began: it may grow meanwhile. */
type ReadRun = Pick<Run, "offset" | "end" | "chain" | "lastIndex">;

export class LogReader implements EntriesReader {
  readonly #disk: Disk;
  /** Where the entries are; kept up to date by the log. */
  readonly index: LogIndex;
  #isClosed = false;

  constructor(disk: Disk, index: LogIndex) {
    this.#disk = disk;
    this.index = index;
  }

  /** What is under way is not answered any more. */
  close(): void {
    this.#isClosed = true;
  }

  reaches(index: number): boolean {
    return this.index.reaches(index);
  }

  get writtenBytes(): number {
    return this.index.writtenBytes;
  }

  bytesAfter(index: number): number {
    return this.index.bytesAfter(index);
  }

  read(request: EntriesRequest, done: EntriesRead): void {
    const { fromIndex } = request;
    const term = this.index.termAtBeginning(fromIndex);
    const head = term === null ? [] : [{ index: fromIndex, term, data: NOTHING }];
    this.#continue(request, head, done);
  }

  /** The first entry may be the last one of its run: then one run is not enough. */
  #continue(request: EntriesRequest, entries: Entry[], done: EntriesRead): void {
    const { fromIndex, toIndex, bytesMax } = request;
    const nextIndex = fromIndex + entries.length;
    const runs = this.index.find(nextIndex, toIndex, bytesMax);
    const first = runs[0];
    if (first === undefined) return this.#disk.defer(() => this.#end(null, null, done));
    let file: DiskFile;
    try {
      file = this.#disk.open(first.path, { readOnly: true });
    } catch (error) {
      return this.#disk.defer(() => this.#failed(error, first, runs, done));
    }
    const bytes = new Uint8Array(runs.at(-1)!.end - first.offset);
    const read = runs.map(({ offset, end, chain, lastIndex }) => ({
      ...{ offset, end, chain, lastIndex },
    }));
    file.readLater(first.offset, bytes, (error) => {
      file.close();
      if (error !== null) return this.#failed(error, first, runs, done);
      // Its segment left the log: somebody else may write there by now.
      if (first.isGone) return this.#end(null, null, done);
      const damagedAt = decodeRuns(bytes, read, nextIndex, toIndex, entries);
      if (damagedAt >= 0) return this.#end(this.#damaged(first, damagedAt, read), null, done);
      if (entries.length < 2) return this.#continue(request, entries, done);
      this.#end(null, entries, done);
    });
  }

  /** The disk did not give what was to be read. */
  #failed(error: unknown, first: Run, runs: readonly Run[], done: EntriesRead): void {
    // Its segment left the log, and so it did not have to be there any more.
    if (first.isGone) return this.#end(null, null, done);
    if (!isDiskProblem(error)) throw error;
    this.index.dropUpTo(runs.at(-1)!.lastIndex);
    this.#end(new DataDirectoryError(error.message, { cause: error }), null, done);
  }

  #damaged({ path }: Run, offset: number, read: readonly ReadRun[]): DataDirectoryError {
    this.index.dropUpTo(read.at(-1)!.lastIndex);
    return new DataDirectoryError(
      `${path} is damaged at byte ${offset}: a record's checksum is wrong`,
    );
  }

  #end(
    error: DataDirectoryError | null,
    entries: readonly Entry[] | null,
    done: EntriesRead,
  ): void {
    if (!this.#isClosed) done(error, entries);
  }
}

/**
 * Adds the entries from `nextIndex` to `toIndex` to `entries`; their data are views of `bytes`, which begin
 * where the first run does. Returns the offset in the file of a record that is damaged, or -1.
 */
function decodeRuns(
  bytes: Uint8Array,
  runs: readonly ReadRun[],
  nextIndex: number,
  toIndex: number,
  entries: Entry[],
): number {
  const base = runs[0]!.offset;
  let next = nextIndex;
  for (const run of runs) {
    let { chain } = run;
    for (let at = run.offset - base; at < run.end - base;) {
      const end = checkRecord(bytes, at, chain);
      if (end === 0 || end > run.end - base) return base + at;
      chain = readU32(bytes, at);
      if (bytes[at + 8] === RecordType.entries) {
        const body = new ByteReader(bytes, at + RECORD_HEAD_BYTES, end);
        next = addEntries(body, next, Math.min(run.lastIndex, toIndex), entries);
      }
      at = end;
    }
    if (next <= Math.min(run.lastIndex, toIndex)) {
      broken(`Entry ${next} is not where the log's index has it`);
    }
  }
  return -1;
}

/** Returns the index of the entry that is to come next. */
function addEntries(body: ByteReader, next: number, lastIndex: number, entries: Entry[]): number {
  const first = body.u64();
  const count = body.u32();
  let wanted = next;
  for (let i = 0; i < count && wanted <= lastIndex; i++) {
    const term = body.u64();
    const data = body.view(body.u32());
    if (first + i !== wanted) continue;
    entries.push({ index: wanted, term, data });
    wanted++;
  }
  return wanted;
}
