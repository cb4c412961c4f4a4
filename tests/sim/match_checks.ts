/**
 * What a leader counts as durable at a follower has to be durable there, and the same: commits rest on
 * it. Looked at where the leader's opinion changes, as long as both are in the leader's term: a
 * follower of a later term may have cut what an old ack still speaks of.
 */
import { SERVERS_MAX } from "./fabric.ts";
import { CheckFailure } from "./world.ts";

/** What the checks know of a server's log. */
export interface KnownLog {
  readonly term: number;
  readonly durableIndex: number;
  /** A checksum of everything up to each index. */
  readonly chain: readonly number[];
  /** It lost data once, and with it what it had acknowledged: old acks are no promises any more. */
  readonly hasForgotten: boolean;
  /** Its id in the cluster. */
  readonly serverId: number;
}

/** The part of a leader that is looked at. */
export interface LeaderProbe {
  /** Not above 0 where nothing is known. */
  matchIndexOf(serverId: number): number;
}

export class MatchChecks {
  /** By leader and follower, what the leader counted last; 0 where nothing is known. */
  readonly #matches = new Float64Array(SERVERS_MAX ** 2);

  /** A server has just begun to lead. */
  elected(leader: number): void {
    this.#matches.fill(0, leader * SERVERS_MAX, (leader + 1) * SERVERS_MAX);
  }

  /** `members`: by the leader's log. Learners, too: by what they hold they are made voters. */
  check(
    leader: number,
    probe: LeaderProbe,
    members: readonly number[],
    logOf: (id: number) => KnownLog,
  ): void {
    for (const id of members) {
      if (id !== leader) this.#checkOne(leader, id, probe.matchIndexOf(logOf(id).serverId), logOf);
    }
  }

  #checkOne(leader: number, id: number, index: number, logOf: (id: number) => KnownLog): void {
    const pair = leader * SERVERS_MAX + id;
    const before = this.#matches[pair]!;
    if (index === before) return;
    this.#matches[pair] = index;
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
