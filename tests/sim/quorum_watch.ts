/**
 * A leader that hears nothing of a majority for several election timeouts must lead no more: it would
 * hold its clients, and whoever still hears it, for nothing.
 */
import { SERVERS_MAX } from "./fabric.ts";
import { CheckFailure } from "./world.ts";

/** Two is what the check of the quorum may take; clocks drift, and a step may wait for its turn. */
const ELECTION_TIMEOUTS = 4;

export class QuorumWatch {
  readonly #allowedUs: number;
  readonly #heardUs = new Float64Array(SERVERS_MAX);
  #sinceUs = 0;

  constructor(electionTimeoutMs: number) {
    this.#allowedUs = electionTimeoutMs * ELECTION_TIMEOUTS * 1000;
  }

  /** It starts, wakes up or is elected: counts from now. */
  begin(nowUs: number): void {
    this.#sinceUs = nowUs;
  }

  heard(from: number, nowUs: number): void {
    this.#heardUs[from] = nowUs;
  }

  /** A server is woken; `halves`: of each of these it needs a majority where it leads, none where not. */
  check(id: number, halves: readonly (readonly number[])[], nowUs: number): void {
    if (halves.length === 0) return this.begin(nowUs);
    for (const voters of halves) {
      const heard = voters.filter((voter) => {
        const lastUs = Math.max(this.#heardUs[voter]!, this.#sinceUs);
        return voter === id || nowUs - lastUs <= this.#allowedUs;
      });
      if (heard.length * 2 > voters.length) continue;
      throw new CheckFailure(
        "leader without a majority",
        `server ${id} still leads after ${ELECTION_TIMEOUTS} election timeouts in which it heard ` +
          `of ${heard.length} of ${voters.length} voters, itself included`,
      );
    }
  }
}
