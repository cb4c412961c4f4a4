/** What an operator knows of a cluster's members, and how it asks for others: as its commands do. */
import { encodeAddresses } from "../../lib/node/members/addresses.ts";
import type { MemberChange } from "../../lib/raft/types.ts";
import type { Random } from "../../lib/util/random.ts";
import { type AddressBook, founderAddress, type SimAddress } from "./address_book.ts";
import type { Atlas } from "./atlas.ts";
import type { StateChecks } from "./checks.ts";
import { type Fabric, SERVERS_MAX } from "./fabric.ts";
import type { MembersOptions } from "./member_options.ts";
import type { Origins } from "./server_setting.ts";
import type { SimServer } from "./sim_server.ts";
import { isLeading } from "./snapshot_faults.ts";
import { isJointVoting, membersOf, type Voting } from "./votings.ts";

export interface OperatorSetting {
  readonly fabric: Fabric;
  readonly options: MembersOptions;
  readonly servers: readonly SimServer[];
  readonly checks: StateChecks;
  readonly atlas: Atlas;
  readonly addresses: AddressBook<SimServer>;
  /** All that there ever were. */
  readonly everyServer: ReadonlyMap<number, SimServer>;
  addServer(origins: Origins): SimServer;
}

/** One change that is wanted, of a server of the world. */
export type Wanted =
  | { readonly kind: "add"; readonly server: SimServer; readonly staysLearner: boolean }
  | { readonly kind: "remove" | "promote" | "demote"; readonly server: SimServer };

export class MemberWishes {
  readonly #setting: OperatorSetting;
  #isSettling = false;
  /** So many may vote, those that are about to included. */
  #votersMax: number;

  constructor(setting: OperatorSetting) {
    this.#setting = setting;
    this.#votersMax = setting.options.votersMax;
  }

  get isSettling(): boolean {
    return this.#isSettling;
  }

  /**
   * From here on only what is lost changes. Fewer voters may be left than the options say, and there may be as
   * many again as there are now: those that found a cluster may be more than the options would add, and whoever
   * is lost of them is removed before its next life is added.
   */
  settle(): void {
    this.#isSettling = true;
    this.#votersMax = Math.max(this.#votersMax, this.#votersToBe);
  }

  /**
   * Members can change: the cluster version is raised. Whoever was lost before that can't be replaced, since
   * it can't say any more what its build can read.
   */
  get isReady(): boolean {
    return this.#setting.servers.some(({ probe }) =>
      probe?.isOpen() === true && probe.clusterVersion() > 1
    );
  }

  get voting(): Voting {
    return this.#setting.checks.ledgerVotings.current;
  }

  /** All members, those that are lost included. */
  get members(): SimServer[] {
    return membersOf(this.voting).map((id) => this.#setting.everyServer.get(id)!);
  }

  /** Where all members are, for the files of those that start elsewhere. */
  get places(): Map<number, SimAddress> {
    return new Map(this.members.map((one) => [one.serverId, one.place.next]));
  }

  isMember(server: SimServer): boolean {
    return this.members.includes(server);
  }

  isVoter({ id }: SimServer): boolean {
    return this.voting.voters.includes(id);
  }

  /** A learner that no leader makes a voter by itself. */
  staysLearner({ id }: SimServer): boolean {
    const { learners, willVote } = this.voting;
    return learners.includes(id) && !willVote.includes(id);
  }

  /** Some life of this id is a member. */
  hasMember(serverId: number): boolean {
    return this.members.some((member) => member.serverId === serverId);
  }

  /** A member that is lost; null where none is. */
  lost(): SimServer | null {
    return this.members.find(({ isOut, isAway }) => isOut || isAway) ?? null;
  }

  /**
   * A member whose place is not in the log yet; null where there is none. While nothing is said of places
   * there, a leader adds only what its own file has otherwise: the file of whoever has moved since may well be
   * right about all.
   */
  moved(): SimServer | null {
    const { logPorts } = this.voting;
    const leader = logPorts.size === 0 ? this.#leader : undefined;
    return this.members.find((server) => {
      const port = logPorts.get(server.id) ?? leader?.place.listedPort(server.serverId) ??
        founderAddress(server.serverId).logPort;
      return !server.isAway && !server.isOut && server.place.next.logPort !== port;
    }) ?? null;
  }

  /**
   * A server may move that finds the others afterwards: its log, or what is durable of it, lists it, and has
   * their places of today.
   */
  mayMove({ id }: SimServer): boolean {
    const { logPorts } = this.voting;
    const own = this.#setting.checks.durableVotingOf(id);
    return membersOf(own).includes(id) &&
      [...logPorts].every(([member, port]) => own.logPorts.get(member) === port);
  }

  /** An id that no member has; now and then one that a server had that was removed. */
  freeId(random: Random): number {
    const { everyServer } = this.#setting;
    const known = [...new Set([...everyServer.values()].map(({ serverId }) => serverId))];
    const free = known.filter((id) => !this.hasMember(id));
    if (free.length > 0 && random.chance(0.5)) return random.pick(free);
    return Math.max(...known) + 1;
  }

  /** Those that vote, and those that are about to. */
  get #votersToBe(): number {
    const { voters, willVote } = this.voting;
    return voters.length + willVote.length;
  }

  /** Another voter would be one too many. */
  get isFull(): boolean {
    return this.#votersToBe >= this.#votersMax;
  }

  /** A server that is to join; null where there were too many already, or the cluster is not formed. */
  newServer(serverId: number, address: SimAddress, startUs: number): SimServer | null {
    const { everyServer, servers, fabric, addServer, addresses } = this.#setting;
    const formed = servers.find(({ clusterId }) => clusterId !== null);
    if (everyServer.size + 1 >= SERVERS_MAX || formed === undefined) return null;
    // Somebody else may be there by now.
    const place = addresses.isTaken(address) ? addresses.next() : address;
    const server = addServer({ serverId, address: place, joins: formed.clusterId });
    fabric.world.counters.add("newcomers");
    server.restartIn(startUs);
    return server;
  }

  /** Whoever leads the newest term. */
  get #leader(): SimServer | undefined {
    const leaders = this.#setting.servers.filter((one) => isLeading(one) && !one.isPaused);
    const termOf = (server: SimServer) => server.probe!.term();
    return leaders.sort((a, b) => termOf(b) - termOf(a))[0];
  }

  /** Asks whoever leads the newest term for a change, as far as the fault atlas has room for it. */
  ask(wanted: () => readonly Wanted[]): void {
    const leader = this.#leader;
    leader?.orders.changeMembers(() => this.#changes(leader, wanted()));
  }

  /** None where it would be too much; why is counted. */
  #changes(leader: SimServer, wanted: readonly Wanted[]): MemberChange[] {
    const problem = this.#problem(this.#setting.checks.votingOf(leader.id), wanted);
    if (problem === null) return wanted.map(changeOf);
    this.#setting.fabric.world.counters.add(`change not asked for: ${problem}`);
    return [];
  }

  /** What is left of the voters has to have a sound majority, and be as many as was drawn. */
  #problem(voting: Voting, wanted: readonly Wanted[]): string | null {
    const { atlas, options } = this.#setting;
    const voters = new Set(voting.voters);
    const willVote = new Set(voting.willVote);
    for (const change of wanted) {
      const { kind, server: { id, incarnation } } = change;
      if (incarnation === null) return "it was never started";
      if (kind === "promote") voters.add(id);
      if (kind === "remove" || kind === "demote") voters.delete(id);
      if (kind !== "add") willVote.delete(id);
      else if (!change.staysLearner) willVote.add(id);
    }
    if (isJointVoting(voting)) return "joint";
    const isSound = atlas.mayVote([...voters]) && atlas.mayVote([...voters, ...willVote]);
    if (!isSound) return "too few are sound";
    const isLess = voters.size < voting.voters.length;
    if (isLess && voters.size < options.votersMin && !this.isSettling) return "too few voters";
    const most = voters.size + willVote.size;
    const isMore = most > voting.voters.length + voting.willVote.length;
    return isMore && most > this.#votersMax ? "too many voters" : null;
  }
}

function changeOf(wanted: Wanted): MemberChange {
  const { kind, server } = wanted;
  const id = server.serverId;
  if (kind !== "add") return { kind, id };
  const { staysLearner } = wanted;
  const incarnation = server.incarnation!;
  return { kind, id, incarnation, staysLearner, addresses: encodeAddresses(server.address) };
}
