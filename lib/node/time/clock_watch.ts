/**
 * Says where a server's wall clock and the log's time differ by more than a second, with what that does
 * to keys that expire: once at first, then again and again with growing pauses.
 */
import type { NodeHost } from "../api.ts";

/** Machines that keep their clocks by the network stay far below. */
const DIFFERENCE_MS_MAX = 1_000;
const PAUSE_MS_MIN = 60_000;
const PAUSE_MS_MAX = 3_600_000;

export class ClockWatch {
  readonly #host: Pick<NodeHost, "log">;
  #hasWarned = false;
  #pauseMs = PAUSE_MS_MIN;
  #nextMs = -Infinity;

  constructor(host: Pick<NodeHost, "log">) {
    this.#host = host;
  }

  /**
   * Called now and then, `nowMs` by the monotonic clock; `aheadMs` is how far the log's time is ahead
   * of the wall clock.
   */
  look(nowMs: number, aheadMs: number): void {
    if (Math.abs(aheadMs) <= DIFFERENCE_MS_MAX) {
      if (this.#hasWarned) this.#logAgreed();
      return;
    }
    if (nowMs < this.#nextMs) return;
    const fields = { logAheadOfWallMs: aheadMs, nextWarningMs: this.#pauseMs };
    this.#host.log({ level: "warning", message: messageOf(aheadMs), fields });
    this.#hasWarned = true;
    this.#nextMs = nowMs + this.#pauseMs;
    this.#pauseMs = Math.min(2 * this.#pauseMs, PAUSE_MS_MAX);
  }

  #logAgreed(): void {
    this.#hasWarned = false;
    this.#pauseMs = PAUSE_MS_MIN;
    this.#nextMs = -Infinity;
    const message = "This server's wall clock and the log's time agree again";
    this.#host.log({ level: "info", message, fields: {} });
  }
}

function messageOf(aheadMs: number): string {
  const seconds = (Math.abs(aheadMs) / 1000).toFixed(1);
  const where = aheadMs > 0 ? "ahead of" : "behind";
  const restart = aheadMs > 0
    ? "after a restart of all servers at once it is longer by what the log was idle before"
    : "at a restart of all servers at once the log's time would jump there, and keys with a time " +
      `to live, or with an absolute one by this clock, would go ${seconds} s early`;
  return `The log's time is ${seconds} s ${where} this server's wall clock, since a leader's ` +
    "clock was wrong or this one is: a time to live is right, whoever leads; " +
    `${restart}; absolute times (EXPIREAT, EXAT, EXPIRETIME) are taken and shown by the wall ` +
    "clock of the server that leads or answers now; those that were set while a clock was wrong " +
    "stay wrong by as much. Look at the clocks of all servers";
}
