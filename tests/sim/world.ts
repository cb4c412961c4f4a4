/** Simulated time: a clock that jumps from event to event, and the counters of a run. */
import { EventHeap, type Handler, SimEvent } from "./heap.ts";
import type { Trace } from "./trace.ts";

/** Microseconds. */
export const SECOND_US = 1_000_000;

/** What a run counts, by name; summed over seeds for the summary. */
export class Counters {
  readonly #counts = new Map<string, number>();

  add(name: string, by = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + by);
  }

  get(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  all(): Record<string, number> {
    return Object.fromEntries([...this.#counts].sort((a, b) => a[0] < b[0] ? -1 : 1));
  }
}

/** A check that fired. The run ends here. */
export class CheckFailure extends Error {
  override readonly name = "CheckFailure";
  /** The short name of the check, for grouping. */
  readonly check: string;

  constructor(check: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.check = check;
  }
}

export class World {
  /** Microseconds since the world began. */
  now = 0;
  /** Deliveries to a server or a client. */
  events = 0;
  /** A failure that was thrown where somebody may have caught it. */
  failure: CheckFailure | null = null;
  readonly counters = new Counters();
  readonly trace: Trace;
  readonly #heap = new EventHeap();
  #sequence = 0;

  constructor(trace: Trace) {
    this.trace = trace;
  }

  /** How many events of a kind are still to come for a life of `target`. */
  pending(target: Handler, kind: number, life: number): number {
    return this.#heap.count((event) =>
      event.target === target && event.kind === kind && event.life === life
    );
  }

  /** Has `target` handle an event after `delayUs` (rounded down to whole microseconds). */
  schedule(
    delayUs: number,
    target: Handler,
    kind: number,
    life = 0,
    a = 0,
    bytes: Uint8Array | null = null,
    call: (() => void) | null = null,
  ): void {
    const time = this.now + (delayUs > 0 ? Math.floor(delayUs) : 0);
    this.#heap.push(new SimEvent(time, this.#sequence++, target, kind, life, a, bytes, call));
  }

  /** Hands an event over again, now, behind what is already due now. */
  again(event: SimEvent): void {
    const { target, kind, life, a, bytes, call } = event;
    this.#heap.push(new SimEvent(this.now, this.#sequence++, target, kind, life, a, bytes, call));
  }

  /** Lets everything happen that is due until `untilUs`, or until `enough` says so (asked now and then). */
  run(untilUs: number, enough: (() => boolean) | null = null): void {
    let sinceAsked = 0;
    while (true) {
      const next = this.#heap.peek();
      if (next === undefined || next.time > untilUs) break;
      this.#heap.pop();
      this.now = next.time;
      next.target.handle(next);
      if (this.failure !== null) throw this.failure;
      if (enough !== null && ++sinceAsked >= 64) {
        sinceAsked = 0;
        if (enough()) return;
      }
    }
    this.now = Math.max(this.now, untilUs);
  }
}
