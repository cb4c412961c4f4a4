/**
 * All that a server knows, as one plain object that the files of this folder read and change. What
 * belongs to a role is in the role, so it ends with it: what each does is in follower.ts, candidate.ts
 * and leader.ts.
 */
import { type ConfigurationHistory, votesBy } from "./configuration_history.ts";
import type { RaftLog } from "./log.ts";
import type { Progress } from "./progress.ts";
import type { VoteAnswer } from "./quorum.ts";
import {
  type Configuration,
  type DiskRoom,
  type EntriesRequest,
  type Entry,
  type HardState,
  type Incarnation,
  type Member,
  type Message,
  type PersistBatch,
  type ReadState,
  type ServerId,
  type SnapshotChunk,
  type SnapshotChunkResponse,
  type SnapshotPosition,
} from "./types.ts";

/** Waits for a leader's messages, and for its election timeout. */
export interface FollowerRole {
  readonly kind: "follower";
}

/** Asks who would vote for it (thesis §9.6). */
export interface PreCandidateRole {
  readonly kind: "preCandidate";
  /** The answers so far, its own included. */
  readonly answers: Map<ServerId, VoteAnswer>;
}

/** Runs for its term (paper §5.2). */
export interface CandidateRole {
  readonly kind: "candidate";
  readonly answers: Map<ServerId, VoteAnswer>;
  /** The version of the hard state that holds its own vote, see output.ts. */
  readonly ownVoteVersion: number;
}

/** How a learner catches up: see catch_up.ts. */
export interface CatchUp {
  /** The rounds that have ended in this leadership. */
  rounds: number;
  /** The last one took less than an election timeout. */
  wasFast: boolean;
  /** The round under way: when it began, and what it replicates. */
  startedMs: number;
  targetIndex: number;
}

/** Leads its term. */
export interface LeaderRole {
  readonly kind: "leader";
  /** One for each other member. */
  readonly progress: Map<ServerId, Progress>;
  /** When the next heartbeat to all is due. */
  heartbeatDueMs: number;
  /** Bytes of entries after commitIndex. */
  uncommittedBytes: number;
  transfer: Transfer | null;
  readonly thrifty: ThriftyAppends;
  readonly reads: ReadIndexState;
  /** How each learner catches up. */
  readonly catchUps: Map<ServerId, CatchUp>;
  /** The current configuration asks for more than its commit, see reconfigure.ts. */
  isReconfiguring: boolean;
  /** It is no voter any more, and has begun to hand over. */
  isHandingOver: boolean;
}

export type RoleState = FollowerRole | PreCandidateRole | CandidateRole | LeaderRole;
export type Role = RoleState["kind"];

/** The voters that were fastest in something lately: see thrifty_appends.ts and read_index.ts. */
export type FastVoters = readonly ServerId[];

/** Who gets new entries immediately, and who a moment later: see thrifty_appends.ts. */
export interface ThriftyAppends {
  /** The voters that held the last commit when it was made: a majority, with the leader or without. */
  fastVoters: FastVoters;
  /** From then on the next entry goes to all again: a moment after all were last sent to. */
  broadcastDueMs: number;
  /** The log's end when all were last sent to: whoever was not sent up to here lags, and catches up. */
  broadcastIndex: number;
  /** Bytes of entries proposed since then. */
  bytes: number;
  /** The log's end when anybody was last sent to: an entry after it is new. */
  sentIndex: number;
  /** A second moment has passed without a new entry: what was held back waits no longer. */
  isOverdue: boolean;
}

/** The rounds that confirm reads: see read_index.ts. */
export interface ReadIndexState {
  /** The round that a request made now belongs to. Numbers are never used twice. */
  openRound: number;
  /** How often the open round was asked for. */
  requests: number;
  /** The newest round begun; it is under way while above `ended`. */
  started: number;
  startedIndex: number;
  /** The newest round that was confirmed. */
  ended: number;
  /** The voters that had answered when the last round was confirmed: a majority, with the leader. */
  fastVoters: FastVoters;
  /** All were asked for the round under way. */
  allAsked: boolean;
  /** When the round under way began. */
  startedMs: number;
}

/** A message that must not leave before a version of the hard state and an index of the log are durable. */
export interface HeldMessage {
  readonly message: Message;
  readonly hardStateVersion: number;
  readonly logIndex: number;
}

/** What waits to be handed out, and what of it waits for the disk: see output.ts. */
export interface Output {
  /** May leave now. */
  messages: Message[];
  /** May leave once durable, in order. */
  held: HeldMessage[];
  reads: ReadState[];
  /** See Ready; filled with the appends when a turn ends. */
  entriesNeeded: EntriesRequest[];
  snapshotsNeeded: ServerId[];
  snapshotChunks: SnapshotChunk[];
  snapshotAnswers: SnapshotChunkResponse[];
  /** Committed entries up to here were handed out to be applied. */
  applyingIndex: number;
  /** Grows with each change of the hard state. */
  hardStateVersion: number;
  submittedVersion: number;
  durableVersion: number;
  /** The batch under way, the version of the hard state in it, and when its last sync began. */
  batch: PersistBatch | null;
  batchVersion: number;
  batchSinceMs: number;
  /** The disk had no room for that batch when it was asked last. */
  isBatchRefused: boolean;
  /** A snapshot replaced the log while the batch was under way: its entries don't count any more. */
  batchSuperseded: boolean;
  /** A leader may have appends to send: looked at when the turn ends, so a turn's proposals share. */
  appendsDue: boolean;
}

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
  /** Which life of `id` this is; undefined: the one that is meant. It is no voter where another is. */
  readonly incarnation?: Incarnation;
  /**
   * The first configuration or the snapshot's; configuration entries after that override it. Without
   * voters for a server that is to join a cluster, and learns from its log who they are.
   */
  readonly configuration: Configuration;
  /** Who the members are of a configuration that does not describe them: as the cluster was founded. */
  readonly founders?: readonly Member[];
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
   * As recovered: contiguous, durable, from `snapshot.index + 1` on or from before that; then
   * the entry at `snapshot.index` is among them, with the snapshot's term.
   */
  readonly entries: readonly Entry[];
  /** A follower campaigns after a random time in [this, twice this). */
  readonly electionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  /** A round of reads without a majority's answers asks all others as well after this long. */
  readonly readPatienceMs: number;
  /** Where a leader sends to the fastest first: between two times that the others are sent to. */
  readonly broadcastIntervalMs: number;
  /** The time at the start: the times of all later calls are counted from the same moment. */
  readonly nowMs: number;
  /** Unsigned 32 bits. */
  readonly random: () => number;
  /** The envelope of the entry that a new leader begins its term with. */
  readonly makeNoop: () => Uint8Array;
  /** The envelope of a configuration's entry, with this payload; asked for while this server leads. */
  readonly makeConfigurationEntry: (payload: Uint8Array) => Uint8Array;
  /**
   * What is known of a server's disk, this one's included: asked by a leader before a change of members
   * rests on it. Who reports nothing has room; everybody has unless this is given.
   */
  readonly roomOf?: (id: ServerId) => DiskRoom;
  /** Bytes of entries in one AppendEntries; a single larger entry goes alone. */
  readonly appendBytesMax: number;
  /** AppendEntries in flight to one follower: how many, and how many bytes of entries. */
  readonly appendsInFlightMax: number;
  readonly appendBytesInFlightMax: number;
  /** Bytes of committed entries handed out at a time to a leader, whose clients wait; always one entry. */
  readonly committedBytesMax: number;
  /** A leader sends to those that commit soonest first, see thrifty_appends.ts; else to all alike. */
  readonly thriftyAppends: boolean;
  /** Bytes of entries in a leader's log that are not committed; one entry always fits. */
  readonly uncommittedBytesMax: number;
  readonly onEvent?: (event: RaftEvent) => void;
  /** Check all invariants after each call: costs time linear in the log, for tests. */
  readonly checkInvariants?: boolean;
}

/** A transfer of leadership under way (thesis §3.10). */
export interface Transfer {
  readonly target: ServerId;
  /** Given up then. */
  readonly deadlineMs: number;
  /** It was told to campaign. */
  isOrdered: boolean;
}

export interface RaftState {
  readonly options: RaftOptions;
  readonly id: ServerId;

  role: RoleState;
  term: number;
  votedFor: ServerId;
  leaderId: ServerId;
  /** A server has told this one that it is no member any more, and no leader was heard since. */
  removed: boolean;
  /** To whom it handed over as it is no voter any more: nobody need tell it who leads. Else NOBODY. */
  successorId: ServerId;
  /** See HardState.suspect. */
  suspect: boolean;
  /** See RaftOptions.repair; then suspect as well, until the repair has settled. */
  repairing: boolean;
  /** What has to be durable before the repair is over; null before it has settled. */
  repairEnd: { readonly hardStateVersion: number; readonly logIndex: number } | null;
  /** The term whose leader was told that this server is suspect, and when it was told last. */
  suspectToldTerm: number;
  suspectToldMs: number;
  /**
   * While suspect: the members that answered since this process started, so that its term is at least
   * theirs, each with its life (null: not known). A vote that it forgot was in a term that it knows.
   */
  readonly heardSinceStart: Map<ServerId, Incarnation | null>;
  /** While suspect: when it next asks those that it has not heard. */
  suspectAskMs: number;

  readonly log: RaftLog;
  readonly configurations: ConfigurationHistory;
  commitIndex: number;

  /** What time it is, as far as this server was told. */
  nowMs: number;
  /**
   * When a leader's message came last, a vote was granted or a campaign began; for a leader, when it
   * last checked its quorum. Whatever held this server up since: others can't know of that.
   */
  heardMs: number;
  /** From then on this server campaigns or, as a leader, checks its quorum; after a standstill, later. */
  electionDeadlineMs: number;
  /** A standstill has moved that deadline: no other does. */
  isDeadlineMoved: boolean;
  /** The time drawn for a follower's deadline: so long after `heardMs`. */
  electionTimeoutMs: number;

  /** The newest read round of earlier leaderships: their numbers are never used again. */
  lastReadRound: number;

  readonly output: Output;
}

/** What belongs to the leadership, where this server leads. */
export function leaderOf(state: RaftState): LeaderRole | null {
  return state.role.kind === "leader" ? state.role : null;
}

/** The configuration in effect now. */
export function configurationOf(state: RaftState): Configuration {
  return state.configurations.current;
}

/** True where this server is the only voter: it needs nobody's answer. */
export function isOnlyVoter(state: RaftState): boolean {
  const { voters, votersOutgoing } = configurationOf(state);
  if (voters.length !== 1 || votersOutgoing.length > 0) return false;
  return votesBy(state.configurations.newest, state.id, state.options.incarnation ?? null);
}

/** Restarts the election timer, with a random end in [T, 2T) (paper §5.2). */
export function restartElectionTimer(state: RaftState): void {
  const { electionTimeoutMs, random } = state.options;
  startElectionTimer(state, electionTimeoutMs + random() % electionTimeoutMs);
}

/** Has the election timer run out after `timeoutMs`: as long as the one before unless named. */
export function startElectionTimer(state: RaftState, timeoutMs = state.electionTimeoutMs): void {
  state.heardMs = state.nowMs;
  state.electionTimeoutMs = timeoutMs;
  state.electionDeadlineMs = state.nowMs + timeoutMs;
  state.isDeadlineMoved = false;
}

/** So many heartbeats may fail to come before a follower's leader is not spoken of any more. */
const HEARTBEATS_MISSED_MAX = 3;

/** True on a follower that, at `nowMs`, has missed three heartbeats of the leader it knows. */
export function missesLeader({ heardMs, options }: RaftState, nowMs: number): boolean {
  return nowMs - heardMs > HEARTBEATS_MISSED_MAX * options.heartbeatIntervalMs;
}

/**
 * True where one sync has taken longer than an election timeout. Such a server must not lead: it would
 * keep its followers quiet with heartbeats while nothing it proposes gets any further.
 */
export function isDiskStalled(state: RaftState): boolean {
  return state.nowMs >= diskStallsMs(state);
}

/** When the sync under way will have taken longer than that; Infinity where that is no matter. */
export function diskStallsMs(state: RaftState): number {
  if (state.output.batch === null || isOnlyVoter(state)) return Infinity;
  return state.output.batchSinceMs + state.options.electionTimeoutMs + 1;
}

/**
 * True where the disk has no room for the batch under way. Unlike a sync that stalls it answers, so a
 * leader continues: its followers may make a majority without it, and reads need no disk. But whoever
 * can't write down a vote must not campaign.
 */
export function isDiskFull(state: RaftState): boolean {
  return state.output.batch !== null && state.output.isBatchRefused && !isOnlyVoter(state);
}
