/**
 * One seed from beginning to end: form and warm up, break things, heal a majority or all of it, demand
 * progress and convergence, read everything back, judge the history.
 */
import { Random } from "../../lib/util/random.ts";
import { searchHistory } from "../lincheck/search.ts";
import { checkVersions } from "../lincheck/versions.ts";
import { Atlas } from "./atlas.ts";
import { StateChecks } from "./checks.ts";
import { Client, type ClientSetting } from "./client.ts";
import { SimClock } from "./clock.ts";
import { Fabric } from "./fabric.ts";
import { Faults } from "./faults.ts";
import { withoutOutside } from "./globals.ts";
import { History } from "./history.ts";
import { FormingFaults } from "./forming_faults.ts";
import type { SimOptions, Strike } from "./options.ts";
import { Marks } from "./marks.ts";
import { between } from "./partitions.ts";
import { watchingPaths } from "./path_marks.ts";
import { patienceMs } from "./patience.ts";
import { RedisWorkload } from "./redis_workload.ts";
import type { ServerFactory } from "./server_factory.ts";
import { type ServerSetting, SimServer } from "./sim_server.ts";
import { StreamChecks } from "./stream_checks.ts";
import { type LineSink, Trace } from "./trace.ts";
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
  readonly servers: SimServer[] = [];
  readonly clients: Client[] = [];
  readonly history = new History();
  readonly checks = new StateChecks();
  readonly marks: Marks;
  readonly faults: Faults;
  readonly redis: RedisWorkload | null;
  readonly #setting: ClientSetting;
  readonly #random: Random;
  searched = true;

  constructor(options: SimOptions, factory: ServerFactory, sink: LineSink, verbose: boolean) {
    this.options = options;
    const random = new Random(options.seed ^ 0x5eed);
    this.#random = random;
    this.world = new World(new Trace(sink, verbose));
    this.fabric = new Fabric(this.world, options.servers, options.network, random.fork());
    const { world, fabric, checks, servers } = this;
    const atlas = new Atlas(servers);
    const marks = this.marks = new Marks(servers, options.origin);
    checks.onTruncation = (behind, durable) => marks.truncated(behind, durable);
    const streams = new StreamChecks(options.storage.catchUpBytes === 0);
    fabric.onFrame = (from, to, frame) => {
      const sender = servers[from - 1]!.streaming;
      if (sender !== null) streams.sent(sender, to, frame);
      const acked = factory.ackOf(frame);
      if (acked !== null) checks.ackSent(from, acked - options.origin.index);
      if (factory.isTakeOver(frame)) checks.takeOverOrdered(from, to);
      const vote = factory.voteOf(frame);
      if (vote === null) return;
      checks.voteSent(from, { ...vote, term: vote.term - options.origin.term });
      this.marks.vote(from, vote.term, vote.candidate);
    };
    const setting: ServerSetting = {
      world,
      fabric,
      options,
      factory,
      checks,
      atlas,
      marks,
      streams,
      servers,
    };
    for (let id = 1; id <= options.servers; id++) {
      const drawn = random.fork();
      const offsetMs = (drawn.unit() * 2 - 1) * options.wallOffsetMaxMs;
      const clock = new SimClock(world, offsetMs, 1 + (drawn.unit() * 2 - 1) * options.driftMax);
      servers.push(new SimServer(setting, id, clock, drawn));
    }
    const unreachable = new Set<number>();
    this.#setting = {
      fabric,
      options,
      servers,
      history: this.history,
      unreachable,
      connections: new Set(),
      nextConnectionId: 1,
      isInHurry: false,
    };
    this.redis = options.redis === null ? null : new RedisWorkload(this.#setting, options.redis);
    const { connections } = this.#setting;
    const shared = { fabric, options, servers, unreachable, connections, atlas };
    this.faults = new Faults(shared, random.fork());
    checks.onElection = () => this.faults.elected();
    marks.onFigureEight = () => this.faults.atFigureEight();
    marks.onWholeSnapshot = (id) => this.faults.atWholeSnapshot(id);
    marks.onSettling = (id) => this.faults.atSettling(id);
    marks.onEarlyReads = () => this.faults.atEarlyReads();
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
    this.demand("no recovery of suspect servers", 60, () => this.#haveRecovered());
    const ids = this.servers.map((server) => server.id);
    // Whoever is not sound by now never will be: without it, or not at all.
    const outside = this.servers.filter((server) => server.isOut || server.probe!.isSuspect())
      .map((server) => server.id);
    while (outside.length * 2 < ids.length - 2 && ids.length - outside.length > 1) {
      const others = this.servers.filter((server) => !outside.includes(server.id));
      // Often the leader: the majority has to notice, and to do without it.
      const leader = others.find(({ probe }) => probe?.isOpen() === true && probe.isLeader());
      const id = (this.#random.chance(0.6) ? leader : undefined)?.id ??
        this.#random.pick(others).id;
      outside.push(id);
      if (this.#random.chance(0.5)) break;
    }
    const core = ids.filter((id) => !outside.includes(id));
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
    const anyOut = this.servers.some((server) => server.isOut);
    return this.servers.every(({ probe, isOut }) =>
      isOut || (probe?.isOpen() === true && (anyOut || !probe.isSuspect()))
    );
  }

  healAll(): void {
    this.#phase("heal");
    this.faults.healAll();
    this.#demandProgress("no progress after healing");
  }

  #demandProgress(check: string): void {
    const { timing } = this.options;
    this.#setting.isInHurry = true;
    for (const client of this.clients) client.hurry();
    const writesBefore = this.history.acknowledgedWrites;
    const before = this.history.acknowledged;
    const redisBefore = this.redis?.history.acknowledged ?? -1;
    const seconds = 15 + timing.electionTimeoutMs * 20 / 1000 +
      patienceMs(this.options) * 2 / 1000 +
      this.options.restartMaxMs / 1000;
    this.demand(check, seconds, () =>
      this.history.acknowledged >= before + 10 &&
      this.history.acknowledgedWrites > writesBefore &&
      (this.redis?.history.acknowledged ?? 0) > redisBefore);
  }

  /** Every server gets this build, one after the other; then the cluster version has to be raised. */
  upgrade(): void {
    if (this.options.older.length === 0) return;
    this.#phase("upgrade");
    for (const server of this.servers) {
      server.build.isFinal = true;
      if (!server.build.isOlder) continue;
      server.build.isOlder = false;
      server.stop(SECOND_US / 10);
      this.demand("no start of another build", 30, () => server.isOut || server.probe !== null);
      this.#demandProgress("no progress after an upgrade");
    }
    if (this.servers.some(({ isOut }) => isOut)) return;
    const seconds = 15 + this.options.timing.electionTimeoutMs * 20 / 1000;
    this.demand("no raise of the cluster version", seconds, () => {
      return this.servers.every(({ probe }) => {
        return probe?.isOpen() === true && probe.clusterVersion() === 2;
      });
    });
  }

  /** Stops the clients; then all servers have to hold and apply the same. */
  converge(): void {
    this.#phase("converge");
    for (const client of this.clients) client.isStopped = true;
    this.redis?.stop();
    const { timing } = this.options;
    const seconds = 20 + (patienceMs(this.options) * 2 + timing.electionTimeoutMs * 20) / 1000;
    this.demand(
      "a client waits for ever",
      seconds,
      () => this.clients.every((client) => client.waiting === 0) && (this.redis?.isIdle ?? true),
    );
    this.demand("no convergence", seconds, () => this.#haveConverged());
  }

  #haveConverged(): boolean {
    const target = this.checks.committedIndex;
    return this.servers.every(({ probe, isOut }) =>
      isOut ||
      (probe?.isOpen() === true && probe.appliedIndex() === target &&
        probe.lastIndex() === target)
    );
  }

  /** A last client reads every key; what it sees becomes part of the history. */
  readBack(): void {
    this.#phase("read back");
    const keys = [...new Set(this.history.operations.map((operation) => operation.key))];
    for (const other of this.clients) other.leave();
    const hasReadRedis = this.redis?.readBack() ?? (() => true);
    const client = new Client(this.#setting, 0, this.#random.fork(), keys);
    this.clients.push(client);
    this.demand("no reading back", 60, () => hasReadRedis() && client.hasReadAll);
  }

  /** Behind the last client nothing may be left: no connection, no buffer, no waiting command, no timer. */
  cleanUp(): void {
    this.#phase("clean up");
    for (const client of this.clients) client.leave();
    const leftovers = () => this.servers.flatMap((server) => server.leftovers());
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
    const states = this.servers.map(({ id, probe, isPaused }) => {
      if (probe === null) return `server ${id} down`;
      if (!probe.isOpen()) return `server ${id} unformed`;
      return `server ${id}${isPaused ? " paused" : ""}${probe.isLeader() ? " LEADER" : ""} term ` +
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
