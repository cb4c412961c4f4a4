/** Wall clocks that are wrong, by faketime, and jump while processes run; monotonic ones are the machine's. */

/** Where Debian has the library that fakes time for programs with threads. */
function findLibrary(): string | null {
  for (const machine of ["x86_64", "aarch64"]) {
    const path = `/usr/lib/${machine}-linux-gnu/faketime/libfaketimeMT.so.1`;
    try {
      Deno.statSync(path);
      return path;
    } catch {
      // Not on this machine.
    }
  }
  return null;
}

const LIBRARY = findLibrary();
/** Why clocks can't be faked here; null where they can. */
export const noFakeWall: string | null = LIBRARY === null
  ? "faketime is not installed (Debian: libfaketime)"
  : null;

/** A wall clock of its own, for one process or several. */
export class FakeWall {
  readonly #file: string;

  /** `file`: where how far it is off is written. */
  constructor(file: string, offsetS = 0) {
    this.#file = file;
    this.set(offsetS);
  }

  /** What a process has to be started with. */
  get environment(): Record<string, string> {
    return {
      LD_PRELOAD: LIBRARY!,
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    };
  }

  /** Sets it so many seconds off, while processes run too. */
  set(offsetS: number): void {
    // By a rename, as it is read at any time; without a sign it would be a date.
    Deno.writeTextFileSync(`${this.#file}.new`, `${offsetS < 0 ? "" : "+"}${offsetS}\n`);
    Deno.renameSync(`${this.#file}.new`, this.#file);
  }
}
