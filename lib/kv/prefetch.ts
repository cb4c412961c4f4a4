/**
 * Prefetching: brings what an entry's next commands, or a snapshot's next records, will need (table
 * entries and records, anywhere in hundreds of megabytes) into the processor's caches. Commands that are
 * applied one by one wait for each cache miss in turn. Here each step is done for many commands before
 * the next step, so that the processor waits for their cache misses together. Changes nothing.
 */
import { commandLength, innerOf, keyLength, keyOffset } from "./commands/command.ts";
import type { Contents } from "./memory/contents.ts";
import type { RecordHead } from "./memory/record.ts";
import type { Slabs } from "./memory/slabs.ts";
import { PAGE_SLOTS } from "./memory/table.ts";

/** Looked at together: more than a processor can have under way, and few enough to stay. */
const AT_ONCE_MAX = 16;
const CACHE_LINE_BYTES = 64;
/** Of longer records, the processor fetches the rest by itself while they are copied. */
const LINES_MAX = 6;

export class LookAhead {
  readonly #hashes = new Int32Array(AT_ONCE_MAX);
  /** By command: how many lines its record is likely to take, going by the command's own length. */
  readonly #lines = new Uint8Array(AT_ONCE_MAX);
  /** What was read: the engine leaves out a read that nothing depends on. */
  #sum = 0;

  /**
   * Looks at the commands from `bytes[offset]` on, up to `end`; returns the offset after the last of
   * them. Those without a key of their own, such as groups, are skipped.
   */
  look(contents: Contents, bytes: Uint8Array, offset: number, end: number): number {
    const { table, slabs } = contents;
    const hashes = this.#hashes;
    const lines = this.#lines;
    let count = 0;
    let at = offset;
    for (let seen = 0; seen < AT_ONCE_MAX && at < end; seen++) {
      const inner = innerOf(bytes, at);
      const length = keyLength(bytes, inner);
      const commandBytes = commandLength(bytes, at);
      if (length > 0) {
        lines[count] = Math.min(Math.ceil(commandBytes / CACHE_LINE_BYTES), LINES_MAX);
        hashes[count++] = contents.hash(bytes, keyOffset(bytes, inner), length);
      }
      at += commandBytes;
    }
    let sum = 0;
    for (let i = 0; i < count; i++) sum ^= table.peek(hashes[i]!);
    for (let i = 0; i < count; i++) {
      const ref = table.refOf(hashes[i]!);
      if (ref === null) continue;
      sum ^= touch(slabs.bytesOf(ref), slabs.offsetOf(ref), lines[i]! * CACHE_LINE_BYTES);
    }
    this.#sum ^= sum;
    return at;
  }

  /**
   * Looks at the records of the table entries from `words[from]` on, up to `end`; returns the place
   * after the last of them. They are likely to be as long as `previous`.
   */
  records(
    slabs: Slabs,
    words: Int32Array,
    from: number,
    end: number,
    previous: RecordHead,
  ): number {
    const to = Math.min(from + AT_ONCE_MAX, end);
    const bytes = Math.min(Math.max(previous.recordBytes, 1), LINES_MAX * CACHE_LINE_BYTES);
    let sum = 0;
    for (let at = from; at < to; at++) {
      const ref = words[at + PAGE_SLOTS]!;
      sum ^= touch(slabs.bytesOf(ref), slabs.offsetOf(ref), bytes);
    }
    this.#sum ^= sum;
    return to;
  }
}

/** Reads a byte of each cache line of `bytes[from, from + length)`, as far as there are any. */
function touch(bytes: Uint8Array, from: number, length: number): number {
  const end = Math.min(from + length, bytes.length);
  let sum = 0;
  for (let at = from; at < end; at += CACHE_LINE_BYTES) sum ^= bytes[at]!;
  return sum;
}
