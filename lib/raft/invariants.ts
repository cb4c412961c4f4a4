/**
 * What must hold of one server at any time (`checkState`) and from one step to the next
 * (`checkDelta`). What must hold between servers only a test that sees them all can check.
 */
import { assert } from "../util/assert.ts";
import { checkConfigurations } from "./configuration_invariants.ts";
import { memberIds } from "./configuration.ts";
import { NO_TERM } from "./log.ts";
import { configurationOf, leaderOf, type LeaderRole, type RaftState, type Role } from "./state.ts";
import { NOBODY, type ServerId } from "./types.ts";

/** The part of a state that `checkDelta` compares with: cheap to take before each step. */
export interface StateSummary {
  readonly role: Role;
  readonly term: number;
  readonly votedFor: ServerId;
  readonly leaderId: ServerId;
  readonly suspect: boolean;
  readonly repairing: boolean;
  readonly compactedIndex: number;
  readonly commitIndex: number;
  readonly commitTerm: number;
  readonly lastIndex: number;
  readonly lastTerm: number;
  readonly appliedIndex: number;
  readonly durableVersion: number;
  readonly readStarted: number;
  readonly readEnded: number;
}

/** The newest read rounds begun and ended, over all leaderships. */
function readRoundsOf(state: RaftState): { readonly started: number; readonly ended: number } {
  const { lastReadRound } = state;
  return leaderOf(state)?.reads ?? { started: lastReadRound, ended: lastReadRound };
}

export function summarize(state: RaftState): StateSummary {
  const { term, votedFor, leaderId, suspect, repairing } = state;
  const { commitIndex, log, output } = state;
  const reads = readRoundsOf(state);
  return {
    role: state.role.kind,
    term,
    votedFor,
    leaderId,
    suspect,
    repairing,
    compactedIndex: log.snapshot.index,
    commitIndex,
    commitTerm: log.termAt(commitIndex),
    lastIndex: log.lastIndex,
    lastTerm: log.lastTerm,
    appliedIndex: output.applyingIndex,
    durableVersion: output.durableVersion,
    readStarted: reads.started,
    readEnded: reads.ended,
  };
}

/** Throws where the state contradicts itself. Linear in the log. */
export function checkState(state: RaftState): void {
  checkMarks(state);
  checkConfigurations(state, hold);
  checkLog(state);
  const { role } = state;
  if (role.kind === "leader") checkLeader(state, role);
  else hold(state, state.leaderId !== state.id, "believes itself leader without the role");
  hold(state, !state.repairing || role.kind === "follower", "campaigns while it repairs its log");
  hold(
    state,
    !state.repairing || state.suspect === (state.repairEnd === null),
    "repairs its log without being suspect",
  );
  if (role.kind === "candidate" || role.kind === "preCandidate") {
    hold(state, state.leaderId === NOBODY, "campaigns against a leader that it follows");
  }
  if (role.kind === "candidate") hold(state, state.votedFor === state.id, "ran without own vote");
}

function hold(state: RaftState, condition: boolean, broken: string): void {
  if (!condition) {
    assert(false, `Server ${state.id} (${state.role.kind}, term ${state.term}) ${broken}`);
  }
}

function checkMarks(state: RaftState): void {
  const { log, output, commitIndex } = state;
  hold(state, commitIndex >= log.snapshot.index, "committed less than its snapshot holds");
  hold(state, log.snapshot.index <= output.applyingIndex, "compacted what was not handed out");
  hold(state, log.snapshot.index <= log.durableIndex, "compacted what is not durable");
  const { versions } = state.configurations;
  hold(state, versions[0]!.index <= output.applyingIndex, "forgot a configuration too early");
  hold(state, versions.at(-1)!.index <= log.lastIndex, "follows a configuration that is gone");
  hold(state, commitIndex <= log.lastIndex, "committed more than its log holds");
  hold(state, output.applyingIndex <= commitIndex, "handed out what is not committed");
  hold(state, log.durableIndex <= log.submittedIndex, "counts as durable what storage never got");
  hold(state, log.submittedIndex <= log.lastIndex, "counts as submitted what is not in the log");
  hold(
    state,
    output.durableVersion <= output.submittedVersion,
    "counts an unwritten vote as durable",
  );
  hold(
    state,
    output.submittedVersion <= output.hardStateVersion,
    "submitted a vote of the future",
  );
  if (output.batch === null) {
    hold(state, output.durableVersion === output.submittedVersion, "forgot a written hard state");
    hold(state, log.durableIndex === log.submittedIndex, "forgot written entries");
  }
  for (const { message } of output.held) {
    hold(state, message.term === state.term, "holds a message of another term");
  }
}

function checkLog(state: RaftState): void {
  const { log } = state;
  let { index, term } = log.snapshot;
  for (const entry of log.entries) {
    // A sentence is made only where one is needed: this goes over the whole log after each step.
    index++;
    if (entry.index !== index) {
      hold(state, false, `has entry ${entry.index} in the place of ${index}`);
    }
    if (entry.term < term) hold(state, false, `has terms that fall at entry ${index}`);
    term = entry.term;
  }
  hold(state, term <= state.term, "has entries of a term that it never reached");
}

function checkLeader(state: RaftState, leader: LeaderRole): void {
  const { log } = state;
  hold(state, state.leaderId === state.id, "leads but follows another");
  hold(state, state.votedFor === state.id, "leads a term that it did not vote for itself in");
  hold(state, log.lastTerm === state.term, "leads without an entry of its term");
  hold(state, !state.suspect, "leads while suspect");
  let bytes = 0;
  for (let i = state.commitIndex + 1; i <= log.lastIndex; i++) bytes += log.at(i).data.length;
  hold(state, bytes === leader.uncommittedBytes, "miscounts its uncommitted bytes");
  const others = memberIds(configurationOf(state)).filter((id) => id !== state.id);
  hold(
    state,
    others.length === leader.progress.size && others.every((id) => leader.progress.has(id)),
    "keeps notes of others than the members",
  );
  for (const progress of leader.progress.values()) {
    const name = `follower ${progress.id}`;
    hold(state, progress.matchIndex < progress.nextIndex, `next ≤ match for ${name}`);
    hold(state, progress.nextIndex <= log.lastIndex + 1, `next is beyond the log for ${name}`);
    if (progress.mode === "snapshot") {
      hold(state, progress.nextIndex <= log.snapshot.index, `${name} needs no snapshot`);
      hold(state, progress.inFlight.length === 0, `appends in flight beside a snapshot to ${name}`);
      hold(state, progress.reading === null, `entries are read for ${name}, which gets a snapshot`);
    }
    hold(state, progress.readRound <= leader.reads.started, `${name} answered a round not begun`);
    hold(
      state,
      progress.inFlight.length <= state.options.appendsInFlightMax,
      `too many appends in flight to ${name}`,
    );
    let inFlightBytes = 0;
    let lastIndex = progress.matchIndex;
    for (let i = 0; i < progress.inFlight.length; i++) {
      const sent = progress.inFlight.at(i)!;
      inFlightBytes += sent.bytes;
      hold(state, sent.lastIndex > lastIndex, `appends in flight out of order to ${name}`);
      lastIndex = sent.lastIndex;
    }
    hold(state, inFlightBytes === progress.inFlightBytes, `bytes in flight miscounted to ${name}`);
    hold(state, lastIndex < progress.nextIndex, `in flight beyond next to ${name}`);
  }
}

/** Throws where a step went backwards or changed what must stay (paper, Figure 3). */
export function checkDelta(before: StateSummary, state: RaftState): void {
  const { log, output } = state;
  const reads = readRoundsOf(state);
  hold(state, state.term >= before.term, `went back from term ${before.term}`);
  if (state.term === before.term) {
    hold(
      state,
      before.votedFor === NOBODY || state.votedFor === before.votedFor,
      `took back its vote for ${before.votedFor}`,
    );
    hold(
      state,
      before.leaderId === NOBODY || state.leaderId === NOBODY ||
        state.leaderId === before.leaderId,
      `knows two leaders of one term, ${before.leaderId} and ${state.leaderId}`,
    );
    if (before.role === "leader" && state.role.kind === "leader") {
      hold(state, log.lastIndex >= before.lastIndex, "shortened its log while leading");
      hold(state, log.termAt(before.lastIndex) === before.lastTerm, "rewrote its log as leader");
    }
  } else {
    hold(
      state,
      before.role !== "leader" || state.role.kind !== "leader",
      "led two terms in one step",
    );
  }
  hold(state, !state.repairing || before.repairing, "lost entries while running");
  hold(state, !state.suspect || before.suspect, "became suspect while running");
  hold(state, state.commitIndex >= before.commitIndex, `took back commit ${before.commitIndex}`);
  const commitTerm = log.termAt(before.commitIndex);
  hold(
    state,
    commitTerm === before.commitTerm || commitTerm === NO_TERM,
    `replaced committed entry ${before.commitIndex}`,
  );
  hold(state, log.snapshot.index >= before.compactedIndex, "brought back compacted entries");
  hold(state, output.applyingIndex >= before.appliedIndex, "handed out committed entries twice");
  hold(state, output.durableVersion >= before.durableVersion, "durability went back");
  hold(state, reads.started >= before.readStarted, "reused a read round");
  hold(state, reads.ended >= before.readEnded, "reopened a read round");
}
