/**
 * A change of members that somebody asked this server for: begun where it leads, and answered once, when the
 * configuration that it leads to is committed, or when nobody here can tell any more.
 */
import { NEEDED_VERSION } from "../../kv/cluster_version.ts";
import { isJoint } from "../../raft/configuration.ts";
import type { ChangeRefusal, Raft } from "../../raft/raft.ts";
import type { MemberChange } from "../../raft/types.ts";

/**
 * `committed`: all servers go by it, now and after any failure. `interrupted`: this server leads no more, the
 * change may be done or not; whoever leads now shows which.
 */
export type ChangeOutcome = "committed" | "interrupted";

interface PendingChange {
  /** Of the entry that began it. */
  readonly index: number;
  readonly term: number;
  readonly done: (outcome: ChangeOutcome) => void;
}

/** Why a change was not begun. */
export type MemberChangeRefusal =
  | ChangeRefusal
  /** Not every member can read a configuration that describes the members, or not for certain yet. */
  | { readonly reason: "clusterVersion" };

/** The node, as changes of members see it. */
export interface MembersHost {
  /** The core, told what time it is; null until the cluster is formed. */
  raftNow(): Raft | null;
  /** 0 until then. */
  clusterVersion(): number;
  /** What the log is to be told of where members are, with whatever else changes: see moves.ts. */
  moves(): readonly MemberChange[];
  scheduleTurn(): void;
}

export class MemberChanges {
  readonly #host: MembersHost;
  #pending: PendingChange | null = null;

  constructor(host: MembersHost) {
    this.#host = host;
  }

  /** Begins a change, all of it in one step, and calls `done` later, once; or tells why not, and does not. */
  propose(
    changes: readonly MemberChange[],
    done: (outcome: ChangeOutcome) => void,
  ): MemberChangeRefusal | null {
    const raft = this.#host.raftNow();
    if (raft?.state.role.kind !== "leader") return { reason: "notLeader" };
    if (this.#host.clusterVersion() < NEEDED_VERSION.describedConfiguration) {
      return { reason: "clusterVersion" };
    }
    // The one before may have ended, and nobody has looked since. What begins now would hide that.
    this.note();
    const named = changes.map(({ id }) => id);
    const moves = this.#host.moves().filter(({ id }) => !named.includes(id));
    const result = raft.proposeChange([...changes, ...moves]);
    if (!result.accepted) return result;
    this.#pending = { index: result.index, term: result.term, done };
    this.#host.scheduleTurn();
    return null;
  }

  /** Looks whether the change under way has ended. */
  note(): void {
    const pending = this.#pending;
    const raft = pending === null ? null : this.#host.raftNow();
    if (pending === null || raft === null) return;
    const { configurations, commitIndex, log, term, role } = raft.state;
    const stillLeads = role.kind === "leader" && term === pending.term;
    // Where its entry is the one at its index, what is committed after it is what it came to: a
    // configuration that is not joint, or the joint one of a later change.
    const isOver = configurations.versions.some(({ index, configuration }) =>
      index <= commitIndex && index >= pending.index &&
      (index > pending.index || !isJoint(configuration))
    );
    const isCommitted = isOver && (stillLeads || log.termAt(pending.index) === pending.term);
    if (!isCommitted && stillLeads) return;
    this.#pending = null;
    pending.done(isCommitted ? "committed" : "interrupted");
  }
}
