/** Random numbers from the system, fetched in blocks. Good for secrets as well. */
import type { Rng } from "./ports.ts";

const BLOCK_WORDS = 64;

export class SystemRng implements Rng {
  readonly #block = new Uint32Array(BLOCK_WORDS);
  #used = BLOCK_WORDS;

  u32(): number {
    if (this.#used === BLOCK_WORDS) {
      crypto.getRandomValues(this.#block);
      this.#used = 0;
    }
    const word = this.#block[this.#used]!;
    // What was handed out is not kept in memory.
    this.#block[this.#used++] = 0;
    return word;
  }
}
