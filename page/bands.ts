/**
 * Where the bands of the logs are drawn: one scale of indexes for all servers, which ends a little after
 * the newest entry and is wide enough for ten seconds of growth and for who is behind. Pure.
 */

/** The indexes of one server's log. */
export interface LogEnds {
  readonly lastIndex: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly durableIndex: number;
}

/** Indexes at the left and the right edge. */
export interface Scale {
  readonly from: number;
  readonly to: number;
}

/** Parts of the whole width, from 0 to 1. */
export interface Band {
  readonly last: number;
  readonly committed: number;
  readonly applied: number;
  readonly durable: number;
  /** So many entries are missing at the left edge: the band is not to be seen. 0: it is. */
  readonly outside: number;
}

const WIDTH_MIN = 20;
/** Room for what comes, and at the left of who is behind. */
const MARGIN = 1.25;
const RIGHT_MARGIN = 0.04;
const TICKS_ABOUT = 6;

/** The next of 1, 2, 5, 10, 20, 50, … that is not below `value`. */
export function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  for (const step of [1, 2, 5]) if (step * power >= value) return step * power;
  return 10 * power;
}

/**
 * `heard`: the logs that are current. `growth`: entries in ten seconds. `before`: the scale until now:
 * it grows narrower only when less than half of it would do, so that it does not jump to and fro.
 */
export function scaleOf(heard: readonly LogEnds[], growth: number, before: Scale | null): Scale {
  const newest = Math.max(0, ...heard.map(({ lastIndex }) => lastIndex));
  const oldest = Math.min(
    newest,
    ...heard.map((ends) => Math.min(ends.appliedIndex, ends.durableIndex, ends.commitIndex)),
  );
  const wanted = roundUp(Math.max(WIDTH_MIN, MARGIN * growth, MARGIN * (newest - oldest)));
  const width = before === null ? 0 : Math.round((before.to - before.from) / (1 + RIGHT_MARGIN));
  const chosen = wanted <= width && 2 * wanted >= width ? width : wanted;
  const to = newest + RIGHT_MARGIN * chosen;
  return { from: newest - chosen, to };
}

/** Where an index is on the scale, from 0 to 1. */
export function placeOf(index: number, { from, to }: Scale): number {
  return Math.min(1, Math.max(0, (index - from) / (to - from)));
}

export function bandOf(ends: LogEnds, scale: Scale): Band {
  return {
    last: placeOf(ends.lastIndex, scale),
    committed: placeOf(ends.commitIndex, scale),
    applied: placeOf(ends.appliedIndex, scale),
    durable: placeOf(ends.durableIndex, scale),
    outside: Math.max(0, Math.ceil(scale.from) - ends.lastIndex),
  };
}

/** Round indexes on the scale, to be drawn as lines. */
export function ticksOf({ from, to }: Scale): number[] {
  const step = roundUp(Math.max(1, (to - from) / TICKS_ABOUT));
  const ticks: number[] = [];
  for (
    let index = Math.max(0, Math.ceil(from / step) * step);
    index <= to;
    index += step
  ) {
    ticks.push(index);
  }
  return ticks;
}

/** How much the newest log has grown in ten seconds, from what was seen in the last ones. */
export class Growth {
  #seen: { readonly atMs: number; readonly index: number }[] = [];

  /** Entries in ten seconds; a log that became shorter counts anew. */
  note(atMs: number, index: number): number {
    const last = this.#seen.at(-1);
    if (last !== undefined && (index < last.index || atMs < last.atMs)) {
      this.#seen = [];
    }
    this.#seen.push({ atMs, index });
    while (atMs - this.#seen[0]!.atMs > 10_000) this.#seen.shift();
    const first = this.#seen[0]!;
    const elapsedMs = atMs - first.atMs;
    return elapsedMs < 500 ? 0 : (index - first.index) * 10_000 / elapsedMs;
  }
}
