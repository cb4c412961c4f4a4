/** How members change while a run goes on. */
import type { Random } from "../../lib/util/random.ts";

export interface MembersOptions {
  /** So many voters are left, and so many there may come to be. */
  readonly votersMin: number;
  readonly votersMax: number;
  /** Chance that a newcomer is to stay a learner. */
  readonly learners: number;
  /** Chance that a server that is replaced loses its disk; else its machine is gone, and may come back. */
  readonly wipes: number;
  /** How often servers move to other addresses, or swap theirs, as a share of all that is done. */
  readonly moves: number;
  /** Chance that each member that is lost in the end is replaced, rather than only removed. */
  readonly replaced: number;
}

export function drawMembers(random: Random): MembersOptions {
  const votersMin = random.pick([1, 1, 2, 3]);
  return {
    votersMin,
    votersMax: random.pick([4, 5, 7, 7]),
    learners: random.pick([0, 0.2, 0.5]),
    wipes: random.pick([0, 0.5, 0.9]),
    moves: random.pick([0, 0.15, 0.4]),
    replaced: random.pick([0, 0.5, 1]),
  };
}
