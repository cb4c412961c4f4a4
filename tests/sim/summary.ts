/** Sums over seeds, and what is printed of them. */
import { type Mark, MARKS } from "./mark_names.ts";
import type { SimOptions } from "./options.ts";
import type { SimResult } from "./simulate.ts";

export class Summary {
  seeds = 0;
  failures: SimResult[] = [];
  events = 0;
  simulatedMs = 0;
  coreMs = 0;
  acknowledged = 0;
  #elections = 0;
  #digests = 0;
  #unsearched = 0;
  readonly #counters = new Map<string, number>();
  /** By mark: how many seeds hit it, and how often in all. */
  readonly #marks = new Map<string, { seeds: number; hits: number }>();

  /** `coreMs`: processor time that it took. */
  add(result: SimResult, coreMs: number): void {
    this.seeds++;
    this.coreMs += coreMs;
    this.events += result.events;
    this.simulatedMs += result.simulatedMs;
    this.acknowledged += result.acknowledged;
    this.#elections += result.elections;
    this.#digests += result.digestsCompared;
    if (!result.searched) this.#unsearched++;
    if (result.check !== null) this.failures.push(result);
    for (const [name, hits] of Object.entries(result.marks)) {
      const sum = this.#marks.get(name) ?? { seeds: 0, hits: 0 };
      this.#marks.set(name, { seeds: sum.seeds + 1, hits: sum.hits + hits });
    }
    for (const [name, count] of Object.entries(result.counters)) {
      this.#counters.set(name, (this.#counters.get(name) ?? 0) + count);
    }
  }

  /** A counter's sum. */
  count(name: string): number {
    return this.#counters.get(name) ?? 0;
  }

  /** How many seeds hit each mark. */
  markSeeds(): Record<string, number> {
    return Object.fromEntries([...this.#marks].map(([name, { seeds }]) => [name, seeds]));
  }

  /** Marks that no seed hit. */
  marksMissing(): Mark[] {
    return MARKS.filter((mark) => !this.#marks.has(mark));
  }

  /** All marks with their counts. */
  marksText(): string {
    const lines = MARKS.map((mark) => {
      const { seeds, hits } = this.#marks.get(mark) ?? { seeds: 0, hits: 0 };
      return `  ${mark.padEnd(60)} ${String(seeds).padStart(7)} seeds ${String(hits).padStart(9)}`;
    });
    const met = MARKS.length - this.marksMissing().length;
    return `situations met: ${met} of ${MARKS.length}\n${lines.join("\n")}`;
  }

  /** One line on how far it has come. */
  progress(tookMs: number): string {
    const hours = this.simulatedMs / 3_600_000;
    return `${this.seeds} seeds, ${this.failures.length} failed, ${hours.toFixed(2)} simulated ` +
      `hours, ${this.acknowledged} operations, ${(tookMs / 1000).toFixed(0)} s`;
  }

  /** All figures. */
  text(tookMs: number): string {
    const rows: [string, string | number][] = [
      ["seeds", this.seeds],
      ["failed", this.failures.length],
      ["simulated hours", (this.simulatedMs / 3_600_000).toFixed(3)],
      ["times real time", (this.simulatedMs / tookMs).toFixed(0)],
      ["times processor time", (this.simulatedMs / this.coreMs).toFixed(0)],
      ["events", this.events],
      ["events/s and core", Math.round(this.events / (this.coreMs / 1000))],
      ["acknowledged operations", this.acknowledged],
      ["elections won", this.#elections],
      ["digests compared", this.#digests],
      ["seeds not searched to the end", this.#unsearched],
    ];
    const sorted = [...this.#counters].sort((a, b) => a[0] < b[0] ? -1 : 1);
    return [...rows, ...sorted]
      .map(([name, value]) => `  ${name.padEnd(32)} ${String(value).padStart(14)}`).join("\n");
  }
}

/** All that is needed to see and to repeat a failure. */
export function failureText(result: SimResult, options: SimOptions, commit: string): string {
  return [
    `FAILED  seed ${result.seed}, commit ${commit}`,
    `check   ${result.check}`,
    `        ${result.message}`,
    `at      ${(result.simulatedMs / 1000).toFixed(3)} simulated seconds, ${result.events} events`,
    `options ${JSON.stringify(options)}`,
    ...(result.check === "exception" || result.check === "exit" ? [result.stack] : []),
    `replay  deno task sim ${result.seed}     (smaller: deno task sim ${result.seed} --shrink)`,
  ].join("\n");
}
