/** What this process uses of the machine: two samples show why it stood still in between. */
import process from "node:process";
import type { ProcessUse } from "./ports.ts";

/** Shorter calls are not worth a name. */
const NAMED_MS = 20;

/** The calls to the disk that hold up the event loop. There is one loop, and so one count. */
class BlockingCalls {
  totalMs = 0;
  #longestMs = NAMED_MS;
  #longest = "";

  note(verb: string, path: string, tookMs: number): void {
    this.totalMs += tookMs;
    if (tookMs <= this.#longestMs) return;
    this.#longestMs = tookMs;
    this.#longest = `${verb} ${path} (${Math.round(tookMs)} ms)`;
  }

  /** The longest since this was last asked; empty where none was long. */
  takeLongest(): string {
    const longest = this.#longest;
    this.#longest = "";
    this.#longestMs = NAMED_MS;
    return longest;
  }
}

export const blockingCalls = new BlockingCalls();

/** Runs a blocking call to the disk and counts its time, however it ends. */
export function timed<T>(verb: string, path: string, call: () => T): T {
  const startMs = performance.now();
  try {
    return call();
  } finally {
    blockingCalls.note(verb, path, performance.now() - startMs);
  }
}

/** What was used since the process started; costs a few microseconds. */
export function processUse(): ProcessUse {
  const { user, system } = process.cpuUsage();
  return {
    cpuMs: (user + system) / 1_000,
    diskMs: blockingCalls.totalMs,
    longestDiskCall: blockingCalls.takeLongest(),
  };
}
