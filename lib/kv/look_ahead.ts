/**
 * Looking ahead: brings what an entry's next commands will need (table entries and records, anywhere
 * in hundreds of megabytes) into the processor's caches before they are applied. One command after the
 * other waits for each of its places in memory in turn; here one step is done for many commands at
 * once, so that the processor waits for all their places together. Changes nothing.
 */
import { commandLength, keyLength, keyOffset } from "./command.ts";
import type { Contents } from "./contents.ts";

/** Commands looked at together: more than a processor can have under way, and few enough to stay. */
const COMMANDS_MAX = 16;
const CACHE_LINE_BYTES = 64;
/** Of longer records, the processor fetches the rest by itself while they are copied. */
const LINES_MAX = 6;

export class LookAhead {
  readonly #hashes = new Int32Array(COMMANDS_MAX);
  /** By command: how many lines its record is likely to take, going by the command's own length. */
  readonly #lines = new Uint8Array(COMMANDS_MAX);
  /** What was read: the engine leaves out a read that nothing depends on. */
  #sum = 0;

  /**
   * Looks at the commands from `bytes[offset]` on, up to `end`; returns the offset behind the last of
   * them. Those without a key of their own, such as groups, are passed over.
   */
  look(contents: Contents, bytes: Uint8Array, offset: number, end: number): number {
    const { table, slabs } = contents;
    const hashes = this.#hashes;
    const lines = this.#lines;
    let count = 0;
    let at = offset;
    for (let seen = 0; seen < COMMANDS_MAX && at < end; seen++) {
      const length = keyLength(bytes, at);
      const commandBytes = commandLength(bytes, at);
      if (length > 0) {
        lines[count] = Math.min(Math.ceil(commandBytes / CACHE_LINE_BYTES), LINES_MAX);
        hashes[count++] = contents.hash(bytes, keyOffset(bytes, at), length);
      }
      at += commandBytes;
    }
    let sum = 0;
    for (let i = 0; i < count; i++) sum ^= table.peek(hashes[i]!);
    for (let i = 0; i < count; i++) {
      const ref = table.refOf(hashes[i]!);
      if (ref === null) continue;
      const slab = slabs.bytesOf(ref);
      const record = slabs.offsetOf(ref);
      const recordEnd = Math.min(record + lines[i]! * CACHE_LINE_BYTES, slab.length);
      for (let line = record; line < recordEnd; line += CACHE_LINE_BYTES) sum ^= slab[line]!;
    }
    this.#sum ^= sum;
    return at;
  }
}
