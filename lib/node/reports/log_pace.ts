/**
 * How often the same may be said: a few times at once, then after pauses that double, up to a minute,
 * each time with how often it happened meanwhile. What has not happened for a minute is news again.
 */

/** So often nothing is left out: most things that happen several times come to an end soon. */
const FREE_TIMES = 5;
const PAUSE_FIRST_MS = 1_000;
const PAUSE_MAX_MS = 60_000;

interface Said {
  times: number;
  atMs: number;
  pauseMs: number;
  lastAskedMs: number;
  unsaid: number;
}

export class LogPace {
  readonly #said = new Map<string, Said>();

  /**
   * Whether `what` may be said now. Null: not yet; else how often it was not said since the last time.
   * `what` comes from a small set: each is remembered.
   */
  ask(what: string, nowMs: number): number | null {
    const said = this.#said.get(what);
    if (said === undefined || nowMs - said.lastAskedMs >= PAUSE_MAX_MS) {
      const anew = { times: 1, atMs: nowMs, pauseMs: 0, lastAskedMs: nowMs, unsaid: 0 };
      this.#said.set(what, anew);
      return said?.unsaid ?? 0;
    }
    said.lastAskedMs = nowMs;
    if (nowMs - said.atMs >= said.pauseMs) return say(said, nowMs);
    said.unsaid++;
    return null;
  }

  /**
   * The same for something that could not be said when it was asked for, and was kept: it counts as
   * said then, not as another one.
   */
  askHeld(what: string, nowMs: number): number | null {
    const said = this.#said.get(what);
    if (said === undefined || nowMs - said.atMs < said.pauseMs) return null;
    return say(said, nowMs) - 1;
  }
}

/** Notes that it is said now; how often it was not since the last time. */
function say(said: Said, nowMs: number): number {
  const { unsaid } = said;
  said.times++;
  said.atMs = nowMs;
  said.unsaid = 0;
  if (said.times >= FREE_TIMES) {
    said.pauseMs = Math.min(Math.max(PAUSE_FIRST_MS, said.pauseMs * 2), PAUSE_MAX_MS);
  }
  return unsaid;
}
