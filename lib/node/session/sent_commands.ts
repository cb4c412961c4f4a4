/** Which commands of a connection were sent to another server and are not composed, in their order. */
import { assert } from "../../util/assert.ts";
import { Deque } from "../../util/deque.ts";
import type { ForwardMeters } from "./forwarding.ts";

export class SentCommands {
  readonly #positions = new Deque<number>(4);
  readonly #sizes = new Deque<number>(4);
  readonly #meters: ForwardMeters;
  bytes = 0;

  constructor(meters: ForwardMeters) {
    this.#meters = meters;
  }

  get length(): number {
    return this.#positions.length;
  }

  /** The position of the one that is `place` places after the first. */
  at(place: number): number | undefined {
    return this.#positions.at(place);
  }

  push(position: number, size: number): void {
    this.#positions.push(position);
    this.#sizes.push(size);
    this.#add(size);
  }

  shift(): void {
    this.#positions.shift();
    this.#add(-this.#sizes.shift()!);
    assert(this.bytes >= 0, "More was answered than was sent");
  }

  /** Keeps the first `count`. */
  cut(count: number): void {
    const all = this.length;
    for (let i = 0; i < all; i++) {
      const [position, size] = [this.#positions.at(0)!, this.#sizes.at(0)!];
      this.shift();
      if (i < count) this.push(position, size);
    }
  }

  #add(size: number): void {
    this.bytes += size;
    this.#meters.waitingBytes += size;
  }
}
