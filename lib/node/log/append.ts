/**
 * Append: gathers writes into log entries and puts them into the shared log together. Remembers whose
 * commands each entry carries, until it is applied or the leadership is lost.
 */
import { ByteArena } from "../../util/byte_arena.ts";
import { ByteWriter } from "../../util/bytes.ts";
import { findAbsoluteTimes, moveAbsoluteTimes } from "../../kv/commands/absolute_times.ts";
import { Deque } from "../../util/deque.ts";
import { ENVELOPE_BYTES, writeEnvelope } from "../../raft/envelope.ts";
import { EntryKind } from "../../raft/types.ts";
import { commandLength } from "../../kv/commands/command.ts";
import type { Raft, RaftState } from "../../raft/raft.ts";
import type { LogTime } from "../../wire/codec.ts";
import { ClientError } from "../../wire/command_batch.ts";
import { GroupCommit } from "./group_commit.ts";
import { RewriteLimit } from "./rewrite_limit.ts";
import { WritePace } from "./write_pace.ts";
import type { ClientPace } from "../session/client_pace.ts";
import type { Proposer } from "../session/session_host.ts";

/** Whose commands an entry carries: runs of `counts[i]` commands of `sessions[i]`. */
export interface Proposal {
  /** Bytes of values that its commands copy, see rewrite_limit.ts. */
  rewrittenBytes: number;
  index: number;
  term: number;
  /** When it came into the log, by the monotonic clock at the beginning of that turn. */
  proposedMs: number;
  readonly sessions: Proposer[];
  readonly firstPositions: number[];
  readonly counts: number[];
}

interface Sealed {
  readonly data: Uint8Array;
  /** Where in `data` absolute times are that are still by the wall clock. */
  readonly absoluteTimes: readonly number[];
  readonly proposal: Proposal;
}

/** Why the core did not take an entry, in the clients' words. */
const REFUSALS = {
  busy: ClientError.busy,
  transferring: ClientError.noLeader,
  notLeader: ClientError.redirect,
} as const;

/** A buffer that one huge entry made larger than this is given back. */
const KEEP_BYTES = 4_194_304;
/** A run of at least so many bytes that nothing can share an entry with is copied into its entry at once. */
const ALONE_BYTES = 32_768;

export class Appender {
  /** Entries in the log that wait to be applied, oldest first. */
  readonly proposals: Deque<Proposal> = new Deque<Proposal>(64);
  readonly #entryBytesMax: number;
  readonly #groupCommit = new GroupCommit();
  /** Asked before a command is appended. */
  readonly rewrites: RewriteLimit = new RewriteLimit();
  /** Slows writes down for a follower that could not catch up otherwise. */
  readonly pace: WritePace = new WritePace();
  readonly #sealed: Sealed[] = [];
  /** Sealed entries' bytes are copied to here, and live on in the log. */
  readonly #arena = new ByteArena();
  #open = new ByteWriter(4096);
  #proposal: Proposal = newProposal();
  #absoluteTimes: number[] = [];
  #sealedBytes = 0;
  /** Of what is decided only when all is flushed, about: scripts. They wait for others as bytes do. */
  comingBytes = 0;
  /** Appends that: it goes in front of what was gathered. */
  decideComing: () => void = () => {};

  /** An entry takes runs up to `entryBytesMax` in all, or a single one that is larger. */
  constructor(entryBytesMax: number) {
    this.#entryBytesMax = entryBytesMax;
    this.#open.length = ENVELOPE_BYTES;
  }

  /** Bytes gathered and not yet in the log. */
  get gatheredBytes(): number {
    return this.#sealedBytes + this.#open.length - ENVELOPE_BYTES;
  }

  /** The same, counted again; for checks. */
  countGatheredBytes(): number {
    const sealedBytes = this.#sealed.reduce((sum, { data }) => sum + data.length, 0);
    return sealedBytes + this.#open.length - ENVELOPE_BYTES;
  }

  /** Of what was gathered, whose commands it is; for checks. */
  gathered(): Proposal[] {
    return [...this.#sealed.map(({ proposal }) => proposal), this.#proposal];
  }

  /** Adds a run of encoded commands; copies them. */
  append(
    session: Proposer,
    firstPosition: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    count: number,
  ): void {
    const isFull = this.#open.length + end - start > this.#entryBytesMax;
    if (isFull && this.#open.length > ENVELOPE_BYTES) this.#seal();
    this.#groupCommit.arrived(session.pace);
    findAbsoluteTimes(bytes, start, end, this.#open.length, this.#absoluteTimes);
    const isAlone = isFull && end - start >= ALONE_BYTES;
    if (!isAlone) this.#open.slice(bytes, start, end);
    this.#proposal.sessions.push(session);
    this.#proposal.firstPositions.push(firstPosition);
    this.#proposal.counts.push(count);
    if (isAlone) this.#sealAs(entryOf(bytes, start, end));
  }

  /** A write of this client is to come, or was answered, which is none of those that entries carry. */
  arrived(pace: ClientPace): void {
    this.#groupCommit.arrived(pace);
  }

  answeredClient(pace: ClientPace): void {
    this.#groupCommit.answered(pace);
  }

  /**
   * Puts all that was gathered into the log; what the log does not take is refused. Entries are stamped
   * only now, so that stamps never go back along the log. Absolute times arrive by the wall clock and
   * become the log's own here: deadline + stamp - wall now. `nowMs`: the monotonic clock.
   */
  flush(time: LogTime, raft: Pick<Raft, "propose">, nowMs: number): void {
    if (this.comingBytes > 0) this.#appendComing();
    if (this.#open.length > ENVELOPE_BYTES) this.#seal();
    if (this.#sealed.length === 0) return;
    this.#groupCommit.flushed(nowMs);
    this.pace.proposed(this.#sealedBytes, nowMs);
    const stampMs = time.nowMs();
    for (const { data, proposal, absoluteTimes } of this.#sealed) {
      const aheadMs = absoluteTimes.length > 0 ? time.aheadOfWallMs() : 0;
      if (aheadMs !== 0) moveAbsoluteTimes(data, absoluteTimes, aheadMs);
      writeEnvelope(data, EntryKind.commands, stampMs);
      const result = raft.propose(data);
      if (result.accepted) {
        proposal.index = result.index;
        proposal.term = result.term;
        proposal.proposedMs = nowMs;
        this.proposals.push(proposal);
      } else {
        this.rewrites.release(proposal.rewrittenBytes);
        // Given back as they came: they may wait for another leadership, under another time.
        if (aheadMs !== 0) moveAbsoluteTimes(data, absoluteTimes, -aheadMs);
        refuse(proposal, REFUSALS[result.reason], data);
      }
    }
    this.#sealed.length = 0;
    this.#sealedBytes = 0;
  }

  /** True where what was gathered is to wait for more. */
  shouldLinger(state: RaftState, nowMs: number): boolean {
    return nowMs < this.pace.nextMs ||
      this.#groupCommit.shouldLinger(state, this.gatheredBytes + this.comingBytes, nowMs);
  }

  /** When what was gathered waits no longer; Infinity where nothing was. */
  nextDeadlineMs(): number {
    const { nextMs } = this.pace;
    if (nextMs > 0 && this.gatheredBytes + this.comingBytes > 0) return nextMs;
    return this.#groupCommit.nextDeadlineMs();
  }

  /** The commands of an entry were applied, and answered. */
  answered({ sessions, rewrittenBytes }: Proposal): void {
    this.rewrites.release(rewrittenBytes);
    for (const session of sessions) {
      if (!session.isGone) this.#groupCommit.answered(session.pace);
    }
  }

  /** The leadership is over under which these entries were appended: none finds its clients again. */
  forgetProposals(): void {
    for (let proposal = this.proposals.shift(); proposal; proposal = this.proposals.shift()) {
      this.rewrites.release(proposal.rewrittenBytes);
    }
  }

  /** Removes and returns the proposal of the entry at `index`; null where the entry is not its own. */
  take(index: number, term: number): Proposal | null {
    const oldest = this.proposals.at(0);
    if (oldest === undefined || oldest.index !== index || oldest.term !== term) return null;
    this.proposals.shift();
    return oldest;
  }

  #appendComing(): void {
    if (this.#open.length > ENVELOPE_BYTES) this.#seal();
    const behind = this.#sealed.splice(0);
    this.decideComing();
    if (this.#open.length > ENVELOPE_BYTES) this.#seal();
    this.#sealed.push(...behind);
  }

  #seal(): void {
    const data = this.#arena.copy(this.#open.bytes, 0, this.#open.length);
    if (this.#open.bytes.length > KEEP_BYTES) this.#open = new ByteWriter(4096);
    this.#open.length = ENVELOPE_BYTES;
    this.#sealAs(data);
  }

  #sealAs(data: Uint8Array): void {
    this.#proposal.rewrittenBytes = this.rewrites.closeEntry();
    const absoluteTimes = this.#absoluteTimes;
    this.#sealed.push({ data, proposal: this.#proposal, absoluteTimes });
    if (absoluteTimes.length > 0) this.#absoluteTimes = [];
    this.#sealedBytes += data.length;
    this.#proposal = newProposal();
  }
}

/** An entry's data, its envelope still to be written. */
function entryOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const data = new Uint8Array(ENVELOPE_BYTES + end - start);
  data.set(bytes.subarray(start, end), ENVELOPE_BYTES);
  return data;
}

function newProposal(): Proposal {
  const lists = { sessions: [], firstPositions: [], counts: [] };
  return { rewrittenBytes: 0, index: 0, term: 0, proposedMs: 0, ...lists };
}

/** Gives an entry's commands back to their sessions: `data` has them after its envelope. */
function refuse(proposal: Proposal, error: ClientError, data: Uint8Array): void {
  let start = ENVELOPE_BYTES;
  for (let i = 0; i < proposal.sessions.length; i++) {
    const count = proposal.counts[i]!;
    proposal.sessions[i]!.refuseWrites(proposal.firstPositions[i]!, count, error, data, start);
    for (let k = 0; k < count; k++) start += commandLength(data, start);
  }
}
