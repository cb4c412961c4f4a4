/**
 * Whether a connection still carries. A network that silently drops packets leaves a connection that looks
 * alive until TCP gives up, minutes later, and that recovers late once the network works again: TCP waits
 * longer and longer between its tries. So whatever is written has to be answered; otherwise the connection
 * is given up and made again. Times are in listening time.
 */
import type { LinkPace } from "./link_pace.ts";

export class LinkWatch {
  readonly #pace: LinkPace;
  /** When something came back last, and when something left last that asks for it. */
  #heardMs = 0;
  #askedMs = 0;

  constructor(pace: LinkPace) {
    this.#pace = pace;
  }

  /** Another connection, at `nowMs`. */
  begin(nowMs: number): void {
    this.#heardMs = this.#askedMs = nowMs;
  }

  heard(nowMs: number): void {
    this.#heardMs = nowMs;
  }

  /** Whatever is sent asks as well as a ping does: while messages flow, no ping is ever due. */
  sent(nowMs: number): void {
    this.#askedMs = nowMs;
  }

  /** When `isLost` or, where the handshake has passed, `wantsPing` is to be asked. */
  nextDeadlineMs(isUp: boolean): number {
    const { silenceMaxMs, pingIntervalMs } = this.#pace;
    const lostMs = this.#heardMs + silenceMaxMs;
    return isUp ? Math.min(lostMs, this.#askedMs + pingIntervalMs) : lostMs;
  }

  isLost(nowMs: number): boolean {
    return nowMs - this.#heardMs >= this.#pace.silenceMaxMs;
  }

  /** True where it is time to ask; a ping that the link has no room for counts as well. */
  wantsPing(nowMs: number): boolean {
    if (nowMs - this.#askedMs < this.#pace.pingIntervalMs) return false;
    this.#askedMs = nowMs;
    return true;
  }
}
