/**
 * Passwords to be hashed, one at a time: each takes 16 MiB and some tens of ms of a processor, and
 * whoever can connect may ask for it. So after one that came to nothing the next has to wait, by two budgets.
 * Those of networks that failed often lately wait 49 times as long as the last of them took: however many
 * they try, two per cent of a processor go into them. (Where there are two processors, what takes a fifth
 * of the time from one of them is felt by a fifth of all commands, and so is most of their p99.) The others
 * wait four times as long as the last of theirs took: whoever guesses from ever new networks is looked at
 * in a fifth of the time. Neither budget waits for the other.
 *
 * Within each the one whose address failed least lately comes first, and takes the place of others where
 * all are taken. Who has waited too long is told so, and tries again.
 */
import type { Passwords, ScryptParameters } from "../../host/ports.ts";

/** Hashes that wait, the one under way not counted. */
export const HASHES_WAITING_MAX = 64;
/** How long one waits at most. */
export const HASH_WAIT_MS_MAX = 10_000;
/** How much longer than a hash that came to nothing the pause after it is. */
const REST_FACTOR = 4;
const SUSPECT_REST_FACTOR = 49;

/** How whoever asks for a hash stands with this server. */
export interface Standing {
  /** Its network failed often lately. */
  readonly isSuspect: boolean;
  /** How often its address failed lately. */
  readonly failures: number;
}

/** Of who is let in already, and changes a user: before all who are not. */
export const LET_IN: Standing = { isSuspect: false, failures: -1 };

/** What is to be hashed, and with what. */
export interface HashJob {
  readonly password: Uint8Array;
  readonly salt: Uint8Array;
  readonly parameters: ScryptParameters;
  /** Asked again before one is chosen: who waits may have failed meanwhile, with another. */
  readonly standing: () => Standing;
  /** Takes the hash; null: there is none, or another took its place. Called from the event loop. */
  readonly done: (hash: Uint8Array | null) => void;
}

interface Waiting {
  readonly job: HashJob;
  readonly sinceMs: number;
  standing: Standing;
}

export class HashQueue {
  readonly #passwords: Passwords;
  readonly #monotonicMs: () => number;
  /** Suspects last; by their failures, then in the order in which they came. */
  #waiting: Waiting[] = [];
  #isBusy = false;
  /** When the last one was begun, how long it took, and of which budget it was. */
  #begunMs = 0;
  #tookMs = 0;
  #wasSuspect = false;
  #restsUntilMs = -Infinity;
  #suspectsRestUntilMs = -Infinity;
  /** When the first of those that wait has waited too long. */
  #expiresMs = Infinity;

  constructor(passwords: Passwords, monotonicMs: () => number) {
    this.#passwords = passwords;
    this.#monotonicMs = monotonicMs;
  }

  /**
   * False where there is no place for one more of this standing; else there is, though another may have had
   * to go. Ask once for all the hashes that one password takes.
   */
  makeRoom(standing: Standing): boolean {
    if (this.#waiting.length < HASHES_WAITING_MAX) return true;
    const last = this.#waiting.at(-1)!;
    if (compareStandings(standing, last.standing) >= 0) return false;
    this.#waiting.pop();
    last.job.done(null);
    return true;
  }

  /** Hashes in its turn. */
  add(job: HashJob): void {
    const sinceMs = this.#monotonicMs();
    const standing = job.standing();
    let at = this.#waiting.length;
    while (at > 0 && compareStandings(this.#waiting[at - 1]!.standing, standing) > 0) at--;
    this.#waiting.splice(at, 0, { job, sinceMs, standing });
    this.#expiresMs = Math.min(this.#expiresMs, sinceMs + HASH_WAIT_MS_MAX);
    this.#next();
  }

  /** What was hashed last came to nothing: to be called from its `done`. */
  rest(): void {
    const nowMs = this.#monotonicMs();
    if (this.#wasSuspect) this.#suspectsRestUntilMs = nowMs + SUSPECT_REST_FACTOR * this.#tookMs;
    else this.#restsUntilMs = nowMs + REST_FACTOR * this.#tookMs;
  }

  /** Somebody who waits stands better than before. */
  reorder(): void {
    for (const one of this.#waiting) one.standing = one.job.standing();
    this.#waiting.sort((a, b) => compareStandings(a.standing, b.standing));
  }

  /** When `elapse` has something to do. */
  nextDeadlineMs(): number {
    if (this.#isBusy || this.#waiting.length === 0) return Infinity;
    return Math.min(this.#dueMs(), this.#expiresMs);
  }

  elapse(): void {
    if (this.#waiting.length === 0) return;
    const nowMs = this.#monotonicMs();
    if (nowMs >= this.#expiresMs) this.#expire(nowMs);
    this.#next();
  }

  #expire(nowMs: number): void {
    const hasExpired = ({ sinceMs }: Waiting) => nowMs - sinceMs >= HASH_WAIT_MS_MAX;
    const expired = this.#waiting.filter(hasExpired);
    this.#waiting = this.#waiting.filter((one) => !hasExpired(one));
    this.#expiresMs = HASH_WAIT_MS_MAX +
      this.#waiting.reduce((ms, { sinceMs }) => Math.min(ms, sinceMs), Infinity);
    for (const { job } of expired) job.done(null);
  }

  /** When one of those that wait may be hashed. */
  #dueMs(): number {
    const [first] = this.#waiting;
    if (first === undefined) return Infinity;
    const dueMs = first.standing.isSuspect ? Infinity : this.#restsUntilMs;
    const hasSuspects = this.#waiting.at(-1)!.standing.isSuspect;
    return hasSuspects ? Math.min(dueMs, this.#suspectsRestUntilMs) : dueMs;
  }

  #next(): void {
    if (this.#isBusy || this.#waiting.length === 0) return;
    const nowMs = this.#monotonicMs();
    // Asked in each turn: it is seldom due.
    if (nowMs < this.#dueMs()) return;
    this.reorder();
    const at = this.#waiting.findIndex(({ standing: { isSuspect } }) =>
      nowMs >= (isSuspect ? this.#suspectsRestUntilMs : this.#restsUntilMs)
    );
    const [next] = at === -1 ? [] : this.#waiting.splice(at, 1);
    if (next !== undefined) this.#hash(next, nowMs);
  }

  #hash({ job, standing }: Waiting, nowMs: number): void {
    const { password, salt, parameters, done } = job;
    this.#isBusy = true;
    this.#begunMs = nowMs;
    this.#wasSuspect = standing.isSuspect;
    this.#passwords.hashPassword(password, salt, parameters, (hash) => {
      this.#isBusy = false;
      this.#tookMs = this.#monotonicMs() - this.#begunMs;
      done(hash);
      this.#next();
    });
  }
}

/** Below zero: whoever stands like `a` comes before who stands like `b`. */
export function compareStandings(a: Standing, b: Standing): number {
  if (a.isSuspect !== b.isSuspect) return a.isSuspect ? 1 : -1;
  return a.failures - b.failures;
}
