/**
 * What has to hold of the servers' states after every step, against a ledger of everything that was
 * ever committed anywhere. Only what changed since the last look is compared, so a step that changes
 * nothing costs a few comparisons.
 */
import { checksum } from "../../lib/util/checksum.ts";
import { readU64 } from "../../lib/util/bytes.ts";
import { missesLeader, type RaftState } from "../../lib/raft/state.ts";
import { NOBODY } from "../../lib/raft/types.ts";
import type { Vote } from "./server_factory.ts";
import { MatchChecks } from "./match_checks.ts";
import { ReadQuorum } from "./read_quorum.ts";
import type { ServerProbe } from "./server_probe.ts";
import { checkRivals } from "./rival_checks.ts";
import { SuspicionChecks } from "./suspicion_checks.ts";
import { halvesOf, membersOf, type ServerOf, type Voting, Votings } from "./votings.ts";
import { CheckFailure } from "./world.ts";

/** The part of a server that is checked. */
export interface CheckedServer {
  readonly id: number;
  /** Its id in the cluster, which may have been another server's before. */
  readonly serverId: number;
  readonly probe: ServerProbe | null;
  /** Its data was damaged, and it knows that it may have lost what it promised. */
  readonly mayForget: boolean;
}

/** What was last seen of one server; log and durable index outlive its crashes. */
class Record {
  serverId = 0;
  isOpen = false;
  isLeader = false;
  term = 0;
  votedFor = 0;
  commitIndex = 0;
  appliedIndex = 0;
  lastIndex = 0;
  durableIndex = 0;
  /** The last index that its snapshot covers. */
  snapshotIndex = 0;
  hasForgotten = false;
  /**
   * The checksums of what it had promised before its data was damaged, for as long as it knows that it
   * may have lost them: until then nobody is elected by its word.
   */
  lost: readonly number[] | null = null;
  /** The term of each entry, and a checksum of everything up to it. Index 0 stands for "nothing". */
  readonly terms: number[] = [0];
  readonly chain: number[] = [0];
  /** Who the members are by this log. */
  readonly votings: Votings;

  constructor(votings: Votings) {
    this.votings = votings;
  }
}

/** Where an entry's data has its stamp: see lib/raft/envelope.ts. */
const STAMP = 4;
/** Terms above this would make the keys of the log-matching map collide. */
const TERM_SPAN = 0x40_0000;

export class StateChecks {
  /** Every entry ever seen committed: its term, the chain up to it, and the term that committed it. */
  readonly ledgerTerms: number[] = [0];
  readonly ledgerChain: number[] = [0];
  readonly #committedIn: number[] = [0];
  /** Bytes of data of all entries up to each, and the time that they let pass. */
  readonly #clocks: number[] = [0];
  readonly #records = new Map<number, Record>();
  readonly #leaders = new Map<number, number>();
  readonly #chainAt = new Map<number, number>();
  readonly #digests = new Map<number, string>();
  /** Who got whose vote, by term, as it left the voter: a vote outlives crashes. */
  readonly #votes = new Map<string, number>();
  readonly #lastVotes = new Map<number, Vote>();
  /** Who voted for a candidate of a term, the candidate included. */
  readonly #grants = new Map<string, Set<number>>();
  readonly #matches = new MatchChecks();
  readonly #reads = new ReadQuorum();
  readonly #suspicions = new SuspicionChecks();
  readonly #logOf = (id: number): Record => this.#record(id);
  readonly #makeVotings: () => Votings;
  /** Who the members are by what is committed. */
  readonly ledgerVotings: Votings;
  /** Elections won, and comparisons of digests made. */
  elections = 0;
  onElection: (() => void) | null = null;
  onTruncation: ((behindIndex: number, durableIndex: number) => void) | null = null;
  /** A configuration is committed after `before`; and one was cut off a log. */
  onMembers: ((voting: Voting, before: Voting) => void) | null = null;
  onMembersCut: (() => void) | null = null;
  /** An entry is committed that was not before; and a server has applied its log up to `index`. */
  onCommitted: ((data: Uint8Array) => void) | null = null;
  /** A server's log was opened, as recovery has left it. */
  onOpened: ((probe: ServerProbe) => void) | null = null;
  onApplied: ((id: number, probe: ServerProbe, index: number) => void) | null = null;
  digestsCompared = 0;

  /** `founders`: the servers that the cluster begins with. */
  constructor(founders: readonly number[], serverOf: ServerOf) {
    this.#makeVotings = () => new Votings(founders, serverOf);
    this.ledgerVotings = this.#makeVotings();
  }

  /** Whom a server needs a majority of, to lead and to commit: by its own log. */
  halvesOf(id: number): readonly (readonly number[])[] {
    return this.#record(id).votings.halves;
  }

  /** Who the members are by a server's own log. */
  votingOf(id: number): Voting {
    return this.#record(id).votings.current;
  }

  /** The same, by what is durable of it. */
  durableVotingOf(id: number): Voting {
    const { votings, durableIndex } = this.#record(id);
    return votings.list.findLast(({ index }) => index <= durableIndex)!;
  }

  /** Whether a server ever was a member by its own log. */
  knowsItself(id: number): boolean {
    return this.#record(id).votings.list.some((voting) => membersOf(voting).includes(id));
  }

  /** The configuration that is committed, and all that some log holds after it. */
  votingsInPlay(): Voting[] {
    const { current } = this.ledgerVotings;
    const later = [...this.#records.values()].flatMap(({ votings }) =>
      votings.list.filter(({ index }) => index > current.index)
    );
    return [current, ...later];
  }

  /** What a server finds when it starts again: the configuration of its snapshot, and all after that. */
  votingsHeldBy(id: number): readonly Voting[] {
    const { votings, snapshotIndex } = this.#record(id);
    return votings.from(snapshotIndex);
  }

  get committedIndex(): number {
    return this.ledgerTerms.length - 1;
  }

  #record(id: number): Record {
    let record = this.#records.get(id);
    if (record === undefined) {
      record = new Record(this.#makeVotings());
      this.#records.set(id, record);
    }
    return record;
  }

  /** A process begins: what it knew in memory is gone. */
  started(server: CheckedServer): void {
    const record = this.#record(server.id);
    record.serverId = server.serverId;
    Object.assign(record, { isOpen: false, isLeader: false, commitIndex: 0, appliedIndex: 0 });
    this.#suspicions.started(server.id);
  }

  crashed(server: CheckedServer): void {
    this.started(server);
  }

  /** A vote for server `candidate` leaves a server: only one a term, whatever happened in between. */
  voteSent(from: number, vote: Vote, candidate: number): void {
    const { term } = vote;
    const election = `${term}/${candidate}`;
    const voters = this.#grants.get(election) ?? new Set([candidate]);
    this.#grants.set(election, voters.add(from));
    if (vote.isSuspect) return;
    const key = `${from}/${term}`;
    const before = this.#votes.get(key);
    if (before !== undefined && before !== candidate) {
      fail(
        "one vote per term",
        `server ${from} voted for ${before} and ${candidate} in term ${term}`,
      );
    }
    this.#votes.set(key, candidate);
    const last = this.#lastVotes.get(from);
    if (last === undefined || last.term < term) this.#lastVotes.set(from, vote);
  }

  /** A server acknowledges its leader's entries up to `index`. */
  ackSent(from: number, index: number): void {
    this.#suspicions.acknowledged(from, index);
  }

  /**
   * A leader orders another server to take over: that has to hold all of its log, or it would be elected
   * by nobody, or overwrite what others wait for. `term`: that of the order. It may leave behind what ended
   * its sender's leadership, and whoever is in a later term does not heed it.
   */
  takeOverOrdered(from: number, to: number, term: number): void {
    const own = this.#record(from);
    const target = this.#record(to);
    const { lastIndex } = own;
    if (target.hasForgotten || own.term !== term || target.term !== term) return;
    if (target.durableIndex >= lastIndex && target.chain[lastIndex] === own.chain[lastIndex]) {
      return;
    }
    fail(
      "who takes over holds the whole log",
      `leader ${from} orders server ${to} to take over: its own log ends at ${lastIndex}, and that ` +
        `of the other, as far as it is durable, at ${target.durableIndex}`,
    );
  }

  /** A frame reaches a server that is up. */
  frame(from: number, to: number, frame: Uint8Array): void {
    this.#reads.frame(from, to, frame);
  }

  /** Looks at a server after one of its steps. */
  afterStep(server: CheckedServer): void {
    const probe = server.probe;
    if (probe === null || !probe.isOpen()) return;
    const record = this.#record(server.id);
    if (!record.isOpen) this.#opened(server, probe, record);
    if (!probe.isSuspect()) record.lost = null;
    this.#checkTerm(server.id, probe, record);
    this.#checkLog(server.id, probe, record);
    record.durableIndex = probe.durableIndex();
    const commitIndex = probe.commitIndex();
    if (commitIndex !== record.commitIndex) {
      this.#checkCommit(server.id, probe, record, commitIndex);
    }
    const appliedIndex = probe.appliedIndex();
    if (appliedIndex !== record.appliedIndex) {
      this.#checkApplied(server.id, probe, record, appliedIndex);
    }
    const isLeader = probe.isLeader();
    const isElected = isLeader && !record.isLeader;
    if (isElected) this.#checkLeader(server.id, record);
    if (isElected) this.#matches.elected(server.id);
    if (isLeader) this.#matches.check(server.id, probe, record.votings.members, this.#logOf);
    const state = probe.raft();
    if (state !== null) this.#reads.check(server.id, state, record.votings.halves);
    if (isLeader) this.#suspicions.acknowledged(server.id, record.durableIndex);
    const now = { isSuspect: probe.isSuspect(), isRepairing: state?.repairing === true };
    this.#suspicions.check(server.id, record, now, this.ledgerChain);
    record.isLeader = isLeader;
    if (isElected) this.onElection?.();
  }

  /**
   * Looks at a server after a turn. Where it does not lead, nobody may be left waiting for what only a
   * leader can say: such a client would wait until its command's time is over.
   */
  afterTurn({ id, probe }: CheckedServer): void {
    const state = probe?.raft() ?? null;
    if (probe === null || state === null) return;
    checkHeld(id, probe.heldCommands(), state);
    if (probe.isLeader()) return;
    const waiting = probe.waitingCommands();
    if (waiting === 0) return;
    fail(
      "nobody waits for a leader that is none",
      `server ${id} keeps ${waiting} commands waiting`,
    );
  }

  /** The log as recovery found it has to hold all that was promised before the crash. */
  #opened(server: CheckedServer, probe: ServerProbe, record: Record): void {
    const { id } = server;
    const { durableIndex, term } = record;
    const durableChain = record.chain[durableIndex]!;
    const promised = record.chain.slice(0, durableIndex + 1);
    record.isOpen = true;
    record.lastIndex = 0;
    record.snapshotIndex = 0;
    record.terms.length = 1;
    record.chain.length = 1;
    record.votings.cut(0);
    record.term = 0;
    record.votedFor = 0;
    this.#checkLog(id, probe, record);
    this.onOpened?.(probe);
    // What was damaged may be lost, as long as this server knows that it may have lost something.
    if (server.mayForget) {
      record.hasForgotten = true;
      if (promised.length > (record.lost?.length ?? 0)) record.lost = promised;
      this.#lastVotes.delete(id);
      return;
    }
    const vote = this.#lastVotes.get(id);
    if (vote !== undefined) {
      const remembers = probe.term() > vote.term ||
        (probe.term() === vote.term && probe.votedFor() === vote.candidateId);
      if (!remembers) {
        fail(
          "durable vote",
          `server ${id} voted for ${vote.candidateId} in term ${vote.term}; after its restart it is ` +
            `in term ${probe.term()} and voted for ${probe.votedFor()}`,
        );
      }
    }
    // A snapshot that was just coming in may have replaced entries that were never committed: all that it
    // reaches, and those behind it as well where this server had something else in its last one's place.
    const { snapshotIndex } = record;
    if (snapshotIndex >= durableIndex) return;
    if (promised[snapshotIndex] !== this.ledgerChain[snapshotIndex]) return;
    if (record.lastIndex < durableIndex || record.chain[durableIndex] !== durableChain) {
      fail(
        "durability",
        `server ${id} had promised its log up to ${durableIndex} (term ${term}); after its ` +
          `restart it ends at ${record.lastIndex}` +
          (record.lastIndex >= durableIndex ? " and differs" : ""),
      );
    }
  }

  #checkTerm(id: number, probe: ServerProbe, record: Record): void {
    const term = probe.term();
    const votedFor = probe.votedFor();
    if (term === record.term) {
      if (votedFor !== record.votedFor && record.votedFor !== 0) {
        fail("one vote per term", `server ${id} changed its vote in term ${term}`);
      }
    } else if (term < record.term) {
      fail("monotone term", `server ${id} went from term ${record.term} back to ${term}`);
    } else {
      record.isLeader = false;
      record.term = term;
    }
    record.votedFor = votedFor;
  }

  /** Follows the log: log matching, leader append-only, and nothing committed is ever cut. */
  #checkLog(id: number, probe: ServerProbe, record: Record): void {
    const lastIndex = probe.lastIndex();
    const { terms, chain } = record;
    const snapshotIndex = probe.snapshotIndex();
    if (snapshotIndex !== record.snapshotIndex) {
      this.#checkSnapshot(id, probe, record, snapshotIndex);
    }
    if (lastIndex === record.lastIndex && probe.termAt(lastIndex) === terms[lastIndex]) return;
    let same = Math.min(lastIndex, record.lastIndex);
    while (same > snapshotIndex && terms[same] !== probe.termAt(same)) same--;
    if (same < record.lastIndex) {
      if (same < record.commitIndex) {
        fail(
          "truncation",
          `server ${id} cut its log behind ${same}, committed was ${record.commitIndex}`,
        );
      }
      if (record.isLeader && probe.isLeader()) {
        fail("leader append-only", `leader ${id} cut its own log behind ${same}`);
      }
      if (snapshotIndex <= same) this.onTruncation?.(same, record.durableIndex);
    }
    terms.length = same + 1;
    chain.length = same + 1;
    if (record.votings.cut(same)) this.onMembersCut?.();
    let link = chain[same]!;
    for (let index = same + 1; index <= lastIndex; index++) {
      const term = probe.termAt(index);
      if (term < terms[index - 1]!) {
        fail(
          "log terms",
          `server ${id}: entry ${index} has term ${term}, the one before a greater`,
        );
      }
      const data = probe.dataAt(index);
      link = checksum(data, (Math.imul(link, 0x01000193) ^ term) >>> 0);
      record.votings.add(index, data);
      terms.push(term);
      chain.push(link);
      const key = index * TERM_SPAN + term;
      const known = this.#chainAt.get(key);
      if (known === undefined) this.#chainAt.set(key, link);
      else if (known !== link) {
        fail("log matching", `server ${id}: logs differ up to entry ${index} of term ${term}`);
      }
    }
    record.lastIndex = lastIndex;
  }

  /** A snapshot holds what was committed, and stands for that part of the log. */
  #checkSnapshot(id: number, probe: ServerProbe, record: Record, snapshotIndex: number): void {
    const { terms, chain } = record;
    const known = this.ledgerTerms[snapshotIndex];
    if (snapshotIndex < record.snapshotIndex || known !== probe.termAt(snapshotIndex)) {
      fail(
        "snapshot",
        `server ${id} went from a snapshot at ${record.snapshotIndex} to one at ${snapshotIndex}` +
          ` of term ${probe.termAt(snapshotIndex)}; committed there is term ${known}`,
      );
    }
    record.snapshotIndex = snapshotIndex;
    if (chain[snapshotIndex] === this.ledgerChain[snapshotIndex]) return;
    // It came from somebody else, or from the disk: what it covers is what the ledger says.
    terms.length = chain.length = 0;
    for (let index = 0; index <= snapshotIndex; index++) {
      terms.push(this.ledgerTerms[index]!);
      chain.push(this.ledgerChain[index]!);
    }
    record.votings.replace(this.ledgerVotings, snapshotIndex);
    record.lastIndex = snapshotIndex;
  }

  #checkCommit(id: number, probe: ServerProbe, record: Record, commitIndex: number): void {
    if (commitIndex < record.commitIndex || commitIndex > record.lastIndex) {
      fail(
        "monotone commit",
        `server ${id} went from commit ${record.commitIndex} to ${commitIndex}, its log ends at ` +
          `${record.lastIndex}`,
      );
    }
    for (let index = record.commitIndex + 1; index <= commitIndex; index++) {
      const link = record.chain[index]!;
      if (index > this.committedIndex) {
        this.ledgerTerms.push(record.terms[index]!);
        this.ledgerChain.push(link);
        this.#committedIn.push(probe.term());
        const data = probe.dataAt(index);
        const before = this.ledgerVotings.current;
        this.ledgerVotings.add(index, data);
        this.onCommitted?.(data);
        const { current } = this.ledgerVotings;
        if (current !== before) this.onMembers?.(current, before);
        this.#clocks.push(Math.max(this.#clocks[index - 1]!, readU64(data, STAMP)));
        if (index === commitIndex) this.#checkQuorum(id, index, link);
      } else if (this.ledgerChain[index] !== link) {
        fail("state machine safety", `server ${id} committed another entry at ${index}`);
      }
    }
    record.commitIndex = commitIndex;
  }

  /**
   * Promise 1: what is committed is durable on a majority of the voters, of each half where they change. An
   * ack counts, too, whose server's data was damaged behind it, and which has had no say since: the leader
   * can't know yet.
   */
  #checkQuorum(id: number, index: number, link: number): void {
    for (const voters of this.#record(id).votings.halvesAt(index)) {
      let durable = 0;
      for (const voter of voters) {
        const record = this.#record(voter);
        const holdsIt = record.durableIndex >= index && record.chain[index] === link;
        if (holdsIt || record.lost?.[index] === link) durable++;
      }
      if (durable * 2 <= voters.length) {
        fail(
          "durable on a majority",
          `server ${id} committed entry ${index}; it is durable on ${durable} of ${voters.length}`,
        );
      }
    }
    checkRivals(id, [...this.#records.keys()], { index, link }, this.#logOf);
  }

  #checkApplied(id: number, probe: ServerProbe, record: Record, appliedIndex: number): void {
    if (appliedIndex < record.appliedIndex || appliedIndex > record.commitIndex) {
      fail(
        "monotone applied",
        `server ${id} went from applied ${record.appliedIndex} to ${appliedIndex}, committed is ` +
          `${record.commitIndex}`,
      );
    }
    record.appliedIndex = appliedIndex;
    const clockMs = probe.clockMs();
    if (clockMs !== this.#clocks[appliedIndex]) {
      fail(
        "time of the log",
        `server ${id} has come to ${clockMs} at entry ${appliedIndex}, the log to ` +
          `${this.#clocks[appliedIndex]}`,
      );
    }
    this.onApplied?.(id, probe, appliedIndex);
    const digest = probe.digest();
    const known = this.#digests.get(appliedIndex);
    if (known === undefined) {
      this.#digests.set(appliedIndex, digest);
      return;
    }
    this.digestsCompared++;
    if (known !== digest) {
      fail("digest", `server ${id} has other contents than another had at entry ${appliedIndex}`);
    }
  }

  /** Election safety, and leader completeness against what was committed in earlier terms. */
  #checkLeader(id: number, record: Record): void {
    const grants = this.#grants.get(`${record.term}/${id}`) ?? new Set([id]);
    for (const voters of halvesOf(record.votings.current)) {
      const granted = voters.filter((voter) => grants.has(voter)).length;
      if (granted * 2 > voters.length) continue;
      fail("elected by a majority", `server ${id} leads by ${granted} votes of ${voters.length}`);
    }
    const before = this.#leaders.get(record.term);
    if (before !== undefined && before !== id) {
      fail("election safety", `servers ${before} and ${id} both lead term ${record.term}`);
    }
    this.#leaders.set(record.term, id);
    this.elections++;
    let index = this.committedIndex;
    while (index > 0 && this.#committedIn[index]! >= record.term) index--;
    if (record.chain[index] === this.ledgerChain[index]) return;
    fail(
      "leader completeness",
      `leader ${id} of term ${record.term} lacks committed entries up to ${index}; its log ends ` +
        `at ${record.lastIndex}`,
    );
  }
}

function fail(check: string, message: string): never {
  throw new CheckFailure(check, message);
}

/** Commands may wait for a leader only while none is known, or the known one is silent. */
function checkHeld(id: number, held: number, state: RaftState): void {
  if (held === 0) return;
  const { role, leaderId } = state;
  const isKnown = role.kind === "leader"
    ? role.transfer === null
    : leaderId !== NOBODY && !missesLeader(state, state.nowMs);
  if (isKnown) {
    fail("nobody waits for a leader that is known", `server ${id} holds ${held} commands`);
  }
}
