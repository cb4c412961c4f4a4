/**
 * When the node is to be woken: one timer of its host, which is moved only where something is due
 * earlier. A timer that goes off early is set again; one that is lost is missed by the next event, and
 * set again then.
 */
import type { WakingHost } from "./api.ts";
import type { Standstill } from "./reports/standstill.ts";

/** What could not be done at its time is tried again after so long, not at once. */
const RETRY_MS = 10;
/** After more turns than this within so long the node is busy. */
const QUIET_TURNS_MAX = 4;
const SPAN_MS = 10;
/** A timer that is so late while events come in is taken for lost. */
const LOST_MS = 1_000;

export class Alarm {
  readonly #host: Pick<WakingHost, "wakeAt">;
  readonly #standstill: Standstill;
  /** What the timer is set for, which may be over; Infinity where it is not set. */
  #atMs = Infinity;
  /** When the host was told of that last. */
  #toldMs = 0;
  #doneMs = -Infinity;
  /** The span of time in which turns are counted, and how many there were. */
  #spanStartMs = -Infinity;
  #turns = 0;
  /** It was busy throughout the span before, which has just ended. */
  #wasBusy = false;
  /** It went off since the last turn; and whether it had before that one. */
  #hasRung = false;
  #isFirstTurn = false;

  constructor(host: Pick<WakingHost, "wakeAt">, standstill: Standstill) {
    this.#host = host;
    this.#standstill = standstill;
  }

  /**
   * The next thing is due at `dueMs` (Infinity: none is known); it is `nowMs`. A busy node is woken within
   * a span all the same, as its parts are not asked after each turn then.
   */
  set(dueMs: number, nowMs: number): void {
    const knownMs = this.#isBusy(nowMs) ? Math.min(dueMs, nowMs + SPAN_MS) : dueMs;
    const atMs = knownMs <= nowMs ? Math.max(knownMs, this.#doneMs + RETRY_MS) : knownMs;
    if (atMs < this.#atMs) {
      // As it is, though it be over: otherwise each turn until then would set the timer again.
      this.#atMs = atMs;
      this.#standstill.expect(Math.max(atMs, nowMs), nowMs);
    } else if (nowMs - Math.max(this.#atMs, this.#toldMs) < LOST_MS) return;
    this.#toldMs = nowMs;
    if (this.#atMs < Infinity) this.#host.wakeAt(Math.max(this.#atMs, nowMs));
  }

  /**
   * A turn has ended. True where the node is busy: asking all its parts for their deadlines after each
   * turn would be a tenth of its work for a small write. They are asked when it is woken.
   */
  turned(nowMs: number): boolean {
    const passedMs = nowMs - this.#spanStartMs;
    if (passedMs >= SPAN_MS) {
      this.#wasBusy = passedMs < 2 * SPAN_MS && this.#turns > QUIET_TURNS_MAX;
      this.#spanStartMs = nowMs;
      this.#turns = 0;
    }
    this.#turns++;
    this.#isFirstTurn = this.#hasRung;
    this.#hasRung = false;
    return this.#isBusy(nowMs);
  }

  /** It is set, for within a span from now, and not lost; and a turn has had its say since it went off. */
  isNear(nowMs: number): boolean {
    if (this.#isFirstTurn || this.#atMs > nowMs + SPAN_MS) return false;
    return nowMs - Math.max(this.#atMs, this.#toldMs) < LOST_MS;
  }

  /** Not any more once the span is over without another turn, or a whole one has had few. */
  #isBusy(nowMs: number): boolean {
    return (this.#wasBusy || this.#turns > QUIET_TURNS_MAX) && nowMs - this.#spanStartMs < SPAN_MS;
  }

  /** It went off. Returns for how long this server stood still just before. */
  rang(nowMs: number): number {
    this.#atMs = Infinity;
    this.#hasRung = true;
    return this.#standstill.woken(nowMs);
  }

  /** All that was due at `nowMs` was done, or tried. */
  done(nowMs: number): void {
    this.#doneMs = nowMs;
  }
}
