/**
 * Sees the situations of mark_names.ts come up: by the states of the servers after each step, by the
 * frames that reach them, by their log lines and their ends. It changes nothing and draws nothing.
 */
import { isDeferred } from "../../lib/raft/thrifty_appends.ts";
import type { LogEvent } from "../../lib/node/api.ts";
import { EntryKind, NOBODY } from "../../lib/raft/types.ts";
import { isDiskStalled, leaderOf, type RaftState } from "../../lib/raft/state.ts";
import type { ServerProbe } from "./server_probe.ts";
import { Kind } from "./kinds.ts";
import { LOG_MARKS, roleMark } from "./log_marks.ts";
import { COUNTED_MARKS, type Mark } from "./mark_names.ts";
import { frameMarks } from "./frame_marks.ts";
import type { Origin } from "./options.ts";
import { isJointVoting, membersOf, type Voting } from "./votings.ts";
import type { Counters } from "./world.ts";

/** The part of a server that is watched. */
export interface WatchedServer {
  readonly id: number;
  readonly life: number;
  readonly probe: ServerProbe | null;
}

/** A server as it was after its last step. */
class Before {
  life = -1;
  role = "follower";
  suspect = false;
  removed = false;
  hadReads = false;
  /** The last read round that not all were asked for at first. */
  quickRound = 0;
  hadUncommitted = false;
  hadCommittedOwn = true;
  isStreaming = false;
  snapshotIndex = 0;
  commitIndex = 0;
  lastIndex = 0;
  ledTerm = 0;
  /** What was committed, and what there was, when it was last seen to lead. */
  ledCommitIndex = 0;
  ledLastIndex = 0;
  isSettling = false;
  figureEightTerm = 0;
  /** Commands that waited for a leader. */
  held = 0;
  forwarded = { sent: 0, notDone: 0, lost: 0, refused: 0 };
}

const BEHIND = 100;
/** Entries in several places, so that more than one client waits. */
const OVERTAKEN = 2;
/** Where a file says its format's version, and what a segment that is written over says there. */
const VERSION_AT = 8;
const VERSION_RECYCLED = 2;

export class Marks {
  /** A moment at which a leader's end says much. */
  onFigureEight: (() => void) | null = null;
  /** A server has the last piece of a snapshot: it makes it durable, loads it and takes it over. */
  onWholeSnapshot: ((server: number) => void) | null = null;
  /** A repairing server has all that it had lost, and makes it durable. */
  onSettling: ((server: number) => void) | null = null;
  /** A leader has evaluated reads that no round confirms yet. */
  onEarlyReads: (() => void) | null = null;
  readonly #counts = new Map<Mark, number>();
  readonly #before = new Map<number, Before>();
  readonly #candidates = new Map<number, number>();
  readonly #origin: Origin;
  readonly #servers: readonly WatchedServer[];

  constructor(servers: readonly WatchedServer[], origin: Origin) {
    this.#servers = servers;
    this.#origin = origin;
  }

  hit(mark: Mark): void {
    this.#counts.set(mark, (this.#counts.get(mark) ?? 0) + 1);
  }

  /** All counts; some come from the world's counters. */
  all(counters: Counters): Record<string, number> {
    for (const [name, mark] of Object.entries(COUNTED_MARKS)) {
      const count = counters.get(name);
      if (count > 0) this.#counts.set(mark, count);
    }
    return Object.fromEntries(this.#counts);
  }

  #of(server: WatchedServer): Before {
    let before = this.#before.get(server.id);
    if (before === undefined) this.#before.set(server.id, before = new Before());
    return before;
  }

  /** Looks at a server after a step; `kind` is the event that it took. */
  look(server: WatchedServer, kind: number, committedIndex: number): void {
    const state = server.probe?.raft() ?? null;
    if (state === null) return;
    const before = this.#of(server);
    if (before.life !== server.life) this.#began(server, state, before);
    if (state.role.kind !== before.role) this.#roleChanged(server, state, before);
    if (before.suspect && !state.suspect) this.hit("a suspect server becomes sound");
    const { log, commitIndex } = state;
    if (log.snapshot.index !== before.snapshotIndex) this.#snapshotMoved(state, before);
    if (commitIndex !== before.commitIndex) this.#committed(state, before);
    if (kind === Kind.wake) this.#sample(state, before, committedIndex);
    if (kind === Kind.turn && server.probe!.hasDueKeys()) this.hit("a sweep is cut short");
    this.#watchOvertaken(server.probe!, state, before);
    this.#watchRepair(server, state, before);
    this.#crossed(state, before);
    if (state.role.kind === "leader" && log.termAt(commitIndex) !== state.term) {
      this.#watchFigureEight(state, before);
    }
    this.#watchRound(state, before);
    if (kind === Kind.turn) this.#watchHeld(server.probe!.heldCommands(), state, before);
    if (kind === Kind.turn) this.#watchForwarded(server.probe!.forwarded(), before);
    if (state.removed && !before.removed) this.hit("a server is told that it was removed");
    before.removed = state.removed;
    before.suspect = state.suspect;
    const reads = leaderOf(state)?.reads;
    before.hadReads = reads !== undefined && (reads.requests > 0 || reads.started !== reads.ended);
    before.hadUncommitted = log.lastIndex > commitIndex;
    before.hadCommittedOwn = log.termAt(commitIndex) === state.term;
    before.lastIndex = log.lastIndex;
  }

  #watchHeld(held: number, state: RaftState, before: Before): void {
    if (held > before.held) this.hit("commands wait for a leader");
    else if (held < before.held) {
      if (state.role.kind === "leader") this.hit("commands that waited find their server leading");
      else if (state.leaderId !== NOBODY) this.hit("commands that waited are sent to the leader");
      else this.hit("commands waited for a leader in vain");
    }
    before.held = held;
  }

  #watchForwarded(forwarded: ReturnType<ServerProbe["forwarded"]>, before: Before): void {
    if (forwarded === null) return;
    const { sent, notDone, lost, refused } = forwarded;
    const last = before.forwarded;
    if (sent > last.sent) this.hit("a command is forwarded to the leader");
    if (notDone > last.notDone) this.hit("a forwarded command is not done, and tried again");
    if (lost > last.lost) this.hit("forwarded commands are lost with their connection");
    if (refused > last.refused) this.hit("forwarded commands found no leader in time");
    before.forwarded = { sent, notDone, lost, refused };
  }

  #began(server: WatchedServer, state: RaftState, before: Before): void {
    Object.assign(before, new Before(), { life: server.life, ledTerm: before.ledTerm });
    before.snapshotIndex = state.log.snapshot.index;
    before.commitIndex = state.commitIndex;
    before.lastIndex = state.log.lastIndex;
    before.suspect = state.suspect;
    if (state.commitIndex > this.#origin.index) this.hit("a server starts from a snapshot");
    if (state.votedFor !== 0 && state.votedFor !== state.id) {
      this.hit("a voter starts again in the term of its vote");
    }
  }

  #roleChanged(server: WatchedServer, state: RaftState, before: Before): void {
    if (state.role.kind === "leader") {
      if (before.ledTerm > 0) this.hit("a server leads a second time");
      before.ledTerm = state.term;
      const { log } = state;
      // Its own first entry is there already.
      if (log.lastIndex - 1 > state.commitIndex) {
        this.hit("a leader begins with entries of older terms");
      }
      if (before.suspect) this.hit("a suspect server leads");
      const others = this.#servers.filter(({ id, probe }) =>
        id !== server.id && probe?.isOpen() === true && probe.isLeader()
      );
      if (others.length > 0) this.hit("two leaders at once");
    } else if (before.role === "leader") {
      if (before.hadReads) this.hit("a leader is deposed with reads waiting");
      if (before.hadUncommitted) this.hit("a leader is deposed with uncommitted entries");
      if (!before.hadCommittedOwn) this.hit("a leader is deposed before its term's first commit");
      if (before.isStreaming) this.hit("a leader is deposed with a snapshot on its way");
    }
    before.role = state.role.kind;
  }

  #snapshotMoved(state: RaftState, before: Before): void {
    const { log } = state;
    before.snapshotIndex = log.snapshot.index;
    const replaced = log.entries.length === 0 && state.commitIndex === log.snapshot.index &&
      before.commitIndex < log.snapshot.index;
    if (!replaced) return this.hit("the log in memory is cut short");
    this.hit("a snapshot replaces a log");
    if (before.hadUncommitted) this.hit("a snapshot replaces a log with uncommitted entries");
  }

  #committed(state: RaftState, before: Before): void {
    const { log, commitIndex } = state;
    const leader = leaderOf(state);
    if (commitIndex > log.durableIndex) {
      this.hit(
        leader !== null
          ? "a leader commits before its own disk has it"
          : "a follower applies before its own disk has it",
      );
    }
    if (leader !== null) {
      for (const progress of leader.progress.values()) {
        if (progress.nextIndex <= commitIndex && isDeferred(state, leader, progress)) {
          this.hit("entries commit before all were sent them");
        }
      }
      for (let i = Math.max(before.commitIndex + 1, log.firstIndex); i <= commitIndex; i++) {
        const isNoop = log.at(i).data[0] === EntryKind.noop;
        if (isNoop && log.termAt(i - 1) === log.termAt(i)) {
          this.hit("an entry lets time pass for a key that is due");
        }
      }
    }
    before.commitIndex = commitIndex;
  }

  /** It has not had a turn since it led: what its clients wait for is in its hands still. */
  #watchOvertaken(probe: ServerProbe, state: RaftState, before: Before): void {
    const { commitIndex, log } = state;
    if (state.role.kind === "leader") {
      before.ledCommitIndex = commitIndex;
      before.ledLastIndex = log.lastIndex;
      return;
    }
    const last = Math.min(commitIndex, before.ledLastIndex);
    if (before.ledTerm === 0 || last < before.ledCommitIndex + OVERTAKEN) return;
    if (probe.waitingEntries() < OVERTAKEN || log.termAt(last - 1) <= before.ledTerm) return;
    this.hit("a leader of before hears what was committed in its clients' place");
  }

  #watchRepair({ id }: WatchedServer, { repairEnd }: RaftState, before: Before): void {
    const isSettling = repairEnd !== null;
    if (isSettling && !before.isSettling) {
      this.hit("a repair waits for its last sync");
      this.onSettling?.(id);
    }
    before.isSettling = isSettling;
  }

  /** One of the paths that only the code itself can tell of. */
  path(mark: Mark): void {
    this.hit(mark);
    if (mark === "a read is evaluated before its round is confirmed") this.onEarlyReads?.();
  }

  #watchRound(state: RaftState, before: Before): void {
    const reads = leaderOf(state)?.reads;
    if (reads === undefined || reads.started === reads.ended) return;
    if (!reads.allAsked) {
      before.quickRound = reads.started;
      this.hit("a read round asks only who was quickest");
    } else if (before.quickRound === reads.started) {
      this.hit("a read round asks the others after all");
    }
  }

  /** What lasts a while is looked for at ticks only. */
  #sample(state: RaftState, before: Before, committedIndex: number): void {
    const { log, options } = state;
    if (committedIndex + this.#origin.index - log.lastIndex > BEHIND) {
      this.hit("a server is a hundred entries behind");
    }
    if (state.output.batch !== null && isDiskStalled(state)) {
      this.hit("a sync outlasts an election timeout");
    }
    before.isStreaming = false;
    const leader = leaderOf(state);
    if (leader === null) return;
    const { reads } = leader;
    let streams = 0;
    for (const progress of leader.progress.values()) {
      if (progress.mode === "snapshot") streams++;
      if (progress.inFlight.length >= options.appendsInFlightMax) {
        this.hit("a window to a follower is full");
      }
    }
    before.isStreaming = streams > 0;
    if (streams > 1) this.hit("two followers are sent snapshots at once");
    if (streams > 0 && leader.uncommittedBytes > 0) {
      this.hit("writes go on while a snapshot is streamed");
    }
    const hasCommittedOwn = log.termAt(state.commitIndex) === state.term;
    if (reads.requests > 0 && !hasCommittedOwn) {
      this.hit("a read waits for the term's first commit");
    }
    if (reads.requests > 0 && reads.started !== reads.ended) {
      this.hit("reads gather behind a round under way");
    }
    if (!hasCommittedOwn && this.#olderOnMajority(state)) {
      this.hit("older entries on a majority wait for the term's own");
    }
  }

  #olderOnMajority(state: RaftState): boolean {
    return majorityIndex(state) > Math.max(state.commitIndex, this.#origin.index);
  }

  /** The paper's Figure 8: what a majority holds is overwritten, if this leader goes now. */
  #watchFigureEight(state: RaftState, before: Before): void {
    if (before.figureEightTerm === state.term) return;
    // Whether this leader calls it committed is not asked: one that counts wrongly does.
    const index = majorityIndex(state);
    const term = state.log.termAt(index);
    if (index <= this.#origin.index || term < 0 || term >= state.term) return;
    const couldLead = this.#servers.some(({ probe }) => {
      const other = probe?.raft() ?? null;
      return other !== null && other.log.lastTerm > term && other.log.lastTerm < state.term &&
        other.log.firstIndex <= index && other.log.termAt(index) !== term;
    });
    if (!couldLead) return;
    before.figureEightTerm = state.term;
    this.hit("older entries on a majority could still be overwritten");
    this.onFigureEight?.();
  }

  #crossed(state: RaftState, before: Before): void {
    const { index, term } = this.#origin;
    if (index === 0) return;
    const edge = index < 2 ** 31 ? 2 ** 31 : 2 ** 32;
    if (before.lastIndex < edge && state.log.lastIndex >= edge) {
      this.hit("an index passes a power of two where 32 bits end");
    }
    const edgeTerm = term < 2 ** 31 ? 2 ** 31 : 2 ** 32;
    if (state.role.kind === "leader" && state.term >= edgeTerm) {
      this.hit("a term passes a power of two where 32 bits end");
    }
  }

  /** A vote leaves, the sender's own too. */
  vote(from: number, term: number, candidate: number): void {
    if (from !== candidate) return;
    const first = this.#candidates.get(term);
    if (first === undefined) this.#candidates.set(term, candidate);
    else if (first !== candidate) this.hit("two candidates in one term");
  }

  /** A frame reaches a server that is up. */
  frame(from: number, server: WatchedServer, frame: Uint8Array): void {
    const state = server.probe?.raft() ?? null;
    if (state === null) return;
    const sender = this.#servers.find(({ id }) => id === from)?.probe?.raft() ?? null;
    frameMarks(state, sender, frame, (mark) => {
      this.hit(mark);
      if (mark === "a snapshot has come whole") this.onWholeSnapshot?.(server.id);
    });
  }

  log({ message, fields }: LogEvent, { probe }: WatchedServer): void {
    if (message.startsWith("Snapshot received") && typeof fields.index === "number") {
      const commitIndex = probe?.raft()?.commitIndex ?? 0;
      if (fields.index <= commitIndex) this.hit("a snapshot that came whole is no news any more");
    }
    for (const [beginning, mark] of LOG_MARKS) {
      if (message.startsWith(beginning)) this.hit(mark);
    }
    if (typeof fields.reason !== "string") return;
    const mark = roleMark(message, fields.reason);
    if (mark !== null) this.hit(mark);
  }

  /** A configuration is committed, after another one. */
  members(voting: Voting, before: Voting): void {
    if (isJointVoting(voting)) return this.hit("a joint configuration is committed");
    const count = voting.voters.length;
    if (count === 1 && before.outgoing.length > 1) this.hit("a cluster has shrunk to one voter");
    if (count === 7 && before.outgoing.length < 7) this.hit("a cluster has grown to seven voters");
    if (voting.voters.some((id) => before.outgoing.length > 0 && !before.outgoing.includes(id))) {
      this.hit("a learner comes to vote");
    }
    const isOut = (id: number) => isJointVoting(before) && !membersOf(voting).includes(id);
    const leaders = this.#servers.filter(({ id, probe }) =>
      isOut(id) && probe?.isOpen() === true && probe.isLeader()
    );
    if (leaders.length > 0) this.hit("a leader is removed");
  }

  /** The process is about to end. */
  crash(server: WatchedServer): void {
    const state = server.probe?.raft() ?? null;
    if (state === null) return;
    if (state.configurations.current.votersOutgoing.length > 0) {
      this.hit("a server ends in a joint configuration");
    }
    if (state.output.batch !== null) this.hit("a crash with a batch under way");
    for (const { reading } of leaderOf(state)?.progress.values() ?? []) {
      if (reading !== null) this.hit("a leader ends while entries are read for a follower");
    }
    if (state.role.kind === "leader" && state.log.termAt(state.commitIndex) !== state.term) {
      this.hit("a leader crashes before its term's first commit");
    }
  }

  /** The process ended inside an operation on a file, which held `contents` then. */
  crashAt(path: string, contents: Uint8Array, isStarting: boolean): void {
    if (isStarting) this.hit("a crash during a start");
    if (path.includes("/snapshot/")) this.hit("a crash while a snapshot is written");
    else if (path.includes("formation")) this.hit("a crash while the cluster forms");
    else if (path.includes("/wal") && !path.endsWith(".log")) {
      this.hit("a crash while a segment is made");
    } else if (path.includes("/wal/")) {
      this.hit("a crash inside a write or sync of the log");
      if (contents[VERSION_AT] === VERSION_RECYCLED) {
        this.hit("a crash while a segment is written over");
      }
    }
  }

  /** A log was cut behind an index. */
  truncated(behindIndex: number, durableIndex: number): void {
    this.hit("a follower cuts its tail");
    if (behindIndex < durableIndex) this.hit("a follower cuts entries that were durable");
  }
}

/** What a majority holds, as the leader knows it. */
function majorityIndex(state: RaftState): number {
  const held = [state.log.durableIndex];
  for (const { matchIndex } of leaderOf(state)?.progress.values() ?? []) held.push(matchIndex);
  held.sort((a, b) => b - a);
  return held[Math.floor(held.length / 2)]!;
}
