/**
 * All that a server knows, as one plain object that the files of this folder read and change: what
 * each role does is in follower.ts, candidate.ts and leader.ts.
 */
import type { ConfigurationHistory } from "./configuration_history.ts";
import type { Deferral } from "./deferral.ts";
import type { RaftLog } from "./log.ts";
import type { Outbox } from "./outbox.ts";
import type { Progress } from "./progress.ts";
import type { Ballot } from "./quorum.ts";
import type { ReadRounds } from "./read_index.ts";
import type { Configuration, Entry, HardState, ServerId, SnapshotPosition } from "./types.ts";

export type Role = "follower" | "preCandidate" | "candidate" | "leader";

/** A change of role, term or leader, for the operator's log. */
export interface RaftEvent {
  readonly from: Role;
  readonly to: Role;
  readonly term: number;
  /** NOBODY where no leader is known. */
  readonly leaderId: ServerId;
  readonly reason: string;
}

export interface RaftOptions {
  readonly id: ServerId;
  /** The first configuration or the snapshot's; configuration entries behind that override it. */
  readonly configuration: Configuration;
  readonly hardState: HardState;
  /**
   * True where entries that were durable once are lost: `snapshot` and `entries` are what is left in
   * front of the first gap, the hard state the least that may have been promised. Until
   * `Raft.repairing` is false this server neither votes nor campaigns. No use for an only voter:
   * nobody has what it lost.
   */
  readonly repair?: boolean;
  /** Its term may be ahead of the hard state's. */
  readonly snapshot: SnapshotPosition;
  /**
   * As recovered: contiguous, durable, from `snapshot.index + 1` on or from in front of that; then
   * the entry at `snapshot.index` is among them, with the snapshot's term.
   */
  readonly entries: readonly Entry[];
  /** A follower campaigns after a random time in [this, twice this). */
  readonly electionTimeoutTicks: number;
  readonly heartbeatTicks: number;
  /** Unsigned 32 bits. */
  readonly random: () => number;
  /** The envelope of the entry that a new leader begins its term with. */
  readonly makeNoop: () => Uint8Array;
  /** Bytes of entries in one AppendEntries; a single larger entry goes alone. */
  readonly appendBytesMax: number;
  /** AppendEntries in flight to one follower: how many, and how many bytes of entries. */
  readonly appendsInFlightMax: number;
  readonly appendBytesInFlightMax: number;
  /** Bytes of committed entries handed out at a time to a leader, whose clients wait; always one entry. */
  readonly committedBytesMax: number;
  /** A leader sends to those that commit soonest first, see deferral.ts; else to all at once. */
  readonly deferAppends: boolean;
  /** Bytes of entries in a leader's log that are not committed; one entry always fits. */
  readonly uncommittedBytesMax: number;
  readonly onEvent?: (event: RaftEvent) => void;
  /** Check all invariants after each call: costs time linear in the log, for tests. */
  readonly checkInvariants?: boolean;
}

/** A transfer of leadership under way (thesis §3.10). */
export interface Transfer {
  readonly target: ServerId;
  elapsedTicks: number;
}

export interface RaftState {
  readonly options: RaftOptions;
  readonly id: ServerId;

  role: Role;
  term: number;
  votedFor: ServerId;
  leaderId: ServerId;
  /** See HardState.suspect. */
  suspect: boolean;
  /** See RaftOptions.repair; then suspect as well, until the repair has settled. */
  repairing: boolean;
  /** What has to be durable before the repair is over; null before it has settled. */
  repairEnd: { readonly hardStateVersion: number; readonly logIndex: number } | null;
  /** The leader and term that a suspect server has told of its state, so that it says it once. */
  suspectToldTerm: number;
  /**
   * While suspect: the voters that answered since this process started, so that this server's term
   * is at least theirs. A vote that it forgot was for one of them, in a term that this one knows.
   */
  readonly heardSinceStart: Set<ServerId>;
  /** Ticks since it last asked those it has not heard. */
  suspectTicks: number;

  readonly log: RaftLog;
  readonly configurations: ConfigurationHistory;
  commitIndex: number;

  /**
   * Ticks since: a leader's message, a granted vote or the start of a campaign; for a leader, since
   * its last check of the quorum.
   */
  electionElapsed: number;
  /** This server campaigns once electionElapsed reaches this. */
  electionTimeout: number;

  /** Candidates: the answers so far, the own included. */
  readonly ballots: Map<ServerId, Ballot>;
  /** Candidates: the version of the hard state that holds the own vote, see outbox.ts. */
  ownVoteVersion: number;

  /** Leaders: one for each other member. */
  readonly progress: Map<ServerId, Progress>;
  heartbeatElapsed: number;
  /** Leaders: bytes of entries behind commitIndex. */
  uncommittedBytes: number;
  transfer: Transfer | null;
  readonly deferral: Deferral;
  readonly reads: ReadRounds;

  readonly outbox: Outbox;
}

/** The configuration that rules now. */
export function configurationOf(state: RaftState): Configuration {
  return state.configurations.current;
}

/** True where this server is the only voter: it needs nobody's answer. */
export function isOnlyVoter(state: RaftState): boolean {
  const { voters } = configurationOf(state);
  return voters.length === 1 && voters[0] === state.id;
}

/** Starts the election timer anew, with a random end in [T, 2T) (paper §5.2). */
export function restartElectionTimer(state: RaftState): void {
  const ticks = state.options.electionTimeoutTicks;
  state.electionElapsed = 0;
  state.electionTimeout = ticks + state.options.random() % ticks;
}

/**
 * True where one sync has taken longer than an election timeout. Such a server must not lead: it
 * would keep its followers quiet with heartbeats while nothing it proposes gets any further.
 */
export function isDiskStalled(state: RaftState): boolean {
  return state.outbox.batch !== null &&
    state.outbox.batchTicks > state.options.electionTimeoutTicks && !isOnlyVoter(state);
}
