/**
 * What all client connections together may hold in buffers. Below the limit nobody notices; above
 * it, a connection that holds more than its share is neither read from nor answered further until
 * others have let go.
 */

/** What a connection may hold whatever the others do: enough for ordinary commands to go on. */
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
  holdsBack(bytes: number): boolean {
    return this.#bytes >= this.#bytesMax && bytes > SHARE_BYTES;
  }
}
