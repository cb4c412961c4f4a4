/** What this process takes of its machine, sampled now and then for whoever asks. */
import process from "node:process";
import { freeDescriptors } from "./descriptors.ts";
import type { Clock } from "./ports.ts";

/** Opening files to see whether one still can is the dear part. */
const DESCRIPTORS_PAUSE_MS = 10_000;
/** So many free descriptors are told apart; beyond, there are enough. */
const DESCRIPTORS_COUNTED_MAX = 32;

export class Machine {
  readonly #path: string;
  readonly #clock: Pick<Clock, "monotonicMs">;
  #freeDescriptors = 0;
  #countedMs = -Infinity;

  /** `path`: a directory that can be opened. */
  constructor(path: string, clock: Pick<Clock, "monotonicMs">) {
    this.#path = path;
    this.#clock = clock;
  }

  sample(): { readonly memoryBytes: number; readonly freeDescriptors: number } {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#countedMs >= DESCRIPTORS_PAUSE_MS) {
      this.#countedMs = nowMs;
      this.#freeDescriptors = freeDescriptors(this.#path, DESCRIPTORS_COUNTED_MAX);
    }
    return { memoryBytes: process.memoryUsage.rss(), freeDescriptors: this.#freeDescriptors };
  }
}
