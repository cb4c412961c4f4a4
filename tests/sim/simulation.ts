/**
 * One seed from beginning to end: form and warm up, break things, heal a majority or all of it, demand
 * progress and convergence, read everything back, judge the history.
 */
import { CLUSTER_VERSION_MAX } from "../../lib/kv/cluster_version.ts";
import { Random } from "../../lib/util/random.ts";
import { BuildChanges } from "./build_changes.ts";
import type { StateChecks } from "./checks.ts";
import { SimCluster } from "./cluster.ts";
import { catchUpMs, haveConverged, haveRecovered, loudRemoved } from "./convergence.ts";
import { Demands } from "./demands.ts";
import type { Fabric } from "./fabric.ts";
import { Faults } from "./faults.ts";
import { FormingFaults } from "./forming_faults.ts";
import type { History } from "./history.ts";
import { leaveOut } from "./left_out.ts";
import type { Marks } from "./marks.ts";
import { drawMembers, type MembersOptions } from "./member_options.ts";
import { Operator } from "./operator.ts";
import type { SimOptions } from "./options.ts";
import { patienceMs } from "./patience.ts";
import type { RedisWorkload } from "./redis_workload.ts";
import type { ServerFactory } from "./server_factory.ts";
import { leftoversOf } from "./server_leftovers.ts";
import type { Origins } from "./server_setting.ts";
import type { SimServer } from "./sim_server.ts";
import { type LineSink, Trace } from "./trace.ts";
import { Workloads } from "./workloads.ts";
import { SECOND_US, World } from "./world.ts";

/** How long the faulty phase may go on for its operations, and how often it gets easier meanwhile. */
const EXTRA_MINUTES_MAX = 15;
const EASE_SECONDS = 20;
/** Changes after the end of a run that keeps its founders; and draws for each that may find nothing to do. */
const LAST_CHANGES = 2;
const LAST_TRIES = 10;

export class Simulation {
  readonly options: SimOptions;
  readonly world: World;
  readonly cluster: SimCluster;
  readonly workloads: Workloads;
  readonly faults: Faults;
  /** Who changes the members while the run goes on; null where they stay until its end. */
  readonly operator: Operator | null;
  /** Of the run without the changes after its end. */
  #hash: string | null = null;
  readonly #demands: Demands;
  readonly #builds: BuildChanges;
  readonly #random: Random;

  constructor(options: SimOptions, factory: ServerFactory, sink: LineSink, verbose: boolean) {
    this.options = options;
    const random = this.#random = new Random(options.seed ^ 0x5eed);
    const world = this.world = new World(new Trace(sink, verbose));
    const cluster = this.cluster = new SimCluster(options, factory, world, random);
    this.workloads = new Workloads(cluster);
    const { fabric, servers, atlas, marks, checks } = cluster;
    const operator = this.operator = options.members === null
      ? null
      : this.#newOperator(options.members);
    const { unreachable, connections } = this.workloads.setting;
    const shared = { fabric, options, servers, unreachable, connections, atlas, operator };
    const faults = this.faults = new Faults(shared, random.fork());
    checks.onElection = () => faults.elected();
    marks.onFigureEight = () => faults.atFigureEight();
    marks.onWholeSnapshot = (id) => faults.atWholeSnapshot(id);
    marks.onSettling = (id) => faults.atSettling(id);
    marks.onEarlyReads = () => faults.atEarlyReads();
    this.#demands = new Demands(world, () => this.describe());
    this.#builds = new BuildChanges(cluster, this.#demands);
  }

  #newOperator(options: MembersOptions): Operator {
    const { cluster } = this;
    const { fabric, servers, everyServer, addresses, atlas, checks } = cluster;
    const addServer = (origins: Origins) => cluster.addServer(origins);
    const parts = { fabric, options, servers, checks, atlas, addresses, everyServer, addServer };
    return new Operator(parts, new Random(this.options.seed ^ 0x09e7));
  }

  /** Of what happened, but for the changes of members after the end of a run that keeps its founders. */
  get hash(): string {
    return this.#hash ?? this.world.trace.hash.hex();
  }

  get servers(): SimServer[] {
    return this.cluster.servers;
  }

  get fabric(): Fabric {
    return this.cluster.fabric;
  }

  get checks(): StateChecks {
    return this.cluster.checks;
  }

  get marks(): Marks {
    return this.cluster.marks;
  }

  get history(): History {
    return this.workloads.history;
  }

  get redis(): RedisWorkload | null {
    return this.workloads.redis;
  }

  /** Starts servers and clients, and waits until the first operations are acknowledged. */
  warmUp(): void {
    for (const server of this.servers) {
      server.restartIn(this.#random.between(0, SECOND_US));
      if (this.options.crashesAtFirst && this.#random.chance(0.7)) server.disk.crashSoon();
    }
    this.workloads.begin(this.#random);
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
      for (const server of this.#builds.refused()) this.#builds.begin(server);
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
    // Who votes alone commits at the pace of its disk: no suspect learner's window keeps up with that.
    const isAlone = this.checks.ledgerVotings.current.voters.length === 1;
    if (isAlone) this.workloads.setting.pace = "resting";
    const seconds = 60 + (isAlone ? catchUpMs(this.cluster) / 1000 : 0);
    this.demand("no recovery of suspect servers", seconds, () => {
      this.#builds.upgradeRefused();
      return haveRecovered(this.cluster);
    });
    leaveOut(this.cluster, this.workloads.setting, this.#random);
    this.#demandProgress("no progress of a healed majority");
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
    this.workloads.setting.pace = "resting";
    this.#settle(operator);
    this.workloads.setting.pace = "hurried";
  }

  #settle(operator: Operator): void {
    operator.settle();
    const { timing: { electionTimeoutMs }, restartMaxMs } = this.options;
    const millis = electionTimeoutMs * 60 + patienceMs(this.options) * 2 + restartMaxMs;
    const seconds = 60 + (millis + catchUpMs(this.cluster)) / 1000;
    this.demand(
      "no end of changes of members",
      seconds,
      () => operator.unsettled() === null,
      () => `${operator.unsettled()}. ${this.describe()}`,
    );
  }

  /**
   * A run that keeps its founders changes members after its end: what its servers have been through must not
   * stand in the way. Nothing else fails meanwhile. Drawn apart, and no part of the run's hash.
   */
  changeAtLast(): void {
    // The fake node has no core, and so no members that could change.
    const hasCore = this.servers.some(({ probe }) => (probe?.raft() ?? null) !== null);
    if (this.operator !== null || !hasCore) return;
    this.#hash = this.world.trace.hash.hex();
    const random = new Random(this.options.seed ^ 0x1a57);
    const operator = this.#newOperator(drawMembers(random));
    // Whoever is out for good may hold the raise of the cluster version back, see `upgrade`.
    const mayStay = () => operator.isReady || this.servers.some(({ isOut }) => isOut);
    this.demand("no raise of the cluster version at last", this.#raiseSeconds, mayStay);
    if (!operator.isReady) return;
    this.#phase("last changes");
    for (let i = 0; i < LAST_CHANGES; i++) {
      for (let tries = 0; tries < LAST_TRIES && operator.begin(random) === null;) tries++;
    }
    this.demand("a change takes for ever", 60, () => !operator.isAtWork);
    this.#settle(operator);
    this.demand(
      "no convergence after the last changes",
      60 + catchUpMs(this.cluster) / 1000,
      () => haveConverged(this.cluster),
    );
    this.world.counters.add("members changed after the end");
  }

  #demandProgress(check: string): void {
    const { timing, clientHosts = 0, limits: { perAddress } } = this.options;
    const { setting, clients, redis } = this.workloads;
    const members = this.cluster.members();
    setting.asked = members.length > 0 ? members : this.servers;
    setting.pace = "hurried";
    for (const client of clients) client.hurry();
    const writesBefore = this.history.acknowledgedWrites;
    const before = this.history.acknowledged;
    const redisBefore = redis?.history.acknowledged ?? -1;
    const isRedisHeard = () => (redis?.history.acknowledged ?? 0) > redisBefore;
    const sharesRate = redis !== null && clientHosts > 0 && perAddress.commandsPerSecond > 0;
    const seconds = 15 + timing.electionTimeoutMs * 20 / 1000 +
      patienceMs(this.options) * 2 / 1000 +
      this.options.restartMaxMs / 1000;
    this.demand(check, seconds, () => {
      this.#builds.upgradeRefused();
      return this.history.acknowledged >= before + 10 &&
        this.history.acknowledgedWrites > writesBefore &&
        (sharesRate || isRedisHeard());
    });
    if (!sharesRate) return;
    // A transaction fails with any of its commands, and the others of its address take what the rate has.
    setting.pace = "yielding";
    this.demand(check, seconds, isRedisHeard);
    setting.pace = "hurried";
  }

  /** Every server gets this build, one after the other; then the cluster version has to be raised. */
  upgrade(): void {
    if (this.options.older.length === 0) return;
    this.#phase("upgrade");
    for (const server of this.servers) {
      server.build.isFinal = true;
      if (!server.build.isOlder) continue;
      this.#builds.upgrade(server);
      this.#demandProgress("no progress after an upgrade");
    }
    this.demand("no raise of the cluster version", this.#raiseSeconds, () => {
      // Whoever is out for good holds it back, also where that shows only now, at its last start.
      return this.servers.some(({ isOut }) => isOut) || this.servers.every(({ probe }) => {
        return probe?.isOpen() === true && probe.clusterVersion() === CLUSTER_VERSION_MAX;
      });
    });
  }

  get #raiseSeconds(): number {
    return 15 + this.options.timing.electionTimeoutMs * 20 / 1000;
  }

  /** Stops the clients; then all servers have to hold and apply the same. */
  converge(): void {
    this.#phase("converge");
    const { workloads, cluster } = this;
    workloads.stop();
    const { timing } = this.options;
    const seconds = 20 + (patienceMs(this.options) * 2 + timing.electionTimeoutMs * 20) / 1000;
    this.demand("a client waits for ever", seconds, () => workloads.isIdle);
    // A voter alone commits what its learners have yet to get, at the pace of their windows.
    const convergedSeconds = seconds + catchUpMs(cluster) / 1000;
    this.demand("no convergence", convergedSeconds, () => haveConverged(cluster));
    workloads.watches?.settle();
    const behind = () => workloads.watches?.behind() ?? "";
    this.demand("a watch is not told all", seconds + 60, () => behind() === "", behind);
    if (workloads.subscribers !== null) {
      // Some may have been removed since clients were told of them last.
      workloads.setting.asked = cluster.members();
      workloads.subscribers.settle();
    }
    const lacks = () => workloads.subscribers?.lacks() ?? "";
    this.demand("a subscriber is not told all", seconds + 60, () => lacks() === "", lacks);
    const loud = () => loudRemoved(cluster);
    const names = () => loud().map(({ name }) => name).join(", ");
    this.demand("no quiet of removed servers", seconds, () => loud().length === 0, names);
  }

  /** A last client reads every key; what it sees becomes part of the history. */
  readBack(): void {
    this.#phase("read back");
    this.demand("no reading back", 60, this.workloads.readBack(this.#random));
  }

  /** Behind the last client nothing may be left: no connection, no buffer, no waiting command, no timer. */
  cleanUp(): void {
    this.#phase("clean up");
    for (const client of this.workloads.clients) client.leave();
    const leftovers = () => this.cluster.members().flatMap(leftoversOf);
    const seconds = 10 + this.options.timing.electionTimeoutMs / 100;
    this.demand("leftovers", seconds, () => leftovers().length === 0, () => leftovers().join("; "));
  }

  judge(): void {
    this.#phase("judge");
    this.workloads.judge();
  }

  /** Runs on until `holds`, for `seconds` at most: else `check` has failed. */
  demand(check: string, seconds: number, holds: () => boolean, describe?: () => string): void {
    this.#demands.demand(check, seconds, holds, describe);
  }

  /** How things are, for a failure's message. */
  describe(): string {
    return `${this.cluster.describe()}; ${this.history.acknowledged} operations acknowledged`;
  }

  #phase(name: string): void {
    this.world.trace.line(this.world.now, "world", "phase", name);
  }

  runAll(): void {
    this.runToItsEnd();
    this.changeAtLast();
  }

  runToItsEnd(): void {
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
}
