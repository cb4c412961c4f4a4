/**
 * The properties of the paper's Figure 3, watched over all servers at once. It sees every state that
 * a server passes through, and throws at the first one that breaks a property.
 */
import type { RaftState } from "../../lib/raft/raft.ts";
import type { Entry, ServerId } from "../../lib/raft/types.ts";

export class Safety {
  /** Who led each term. */
  readonly leaders = new Map<number, ServerId>();
  /** Every entry that any server considered committed, by index. */
  readonly committed = new Map<number, Entry>();
  /** Every entry ever seen, by index and term, with the term of the one before it. */
  readonly #seen = new Map<string, { entry: Entry; prevTerm: number }>();
  /** How far each server's log was looked at: its last index and term then. */
  readonly #applied = new Map<ServerId, number>();

  /** Checks one server's state against all that was ever seen. */
  watch(state: RaftState): void {
    const { log } = state;
    if (state.role.kind === "leader") {
      const other = this.leaders.get(state.term);
      if (other === undefined) this.#newLeader(state);
      else if (other !== state.id) {
        throw new Error(`Election safety: ${other} and ${state.id} both led term ${state.term}`);
      }
    }
    for (let i = log.entries.length - 1; i >= 0; i--) {
      const entry = log.entries[i]!;
      const prevTerm = i > 0 ? log.entries[i - 1]!.term : log.snapshot.term;
      const key = `${entry.index}/${entry.term}`;
      const seen = this.#seen.get(key);
      if (seen === undefined) this.#seen.set(key, { entry, prevTerm });
      else if (seen.entry.data !== entry.data || seen.prevTerm !== prevTerm) {
        throw new Error(`Log matching: entry ${key} of server ${state.id} differs from another's`);
      }
    }
    const { index, term } = log.snapshot;
    const compacted = this.committed.get(index);
    if (index > 0 && compacted?.term !== term) {
      throw new Error(
        `Server ${state.id} begins behind ${index}/t${term}, committed is t${compacted?.term}`,
      );
    }
    for (let i = state.commitIndex; i >= log.firstIndex; i--) {
      const entry = log.at(i);
      const known = this.committed.get(i);
      if (known === undefined) this.committed.set(i, entry);
      else if (known.term !== entry.term) {
        throw new Error(`Server ${state.id} committed ${i}/t${entry.term}, not t${known.term}`);
      }
    }
  }

  /** Leader completeness: whatever was committed before is in the log of each new leader. */
  #newLeader(state: RaftState): void {
    this.leaders.set(state.term, state.id);
    for (const [index, entry] of this.committed) {
      if (index <= state.log.snapshot.index) continue;
      if (state.log.termAt(index) !== entry.term) {
        throw new Error(
          `Leader completeness: ${state.id} leads term ${state.term} without ${index}/t${entry.term}`,
        );
      }
    }
  }

  /** State machine safety: all apply the same entries, in order, without gaps. */
  apply(id: ServerId, entry: Entry): void {
    const next = (this.#applied.get(id) ?? 0) + 1;
    if (entry.index !== next) {
      throw new Error(`Server ${id} applies ${entry.index}, not ${next}`);
    }
    this.#applied.set(id, next);
    const known = this.committed.get(entry.index);
    if (known !== undefined && known.data !== entry.data) {
      throw new Error(`State machine safety: server ${id} applies another entry ${next}`);
    }
  }

  /** That server's contents are those of a snapshot that ends at `index`. */
  restart(id: ServerId, index: number): void {
    this.#applied.set(id, index);
  }
}
