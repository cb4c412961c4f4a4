/**
 * Images of disks as a power cut may leave them. Certain is what was written before the last flush
 * before the cut; of the writes after it any subset may be there, each torn between sectors of 512
 * bytes. A write that was under way when a flush came in counts as flushed only where it was answered
 * before: the log has its record first.
 */
import type { Random } from "../../lib/util/random.ts";
import { output } from "../disks/file_systems.ts";
import { FLUSH, type PlacedRecord, WRITE } from "./write_log.ts";

const SECTOR_BYTES = 512;

/** What becomes of the writes that no flush made certain. */
export const FATES = ["none", "all", "some", "torn", "all but one", "the last alone"] as const;
export type Fate = typeof FATES[number];

export interface Honesty {
  /** A disk that lies: so many of its last writes may be lost, whatever was flushed. 0: it is honest. */
  readonly forgetsWrites: number;
}
export const HONEST: Honesty = { forgetsWrites: 0 };

/** Builds images at cuts that come one after another, for one disk of a log. */
export class ImageBuilder {
  readonly #log: Deno.FsFile;
  readonly #records: readonly PlacedRecord[];
  readonly #certainPath: string;
  readonly #certain: Deno.FsFile;
  readonly #honesty: Honesty;
  /** Records before this one are in the certain image. */
  #next = 0;
  #buffer = new Uint8Array(SECTOR_BYTES);

  /** `base`: the image that the log began with; a copy of it is made at `certainPath`. */
  constructor(
    logPath: string,
    records: readonly PlacedRecord[],
    disk: number,
    base: string,
    certainPath: string,
    honesty: Honesty = HONEST,
  ) {
    this.#log = Deno.openSync(logPath, { read: true });
    this.#records = records.filter((record) => record.disk === disk);
    this.#certainPath = certainPath;
    this.#honesty = honesty;
    copyImage(base, certainPath);
    this.#certain = Deno.openSync(certainPath, { read: true, write: true });
  }

  /** Makes at `path` what a cut at `position` in the log may leave. Cuts may not go back. */
  build(position: number, fate: Fate, random: Random, path: string): void {
    const pending = this.#advance(position);
    copyImage(this.#certainPath, path);
    const image = Deno.openSync(path, { read: true, write: true });
    try {
      this.#applySome(image, pending, fate, random);
    } finally {
      image.close();
    }
  }

  close(): void {
    this.#log.close();
    this.#certain.close();
    Deno.removeSync(this.#certainPath);
  }

  /** Brings the certain image up to the last flush before `position`; returns the writes after it. */
  #advance(position: number): PlacedRecord[] {
    let end = this.#next;
    while (end < this.#records.length && this.#records[end]!.end <= position) end++;
    const { forgetsWrites } = this.#honesty;
    const certainEnd = forgetsWrites > 0
      ? Math.max(this.#next, end - forgetsWrites)
      : this.#lastFlush(end);
    for (; this.#next < certainEnd; this.#next++) {
      this.#apply(this.#certain, this.#records[this.#next]!, () => true);
    }
    return this.#records.slice(this.#next, end).filter(({ kind }) => kind === WRITE);
  }

  #lastFlush(end: number): number {
    for (let i = end - 1; i >= this.#next; i--) {
      if (this.#records[i]!.kind === FLUSH) return i + 1;
    }
    return this.#next;
  }

  #applySome(
    image: Deno.FsFile,
    pending: readonly PlacedRecord[],
    fate: Fate,
    random: Random,
  ): void {
    const out = random.between(0, Math.max(0, pending.length - 1));
    const share = random.between(1, 9);
    pending.forEach((record, i) => {
      const isKept = fate === "none"
        ? false
        : fate === "all"
        ? true
        : fate === "all but one"
        ? i !== out
        : fate === "the last alone"
        ? i === pending.length - 1
        : random.chance(share / 10);
      if (fate === "torn") this.#apply(image, record, () => random.chance(share / 10));
      else if (isKept) this.#apply(image, record, () => true);
    });
  }

  /** Writes the record's sectors that `isKept` says so of. */
  #apply(image: Deno.FsFile, record: PlacedRecord, isKept: (sector: number) => boolean): void {
    if (record.kind !== WRITE) return;
    if (this.#buffer.length < record.bytes) this.#buffer = new Uint8Array(record.bytes);
    const bytes = this.#buffer.subarray(0, record.bytes);
    this.#log.seekSync(record.dataAt, Deno.SeekMode.Start);
    for (let at = 0; at < bytes.length;) at += this.#log.readSync(bytes.subarray(at)) ?? fail();
    for (let from = 0; from < bytes.length;) {
      if (!isKept(from / SECTOR_BYTES)) {
        from += SECTOR_BYTES;
        continue;
      }
      let to = from + SECTOR_BYTES;
      while (to < bytes.length && isKept(to / SECTOR_BYTES)) to += SECTOR_BYTES;
      image.seekSync(record.offset + from, Deno.SeekMode.Start);
      const run = bytes.subarray(from, Math.min(to, bytes.length));
      for (let at = 0; at < run.length;) at += image.writeSync(run.subarray(at));
      // The sector at `to` was asked about already, and is not kept.
      from = to + SECTOR_BYTES;
    }
  }
}

function fail(): never {
  throw new Error("The log of writes ends inside a record");
}

/** Holes stay holes: most of an image is never written to. */
export function copyImage(from: string, to: string): void {
  output("cp", "--sparse=always", "--reflink=auto", from, to);
}
