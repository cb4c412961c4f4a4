/** Pauses between tries: they double, and each is drawn between 0 and that, so that clients spread. */
const FIRST_MS = 40;
const LAST_MS = 1_000;

export class Pauses {
  /** Failures since something went well. */
  #failures = 0;

  wentWell(): void {
    this.#failures = 0;
  }

  /** Notes a failure that was the first, or says that it was not. */
  isFirst(): boolean {
    return this.#failures++ === 0;
  }

  nextMs(): number {
    const most = Math.min(LAST_MS, FIRST_MS * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 16);
    return Math.random() * most;
  }
}
