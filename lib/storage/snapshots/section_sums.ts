/**
 * The checksums of a snapshot's sections, for one that is written before all of its head is known: the head
 * has the digest of all records, which come after it. Each section's checksum continues that of the one
 * before, so once the head is put right all others change too, by what follows from their lengths alone.
 */
import { carriedDifference } from "../../util/checksum.ts";
import { SECTION_HEAD_BYTES } from "./snapshot_format.ts";

/** A section's checksum does not cover itself. */
const UNCOVERED_BYTES = 4;

export class SectionSums {
  /** By section, in their order: where it begins in the file, how long it is with its head, its checksum. */
  readonly #offsets: number[] = [];
  readonly #lengths: number[] = [];
  readonly #sums: number[] = [];

  /** The next section is written: at `offset`, with a content of so many bytes. */
  add(offset: number, contentBytes: number, sum: number): void {
    this.#offsets.push(offset);
    this.#lengths.push(SECTION_HEAD_BYTES + contentBytes);
    this.#sums.push(sum);
  }

  /**
   * The first section got another content of the same length, and with it this checksum: calls `put` with
   * those of all after it, and where in the file each belongs.
   */
  replaceFirst(sum: number, put: (offset: number, sum: number) => void): void {
    let difference = (this.#sums[0]! ^ sum) >>> 0;
    for (let i = 1; i < this.#sums.length; i++) {
      difference = carriedDifference(difference, this.#lengths[i]! - UNCOVERED_BYTES);
      put(this.#offsets[i]!, (this.#sums[i]! ^ difference) >>> 0);
    }
  }
}
