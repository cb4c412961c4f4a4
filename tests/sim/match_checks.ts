/**
 * What a leader counts as durable at a follower has to be durable there, and the same: commits rest on
 * it. Looked at where the leader's opinion changes, as long as both are in the leader's term: a
 * follower of a later term may have cut what an old ack still speaks of.
 */
import { CheckFailure } from "./world.ts";

/** What the checks know of a server's log. */
export interface KnownLog {
  readonly term: number;
  readonly durableIndex: number;
  /** A checksum of everything up to each index. */
  readonly chain: readonly number[];
  /** It lost data once, and with it what it had acknowledged: old acks are no promises any more. */
  readonly hasForgotten: boolean;
}

/** The part of a leader that is looked at. */
export interface LeaderProbe {
  voters(): readonly number[];
  /** Not above 0 where nothing is known. */
  matchIndexOf(follower: number): number;
}

export class MatchChecks {
  /** By leader and follower, what the leader counted last. */
  readonly #matches = new Map<string, number>();

  /** A server has just begun to lead. */
  elected(leader: number, probe: LeaderProbe): void {
    for (const id of probe.voters()) this.#matches.delete(`${leader}/${id}`);
  }

  check(leader: number, probe: LeaderProbe, logOf: (id: number) => KnownLog): void {
    for (const id of probe.voters()) {
      if (id !== leader) this.#checkOne(leader, id, probe.matchIndexOf(id), logOf);
    }
  }

  #checkOne(leader: number, id: number, index: number, logOf: (id: number) => KnownLog): void {
    const key = `${leader}/${id}`;
    const before = this.#matches.get(key) ?? 0;
    if (index === before) return;
    this.#matches.set(key, index);
    // A follower that says that it may have lost its log is counted anew.
    if (index <= 0) return;
    if (index < before) {
      const message =
        `leader ${leader} took back what server ${id} has, from ${before} to ${index}`;
      throw new CheckFailure("monotone match", message);
    }
    const own = logOf(leader);
    const follower = logOf(id);
    if (follower.hasForgotten || follower.term !== own.term) return;
    if (follower.durableIndex >= index && follower.chain[index] === own.chain[index]) return;
    throw new CheckFailure(
      "acknowledged and not durable",
      `leader ${leader} counts on server ${id} up to entry ${index}, which has durably ` +
        (follower.durableIndex < index ? `only ${follower.durableIndex}` : "another entry there"),
    );
  }
}
