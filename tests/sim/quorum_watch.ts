/**
 * A leader that hears nothing of a majority for several election timeouts must lead no more: it would
 * hold its clients, and whoever still hears it, for nothing.
 */
import { CheckFailure } from "./world.ts";

/** Two is what the check of the quorum may take; clocks drift, and a step may wait for its turn. */
const ELECTION_TIMEOUTS = 4;

export class QuorumWatch {
  readonly #servers: number;
  readonly #allowedUs: number;
  readonly #heardUs: Float64Array;
  #sinceUs = 0;

  constructor(servers: number, electionTimeoutMs: number) {
    this.#servers = servers;
    this.#allowedUs = electionTimeoutMs * ELECTION_TIMEOUTS * 1000;
    this.#heardUs = new Float64Array(servers + 1);
  }

  /** It starts, wakes up or is elected: counts from now. */
  begin(nowUs: number): void {
    this.#sinceUs = nowUs;
  }

  heard(from: number, nowUs: number): void {
    this.#heardUs[from] = nowUs;
  }

  /** A server is woken; `leads` says whether it believes that it leads. */
  check(id: number, leads: boolean, nowUs: number): void {
    if (!leads) return this.begin(nowUs);
    let heard = 1;
    for (let other = 1; other <= this.#servers; other++) {
      const lastUs = Math.max(this.#heardUs[other]!, this.#sinceUs);
      if (other !== id && nowUs - lastUs <= this.#allowedUs) heard++;
    }
    if (heard * 2 > this.#servers) return;
    throw new CheckFailure(
      "leader without a majority",
      `server ${id} still leads after ${ELECTION_TIMEOUTS} election timeouts in which it heard ` +
        `of ${heard - 1} others`,
    );
  }
}
