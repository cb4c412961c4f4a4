/**
 * Passwords to be hashed, one at a time: each takes 16 MiB and some tens of ms of a processor, and
 * whoever can connect may ask for it. So after one that came to nothing the next has to wait four times as
 * long as it took: however many are tried, a fifth of a processor goes into them, and the rest is for those
 * who are in. The one whose address failed least lately comes first, and takes the place of others where all
 * are taken.
 */
import type { Passwords, ScryptParameters } from "../../host/ports.ts";

/** Hashes that wait, the one under way not counted. */
export const HASHES_WAITING_MAX = 64;
/** How much longer than a hash that came to nothing the pause after it is. */
const REST_FACTOR = 4;

/** What is to be hashed, and with what. */
export interface HashJob {
  readonly password: Uint8Array;
  readonly salt: Uint8Array;
  readonly parameters: ScryptParameters;
  /** How often whoever asks for it has failed lately: the fewest times first. */
  readonly failures: number;
  /** Takes the hash; null: there is none, or another took its place. Called from the event loop. */
  readonly done: (hash: Uint8Array | null) => void;
}

export class HashQueue {
  readonly #passwords: Passwords;
  readonly #monotonicMs: () => number;
  /** By their failures, then in the order in which they came. */
  readonly #waiting: HashJob[] = [];
  #isBusy = false;
  /** When the last one was begun, and how long it took. */
  #begunMs = 0;
  #tookMs = 0;
  #restsUntilMs = -Infinity;

  constructor(passwords: Passwords, monotonicMs: () => number) {
    this.#passwords = passwords;
    this.#monotonicMs = monotonicMs;
  }

  /**
   * False where there is no place for one more by somebody with so many failures; else there is, though
   * another may have had to go. Ask once for all the hashes that one password takes.
   */
  makeRoom(failures: number): boolean {
    if (this.#waiting.length < HASHES_WAITING_MAX) return true;
    const last = this.#waiting.at(-1)!;
    if (last.failures <= failures) return false;
    this.#waiting.pop();
    last.done(null);
    return true;
  }

  /** Hashes in its turn. */
  add(job: HashJob): void {
    let at = this.#waiting.length;
    while (at > 0 && this.#waiting[at - 1]!.failures > job.failures) at--;
    this.#waiting.splice(at, 0, job);
    this.#next();
  }

  /** What was hashed last came to nothing: to be called from its `done`. */
  rest(): void {
    this.#restsUntilMs = this.#monotonicMs() + REST_FACTOR * this.#tookMs;
  }

  /** When `elapse` has something to do. */
  nextDeadlineMs(): number {
    return this.#waiting.length > 0 && !this.#isBusy ? this.#restsUntilMs : Infinity;
  }

  elapse(): void {
    this.#next();
  }

  #next(): void {
    if (this.#isBusy || this.#waiting.length === 0) return;
    const nowMs = this.#monotonicMs();
    if (nowMs < this.#restsUntilMs) return;
    const { password, salt, parameters, done } = this.#waiting.shift()!;
    this.#isBusy = true;
    this.#begunMs = nowMs;
    this.#passwords.hashPassword(password, salt, parameters, (hash) => {
      this.#isBusy = false;
      this.#tookMs = this.#monotonicMs() - this.#begunMs;
      done(hash);
      this.#next();
    });
  }
}
