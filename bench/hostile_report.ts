/** What rounds with and without hostile clients come to. */
import { median } from "./median.ts";
import { formatMs, formatTable } from "./table.ts";

/** The others' p99 with them, at most, as a multiple of that without. */
const RATIO_MAX = 1.5;
/** The buffers that they may fill are far smaller: outputBytesMax each, and one reply more. */
const GROWTH_BYTES_MAX = 128 * 1024 ** 2;

export interface Round {
  readonly withoutP99Ms: number;
  readonly withP99Ms: number;
  readonly grownBytes: number;
  /** How much the hostile ones did. */
  readonly count: number;
}

export interface Result {
  readonly kind: string;
  readonly withoutP99Ms: number;
  readonly withP99Ms: number;
  /** Of these two. */
  readonly ratio: number;
  /** Of each round, the smallest first: how far they lie apart. */
  readonly ratios: readonly number[];
  readonly grownBytes: number;
  readonly count: number;
  /** Whether the leader was kept. */
  readonly isKept: boolean;
}

/**
 * Medians of the rounds, and the ratio of those two. A median of the rounds' own ratios may come from
 * another round than either, and tell less than what was felt: one stall in a stretch without hostile
 * clients makes that round's ratio small. So does the smaller one of two middle values: the number of
 * rounds is odd.
 * @throws {Error} where it is even.
 */
export function summarize(kind: string, rounds: readonly Round[], isKept: boolean): Result {
  checkRounds(rounds.length);
  const withoutP99Ms = median(rounds.map((round) => round.withoutP99Ms));
  const withP99Ms = median(rounds.map((round) => round.withP99Ms));
  return {
    kind,
    withoutP99Ms,
    withP99Ms,
    ratio: withP99Ms / withoutP99Ms,
    ratios: rounds.map((round) => round.withP99Ms / round.withoutP99Ms).sort((a, b) => a - b),
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

export function isWell({ ratio, grownBytes, isKept }: Result): boolean {
  return isKept && ratio <= RATIO_MAX && grownBytes <= GROWTH_BYTES_MAX;
}

export function formatResults(results: readonly Result[]): string {
  return formatTable(
    ["hostile", "done", "p99 without", "p99 with", "ratio", "rounds", "memory grew by", "leader"],
    results.map((one) => [
      one.kind,
      `${one.count}`,
      formatMs(one.withoutP99Ms),
      formatMs(one.withP99Ms),
      one.ratio.toFixed(2),
      `${one.ratios[0]!.toFixed(2)} to ${one.ratios.at(-1)!.toFixed(2)}`,
      `${(one.grownBytes / 1024 ** 2).toFixed(0)} MiB`,
      one.isKept ? "kept" : "LOST",
    ]),
  );
}
