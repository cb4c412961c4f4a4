/**
 * Sets at a fixed rate to a cluster whose servers come and go: each is given again until it is
 * acknowledged, and its latency runs from the moment at which it was due. So a pause is seen by every set
 * that was due while it lasted, and by the longest time between two acknowledgements.
 */
import type { LatencySummary } from "../lib/util/histogram.ts";
import { pauseMs } from "./find_leader.ts";
import { type Interval, isWithin, Samples } from "./open_loop.ts";

const TICK_MS = 1;
const DRAIN_MS = 20_000;
/** One more without an answer means that nothing is acknowledged any more. */
const IN_FLIGHT_MAX = 50_000;

/** What was seen in a stretch of time. */
export interface Seen {
  /** Of the sets that were due in it. */
  readonly latency: LatencySummary;
  /** The longest time without an acknowledgement. */
  readonly pauseMs: number;
}

/** Of `keys` keys, one here and one there. */
export function scattered(keys: number): (number: number) => number {
  return (number) => (Math.imul(number, 0x9e37_79b1) >>> 0) % keys;
}

export class SteadySets {
  readonly #set: (key: number) => Promise<void>;
  readonly #perSecond: number;
  readonly #keyOf: (number: number) => number;
  readonly #samples = new Samples();
  readonly #acknowledgedMs: number[] = [];
  #inFlight = 0;
  #sent = 0;
  #isOver = false;
  #failure: Error | null = null;
  #running: Promise<void> = Promise.resolve();

  /** `set` resolves once the key is set, however often it takes; `keyOf` says which the n-th one sets. */
  constructor(
    set: (key: number) => Promise<void>,
    perSecond: number,
    keyOf: (number: number) => number,
  ) {
    this.#set = set;
    this.#perSecond = perSecond;
    this.#keyOf = keyOf;
  }

  /** How many were given to `set`; once stopped, all of them are acknowledged. */
  get sent(): number {
    return this.#sent;
  }

  start(): void {
    this.#running = this.#send();
  }

  /** Sends no more, and waits for what is on its way. @throws {Error} what a set failed with. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#running;
    const deadlineMs = performance.now() + DRAIN_MS;
    while (this.#inFlight > 0 && performance.now() < deadlineMs) await pauseMs(TICK_MS);
    this.check();
    if (this.#inFlight > 0) throw new Error(`${this.#inFlight} sets were never acknowledged`);
  }

  check(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  /** Asked once all that was due in `interval` is acknowledged. */
  seen(interval: Interval): Seen {
    const { startMs, endMs } = interval;
    const times = this.#acknowledgedMs.filter((ms) => isWithin([interval], ms)).sort((a, b) =>
      a - b
    );
    let pauseMs = 0;
    let lastMs = startMs;
    for (const ms of [...times, endMs]) {
      pauseMs = Math.max(pauseMs, ms - lastMs);
      lastMs = ms;
    }
    return { latency: this.#samples.summary((dueMs) => isWithin([interval], dueMs)), pauseMs };
  }

  async #send(): Promise<void> {
    const stepMs = 1_000 / this.#perSecond;
    const startMs = performance.now();
    while (!this.#isOver && this.#failure === null) {
      await pauseMs(TICK_MS);
      const due = Math.floor((performance.now() - startMs) / stepMs);
      for (; this.#sent < due; this.#sent++) this.#one(startMs + this.#sent * stepMs, this.#sent);
    }
  }

  #one(dueMs: number, number: number): void {
    if (++this.#inFlight > IN_FLIGHT_MAX) {
      this.#failure ??= new Error(`${IN_FLIGHT_MAX} sets wait for an answer`);
      return;
    }
    this.#set(this.#keyOf(number)).then(() => {
      const nowMs = performance.now();
      this.#samples.push(dueMs, nowMs - dueMs);
      this.#acknowledgedMs.push(nowMs);
    }, (error) => this.#failure ??= error).finally(() => this.#inFlight--);
  }
}
