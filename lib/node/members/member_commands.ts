/**
 * `RAFTKV.MEMBER` and `RAFTKV.LEADER` on the server that leads: what clients ask about the members, what is
 * done about it, and when they are answered. Whoever asked may be gone by then: what was begun continues
 * all the same.
 */
import { NEEDED_VERSION } from "../../kv/cluster_version.ts";
import type { Raft } from "../../raft/raft.ts";
import { leaderOf, type LeaderRole, type RaftState } from "../../raft/state.ts";
import { type MemberChange, NOBODY, type ServerId } from "../../raft/types.ts";
import { ClientError } from "../../wire/command_batch.ts";
import { memberIds } from "../../raft/configuration.ts";
import type { MemberAnswer, MemberRequest, WaitingServer } from "../../wire/members.ts";
import type { Addresses } from "./addresses.ts";
import {
  addStep,
  type JoinFacts,
  type JoinStep,
  replaceStep,
  SILENT_ELECTION_TIMEOUTS,
  standingOf,
} from "./join_steps.ts";
import type { MemberChanges } from "./member_changes.ts";
import { memberList } from "./member_list.ts";
import { WAITING_MAX, WaitingServers } from "./waiting_servers.ts";
import {
  changeProblem,
  changeRefusal,
  moveRefusal,
  refused,
  type VersionFacts,
  versionRefusal,
} from "./refusal_texts.ts";

/** The node, as these commands see it. */
export interface MemberCommandsHost {
  /** The core, told what time it is; null until the cluster is formed. */
  raftNow(): Raft | null;
  readonly changes: Pick<MemberChanges, "propose">;
  /** Where a server is reached; null where nobody knows. */
  placeOf(id: ServerId): Addresses | null;
  /** A place to try, where that life of a server is not reached: see KnownMembers. */
  heardOf(id: ServerId, incarnation: string, place: Addresses): void;
  /** See JoinFacts.silentMs. */
  silentMs(id: ServerId): number;
  clusterVersion(): number;
  /** Why that is not raised, half a sentence for each server. */
  raiseWaits(): readonly string[];
  /** Whoever is removed, and silent, holds that back no more. */
  raiseWithout(ids: readonly ServerId[]): void;
  clusterId(): string;
  scheduleTurn(): void;
}

/** Takes the answer to a question, where it does not come at once. */
export type Answer = (answer: MemberAnswer) => void;

/** A leadership on its way to another server. */
interface Move {
  readonly term: number;
  readonly target: ServerId;
  readonly answer: Answer;
}

const LOOK = "look at the list of members";

export class MemberCommands {
  readonly #host: MemberCommandsHost;
  /** What is not answered. */
  readonly #open = new Set<Answer>();
  #moves: Move[] = [];
  readonly #waiting = new WaitingServers();
  /** The term that this server leads, and the others wait in. */
  #waitingTerm = 0;

  constructor(host: MemberCommandsHost) {
    this.#host = host;
  }

  /** The answer, or why there is none here; null: it comes later, once. */
  ask(request: MemberRequest, answer: Answer): MemberAnswer | ClientError | null {
    const raft = this.#host.raftNow();
    const leader = raft === null ? null : leaderOf(raft.state);
    if (raft === null || leader === null) return ClientError.redirect;
    if (raft.state.term !== this.#waitingTerm) this.#waiting.clear();
    this.#waitingTerm = raft.state.term;
    switch (request.kind) {
      case "list":
        return this.#list(raft, leader);
      case "moveLeader":
        return this.#move(raft, request.to, answer);
      case "join":
        return this.#join(raft, request.server);
      case "add": {
        const { id, staysLearner } = request;
        return this.#take(raft, addStep(this.#facts(raft, leader), id, staysLearner), answer, {
          kind: "done",
        });
      }
      case "replace": {
        const step = replaceStep(this.#facts(raft, leader), request.id);
        return this.#take(raft, step, answer, { kind: "step", step: "added" });
      }
      default: {
        const { kind, id } = request;
        const problem = changeProblem(raft.state, kind, id);
        if (problem !== null) return refused(problem);
        return this.#change(raft, [{ kind, id }], answer, () => ({ kind: "done" }));
      }
    }
  }

  /** Once a turn: answers what is decided by now. */
  note(): void {
    const raft = this.#moves.length === 0 ? null : this.#host.raftNow();
    if (raft === null) return;
    const moves = this.#moves;
    this.#moves = [];
    for (const move of moves) {
      const came = outcomeOf(move, raft);
      if (came === null) this.#moves.push(move);
      else this.#tell(move.answer, came);
    }
  }

  /** This server stops: whatever is not answered may be done or not. */
  end(): void {
    this.#moves = [];
    for (const answer of this.#open) {
      this.#tell(answer, {
        kind: "unknown",
        why: `the server stops, what was asked may be done: ${LOOK}`,
      });
    }
  }

  #list({ state }: Raft, leader: LeaderRole): MemberAnswer {
    // Who was taken in a moment ago waits no more, whether it has asked again by now or not.
    const waiting = this.#waiting.all(state.nowMs).filter((one) =>
      standingOf(state, one) !== "member"
    );
    const answer = versionRefusal(this.#versionFacts());
    const refusal = answer?.kind === "refused" ? answer.why : "";
    const list = memberList(state, leader, (id) => this.#host.placeOf(id), waiting, refusal);
    return { kind: "members", list };
  }

  /** A server says that it waits; one that is a member already waits for nobody's command. */
  #join({ state }: Raft, server: WaitingServer): MemberAnswer {
    const standing = standingOf(state, server);
    if (standing === "member") this.#seek(state, server);
    else if (!this.#waiting.note(server, state.nowMs)) {
      return refused(`${WAITING_MAX} servers wait to join already: add some of them, or stop some`);
    }
    const { electionTimeoutMs, heartbeatIntervalMs } = state.options;
    const clusterId = this.#host.clusterId();
    return { kind: "waits", standing, clusterId, electionTimeoutMs, heartbeatIntervalMs };
  }

  /**
   * A member that nobody has connected to asks: it was taken in at a place where it is not. Anybody may
   * speak here, so where it says that it is is no more than a place to try: what its own handshake says
   * there counts, and moves it.
   */
  #seek(
    { options, configurations }: RaftState,
    { id, incarnation, ...place }: WaitingServer,
  ): void {
    this.#waiting.forget(incarnation);
    const isSilent = this.#host.silentMs(id) >=
      SILENT_ELECTION_TIMEOUTS * options.electionTimeoutMs;
    const isItsLife = configurations.newest.incarnations.get(id) === incarnation;
    if (isSilent && isItsLife) this.#host.heardOf(id, incarnation, place);
  }

  #facts({ state }: Raft, leader: LeaderRole): JoinFacts {
    const places: Addresses[] = [];
    for (const id of memberIds(state.configurations.current)) {
      const place = this.#host.placeOf(id);
      if (place !== null) places.push(place);
    }
    const waiting = this.#waiting.all(state.nowMs);
    return { state, leader, waiting, places, silentMs: (id) => this.#host.silentMs(id) };
  }

  /** Takes a step towards a new member, and the one after it; `added` is the answer once it is one. */
  #take(
    raft: Raft,
    step: JoinStep,
    answer: Answer,
    added: MemberAnswer,
  ): MemberAnswer | ClientError | null {
    switch (step.kind) {
      case "answer":
        return step.answer;
      case "add":
        return this.#change(raft, [step.change], answer, () => added);
      case "remove": {
        const { then } = step;
        const remove: MemberChange = { kind: "remove", id: then.id };
        return this.#change(raft, [remove], answer, () => {
          const came = this.#change(raft, [then], answer, () => added);
          return came === null ? null : halfReplaced(then.id, came);
        });
      }
    }
  }

  /** Begins a change; once it is committed, `next` says what to answer, or that it takes longer (null). */
  #change(
    { state }: Raft,
    changes: readonly MemberChange[],
    answer: Answer,
    next: () => MemberAnswer | null,
  ): MemberAnswer | ClientError | null {
    const { changes: members } = this.#host;
    const removed = this.#livesRemovedBy(state, changes);
    const refusal = members.propose(changes, (outcome) => {
      if (outcome === "committed") removed.forEach((life) => this.#waiting.forget(life));
      const why = `server ${state.id} leads no more, the change may be done or not: ${LOOK}`;
      const came = outcome === "committed" ? next() : { kind: "unknown", why } as const;
      if (came !== null) this.#tell(answer, came);
    });
    if (refusal === null) {
      this.#open.add(answer);
      return null;
    }
    if (refusal.reason === "clusterVersion") {
      const going = changes.filter(({ kind }) => kind === "remove").map(({ id }) => id);
      if (going.length > 0) this.#host.raiseWithout(going);
    }
    return changeRefusal(state, refusal, this.#versionFacts());
  }

  #versionFacts(): VersionFacts {
    const { clusterVersion, raiseWaits } = this.#host;
    const neededVersion = NEEDED_VERSION.describedConfiguration;
    return { clusterVersion: clusterVersion(), neededVersion, waits: raiseWaits() };
  }

  /**
   * The lives of those that `changes` remove, where they asked a moment ago: once they are no members, they
   * must not look like new servers that wait.
   */
  #livesRemovedBy(state: RaftState, changes: readonly MemberChange[]): string[] {
    return changes.filter(({ kind }) => kind === "remove")
      .flatMap(({ id }) => this.#waiting.under(id, state.nowMs))
      .filter((one) => standingOf(state, one) === "member")
      .map(({ incarnation }) => incarnation);
  }

  #move(raft: Raft, to: ServerId | null, answer: Answer): MemberAnswer | ClientError | null {
    if (to === raft.state.id) return { kind: "leads", id: to };
    const result = raft.moveLeadership(to);
    if (!result.accepted) {
      return moveRefusal(raft.state, result, to);
    }
    this.#moves.push({ term: raft.state.term, target: result.target, answer });
    this.#open.add(answer);
    this.#host.scheduleTurn();
    return null;
  }

  #tell(answer: Answer, what: MemberAnswer): void {
    if (this.#open.delete(answer)) answer(what);
  }
}

/** What a move came to; null while that is open. */
function outcomeOf({ term, target }: Move, { state }: Raft): MemberAnswer | null {
  const { id, leaderId } = state;
  const leader = leaderOf(state);
  if (leader !== null && state.term === term) {
    if (leader.transfer !== null) return null;
    return refused(
      `server ${target} did not take over, and server ${id} leads still: see the log of server ` +
        `${target}`,
    );
  }
  if (leaderId === NOBODY) return null;
  if (leaderId === target) return { kind: "leads", id: target };
  return refused(
    `server ${leaderId} leads now, and not server ${target}, to which the leadership was handed: ` +
      "move it again",
  );
}

/** The earlier life of `id` is out of the cluster, and this is what became of the new one. */
function halfReplaced(id: ServerId, came: MemberAnswer | ClientError): MemberAnswer {
  const done = `the earlier server ${id} is removed, and the new one is not added yet`;
  if (typeof came === "number") {
    return { kind: "unknown", why: `${done}, and this server leads no more: replace it again` };
  }
  if (!("why" in came)) return came;
  // Something was done, so it is neither refused nor put off.
  return { kind: "unknown", why: `${done}: ${came.why}; then replace it again` };
}
