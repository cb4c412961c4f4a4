/**
 * What must hold of one node at the end of each turn, beyond what raft/invariants.ts holds of its core
 * and session/session_invariants.ts of each connection: for tests and the simulator (`checkInvariants`).
 * Reads plain data alone, so that a test can break each by hand. Each check names mutants
 * (tests/mutants) that it kills.
 */
import { assert } from "../util/assert.ts";
import type { RaftState } from "../raft/state.ts";
import type { Proposal } from "./log/append.ts";
import type { Replica } from "./replica.ts";
import { PendingKind } from "./session/pending_kind.ts";
import { checkSession } from "./session/session_invariants.ts";
import type { NodeState } from "./state.ts";

/** What `checkReplica` reads of a node and its replica. */
export interface CheckedNode {
  readonly ledTerm: number;
  readonly timeEntryIndex: number;
  readonly appender: Pick<
    NodeState["appender"],
    "proposals" | "gatheredBytes" | "countGatheredBytes" | "gathered" | "rewrites"
  >;
  readonly readWaiters: Pick<NodeState["readWaiters"], "length" | "numberAt">;
}

export interface CheckedReplica {
  readonly raft: { readonly state: RaftState };
  readonly store: Pick<Replica["store"], "appliedIndex">;
  readonly persister: Pick<Replica["persister"], "isBusy">;
  readonly snapshots: Pick<Replica["snapshots"], "runningIndex" | "isSending">;
  readonly isRepairing: boolean;
  readonly isSuspect: boolean;
}

/** Throws where the node contradicts itself. Linear in its sessions and their commands. */
export function checkNode(state: NodeState): void {
  const { replica, shutdown, sessions, sessionLimits, appender } = state;
  let shares = 0;
  for (const session of sessions.all()) {
    const inspected = session.inspect();
    checkSession(inspected);
    shares += inspected.shareBytes;
  }
  hold(state, shares === sessionLimits.budget.bytes, "miscounts the bytes of its clients");
  // Mutant: due-unsaid.
  const { linksDueMs } = state.links;
  hold(state, linksDueMs <= state.links.nextLinkMs(), "would look after a link too late");
  if (replica === null || shutdown?.isOver === true) return;
  checkReplica(state, replica);
  checkClients(state, [...appender.gathered(), ...proposalsOf(state)]);
}

function hold(state: CheckedNode, condition: boolean, broken: string): void {
  if (!condition) assert(false, `The node (leads term ${state.ledTerm}) ${broken}`);
}

/** Throws where the replica, or what waits for it, contradicts its core. */
export function checkReplica(state: CheckedNode, replica: CheckedReplica): void {
  checkApplied(state, replica);
  checkTrust(state, replica);
  checkLeadership(state, replica.raft.state);
  checkProposals(state, replica);
  checkReads(state, replica.raft.state);
  checkSnapshots(state, replica);
}

/**
 * lastApplied <= commitIndex (paper, Figure 2), and the store has all that was handed out, once. Mutant:
 * store-forgotten.
 */
function checkApplied(state: CheckedNode, { raft, store, persister }: CheckedReplica): void {
  const { commitIndex, output } = raft.state;
  hold(state, store.appliedIndex <= commitIndex, "applied what is not committed");
  hold(
    state,
    store.appliedIndex === output.applyingIndex,
    "applied other entries than it was given",
  );
  hold(state, output.batch === null || persister.isBusy, "forgot a batch that it was to persist");
}

/** A snapshot holds what is applied (paper, §7), and only a leader sends one (paper, Figure 13). */
function checkSnapshots(state: CheckedNode, { raft, store, snapshots }: CheckedReplica): void {
  const { runningIndex, isSending } = snapshots;
  hold(
    state,
    runningIndex === Infinity || runningIndex <= store.appliedIndex,
    "takes a snapshot of what is not applied",
  );
  const leads = raft.state.role.kind === "leader";
  hold(state, leads || !isSending, "sends snapshots without leading");
}

/** A server is trusted again no sooner than its core says so (docs/data-directory.md, torn tails). */
function checkTrust(state: CheckedNode, { raft, isRepairing, isSuspect }: CheckedReplica): void {
  const { repairing, suspect } = raft.state;
  hold(state, !repairing || isRepairing, "calls a log repaired that is not");
  hold(state, !suspect || isSuspect, "calls its vote sound while it is suspect");
}

/** The sessions are told of the leadership, and of its end (paper, §8). */
function checkLeadership(state: CheckedNode, { role, term }: RaftState): void {
  const ledTerm = role.kind === "leader" ? term : 0;
  hold(state, state.ledTerm === ledTerm, "tells its clients of another leadership than its own");
}

/**
 * An entry of a client is found again by index and term, in the order of the log (paper, §8). Mutant:
 * tickets-stay.
 */
function checkProposals(state: CheckedNode, { raft, store }: CheckedReplica): void {
  const { log } = raft.state;
  let index = store.appliedIndex;
  for (const proposal of proposalsOf(state)) {
    hold(state, proposal.index > index, "waits for an entry that is applied, or out of order");
    index = proposal.index;
    hold(state, index <= log.lastIndex, "waits for an entry that is not in the log");
    hold(state, proposal.term === state.ledTerm, "waits for an entry of another leadership");
    hold(state, log.termAt(index) === proposal.term, "waits for an entry that was replaced");
  }
  const { timeEntryIndex } = state;
  hold(
    state,
    timeEntryIndex === 0 ||
      (timeEntryIndex > store.appliedIndex && timeEntryIndex <= log.lastIndex),
    "waits for time to pass by an entry that is not under way",
  );
  hold(state, timeEntryIndex === 0 || state.ledTerm !== 0, "lets time pass without leading");
  checkGathered(state);
}

/** The bytes that the bounds on uncommitted and on copied bytes are compared with are counted right. */
function checkGathered(state: CheckedNode): void {
  const { appender } = state;
  hold(
    state,
    appender.gatheredBytes === appender.countGatheredBytes(),
    "miscounts the bytes that it gathered",
  );
  let rewritten = appender.rewrites.openBytes;
  for (const proposal of appender.gathered()) rewritten += proposal.rewrittenBytes;
  for (const proposal of proposalsOf(state)) rewritten += proposal.rewrittenBytes;
  hold(state, rewritten === appender.rewrites.bytes, "miscounts the bytes of values to be copied");
}

/**
 * Reads wait for rounds of this leadership that are not confirmed, oldest first (thesis §6.4). Mutants:
 * rounds-stay, round-late.
 */
function checkReads(state: CheckedNode, { role, output }: RaftState): void {
  const { readWaiters } = state;
  hold(
    state,
    readWaiters.length === 0 || role.kind === "leader",
    "lets reads wait without leading",
  );
  if (role.kind !== "leader") return;
  const { openRound, ended } = role.reads;
  // A confirmed round is handed out once the store has all up to its read index.
  const confirmed = output.reads.length > 0 ? output.reads[0]!.round - 1 : ended;
  let before = confirmed;
  for (let i = 0; i < readWaiters.length; i++) {
    const round = readWaiters.numberAt(i);
    hold(state, round > before, "lets reads wait for a confirmed round, or out of order");
    hold(state, round <= openRound, "lets reads wait for a round that nobody asked for");
    before = round;
  }
}

/**
 * Every write that waits in a session is gathered, or in the log: none waits for nothing. Mutant:
 * leadership-kept.
 */
function checkClients(state: NodeState, proposals: readonly Proposal[]): void {
  const waiting = new Map<unknown, Set<number>>();
  for (const { sessions, firstPositions, counts } of proposals) {
    for (const [i, session] of sessions.entries()) {
      const positions = waiting.get(session) ?? new Set();
      waiting.set(session, positions);
      for (let k = 0; k < counts[i]!; k++) {
        const position = firstPositions[i]! + k;
        hold(state, !positions.has(position), "has a write in two entries");
        positions.add(position);
      }
    }
  }
  for (const session of state.sessions.all()) {
    const { pending, remote } = session.inspect();
    for (let p = pending.evaluated; p < pending.tail; p++) {
      if (pending.kind(p) !== PendingKind.write) continue;
      const isUnderWay = waiting.get(session)?.has(p) === true;
      hold(state, isUnderWay, `lets ${remote} wait for a write that is not under way`);
    }
  }
}

function* proposalsOf({ appender: { proposals } }: CheckedNode): Generator<Proposal> {
  for (let i = 0; i < proposals.length; i++) yield proposals.at(i)!;
}
