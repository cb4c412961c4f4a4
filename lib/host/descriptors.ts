/**
 * How many files and connections this process may still open. The runtime does not tell, and the
 * system's own account of it is closed to a program with our permissions: so it is tried.
 */

/** Too many open files: in this process, or on this machine. */
const NONE_LEFT = /\(os error (?:23|24)\)/;

/**
 * How many descriptors are free, at most `atMost`: opens `path` so often and closes it again. Takes
 * some ten microseconds for each. Where the trial itself can't be made, all are taken for free.
 */
export function freeDescriptors(path: string, atMost: number): number {
  const open: Deno.FsFile[] = [];
  try {
    while (open.length < atMost) open.push(Deno.openSync(path, { read: true }));
    return atMost;
  } catch (error) {
    return error instanceof Error && NONE_LEFT.test(error.message) ? open.length : atMost;
  } finally {
    for (const file of open) file.close();
  }
}

/** Tries so many at once beyond what has to stay free: then as many connections need no trial. */
const TRIED_AHEAD = 8;

/** Says of each accepted connection whether enough descriptors stay free for everything else. */
export class DescriptorMargin {
  readonly #spare: number;
  readonly #countFree: (atMost: number) => number;
  /** Connections that may be kept without another trial. */
  #credit = 0;

  /** `countFree` tells how many descriptors are free, at most as many as it is asked for. */
  constructor(spare: number, countFree: (atMost: number) => number) {
    this.#spare = spare;
    this.#countFree = countFree;
  }

  /** Asked once for each connection, which is open already. */
  hasRoom(): boolean {
    if (this.#spare === 0) return true;
    if (this.#credit > 0) {
      this.#credit--;
      return true;
    }
    const beyond = this.#countFree(this.#spare + TRIED_AHEAD) - this.#spare;
    if (beyond < 0) return false;
    this.#credit = beyond;
    return true;
  }
}
