/** How many clients watch, and how. */
import { Random } from "../../lib/util/random.ts";

export interface WatchOptions {
  readonly clients: number;
  /** What each server keeps of changes: mostly little, so that watches are lost. */
  readonly historyBytes: number;
  readonly markMs: number;
  /** Chance that a connection takes seconds for what it is sent. */
  readonly slow: number;
  /** After so long, on the mean, a client leaves by itself and continues elsewhere. */
  readonly stayMeanMs: number;
}

/** In a third of the seeds without users, by a stream of its own. `roomFor`: connections left over. */
export function drawWatches(seed: number, roomFor: number): WatchOptions | null {
  const random = new Random(seed ^ 0x3a7c4);
  const isOn = random.chance(0.33);
  const drawn = {
    clients: random.between(1, 4),
    historyBytes: random.pick([2_048, 16_384, 16_384, 262_144, 4_194_304]),
    markMs: random.pick([200, 1_000, 10_000]),
    slow: random.pick([0, 0.2, 0.5]),
    stayMeanMs: random.pick([1_000, 5_000, 60_000]),
  };
  // Who lost its connection may have left another one open.
  return isOn && roomFor >= 2 * drawn.clients ? drawn : null;
}
