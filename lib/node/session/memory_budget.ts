/**
 * What all client connections together may hold in buffers. Below the limit nobody notices; above
 * it, a connection that holds more than its share is neither read from nor answered further until
 * others have let go.
 */

/** What a connection may hold whatever the others do: enough for ordinary commands. */
const SHARE_BYTES = 65_536;

export class MemoryBudget {
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Bytes that all connections hold now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A connection holds so many bytes more, or less. */
  add(bytes: number): void {
    this.#bytes += bytes;
  }

  /** True where a connection that holds `bytes` has to wait. */
  mustWait(bytes: number): boolean {
    return this.#bytes >= this.#bytesMax && bytes > SHARE_BYTES;
  }
}

/** What one session holds of the budget. */
export class BudgetShare {
  /** It was told to wait until others let go. */
  isHeldBack = false;
  readonly #budget: MemoryBudget;
  #bytes = 0;

  constructor(budget: MemoryBudget) {
    this.#budget = budget;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Tells the budget that the session holds `bytes` in all; true where it has to wait for others. */
  hold(bytes: number): boolean {
    if (bytes !== this.#bytes) {
      this.#budget.add(bytes - this.#bytes);
      this.#bytes = bytes;
    }
    return this.isHeldBack = this.#budget.mustWait(bytes);
  }

  /** True where so many bytes more would not have to wait for others. */
  mayHoldMore(bytes: number): boolean {
    return !this.#budget.mustWait(this.#bytes + bytes);
  }

  giveBack(): void {
    this.#budget.add(-this.#bytes);
    this.#bytes = 0;
  }
}
