/** What this process takes of its machine, sampled now and then for whoever asks. */
import process from "node:process";
import { freeDescriptors } from "./descriptors.ts";
import type { Clock } from "./ports.ts";
import { blockingCalls } from "./process_use.ts";

/** Opening files to see whether one still can is the dear part. */
const DESCRIPTORS_PAUSE_MS = 10_000;
/** So many free descriptors are told apart; beyond, there are enough. */
const DESCRIPTORS_COUNTED_MAX = 32;

interface MachineSample {
  readonly memoryBytes: number;
  readonly freeDescriptors: number;
  readonly cpuMs: number;
  readonly diskMs: number;
}

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

  sample(): MachineSample {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#countedMs >= DESCRIPTORS_PAUSE_MS) {
      this.#countedMs = nowMs;
      this.#freeDescriptors = freeDescriptors(this.#path, DESCRIPTORS_COUNTED_MAX);
    }
    const { user, system } = process.cpuUsage();
    return {
      memoryBytes: process.memoryUsage.rss(),
      freeDescriptors: this.#freeDescriptors,
      cpuMs: (user + system) / 1_000,
      diskMs: blockingCalls.totalMs,
    };
  }
}
