/**
 * Whether whoever leads or commits had a majority of each half of its configuration, found out without the
 * core's counting: from what the disks have held, and whom they have voted for.
 */
import type { ConfigurationHistory } from "../../lib/raft/configuration_history.ts";
import type { RaftState } from "../../lib/raft/raft.ts";
import type { Incarnation, PersistBatch, ServerId } from "../../lib/raft/types.ts";

/** A leader when it was last looked at: what it counted by until now. */
interface Seen {
  readonly term: number;
  readonly commitIndex: number;
  readonly ruling: ConfigurationHistory["versions"][number];
}

export class JointQuorums {
  /** By `index/term`: which lives have held that entry durably, or a snapshot in its place. */
  readonly #holders = new Map<string, Set<Incarnation>>();
  /** By `term/candidate`: which lives have voted so. */
  readonly #votes = new Map<string, Set<Incarnation>>();
  /** By server: its term as a leader, and how far it had committed when it was last looked at. */
  readonly #seen = new Map<ServerId, Seen>();
  elections = 0;
  commits = 0;
  jointCommits = 0;

  /** A batch is durable on that server. */
  wrote(life: Incarnation, { entries, hardState }: PersistBatch): void {
    for (const { index, term } of entries) note(this.#holders, `${index}/${term}`, life);
    if (hardState === null || hardState.votedFor === 0) return;
    note(this.#votes, `${hardState.term}/${hardState.votedFor}`, life);
  }

  /** A snapshot that holds everything up to this entry is durable there. */
  installed(life: Incarnation, index: number, term: number): void {
    note(this.#holders, `${index}/${term}`, life);
  }

  /** Looks at a server after a step. */
  watch(state: RaftState): void {
    const { id, term, commitIndex, role } = state;
    const ruling = state.configurations.versions.at(-1)!;
    const seen = this.#seen.get(id);
    if (role.kind !== "leader") {
      this.#seen.delete(id);
      return;
    }
    if (seen?.term !== term) {
      this.elections++;
      this.#expect(id, "leads", this.#votes.get(`${term}/${id}`), ruling);
    } else if (commitIndex > seen.commitIndex) {
      this.commits++;
      if (seen.ruling.configuration.votersOutgoing.length > 0) this.jointCommits++;
      const key = `${commitIndex}/${state.log.termAt(commitIndex)}`;
      this.#expect(id, `has committed ${key}`, this.#holders.get(key), seen.ruling);
    }
    this.#seen.set(id, { term, commitIndex, ruling });
  }

  #expect(
    id: ServerId,
    what: string,
    agreeing: ReadonlySet<Incarnation> | undefined,
    { configuration, incarnations }: Seen["ruling"],
  ): void {
    const { voters, votersOutgoing } = configuration;
    const has = (voter: ServerId) => agreeing?.has(incarnations.get(voter) ?? "unknown") === true;
    for (const half of votersOutgoing.length === 0 ? [voters] : [voters, votersOutgoing]) {
      const count = half.filter(has).length;
      if (count * 2 > half.length) continue;
      throw new Error(`Server ${id} ${what} by ${count} of the voters ${half.join()}`);
    }
  }
}

function note(sets: Map<string, Set<Incarnation>>, key: string, life: Incarnation): void {
  const set = sets.get(key);
  if (set === undefined) sets.set(key, new Set([life]));
  else set.add(life);
}
