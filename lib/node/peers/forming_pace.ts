/** While a cluster forms: how often its servers tell each other, and the log, how far they have come. */
import type { NodeHost } from "../api.ts";
import type { Formation } from "./formation.ts";
import type { PeerOutbound } from "./peer_outbound.ts";

const NOTICE_INTERVAL_MS = 100;
/** How often a server that can't form logs whom it waits for. */
const WAITING_LOG_INTERVAL_MS = 5_000;

export class FormingPace {
  #noticeMs = -NOTICE_INTERVAL_MS;
  #logMs = -WAITING_LOG_INTERVAL_MS;

  /** When `elapse` has something to do while the cluster is not formed, by the monotonic clock. */
  nextDeadlineMs(): number {
    return this.#noticeMs + NOTICE_INTERVAL_MS;
  }

  elapse(
    nowMs: number,
    formation: Pick<Formation, "notice" | "waitingFor" | "joins">,
    outbound: readonly PeerOutbound[],
    host: Pick<NodeHost, "log">,
  ): void {
    if (nowMs - this.#noticeMs < NOTICE_INTERVAL_MS) return;
    this.#noticeMs = nowMs;
    const notice = formation.notice();
    for (const link of outbound) link.sendNotice(notice);
    // Whom a server waits for that is to be added, whoever starts it says.
    if (formation.joins !== null || nowMs - this.#logMs < WAITING_LOG_INTERVAL_MS) return;
    this.#logMs = nowMs;
    // A cluster is there already, and what it refuses was said: there is no first start to wait for.
    if (outbound.some(({ isRefusedLife }) => isRefusedLife)) return;
    host.log({
      level: "info",
      message: "First start: waiting for every server of the cluster file once",
      fields: { waitingFor: formation.waitingFor().join(", ") },
    });
  }
}
