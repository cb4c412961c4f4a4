/** For how long a connection that was accepted may stay silent, and how often it is answered. */
import type { LinkPace } from "./link_pace.ts";

/** Without a handshake by then a connection is closed: strangers must not use up the connections. */
const HANDSHAKE_MAX_MS = 5_000;
/**
 * The end that made a connection gives it up after one silent period; the other end waits for several.
 * A connection that its maker gave up is replaced by the next one: this is for makers that died.
 */
const SILENT_PERIODS = 4;

/** Times are in listening time, but for that of `mayAnswer`. */
export class InboundWatch {
  readonly #pace: LinkPace;
  readonly #acceptedMs: number;
  /** When something came in last. */
  #heardMs: number;
  /** When it was answered last, by the clock. */
  #answeredMs: number;

  constructor(pace: LinkPace, nowMs: number, clockMs: number) {
    this.#pace = pace;
    this.#acceptedMs = this.#heardMs = nowMs;
    this.#answeredMs = clockMs;
  }

  heard(nowMs: number): void {
    this.#heardMs = nowMs;
  }

  /** When `lostReason` is to be asked; `isKnown`: the handshake has passed. */
  nextDeadlineMs(isKnown: boolean): number {
    return isKnown ? this.#heardMs + this.#silenceMaxMs : this.#acceptedMs + HANDSHAKE_MAX_MS;
  }

  /** Why the connection is to end; null while it is not. */
  lostReason(isKnown: boolean, nowMs: number): string | null {
    if (nowMs < this.nextDeadlineMs(isKnown)) return null;
    return isKnown
      ? `nothing came in for ${this.#silenceMaxMs} ms`
      : `no handshake within ${HANDSHAKE_MAX_MS} ms`;
  }

  /**
   * True where it is time for an answer, which is then noted. By the clock: the other end waits while this
   * process stands still.
   */
  mayAnswer(clockMs: number): boolean {
    if (clockMs - this.#answeredMs < this.#pace.pongPauseMs) return false;
    this.#answeredMs = clockMs;
    return true;
  }

  get #silenceMaxMs(): number {
    return SILENT_PERIODS * this.#pace.silenceMaxMs;
  }
}
