/**
 * How many files and connections this process may still open. The runtime does not tell, and our
 * permissions do not allow reading it from the system: so it is tried.
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

/** A trial tries so many more than have to stay free: so many connections need no trial of their own. */
const TRIED_AHEAD = 8;

/**
 * Says of each accepted connection whether enough descriptors stay free for everything else. One for
 * all listeners of the process, for they take from the same.
 */
export class DescriptorMargin {
  readonly #countFree: (atMost: number) => number;
  /** At least so many are free, less what files have taken since the last trial. */
  #free = 0;

  /** `countFree` tells how many descriptors are free, at most as many as it is asked for. */
  constructor(countFree: (atMost: number) => number) {
    this.#countFree = countFree;
  }

  /** Asked once for each connection, which is open already: whether `spare` are free beside it. */
  hasRoom(spare: number): boolean {
    this.#free--;
    if (this.#free >= spare) return true;
    this.#free = this.#countFree(spare + TRIED_AHEAD);
    return this.#free >= spare;
  }
}
