/** Calls in the order in which they are to be sent; those that are settled meanwhile are passed over. */
import type { Call } from "./call.ts";

const SPARE_MAX = 1024;

export class CallQueue {
  #calls: Call[] = [];
  #first = 0;
  bytes = 0;

  /** Settled ones that nobody came by yet included. */
  get length(): number {
    return this.#calls.length - this.#first;
  }

  push(call: Call): void {
    this.#calls.push(call);
    this.bytes += call.bytes;
  }

  /** The first one that is not settled; null where there is none. */
  peek(): Call | null {
    for (;;) {
      const call = this.#calls[this.#first];
      if (call === undefined) return null;
      if (!call.isSettled) return call;
      this.shift();
    }
  }

  shift(): void {
    const call = this.#calls[this.#first++];
    if (call === undefined) return;
    this.bytes -= call.bytes;
    if (this.#first === this.#calls.length) this.#calls.length = 0;
    else if (this.#first === SPARE_MAX) this.#calls.splice(0, SPARE_MAX);
    else return;
    this.#first = 0;
  }

  *[Symbol.iterator](): Iterator<Call> {
    for (let i = this.#first; i < this.#calls.length; i++) {
      const call = this.#calls[i]!;
      if (!call.isSettled) yield call;
    }
  }
}
