/**
 * A line of progress on a terminal's standard error: bar, count, rate, time left. Where standard error is
 * no terminal nothing is written at all.
 */
import { clip } from "./table.ts";
import { countText, secondsText } from "./units.ts";

const DRAW_INTERVAL_MS = 100;
const BAR_COLUMNS = 24;
/** The rate is that of the last few seconds: of the whole run it would say little about what is left. */
const RATE_MS = 5_000;

export interface ProgressOptions {
  /** Whether there is a terminal; else nothing is written. */
  readonly isShown: boolean;
  readonly write: (text: string) => void;
  readonly columns: () => number;
  /** Milliseconds that never go back. */
  readonly nowMs: () => number;
  /** What is counted: "keys". */
  readonly unit: string;
}

export class Progress {
  readonly #options: ProgressOptions;
  readonly #startMs: number;
  #drawnMs = -Infinity;
  #isDrawn = false;
  /** Moments and counts of the last seconds, oldest first. */
  #samples: { readonly atMs: number; readonly count: number }[] = [];

  constructor(options: ProgressOptions) {
    this.#options = options;
    this.#startMs = options.nowMs();
  }

  /** So many are done, which is `fraction` (0 to 1) of all; null where that is not known. */
  show(count: number, fraction: number | null): void {
    if (!this.#options.isShown) return;
    const nowMs = this.#options.nowMs();
    if (nowMs - this.#drawnMs < DRAW_INTERVAL_MS) return;
    this.#drawnMs = nowMs;
    const line = progressLine(count, fraction, this.#ratePerSecond(nowMs, count), {
      elapsedMs: nowMs - this.#startMs,
      unit: this.#options.unit,
    });
    this.#isDrawn = true;
    this.#options.write(`\r\x1b[K${clip(line, this.#options.columns() - 1)}`);
  }

  /** Takes the line away, so that what is said next stands on a line of its own. */
  clear(): void {
    if (this.#isDrawn) this.#options.write("\r\x1b[K");
    this.#isDrawn = false;
  }

  #ratePerSecond(nowMs: number, count: number): number {
    this.#samples.push({ atMs: nowMs, count });
    while (this.#samples.length > 2 && nowMs - this.#samples[0]!.atMs > RATE_MS) {
      this.#samples.shift();
    }
    const { atMs, count: then } = this.#samples[0]!;
    return nowMs > atMs ? (count - then) * 1_000 / (nowMs - atMs) : 0;
  }
}

/** `[######      ]  42 %  12,345 keys  3,210/s  17s left`. Pure. */
export function progressLine(
  count: number,
  fraction: number | null,
  ratePerSecond: number,
  { elapsedMs, unit }: { readonly elapsedMs: number; readonly unit: string },
): string {
  const parts = [`${countText(count)} ${unit}`, `${countText(ratePerSecond)}/s`];
  if (fraction === null) return [...parts, secondsText(elapsedMs / 1_000)].join("  ");
  const part = Math.min(1, Math.max(0, fraction));
  const bar = "#".repeat(Math.round(part * BAR_COLUMNS)).padEnd(BAR_COLUMNS);
  const percent = `${String(Math.floor(part * 100)).padStart(3)} %`;
  // Of what is left, as much time as it took until now for what is done.
  const left = part > 0 && part < 1
    ? `${secondsText(elapsedMs / part * (1 - part) / 1_000)} left`
    : "";
  return [`[${bar}] ${percent}`, ...parts, left].join("  ").trimEnd();
}
