/** What rounds with and without hostile clients come to. */
import { median } from "./median.ts";
import { formatMs, formatTable } from "./table.ts";

/** The others' p99 with them, at most, as a multiple of that without. */
const RATIO_MAX = 1.5;
/** The buffers that they may fill are far smaller: outputBytesMax each, and one reply more. */
const GROWTH_BYTES_MAX = 128 * 1024 ** 2;

/** What two stretches without them differ by at most, as a multiple: beyond that nothing is told. */
const NOISE_MAX = RATIO_MAX;

/** One stretch with them, between two without. */
export interface Round {
  readonly withoutP99Ms: number;
  /** Of the other stretch without them: by how much p99 differs by itself. */
  readonly againP99Ms: number;
  readonly withP99Ms: number;
  readonly grownBytes: number;
  /** How much the hostile ones did. */
  readonly count: number;
}

export interface Result {
  readonly kind: string;
  readonly withoutP99Ms: number;
  readonly againP99Ms: number;
  readonly withP99Ms: number;
  /** Of `againP99Ms` to `withoutP99Ms`: of nothing to nothing. */
  readonly noise: number;
  /** Of `withP99Ms` to the mean of the two without. */
  readonly ratio: number;
  /** Of each round, the smallest first: how far they lie apart. */
  readonly ratios: readonly number[];
  readonly grownBytes: number;
  readonly count: number;
  /** Whether the leader was kept. */
  readonly isKept: boolean;
}

function ratioOf({ withoutP99Ms, againP99Ms, withP99Ms }: Omit<Round, "grownBytes" | "count">) {
  return withP99Ms / ((withoutP99Ms + againP99Ms) / 2);
}

/**
 * Medians of the rounds, and the ratio of those. A median of the rounds' own ratios may come from another
 * round than either, and tell less than what was felt: one stall in a stretch without hostile clients makes
 * that round's ratio small. So does the smaller one of two middle values: the number of rounds is odd.
 * @throws {Error} where it is even.
 */
export function summarize(kind: string, rounds: readonly Round[], isKept: boolean): Result {
  checkRounds(rounds.length);
  const p99 = {
    withoutP99Ms: median(rounds.map((round) => round.withoutP99Ms)),
    againP99Ms: median(rounds.map((round) => round.againP99Ms)),
    withP99Ms: median(rounds.map((round) => round.withP99Ms)),
  };
  return {
    kind,
    ...p99,
    noise: p99.againP99Ms / p99.withoutP99Ms,
    ratio: ratioOf(p99),
    ratios: rounds.map(ratioOf).sort((a, b) => a - b),
    grownBytes: Math.max(...rounds.map(({ grownBytes }) => grownBytes)),
    count: median(rounds.map(({ count }) => count)),
    isKept,
  };
}

/** @throws {Error} where no round is in the middle of so many. */
export function checkRounds(count: number): void {
  if (count % 2 === 1) return;
  throw new Error(`--rounds: ${count} is even, and a median needs a round in the middle`);
}

/** What is against it: nothing where it is well. */
export function faultsOf({ ratio, noise, grownBytes, isKept }: Result): string[] {
  const faults: string[] = [];
  if (!isKept) faults.push("leader");
  if (grownBytes > GROWTH_BYTES_MAX) faults.push("memory");
  if (ratio > RATIO_MAX) faults.push("p99");
  if (Math.max(noise, 1 / noise) > NOISE_MAX) faults.push("noise");
  return faults;
}

export function formatResults(results: readonly Result[]): string {
  return formatTable(
    [
      "hostile",
      "done",
      "p99 without",
      "again",
      "with",
      "again / without",
      "with / both",
      "rounds",
      "memory grew by",
      "leader",
      "missed",
    ],
    results.map((one) => [
      one.kind,
      `${one.count}`,
      formatMs(one.withoutP99Ms),
      formatMs(one.againP99Ms),
      formatMs(one.withP99Ms),
      one.noise.toFixed(2),
      one.ratio.toFixed(2),
      `${one.ratios[0]!.toFixed(2)} to ${one.ratios.at(-1)!.toFixed(2)}`,
      `${(one.grownBytes / 1024 ** 2).toFixed(0)} MiB`,
      one.isKept ? "kept" : "LOST",
      faultsOf(one).join(", ") || "-",
    ]),
  );
}
