/** One timer for many times: it rings at the first of them, whoever asked. */
export class Alarm {
  readonly #ring: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #atMs = Infinity;
  #isStopped = false;

  constructor(ring: () => void) {
    this.#ring = ring;
  }

  /** Rings at `atMs` (by performance.now()) or earlier; whoever is woken asks again for what is later. */
  by(atMs: number): void {
    if (atMs >= this.#atMs || this.#isStopped) return;
    clearTimeout(this.#timer);
    this.#atMs = atMs;
    this.#timer = setTimeout(() => {
      this.#atMs = Infinity;
      this.#ring();
    }, Math.max(0, atMs - performance.now()) + 1);
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }
}
