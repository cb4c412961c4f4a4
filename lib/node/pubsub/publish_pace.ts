/** How much of what is published goes to the other servers: bytes a second, and a second's worth at once. */
export class PublishPace {
  readonly #bytesPerSecond: number;
  #left: number;
  #atMs = 0;

  constructor(bytesPerSecond: number) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#left = bytesPerSecond;
  }

  /** Whether so much may go now; then it counts as gone. What is larger than a second's worth goes alone. */
  take(bytes: number, nowMs: number): boolean {
    const gained = (nowMs - this.#atMs) * this.#bytesPerSecond / 1_000;
    this.#left = Math.min(this.#bytesPerSecond, this.#left + gained);
    this.#atMs = nowMs;
    if (this.#left < Math.min(bytes, this.#bytesPerSecond)) return false;
    this.#left -= bytes;
    return true;
  }
}
