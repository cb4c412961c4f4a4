/**
 * What is to be done next so that a server that waits becomes a member, or takes the place of one whose data
 * is lost. Each step is looked up anew in what is so now, so the same command continues after any
 * interruption.
 */
import { isReachable } from "../../raft/catch_up.ts";
import { isMember, isVoter, memberOf } from "../../raft/configuration.ts";
import type { LeaderRole, RaftState } from "../../raft/state.ts";
import type { MemberChange, ServerId } from "../../raft/types.ts";
import { addressText, isLoopback } from "../../util/address.ts";
import type { MemberAnswer, Standing, WaitingServer } from "../../wire/members.ts";
import { type Addresses, encodeAddresses } from "./addresses.ts";
import { noMemberText, serversText } from "./member_list.ts";
import { refused } from "./refusal_texts.ts";

/** A server that is silent for so long is not there: less may be a restart. */
export const SILENT_ELECTION_TIMEOUTS = 2;

/** An answer, or a change that leads further. */
export type JoinStep =
  | { readonly kind: "answer"; readonly answer: MemberAnswer }
  | { readonly kind: "add"; readonly change: MemberChange }
  /** The member's earlier life goes; then that server comes. */
  | { readonly kind: "remove"; readonly then: MemberChange };

export interface JoinFacts {
  readonly state: RaftState;
  readonly leader: LeaderRole;
  /** All that wait. */
  readonly waiting: readonly WaitingServer[];
  /** Where the members are. */
  readonly places: readonly Addresses[];
  /** For how long nothing came from another server, over any connection; Infinity: ever. */
  readonly silentMs: (id: ServerId) => number;
}

/** What a server that asks to join is to the cluster. */
export function standingOf(
  { configurations }: RaftState,
  { id, incarnation }: Pick<WaitingServer, "id" | "incarnation">,
): Standing {
  if (!isMember(configurations.current, id)) return "new";
  return configurations.isOtherLife(id, incarnation) ? "replaces" : "member";
}

export function addStep(facts: JoinFacts, id: ServerId, staysLearner: boolean): JoinStep {
  const { state } = facts;
  const { current } = state.configurations;
  if (isMember(current, id)) {
    const isOther = under(facts, id).some((one) => standingOf(state, one) === "replaces");
    const what = isVoter(current, id) ? "member" : "member, a learner,";
    return refuse(
      isOther
        ? `server ${id} is a member with another data directory: replace it, or give the new ` +
          "server an id of its own"
        : `server ${id} is a ${what} already`,
    );
  }
  const server = theOne(facts, id);
  return typeof server === "string" ? refuse(server) : add(server, staysLearner);
}

export function replaceStep(facts: JoinFacts, id: ServerId): JoinStep {
  const { state, leader } = facts;
  const { current } = state.configurations;
  const isHere = isMember(current, id);
  if (!isHere && under(facts, id).length === 0) {
    return refuse(`${noMemberText(current, id)}; ${nobodyWaits(facts, id)}`);
  }
  if (!isHere) {
    const server = theOne(facts, id);
    return typeof server === "string" ? refuse(server) : add(server, stayedLearner(state, id));
  }
  const answers = id === state.id || isReachable(state, leader.progress.get(id));
  const others = under(facts, id).filter((one) => standingOf(state, one) === "replaces");
  if (others.length === 0) {
    const isWaiting = under(facts, id).length > 0;
    if (!answers && !isWaiting) {
      return refuse(`server ${id} does not answer, and ${nobodyWaits(facts, id)}`);
    }
    const step = isVoter(current, id) ? "voter" : "catchingUp";
    return { kind: "answer", answer: { kind: "step", step } };
  }
  if (answers) {
    return refuse(
      `server ${id} answers with the data directory that it joined with, and is not replaced ` +
        "while it does: stop it first, or give the new server an id of its own",
    );
  }
  const server = theOne({ ...facts, waiting: others }, id);
  if (typeof server === "string") return refuse(server);
  // It may have restarted, or a connection broken; or this server has just come to lead.
  if (facts.silentMs(id) < SILENT_ELECTION_TIMEOUTS * state.options.electionTimeoutMs) {
    const why = `server ${id} was there a moment ago, and is replaced once it is silent: try again`;
    return { kind: "answer", answer: { kind: "later", why: `${why} in a moment` } };
  }
  if (isVoter(current, id)) return { kind: "remove", then: addition(server, false) };
  // One change does for a learner: nothing is counted of either life.
  const { incarnation } = server;
  const addresses = encodeAddresses(server);
  return { kind: "add", change: { kind: "replace", id, incarnation, addresses } };
}

/**
 * Whether a server that is no member now was to stay a learner, as far as the log still has it: a
 * replacement that was interrupted between its two changes continues as it began.
 */
function stayedLearner({ configurations: { versions } }: RaftState, id: ServerId): boolean {
  const last = versions.findLast(({ configuration }) => isMember(configuration, id));
  return last !== undefined && memberOf(last.configuration, id)?.staysLearner === true;
}

function under({ waiting }: JoinFacts, id: ServerId): WaitingServer[] {
  return waiting.filter((one) => one.id === id);
}

/** The server that waits under that id; or why there is none that could be meant. */
function theOne(facts: JoinFacts, id: ServerId): WaitingServer | string {
  const [server, other] = under(facts, id);
  if (server === undefined) return nobodyWaits(facts, id);
  if (other !== undefined) {
    return `two servers wait to join as ${id}, at ${placeText(server)} and ${placeText(other)}: ` +
      "stop the one that is not meant";
  }
  const far = facts.places.find(({ hostname }) => !isLoopback(hostname));
  if (far === undefined || !isLoopback(server.hostname)) return server;
  return `server ${id} waits at ${server.hostname}, which only its own machine can reach, and ` +
    `others are at ${far.hostname}: start it with --hostname, and a name or address that all reach`;
}

function nobodyWaits({ waiting }: JoinFacts, id: ServerId): string {
  const ids = [...new Set(waiting.map((one) => one.id))];
  const others = ids.length === 0 ? "" : ` (${serversText(ids)} ${ids.length > 1 ? "do" : "does"})`;
  return `no server waits to join as ${id}${others}: start it with an empty data directory, ` +
    `--id ${id} and --join`;
}

function placeText({ hostname, logPort }: Addresses): string {
  return addressText(hostname, logPort);
}

function addition(server: WaitingServer, staysLearner: boolean): MemberChange {
  const { id, incarnation } = server;
  return { kind: "add", id, incarnation, staysLearner, addresses: encodeAddresses(server) };
}

function add(server: WaitingServer, staysLearner: boolean): JoinStep {
  return { kind: "add", change: addition(server, staysLearner) };
}

function refuse(why: string): JoinStep {
  return { kind: "answer", answer: refused(why) };
}
