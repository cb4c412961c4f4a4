/**
 * Logs which role this server takes, and why. Without a leader that may happen several times a second,
 * for ever: the same is then logged less and less often (paced_log.ts).
 */
import type { RaftEvent } from "../../raft/raft.ts";
import { NOBODY, type ServerId } from "../../raft/types.ts";
import { PacedLog } from "./paced_log.ts";
import type { NodeHost } from "../api.ts";

export class RoleLog {
  readonly #paced: PacedLog;
  #leaderId: ServerId = NOBODY;

  constructor(host: Pick<NodeHost, "log">) {
    this.#paced = new PacedLog(host);
  }

  /** A change of role or of the leader; a known leader that is lost is a warning. */
  changed({ from, to, term, leaderId, reason }: RaftEvent, nowMs: number): void {
    const isLoss = this.#leaderId !== NOBODY && leaderId !== this.#leaderId;
    const fields = { term, leader: leaderId, reason };
    const lost = { ...fields, lostLeader: this.#leaderId };
    this.#leaderId = leaderId;
    this.#paced.log("role", {
      level: isLoss ? "warning" : "info",
      message: from === to ? `Still ${to}` : `Now ${to}, was ${from}`,
      fields: isLoss ? lost : fields,
    }, nowMs);
  }

  nextDeadlineMs(): number {
    return this.#paced.nextDeadlineMs();
  }

  elapse(nowMs: number): void {
    this.#paced.elapse(nowMs);
  }
}
