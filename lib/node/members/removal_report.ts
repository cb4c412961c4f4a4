/**
 * A server that was removed, and knows it, says so once. Not at the first word of it: who is behind may
 * think so of a server that was added again meanwhile, and then a leader is heard soon.
 */
import type { RaftState } from "../../raft/state.ts";
import type { NodeHost } from "../api.ts";

const PATIENCE_ELECTION_TIMEOUTS = 2;

export class RemovalReport {
  readonly #host: Pick<NodeHost, "log">;
  readonly #patienceMs: number;
  /** Since when this server takes itself for removed; null while it does not. */
  #sinceMs: number | null = null;
  #isSaid = false;

  constructor(host: Pick<NodeHost, "log">, electionTimeoutMs: number) {
    this.#host = host;
    this.#patienceMs = PATIENCE_ELECTION_TIMEOUTS * electionTimeoutMs;
  }

  /** Nobody has led this server since it first heard that it was removed: it says so to whoever asks. */
  get isSure(): boolean {
    return this.#isSaid;
  }

  /** Called once a turn; it is `nowMs`. */
  note({ removed, id }: Pick<RaftState, "removed" | "id">, nowMs: number): void {
    if (!removed) {
      this.#sinceMs = null;
      this.#isSaid = false;
      return;
    }
    this.#sinceMs ??= nowMs;
    if (this.#isSaid || nowMs - this.#sinceMs < this.#patienceMs) return;
    this.#isSaid = true;
    this.#host.log({
      level: "error",
      message:
        "This server was removed from its cluster: stop it. It serves nothing any more, and " +
        "its data directory can't come back; an empty one can, as a new member",
      fields: { server: id },
    });
  }

  /** When `note` has something to say. */
  nextDeadlineMs(): number {
    return this.#sinceMs === null || this.#isSaid ? Infinity : this.#sinceMs + this.#patienceMs;
  }
}
