/** Which sessions wait for which read round. Rounds are confirmed in order; lost ones are cleared. */
import { Deque } from "../../util/deque.ts";
import type { NodeSession } from "../session/session_host.ts";

/** A session, or whoever else waits for rounds. */
type RoundWaiter = Pick<NodeSession, "confirmed">;

interface Round {
  readonly number: number;
  readonly sessions: RoundWaiter[];
}

export class ReadWaiters {
  readonly #rounds = new Deque<Round>();

  get length(): number {
    return this.#rounds.length;
  }

  /** The number of the round at a place from the front; for checks. */
  numberAt(place: number): number {
    return this.#rounds.at(place)!.number;
  }

  /** Remembers that `session` has reads that wait for `round`. */
  expect(round: number, session: RoundWaiter): void {
    const newest = this.#rounds.at(this.#rounds.length - 1);
    if (newest === undefined || newest.number < round) {
      this.#rounds.push({ number: round, sessions: [session] });
      return;
    }
    if (newest.sessions.at(-1) !== session) newest.sessions.push(session);
  }

  /** Lets all sessions continue that wait for rounds up to this one. */
  confirm(round: number): void {
    let oldest = this.#rounds.at(0);
    while (oldest !== undefined && oldest.number <= round) {
      this.#rounds.shift();
      for (const session of oldest.sessions) session.confirmed(round);
      oldest = this.#rounds.at(0);
    }
  }

  clear(): void {
    this.#rounds.clear();
  }
}
