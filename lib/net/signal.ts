/**
 * An async signal over the synchronous `onActivity` of a session or link. Look first, then wait,
 * with no await between the two: then no wake-up is lost, for `set()` runs in another turn of the
 * event loop. Any number of waiters share one promise, and `set()` with nobody waiting costs nothing.
 */
import type { ByteSource } from "../node/api.ts";

export class Signal {
  /** Set by `end()`: who wakes up must not touch the session or link any more. */
  ended = false;
  /** Called by every `set()`, also where nobody waits. */
  onSet: (() => void) | null = null;
  #waiting: Promise<void> | null = null;
  #wake: (() => void) | null = null;

  /** Resolves with the next `set()`. */
  wait(): Promise<void> {
    return this.#waiting ??= new Promise((resolve) => this.#wake = resolve);
  }

  /** Wakes all who wait. */
  set(): void {
    this.onSet?.();
    const wake = this.#wake;
    this.#waiting = null;
    this.#wake = null;
    wake?.();
  }

  /** The connection is over: wakes all, for the last time. */
  end(): void {
    this.ended = true;
    this.set();
  }
}

/** A signal that is set by every activity of `source`. */
export function activityOf(source: ByteSource): Signal {
  const signal = new Signal();
  source.onActivity = () => signal.set();
  return signal;
}
