/**
 * Removes files without a stall. Freeing a large file's blocks all at once keeps the file system's
 * journal busy: syncs of other files waited 90 ms for 300 MB. So the name is removed first, as with any
 * removal; then the blocks are freed bit by bit, through a descriptor that is still open. After a crash
 * in between the file system frees the rest.
 */

/** Bytes given back at a time. */
const STEP_BYTES = 16 * 1024 * 1024;
const STEP_PAUSE_MS = 20;

export class GentleRemoval {
  /** How many of this process have a file open, by path: its bytes are still read. */
  readonly #openCounts = new Map<string, number>();
  /** What waits for the last of them. */
  readonly #waiting = new Map<string, Deno.FsFile[]>();
  /** One file at a time. */
  #last: Promise<void> = Promise.resolve();

  opened(full: string): void {
    this.#openCounts.set(full, (this.#openCounts.get(full) ?? 0) + 1);
  }

  closed(full: string): void {
    const left = this.#openCounts.get(full)! - 1;
    if (left > 0) {
      this.#openCounts.set(full, left);
      return;
    }
    this.#openCounts.delete(full);
    const files = this.#waiting.get(full) ?? [];
    this.#waiting.delete(full);
    for (const file of files) this.#giveBack(file);
  }

  /** Takes the name away. `file`: the same file, open for writing; this closes it, sooner or later. */
  async remove(full: string, file: Deno.FsFile): Promise<void> {
    try {
      await Deno.remove(full);
    } catch (error) {
      file.close();
      throw error;
    }
    if (!this.#openCounts.has(full)) return this.#giveBack(file);
    this.#waiting.set(full, [...this.#waiting.get(full) ?? [], file]);
  }

  /** If this fails, the blocks are freed when the process ends. */
  #giveBack(file: Deno.FsFile): void {
    const { size } = file.statSync();
    if (size <= STEP_BYTES) return file.close();
    this.#last = this.#last.then(() => empty(file, size)).catch(() => {}).then(() => file.close());
  }
}

async function empty(file: Deno.FsFile, size: number): Promise<void> {
  for (let left = size - STEP_BYTES; left > 0; left -= STEP_BYTES) {
    await file.truncate(left);
    await new Promise((resolve) => setTimeout(resolve, STEP_PAUSE_MS));
  }
}
