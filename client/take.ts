/**
 * How a lock is taken, or one of several permits: first come, first served.
 *
 * Whoever has to wait writes a key into the queue that ends in the number of its client session. Numbers are
 * given in the order of the log and never twice, so the keys stand in the order in which their owners came. A
 * key of the queue stays until its session ends: while its owner waits, and while it holds. So whoever has
 * fewer keys before its own than there are slots may try, and a watch tells when that comes to be. That two
 * try at once is possible and does no harm: what decides is a RAFTKV.CAS for a key that is not there.
 */
import type { Cluster } from "./cluster.ts";
import { areSame, type Contest, placeIn } from "./contest.ts";
import { NotDone, RaftkvError, Refused } from "./errors.ts";
import type { Taken } from "./held.ts";
import { Lease, type RequestLimit } from "./lease.ts";
import type { LockSettings } from "./lock_options.ts";
import { endOfPrefix, startAfter } from "./ranges.ts";
import { toBulk, toList, toNumber } from "./replies.ts";
import type { Reply } from "./reply_parser.ts";
import type { Argument } from "./request_writer.ts";
import type { Settings } from "./settings.ts";
import { submit } from "./submit.ts";
import { asBytes } from "./values.ts";
import { watchGroups } from "./watch.ts";

/** A slot that is had: which one, from 0 on, and its key's version. */
interface Win {
  readonly index: number;
  readonly token: number;
}

export interface Outcome {
  readonly taken: Taken;
  /** Which of the slots, from 0 on. */
  readonly index: number;
}

/** So many keys of a queue are looked at; who has more before its own looks again when the last one goes. */
const AHEAD_MAX = 1_000;
/** Timers of all runtimes take no longer ones. */
const TIMER_MS_MAX = 2_147_483_647;
const NOTHING = new Uint8Array(0);
const decoder = new TextDecoder();

/** @throws {NotDone} code `held` where it is not to be had within `waitMs`. */
export async function take(
  cluster: Cluster,
  settings: Settings,
  contest: Contest,
  options: LockSettings,
): Promise<Outcome> {
  const endMs = performance.now() + options.waitMs;
  const check = () => checkTime(contest, options, endMs);
  for (;;) {
    let attempt: Attempt | null = null;
    try {
      const lease = await Lease.open(cluster, options.ttlMs, options);
      attempt = new Attempt(cluster, settings, contest, options, lease, endMs);
      const outcome = await attempt.run();
      if (outcome !== null) return outcome;
      check();
    } catch (error) {
      if (options.signal?.aborted === true) check();
      // Its place is lost, and nothing was taken: it comes again, as the last.
      if (attempt === null || !isSessionOver(error)) throw error;
    } finally {
      attempt?.end();
    }
  }
}

/** @throws {NotDone} where it is not waited for any longer. */
function checkTime({ call, name }: Contest, { waitMs, signal }: LockSettings, endMs: number): void {
  const fail = (code: string, why: string, cause?: unknown) => {
    const message = `${call} failed: ${why}; nothing is held`;
    return new NotDone(message, { code, server: null, phase: "queue", cause });
  };
  if (signal?.aborted === true) throw fail("aborted", "its signal was aborted", signal.reason);
  if (performance.now() < endMs) return;
  const within = waitMs === 0 ? "" : `, and was all of ${Math.round(waitMs)} ms`;
  throw fail("held", `${decoder.decode(name)} is held by others${within}`);
}

function isSessionOver(error: unknown): boolean {
  return error instanceof RaftkvError && error.code === "SESSION";
}

/** One client session's try: until it has a slot, or is over. */
class Attempt {
  readonly #cluster: Cluster;
  readonly #settings: Settings;
  readonly #contest: Contest;
  readonly #options: LockSettings;
  readonly #limit: RequestLimit;
  readonly #lease: Lease;
  readonly #endMs: number;
  /** Ends the watch that it waits with. */
  #stop: AbortController | null = null;
  #pingTimer: ReturnType<typeof setTimeout> | undefined;
  #endTimer: ReturnType<typeof setTimeout> | undefined;
  #isSessionOver = false;
  #hasWon = false;
  #hasEnded = false;
  readonly #onAbort = () => this.#stop?.abort();

  constructor(
    cluster: Cluster,
    settings: Settings,
    contest: Contest,
    options: LockSettings,
    lease: Lease,
    endMs: number,
  ) {
    this.#cluster = cluster;
    this.#settings = settings;
    this.#contest = contest;
    this.#options = options;
    this.#limit = { timeoutMs: options.timeoutMs, signal: options.signal };
    this.#lease = lease;
    this.#endMs = endMs;
    options.signal?.addEventListener("abort", this.#onAbort);
    this.#awaitEnd();
  }

  /** Null where the session was over first, or took so long that it may be. */
  async run(): Promise<Outcome | null> {
    const { queue } = this.#contest;
    // Where nobody waits, there is nobody to be passed.
    const isQuiet = (await this.#keys(queue, endOfPrefix(queue), 1)).length === 0;
    let win = isQuiet ? await this.#try() : null;
    if (win !== null) return this.#won(win);
    checkTime(this.#contest, this.#options, this.#endMs);
    const own = placeIn(this.#contest, this.#lease.id);
    await this.#run(["SET", own, this.#options.value], () => {});
    this.#keepPlace();
    while (!this.#isSessionOver) {
      checkTime(this.#contest, this.#options, this.#endMs);
      win = await this.#turn(own);
      if (win !== null) return this.#won(win);
    }
    return null;
  }

  /** Leaves nothing behind but what was won. */
  end(): void {
    this.#hasEnded = true;
    clearTimeout(this.#pingTimer);
    clearTimeout(this.#endTimer);
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    if (!this.#hasWon) this.#lease.abandon(this.#limit);
  }

  /** Tries where its turn has come, and waits for what may change that; null where it has to look again. */
  async #turn(own: Uint8Array): Promise<Win | null> {
    const { slots, watched } = this.#contest;
    const ahead = await this.#ahead(own);
    if (ahead === null) {
      this.#isSessionOver = true;
      return null;
    }
    let win: Win | null = null;
    if (ahead.length < slots.length) {
      win = await this.#try();
      if (win !== null) return win;
      // Somebody has it who was not in the queue: told is that it is let go.
      await this.#untilGone(watched, async () => (win = await this.#try()) !== null);
      return win;
    }
    // For one slot each waits for who is just before; for several, for whichever goes first.
    const pattern = slots.length === 1 ? ahead.at(-1)! : watched;
    await this.#untilGone(pattern, async () => {
      const now = await this.#ahead(own);
      return now === null || now.length < ahead.length;
    });
    return null;
  }

  /** The queue's keys before its own; null where that is not there. */
  async #ahead(own: Uint8Array): Promise<Uint8Array[] | null> {
    const keys = await this.#keys(this.#contest.queue, startAfter(NOTHING, own), AHEAD_MAX);
    if (keys.length === AHEAD_MAX && !areSame(keys.at(-1)!, own)) return keys;
    const last = keys.pop();
    return last !== undefined && areSame(last, own) ? keys : null;
  }

  /**
   * Waits until something that is watched is deleted, or its time is over. `isDone` is asked once the watch
   * has begun: what happened before that it does not tell.
   */
  async #untilGone(pattern: Uint8Array, isDone: () => Promise<boolean>): Promise<void> {
    const stop = this.#stop = new AbortController();
    const isLate = performance.now() >= this.#endMs;
    if (isLate || this.#isSessionOver || this.#options.signal?.aborted === true) return;
    const options = { marks: true, values: false, signal: stop.signal };
    let hasBegun = false;
    try {
      const watch = watchGroups(this.#cluster, this.#settings, asBytes, pattern, options);
      for await (const { events } of watch) {
        if (!hasBegun && await isDone()) return;
        hasBegun = true;
        if (events.some(({ kind }) => kind !== "set")) return;
      }
    } catch (error) {
      // What was missed is seen when it looks again.
      const isMissed = error instanceof Refused && error.code === "COMPACTED";
      if (!stop.signal.aborted && !isMissed) throw error;
    } finally {
      this.#stop = null;
    }
  }

  /** Tries the slots that nobody has. */
  async #try(): Promise<Win | null> {
    const { slots } = this.#contest;
    // Each begins elsewhere, so that those who come together don't meet.
    const first = Math.floor(Math.random() * slots.length);
    const values = slots.length === 1 ? [null] : await this.#read(["MGET", ...slots], toList);
    for (let i = 0; i < slots.length; i++) {
      const index = (first + i) % slots.length;
      if (values[index] !== null) continue;
      const request = ["RAFTKV.CAS", slots[index]!, this.#options.value, "0"];
      const token = await this.#run(request, (reply) => reply === null ? 0 : toNumber(reply));
      if (token > 0) return { index, token };
    }
    return null;
  }

  #won({ index, token }: Win): Outcome | null {
    if (this.#lease.untilMs <= performance.now()) return null;
    this.#hasWon = true;
    const { timeoutMs } = this.#options;
    const closing = this.#cluster.closing.signal;
    const key = this.#contest.slots[index]!;
    return { taken: { lease: this.#lease, key, token, timeoutMs, closing }, index };
  }

  /** While it waits, its place is kept by pings; whether it was, the queue tells. */
  #keepPlace(): void {
    this.#pingTimer = setTimeout(async () => {
      try {
        await this.#lease.ping(this.#limit);
      } catch (error) {
        if (isSessionOver(error)) this.#isSessionOver = true;
        if (this.#isSessionOver) this.#stop?.abort();
      }
      if (!this.#hasEnded && !this.#isSessionOver) this.#keepPlace();
    }, this.#lease.ttlMs / 3);
  }

  #awaitEnd(): void {
    if (this.#endMs === Infinity) return;
    const leftMs = this.#endMs - performance.now();
    if (leftMs <= 0) this.#stop?.abort();
    else this.#endTimer = setTimeout(() => this.#awaitEnd(), Math.min(leftMs, TIMER_MS_MAX));
  }

  #run<T>(command: readonly Argument[], decode: (reply: Reply) => T): Promise<T> {
    return this.#lease.run(this.#contest.call, [command], decode, this.#limit, true);
  }

  #keys(start: Uint8Array, end: Uint8Array, limit: number): Promise<Uint8Array[]> {
    return this.#read(["RAFTKV.RANGE", start, end, "LIMIT", `${limit}`, "KEYS"], (reply) => {
      return toList(toList(reply)[1]).map((key) => toBulk(key).slice());
    });
  }

  #read<T>(request: readonly Argument[], decode: (reply: Reply) => T): Promise<T> {
    return submit(this.#cluster, {
      requests: [request],
      name: this.#contest.call,
      isWrite: false,
      deadlineMs: performance.now() + this.#options.timeoutMs,
      ...this.#limit,
      decode,
    });
  }
}
