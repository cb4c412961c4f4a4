/** Which directions between servers a partition cuts. */
import type { Random } from "../../lib/util/random.ts";

export type Cut = readonly [from: number, to: number];

/**
 * Draws a partition of `ids` (two at least): whom it separates, in one direction or both. `first` is
 * the one that is set apart where the shape sets one apart, and the bridge where there is one.
 */
export function cutsOf(
  first: number,
  ids: readonly number[],
  oneWay: boolean,
  random: Random,
): Cut[] {
  const shuffled = [first, ...shuffle(ids.filter((id) => id !== first), random)];
  if (oneWay) return random.chance(0.5) ? onePair(shuffled) : oneServer(shuffled, random);
  const shapes = [isolate, randomSplit, bridge, ring];
  return random.pick(shapes)(shuffled, random);
}

/** Everything between two groups, both ways. */
export function between(left: readonly number[], right: readonly number[]): Cut[] {
  return left.flatMap((a) => right.flatMap((b): Cut[] => [[a, b], [b, a]]));
}

function isolate(ids: readonly number[]): Cut[] {
  return between(ids.slice(0, 1), ids.slice(1));
}

function randomSplit(ids: readonly number[], random: Random): Cut[] {
  const at = random.between(1, ids.length - 1);
  return between(ids.slice(0, at), ids.slice(at));
}

/** Two halves that only one server can both reach. */
function bridge(ids: readonly number[]): Cut[] {
  if (ids.length < 3) return isolate(ids);
  const half = Math.ceil((ids.length - 1) / 2);
  return between(ids.slice(1, 1 + half), ids.slice(1 + half));
}

/** Each server reaches a majority, its neighbours on a ring, and no two the same one. */
function ring(ids: readonly number[]): Cut[] {
  if (ids.length < 4) return isolate(ids);
  const count = ids.length;
  const reach = Math.floor(count / 4) || 1;
  const cuts: Cut[] = [];
  for (let a = 0; a < count; a++) {
    for (let b = 0; b < count; b++) {
      const distance = Math.min(Math.abs(a - b), count - Math.abs(a - b));
      if (distance > reach) cuts.push([ids[a]!, ids[b]!]);
    }
  }
  return cuts;
}

function onePair(ids: readonly number[]): Cut[] {
  return [[ids[0]!, ids[1]!]];
}

/** One server that can only send, or only receive. */
function oneServer(ids: readonly number[], random: Random): Cut[] {
  const [first, ...others] = ids;
  const sends = random.chance(0.5);
  return others.map((other): Cut => sends ? [other, first!] : [first!, other]);
}

function shuffle(ids: readonly number[], random: Random): number[] {
  const shuffled = [...ids];
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = random.between(0, i);
    [shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!];
  }
  return shuffled;
}
