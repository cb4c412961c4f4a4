/**
 * How often the same may be logged: a few times at once, then after pauses that double, up to a minute.
 * Each line tells how many were omitted before it. What has not happened for a minute starts afresh.
 */

/** So many times nothing is omitted: most things that repeat end soon. */
const FREE_TIMES = 5;
const PAUSE_FIRST_MS = 1_000;
const PAUSE_MAX_MS = 60_000;

interface Subject {
  times: number;
  atMs: number;
  pauseMs: number;
  lastAskedMs: number;
  omitted: number;
}

export class LogPace {
  readonly #subjects = new Map<string, Subject>();

  /**
   * Whether `what` may be logged now. Null: not yet; otherwise how many were omitted since the last time.
   * `what` comes from a small set: each is remembered.
   */
  ask(what: string, nowMs: number): number | null {
    const subject = this.#subjects.get(what);
    if (subject === undefined || nowMs - subject.lastAskedMs >= PAUSE_MAX_MS) {
      const fresh = { times: 1, atMs: nowMs, pauseMs: 0, lastAskedMs: nowMs, omitted: 0 };
      this.#subjects.set(what, fresh);
      return subject?.omitted ?? 0;
    }
    subject.lastAskedMs = nowMs;
    if (nowMs - subject.atMs >= subject.pauseMs) return noteLogged(subject, nowMs);
    subject.omitted++;
    return null;
  }

  /** From when on something that was kept may be logged. */
  dueMs(what: string): number {
    const subject = this.#subjects.get(what);
    return subject === undefined ? Infinity : subject.atMs + subject.pauseMs;
  }

  /**
   * The same for something that was not logged when it happened, and was kept: it is logged now and does
   * not count as omitted.
   */
  askHeld(what: string, nowMs: number): number | null {
    const subject = this.#subjects.get(what);
    if (subject === undefined || nowMs - subject.atMs < subject.pauseMs) return null;
    return noteLogged(subject, nowMs) - 1;
  }
}

/** Notes that it is logged now; returns how many were omitted since the last time. */
function noteLogged(subject: Subject, nowMs: number): number {
  const { omitted } = subject;
  subject.times++;
  subject.atMs = nowMs;
  subject.omitted = 0;
  if (subject.times >= FREE_TIMES) {
    subject.pauseMs = Math.min(Math.max(PAUSE_FIRST_MS, subject.pauseMs * 2), PAUSE_MAX_MS);
  }
  return omitted;
}
