/**
 * One seed from beginning to end: form and warm up, break things, heal a majority or all of it, demand
 * progress and convergence, read everything back, judge the history.
 */
import { CLUSTER_VERSION_MAX } from "../../lib/kv/cluster_version.ts";
import { Random } from "../../lib/util/random.ts";
import { searchHistory } from "../lincheck/search.ts";
import { checkVersions } from "../lincheck/versions.ts";
import { AddressBook, founderAddress } from "./address_book.ts";
import { Atlas } from "./atlas.ts";
import { StateChecks } from "./checks.ts";
import { Client, type ClientSetting } from "./client.ts";
import { ClientHosts } from "./client_hosts.ts";
import { SimClock } from "./clock.ts";
import { Fabric } from "./fabric.ts";
import { Faults } from "./faults.ts";
import { withoutOutside } from "./globals.ts";
import { History } from "./history.ts";
import { FormingFaults } from "./forming_faults.ts";
import type { SimOptions, Strike } from "./options.ts";
import { Marks } from "./marks.ts";
import { Operator } from "./operator.ts";
import { between } from "./partitions.ts";
import { watchingPaths } from "./path_marks.ts";
import { appendMs, patienceMs } from "./patience.ts";
import { UserWorkload } from "./user_workload.ts";
import { RedisWorkload } from "./redis_workload.ts";
import { SessionWorkload } from "./session_workload.ts";
import { WatchWorkload } from "./watch_workload.ts";
import { Intruder, Secrets } from "./secrets.ts";
import type { ServerFactory } from "./server_factory.ts";
import { type Origins, type ServerSetting, SimServer } from "./sim_server.ts";
import { isOfStream, StreamChecks } from "./stream_checks.ts";
import { type LineSink, Trace } from "./trace.ts";
import { membersOf } from "./votings.ts";
import { CheckFailure, World } from "./world.ts";

const SECOND_US = 1_000_000;
/** How long the faulty phase may go on for its operations, and how often it gets easier meanwhile. */
const EXTRA_MINUTES_MAX = 15;
const EASE_SECONDS = 20;
/** The search gives up on a key beyond this many states; the seed then counts as not searched. */
const SEARCH_STATES_MAX = 1_000_000;

/** What one seed came to; plain data, so that it travels between processes as JSON. */
export interface SimResult {
  readonly seed: number;
  /** Null where all held; else the check that fired. */
  readonly check: string | null;
  readonly message: string;
  readonly stack: string;
  readonly hash: string;
  readonly events: number;
  readonly simulatedMs: number;
  readonly acknowledged: number;
  readonly elections: number;
  readonly digestsCompared: number;
  readonly searched: boolean;
  readonly counters: Record<string, number>;
  /** Situations that came up, by name. */
  readonly marks: Record<string, number>;
  /** What struck, where it failed: to do it again, and to do with less. */
  readonly strikes: readonly Strike[];
}

export class Simulation {
  readonly options: SimOptions;
  readonly world: World;
  readonly fabric: Fabric;
  /** Those whose machines are on. */
  readonly servers: SimServer[] = [];
  /** All that there ever were, by their numbers. */
  readonly #everyServer = new Map<number, SimServer>();
  readonly clients: Client[] = [];
  readonly history = new History();
  readonly checks: StateChecks;
  readonly marks: Marks;
  readonly faults: Faults;
  readonly redis: RedisWorkload | null;
  readonly users: UserWorkload | null;
  readonly sessions: SessionWorkload | null;
  readonly watches: WatchWorkload | null;
  readonly operator: Operator | null;
  readonly #setting: ClientSetting;
  readonly #serverSetting: ServerSetting;
  readonly #random: Random;
  searched = true;

  constructor(options: SimOptions, factory: ServerFactory, sink: LineSink, verbose: boolean) {
    this.options = options;
    const random = new Random(options.seed ^ 0x5eed);
    this.#random = random;
    this.world = new World(new Trace(sink, verbose));
    this.fabric = new Fabric(this.world, options.network, random.fork());
    const { world, fabric, servers } = this;
    const founders = Array.from({ length: options.servers }, (_, at) => at + 1);
    const lives = new Map<string, SimServer>();
    const serverOf = (id: number, life: string) => {
      const server = lives.get(life);
      return server?.serverId === id ? server.id : null;
    };
    const checks = this.checks = new StateChecks(founders, serverOf);
    const atlas = new Atlas(
      (id) => this.#everyServer.get(id)!,
      () => checks.votingsInPlay(),
      (id) => checks.votingsHeldBy(id),
    );
    const addresses = new AddressBook(servers, options.servers);
    const marks = this.marks = new Marks(servers, options.origin);
    checks.onTruncation = (behind, durable) => marks.truncated(behind, durable);
    checks.onMembers = (voting, before) => marks.members(voting, before);
    checks.onMembersCut = () => marks.hit("a configuration is cut off");
    const streams = new StreamChecks(options.storage.catchUpBytes === 0);
    const { secret = "none", seed } = options;
    const secrets = new Secrets(secret, seed, world, servers);
    // Where it is rolled in, whoever knows none is let in.
    const intruder = secret === "exchanged" ? new Intruder(seed, world, servers) : null;
    fabric.onFrame = (from, to, frame) => {
      intruder?.overhears(frame);
      if (isOfStream(frame)) {
        const sender = this.#everyServer.get(from)!.streaming;
        if (sender !== null) streams.sent(sender, this.#everyServer.get(to)!.serverId, frame);
      }
      const acked = factory.ackOf(frame);
      if (acked !== null) checks.ackSent(from, acked - options.origin.index);
      const orderTerm = factory.takeOverTerm(frame);
      if (orderTerm !== null) checks.takeOverOrdered(from, to, orderTerm - options.origin.term);
      const vote = factory.voteOf(frame);
      if (vote === null) return;
      const candidate = vote.isOwn ? from : to;
      checks.voteSent(from, { ...vote, term: vote.term - options.origin.term }, candidate);
      this.marks.vote(from, vote.term, candidate);
    };
    const setting = this.#serverSetting = {
      world,
      fabric,
      options,
      factory,
      checks,
      atlas,
      marks,
      streams,
      servers,
      addresses,
      lives,
      secrets,
    };
    for (const id of founders) {
      const drawn = random.fork();
      const offsetMs = (drawn.unit() * 2 - 1) * options.wallOffsetMaxMs;
      const clock = new SimClock(world, offsetMs, 1 + (drawn.unit() * 2 - 1) * options.driftMax);
      const origins = { serverId: id, address: founderAddress(id), joins: null };
      const server = new SimServer(setting, id, clock, drawn, origins);
      servers.push(server);
      this.#everyServer.set(id, server);
    }
    const unreachable = new Set<number>();
    this.#setting = {
      fabric,
      options,
      servers,
      addresses,
      history: this.history,
      asked: servers,
      unreachable,
      connections: new Set(),
      hosts: new ClientHosts(options),
      nextConnectionId: 1,
      pace: "free",
    };
    this.redis = options.redis === null ? null : new RedisWorkload(this.#setting, options.redis);
    this.users = options.users === null || options.users === undefined
      ? null
      : new UserWorkload(this.#setting, options.users, checks);
    this.sessions = options.sessions === null || options.sessions === undefined
      ? null
      : new SessionWorkload(this.#setting, options.sessions);
    this.watches = options.watches === null || options.watches === undefined
      ? null
      : new WatchWorkload(this.#setting, options.watches, checks, marks);
    const { connections } = this.#setting;
    this.operator = options.members === null ? null : new Operator({
      fabric,
      options: options.members,
      servers,
      checks,
      atlas,
      addresses,
      everyServer: this.#everyServer,
      addServer: (origins) => this.#addServer(origins),
    }, new Random(options.seed ^ 0x09e7));
    const { operator } = this;
    const shared = { fabric, options, servers, unreachable, connections, atlas, operator };
    this.faults = new Faults(shared, random.fork());
    checks.onElection = () => this.faults.elected();
    marks.onFigureEight = () => this.faults.atFigureEight();
    marks.onWholeSnapshot = (id) => this.faults.atWholeSnapshot(id);
    marks.onSettling = (id) => this.faults.atSettling(id);
    marks.onEarlyReads = () => this.faults.atEarlyReads();
  }

  /** Another server, on an empty disk. What it draws is drawn apart from what others do. */
  #addServer(origins: Origins): SimServer {
    const { options, world, servers } = this;
    const id = Math.max(...this.#everyServer.keys()) + 1;
    const drawn = new Random(options.seed ^ (0x5e4f00 + id));
    const offsetMs = (drawn.unit() * 2 - 1) * options.wallOffsetMaxMs;
    const clock = new SimClock(world, offsetMs, 1 + (drawn.unit() * 2 - 1) * options.driftMax);
    const server = new SimServer(this.#serverSetting, id, clock, drawn, origins);
    servers.push(server);
    this.#everyServer.set(id, server);
    return server;
  }

  /** The members by what is committed; without those that are lost. */
  #members(): SimServer[] {
    const ids = membersOf(this.checks.ledgerVotings.current);
    return this.servers.filter(({ id, isOut }) => ids.includes(id) && !isOut);
  }

  /** Starts servers and clients, and waits until the first operations are acknowledged. */
  warmUp(): void {
    for (const server of this.servers) {
      server.restartIn(this.#random.between(0, SECOND_US));
      if (this.options.crashesAtFirst && this.#random.chance(0.7)) server.disk.crashSoon();
    }
    for (let id = 1; id <= this.options.clients.count; id++) {
      this.clients.push(new Client(this.#setting, id, this.#random.fork()));
    }
    this.redis?.begin();
    this.users?.begin();
    this.sessions?.begin();
    this.watches?.begin();
    const { wipesAtFirst, damageable, origin, seed } = this.options;
    // A world that begins at a later index begins with a cluster that is formed.
    const mayBeLost = damageable.filter((id) => id <= this.servers.length);
    if (wipesAtFirst && mayBeLost.length > 0 && origin.index === 0) {
      const random = new Random(seed ^ 0xf0f0);
      new FormingFaults(this.world, this.servers, mayBeLost, random);
    }
    this.#phase("forming");
    this.demand("no formation", 120, () => this.history.acknowledged >= 20);
  }

  breakThings(): void {
    this.#phase("faults");
    const { faultsMs, operationsMin } = this.options;
    const before = this.history.acknowledged;
    const enough = () => this.history.acknowledged - before >= operationsMin;
    this.faults.begin();
    this.world.run(this.world.now + faultsMs * 1000);
    // Some seeds draw faults so dense that hardly anything gets through: let them thin out.
    for (let at = 0; at < EXTRA_MINUTES_MAX * 60 && !enough(); at += EASE_SECONDS) {
      this.faults.ease();
      for (const server of this.#refusedForBuild()) this.#beginUpgrade(server);
      const untilUs = this.world.now + EASE_SECONDS * SECOND_US;
      while (!enough() && this.world.now < untilUs) this.world.run(this.world.now + SECOND_US);
    }
    this.demand("no progress under faults", 10, enough);
  }

  /**
   * A majority heals and the others stay out for good: it has to get along without them. Not where
   * one of it is suspect: its vote counts only together with those of all others.
   */
  healCore(): void {
    this.#phase("core");
    this.faults.healAll();
    this.settleMembers();
    const ids = [...this.checks.ledgerVotings.current.voters];
    // Who votes alone commits at the pace of its disk: no suspect learner's window keeps up with that.
    const isAlone = ids.length === 1;
    if (isAlone) this.#setting.pace = "resting";
    const seconds = 60 + (isAlone ? this.#catchUpMs() / 1000 : 0);
    this.demand("no recovery of suspect servers", seconds, () => {
      this.#upgradeRefused();
      return this.#haveRecovered();
    });
    const voters = this.servers.filter(({ id }) => ids.includes(id));
    // Whoever is not sound by now never will be: without it, or not at all.
    const outside = voters.filter((server) => server.isOut || server.probe!.isSuspect())
      .map((server) => server.id);
    while (outside.length * 2 < ids.length - 2 && ids.length - outside.length > 1) {
      const others = voters.filter((server) => !outside.includes(server.id));
      // Often the leader: the majority has to notice, and to do without it.
      const leader = others.find(({ probe }) => probe?.isOpen() === true && probe.isLeader());
      const id = (this.#random.chance(0.6) ? leader : undefined)?.id ??
        this.#random.pick(others).id;
      outside.push(id);
      if (this.#random.chance(0.5)) break;
    }
    const core = this.servers.map(({ id }) => id).filter((id) => !outside.includes(id));
    const cuts = between(core, outside);
    // Outside servers are cut off wholly, or keep sending into the core, or only hear it.
    const shape = this.#random.between(0, 2);
    for (const [from, to] of cuts) {
      const intoCore = core.includes(to);
      if (shape === 0 || (shape === 1) === intoCore) this.fabric.cut(from, to);
    }
    for (const server of this.servers) {
      if (outside.includes(server.id)) this.#setting.unreachable.add(server.id);
    }
    for (const connection of [...this.#setting.connections]) {
      if (outside.includes(connection.server.id)) connection.reset();
    }
    this.#demandProgress("no progress of a healed majority");
  }

  /** Where somebody is out for good, suspicion can't end, as it takes all voters' word. */
  #haveRecovered(): boolean {
    const members = this.#members();
    const anyOut = members.length < membersOf(this.checks.ledgerVotings.current).length;
    return members.every(({ probe }) => probe?.isOpen() === true && (anyOut || !probe.isSuspect()));
  }

  healAll(): void {
    this.#phase("heal");
    this.faults.healAll();
    this.#demandProgress("no progress after healing");
  }

  /** Who is lost is removed, and replaced where that was drawn; who was added to vote does. */
  settleMembers(): void {
    const { operator } = this;
    if (operator === null) return;
    this.#demandProgress("no progress before the last changes of members");
    this.#phase("members");
    this.#setting.pace = "resting";
    operator.settle();
    const { timing: { electionTimeoutMs }, restartMaxMs } = this.options;
    const millis = electionTimeoutMs * 60 + patienceMs(this.options) * 2 + restartMaxMs;
    const seconds = 60 + (millis + this.#catchUpMs()) / 1000;
    this.demand(
      "no end of changes of members",
      seconds,
      () => operator.unsettled() === null,
      () => `${operator.unsettled()}. ${this.describe()}`,
    );
    this.#setting.pace = "hurried";
  }

  #demandProgress(check: string): void {
    const { timing } = this.options;
    const members = this.#members();
    this.#setting.asked = members.length > 0 ? members : this.servers;
    this.#setting.pace = "hurried";
    for (const client of this.clients) client.hurry();
    const writesBefore = this.history.acknowledgedWrites;
    const before = this.history.acknowledged;
    const redisBefore = this.redis?.history.acknowledged ?? -1;
    const seconds = 15 + timing.electionTimeoutMs * 20 / 1000 +
      patienceMs(this.options) * 2 / 1000 +
      this.options.restartMaxMs / 1000;
    this.demand(check, seconds, () => {
      this.#upgradeRefused();
      return this.history.acknowledged >= before + 10 &&
        this.history.acknowledgedWrites > writesBefore &&
        (this.redis?.history.acknowledged ?? 0) > redisBefore;
    });
  }

  /** Every server gets this build, one after the other; then the cluster version has to be raised. */
  upgrade(): void {
    if (this.options.older.length === 0) return;
    this.#phase("upgrade");
    for (const server of this.servers) {
      server.build.isFinal = true;
      if (!server.build.isOlder) continue;
      this.#upgradeOne(server);
      this.#demandProgress("no progress after an upgrade");
    }
    const seconds = 15 + this.options.timing.electionTimeoutMs * 20 / 1000;
    this.demand("no raise of the cluster version", seconds, () => {
      // Whoever is out for good holds it back, also where that shows only now, at its last start.
      return this.servers.some(({ isOut }) => isOut) || this.servers.every(({ probe }) => {
        return probe?.isOpen() === true && probe.clusterVersion() === CLUSTER_VERSION_MAX;
      });
    });
  }

  #beginUpgrade(server: SimServer): void {
    server.build.isOlder = false;
    server.stop(SECOND_US / 10);
  }

  #upgradeOne(server: SimServer): void {
    this.#beginUpgrade(server);
    this.demand("no start of another build", 30, () => server.isOut || server.probe !== null);
  }

  /**
   * A server that was rolled back while the raise was on its way is refused for its build, whatever its log
   * holds: an operator reads that, and starts the later build again. Before, no majority can count on it, and
   * no suspect server becomes sound, as that takes all members' word.
   */
  #upgradeRefused(): void {
    for (const server of this.#refusedForBuild()) this.#upgradeOne(server);
  }

  #refusedForBuild(): SimServer[] {
    if (this.options.older.length === 0) return [];
    const isRaised = this.servers.some(({ probe }) =>
      probe?.isOpen() === true && probe.versionInLog() > 1
    );
    return isRaised ? this.servers.filter(({ build }) => build.isOlder) : [];
  }

  /** Stops the clients; then all servers have to hold and apply the same. */
  converge(): void {
    this.#phase("converge");
    for (const client of this.clients) client.isStopped = true;
    this.redis?.stop();
    this.users?.stop();
    this.sessions?.stop();
    const { timing } = this.options;
    const seconds = 20 + (patienceMs(this.options) * 2 + timing.electionTimeoutMs * 20) / 1000;
    this.demand(
      "a client waits for ever",
      seconds,
      () =>
        this.clients.every((client) => client.waiting === 0) && (this.redis?.isIdle ?? true) &&
        (this.users?.isIdle ?? true) && (this.sessions?.isIdle ?? true),
    );
    // A voter alone commits what its learners have yet to get, at the pace of their windows.
    const convergedSeconds = seconds + this.#catchUpMs() / 1000;
    this.demand("no convergence", convergedSeconds, () => this.#haveConverged());
    this.watches?.settle();
    const behind = () => this.watches?.behind() ?? "";
    this.demand("a watch is not told all", seconds + 60, () => behind() === "", behind);
    const loud = () => this.#removed().filter((server) => !isQuiet(server));
    const names = () => loud().map(({ name }) => name).join(", ");
    this.demand("no quiet of removed servers", seconds, () => loud().length === 0, names);
  }

  /** How long whoever is behind needs to catch up, where its window has room for one entry at a time. */
  #catchUpMs(): number {
    const last = this.#members().map(({ probe }) =>
      probe?.isOpen() === true ? probe.lastIndex() : 0
    );
    return (this.checks.committedIndex - Math.min(...last)) * appendMs(this.options);
  }

  /**
   * Those that were members, and run. Whose log never came to list it can't know that it was one, nor hear of
   * it where all that it knows of are gone, too, or elsewhere.
   */
  #removed(): SimServer[] {
    const members = this.#members();
    return this.servers.filter((server) =>
      !server.isOut && !members.includes(server) && this.checks.knowsItself(server.id) &&
      members.some((member) => this.#dials(server, member))
    );
  }

  #dials(server: SimServer, { id, serverId, address }: SimServer): boolean {
    return membersOf(this.checks.votingOf(server.id)).includes(id) &&
      server.links.some(({ link }) =>
        link.peerId === serverId && link.addresses.some(({ port }) => port === address.logPort)
      );
  }

  #haveConverged(): boolean {
    const target = this.checks.committedIndex;
    return this.#members().every(({ probe }) =>
      probe?.isOpen() === true && probe.appliedIndex() === target &&
      probe.lastIndex() === target
    );
  }

  /** A last client reads every key; what it sees becomes part of the history. */
  readBack(): void {
    this.#phase("read back");
    const keys = [...new Set(this.history.operations.map((operation) => operation.key))];
    for (const other of this.clients) other.leave();
    this.users?.leave();
    this.watches?.leave();
    const hasReadRedis = this.redis?.readBack() ?? (() => true);
    const hasReadSessions = this.sessions?.readBack() ?? (() => true);
    const client = new Client(this.#setting, 0, this.#random.fork(), keys);
    this.clients.push(client);
    this.demand(
      "no reading back",
      60,
      () => hasReadRedis() && hasReadSessions() && client.hasReadAll,
    );
  }

  /** Behind the last client nothing may be left: no connection, no buffer, no waiting command, no timer. */
  cleanUp(): void {
    this.#phase("clean up");
    for (const client of this.clients) client.leave();
    const leftovers = () => this.#members().flatMap((server) => server.leftovers());
    const seconds = 10 + this.options.timing.electionTimeoutMs / 100;
    this.demand("leftovers", seconds, () => leftovers().length === 0, () => leftovers().join("; "));
  }

  judge(): void {
    this.#phase("judge");
    const { operations } = this.history;
    const mayExpire = (key: string) => key.startsWith("expiring");
    const claim = checkVersions(operations, (key) => ({ expires: mayExpire(key) }));
    if (claim !== null) throw new CheckFailure("linearizability by versions", claim);
    const verdict = searchHistory(operations, SEARCH_STATES_MAX, (key) => !mayExpire(key));
    if (verdict.result === "illegal") throw new CheckFailure("linearizability", verdict.why);
    this.searched = verdict.result === "legal";
    this.redis?.judge();
    this.users?.count();
    this.sessions?.judge();
  }

  /** Runs on until `holds`, for `seconds` at most: else `check` has failed. */
  demand(
    check: string,
    seconds: number,
    holds: () => boolean,
    describe = () => this.describe(),
  ): void {
    const untilUs = this.world.now + seconds * SECOND_US;
    while (!holds()) {
      if (this.world.now >= untilUs) {
        throw new CheckFailure(
          check,
          `not within ${seconds} simulated seconds. ${describe()}`,
        );
      }
      this.world.run(this.world.now + SECOND_US / 20);
    }
  }

  /** The servers' states, for a failure's message. */
  describe(): string {
    const states = this.servers.map(({ name, probe, isPaused }) => {
      if (probe === null) return `${name} down`;
      if (!probe.isOpen()) return `${name} unformed`;
      return `${name}${isPaused ? " paused" : ""}${probe.isLeader() ? " LEADER" : ""} term ` +
        `${probe.term()} last ${probe.lastIndex()} commit ${probe.commitIndex()} applied ` +
        `${probe.appliedIndex()}`;
    });
    return `${states.join("; ")}; ${this.history.acknowledged} operations acknowledged`;
  }

  #phase(name: string): void {
    this.world.trace.line(this.world.now, "world", "phase", name);
  }

  runAll(): void {
    this.warmUp();
    this.breakThings();
    if (this.options.coreFirst) this.healCore();
    this.healAll();
    this.settleMembers();
    this.upgrade();
    this.converge();
    this.readBack();
    this.cleanUp();
    this.judge();
  }

  result(failure: unknown): SimResult {
    const { world, checks, history } = this;
    const error = failure instanceof Error ? failure : null;
    const cause = error?.cause instanceof Error ? error.cause : error;
    return {
      seed: this.options.seed,
      check: error === null ? null : error instanceof CheckFailure ? error.check : "exception",
      message: error?.message ?? "",
      stack: cause?.stack ?? "",
      hash: world.trace.hash.hex(),
      events: world.events,
      simulatedMs: world.now / 1000,
      acknowledged: history.acknowledged,
      elections: checks.elections,
      digestsCompared: checks.digestsCompared,
      searched: this.searched,
      marks: this.marks.all(world.counters),
      counters: world.counters.all(),
      strikes: error === null ? [] : this.faults.strikes,
    };
  }
}

/** It was told that it was removed, has said so, and does not try to lead. */
function isQuiet({ probe, hasSaidRemoved }: SimServer): boolean {
  return probe?.raft()?.role.kind === "follower" && hasSaidRemoved;
}

/** Runs one seed, or another `scenario` on its world. Never throws: what failed is in the result. */
export function simulate(
  options: SimOptions,
  factory: ServerFactory,
  sink: LineSink = null,
  verbose = false,
  scenario: (simulation: Simulation) => void = (simulation) => simulation.runAll(),
): SimResult {
  const simulation = new Simulation(options, factory, sink, verbose);
  return withoutOutside(() => {
    try {
      watchingPaths((mark) => simulation.marks.path(mark), () => scenario(simulation));
      return simulation.result(null);
    } catch (error) {
      return simulation.result(error instanceof Error ? error : new Error(String(error)));
    }
  });
}
