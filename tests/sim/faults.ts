/** What goes wrong, and when: each kind of fault comes by itself, at drawn moments, for a drawn while. */
import { Random } from "../../lib/util/random.ts";
import type { Atlas } from "./atlas.ts";
import type { ClientConnection } from "./client_connection.ts";
import type { Fabric } from "./fabric.ts";
import type { Handler, SimEvent } from "./heap.ts";
import { Kind } from "./kinds.ts";
import { type FaultName, type SimOptions, type Strike, TIMED_FAULTS } from "./options.ts";
import type { SimServer } from "./sim_server.ts";
import { LeaderFaults } from "./leader_faults.ts";
import { NetworkFaults } from "./network_faults.ts";
import type { Operator } from "./operator.ts";
import { crash, CUT_WHOLLY, NewLeaderFaults } from "./new_leader_faults.ts";
import { isLeading, SnapshotFaults } from "./snapshot_faults.ts";

export interface FaultSetting {
  readonly fabric: Fabric;
  readonly options: SimOptions;
  readonly servers: readonly SimServer[];
  readonly unreachable: Set<number>;
  readonly connections: Set<ClientConnection>;
  readonly atlas: Atlas;
  /** Who changes the members; null where they stay. */
  readonly operator: Operator | null;
}

/** A fault at a new leader comes within so many mean round trips. */
const NEW_LEADER_ROUND_TRIPS = 4;
const HOUR_MS = 3_600_000;

export class Faults implements Handler {
  readonly #setting: FaultSetting;
  readonly #snapshots: SnapshotFaults;
  readonly #leaders: LeaderFaults;
  readonly #newLeaders: NewLeaderFaults;
  readonly #network: NetworkFaults;
  readonly #random: Random;
  /** How to take back what lasts, by the number in its end event. */
  readonly #active = new Map<number, () => void>();
  #nextId = 1;
  /** Times between faults are stretched by this: see `ease`. */
  #stretch = 1;
  #isOn = false;
  #beganUs = 0;
  /** Who had the last piece of a snapshot last; 0 where nobody did. */
  #receiver = 0;
  /** Whose repair was about to end last. */
  #settling = 0;
  /** What struck so far, to do it again. */
  readonly strikes: Strike[] = [];

  constructor(setting: FaultSetting, random: Random) {
    this.#setting = setting;
    this.#snapshots = new SnapshotFaults(setting, this);
    this.#leaders = new LeaderFaults(setting, this);
    this.#newLeaders = new NewLeaderFaults(setting, this);
    this.#network = new NetworkFaults(setting, this, () => this.#isOn);
    this.#random = random;
  }

  begin(): void {
    this.#isOn = true;
    const { options, fabric, servers } = this.#setting;
    this.#beganUs = fabric.world.now;
    for (const server of servers) {
      server.timer.lateMs = options.timersLate * options.timing.electionTimeoutMs;
    }
    if (options.schedule !== null) {
      for (const [at, strike] of options.schedule.entries()) {
        fabric.world.schedule(strike.atUs, this, Kind.faultBegin, 1, at);
      }
      return;
    }
    for (const [at, name] of TIMED_FAULTS.entries()) {
      if (options.faults[name] !== undefined) this.#scheduleNext(at, name);
    }
  }

  /** Fewer faults from here on. */
  ease(): void {
    this.#stretch *= 1.5;
    const { fabric } = this.#setting;
    const { loss, late } = fabric.options;
    fabric.options = { ...fabric.options, loss: loss * 0.7, late: late * 0.7 };
  }

  /** A server has just won an election: its first moments are the ones that most proofs are about. */
  elected(): void {
    const { options, fabric } = this.#setting;
    if (!this.#isOn) return;
    if (this.#newLeaders.isChasing) return this.#newLeaders.chaseNewest();
    if (options.schedule !== null) return;
    if (!this.#random.chance(options.newLeaderFault / this.#stretch)) return;
    const { delayMinMs, delayMeanMs } = options.network;
    const roundTripMs = 2 * (delayMinMs + delayMeanMs) + options.disk.syncMeanMs;
    const delayMs = this.#random.unit() ** 2 * NEW_LEADER_ROUND_TRIPS * roundTripMs;
    fabric.world.schedule(delayMs * 1000, this, Kind.faultBegin, 2, 0);
  }

  /** A leader holds older entries on a majority that another could still overwrite. */
  atFigureEight(): void {
    const { options, fabric } = this.#setting;
    if (!this.#isOn || options.schedule !== null) return;
    if (!this.#newLeaders.isChasing && !this.#random.chance(options.newLeaderFault)) return;
    fabric.world.schedule(0, this, Kind.faultBegin, 3, 0);
  }

  /** A server has all of a snapshot, and begins to make it durable. */
  atWholeSnapshot(receiver: number): void {
    const { options, fabric } = this.#setting;
    this.#receiver = receiver;
    if (!this.#isOn || options.schedule !== null) return;
    if (!this.#random.chance(options.installFault / this.#stretch)) return;
    fabric.world.schedule(0, this, Kind.faultBegin, 4, 0);
  }

  /** A leader has evaluated reads that no round confirms yet: nobody may hear what they said. */
  atEarlyReads(): void {
    this.#atMoment(5);
  }

  /** A server has all that it had lost again, and makes it durable. */
  atSettling(server: number): void {
    this.#settling = server;
    this.#atMoment(6);
  }

  #atMoment(life: number): void {
    const { options, fabric } = this.#setting;
    if (!this.#isOn || options.schedule !== null) return;
    if (!this.#random.chance(options.momentFault / this.#stretch)) return;
    fabric.world.schedule(0, this, Kind.faultBegin, life, 0);
  }

  /** No new faults, and all that last are taken back; who is out for good stays out. */
  healAll(): void {
    this.#isOn = false;
    for (const undo of this.#active.values()) undo();
    this.#active.clear();
    const { fabric, servers, unreachable } = this.#setting;
    fabric.mendAll();
    fabric.options = { ...fabric.options, loss: 0, duplicate: 0, reorder: 0, late: 0, damaged: 0 };
    unreachable.clear();
    for (const server of servers) this.healServer(server);
  }

  healServer(server: SimServer): void {
    server.disk.heal();
    server.timer.lateMs = 0;
    server.resume();
    if (server.isDown) server.restartIn(this.#random.between(1_000, 100_000));
  }

  #scheduleNext(at: number, name: FaultName): void {
    const { meanIntervalMs } = this.#setting.options.faults[name]!;
    const drawn = -Math.log(1 - this.#random.unit()) * meanIntervalMs * this.#stretch;
    this.#setting.fabric.world.schedule(drawn * 1000, this, Kind.faultBegin, 0, at);
  }

  handle(event: SimEvent): void {
    if (event.call !== null) return event.call();
    if (event.kind === Kind.faultEnd) {
      const undo = this.#active.get(event.a);
      this.#active.delete(event.a);
      if (undo === undefined) return;
      undo();
      return;
    }
    if (!this.#isOn) return;
    if (event.life === 1) return this.#strike(this.#setting.options.schedule![event.a]!);
    if (event.life === 2) return this.#strike(this.#draw("newLeader"));
    if (event.life === 3) return this.#strike(this.#draw("figureEight"));
    if (event.life === 4) return this.#strike(this.#draw("installing"));
    if (event.life === 5) return this.#strike(this.#draw("earlyReads"));
    if (event.life === 6) return this.#strike(this.#draw("settling"));
    const name = TIMED_FAULTS[event.a]!;
    this.#scheduleNext(event.a, name);
    this.#strike(this.#draw(name));
  }

  #draw(name: FaultName): Strike {
    const { faults, timing } = this.#setting.options;
    const limits = faults[name];
    const low = limits?.durationMinMs ?? timing.electionTimeoutMs;
    const high = limits?.durationMaxMs ?? 3 * timing.electionTimeoutMs;
    const durationMs = low + this.#random.unit() * Math.max(0, high - low);
    const atUs = this.#setting.fabric.world.now - this.#beganUs;
    return { atUs, name, durationMs, seed: this.#random.u32() };
  }

  #strike(strike: Strike): void {
    const { world } = this.#setting.fabric;
    const { name, durationMs } = strike;
    const undo = this.inject(name, durationMs, new Random(strike.seed));
    if (undo === null) return;
    this.strikes.push(strike);
    world.counters.add(`fault ${name}`);
    const id = this.#nextId++;
    this.#active.set(id, undo);
    world.schedule(durationMs * 1000, this, Kind.faultEnd, 0, id);
  }

  /** Does one fault now; returns how to take it back, null where there was nothing to hit. */
  inject(name: FaultName, durationMs: number, random: Random): (() => void) | null {
    const server = this.#victim(random);
    this.#line(name, `server ${server.id} for ${durationMs.toFixed(1)} ms`);
    switch (name) {
      case "crash":
        if (server.isDown) return null;
        return crash([server], this.#setting.options, random);
      case "crashAll":
        return crash(this.#setting.servers, this.#setting.options, random);
      case "crashInDisk":
        // Where it is down, this ends its next start.
        server.disk.crashSoon();
        return nothing;
      case "pause":
        if (server.isDown || server.isPaused) return null;
        server.pause(random.chance(0.3));
        return () => server.resume();
      case "partition":
      case "oneWayCut":
        // Often the leader, as long as clients reach it.
        return this.#network.cut(this.#victim(random).id, name === "oneWayCut", random);
      case "clog":
        return this.#network.clog(durationMs, random);
      case "swizzle":
        return this.#network.swizzle(durationMs, random);
      case "sleepingLeader":
        return this.#newLeaders.sleep(durationMs, random);
      case "chase":
        return this.#newLeaders.beginChase(durationMs);
      case "lag":
        return this.#snapshots.leaveBehind(durationMs, random);
      case "newLeader":
        return this.#newLeaders.hit(random.between(0, 3), random);
      case "figureEight":
        return this.#newLeaders.hit(CUT_WHOLLY, random, true);
      case "installing":
        return this.#snapshots.hitReceiver(this.#receiver, durationMs, random);
      case "overtaken":
        return this.#leaders.overtake(durationMs, random);
      case "members":
        return this.#setting.operator?.begin(random) ?? null;
      case "stop":
        return this.#stop(server, random);
      case "earlyReads":
        return this.#newLeaders.hit(CUT_WHOLLY, random);
      case "settling":
        this.#setting.servers.find(({ id }) => id === this.#settling)?.disk.stall(durationMs);
        return nothing;
      case "wipe":
      case "damage":
      case "damageEnd":
        return this.#harm(name, random);
      case "connectionReset":
        return this.#network.resetSome(random);
      case "clientCut":
        return this.#network.cutClients(server);
      case "clockStep":
        server.clock.stepWall((random.unit() * 2 - 1) * HOUR_MS);
        return nothing;
      case "clockDrift":
        server.clock.setRate(0.9 + random.unit() * 0.2);
        return nothing;
      case "clockFreeze":
        server.clock.freeze(durationMs * 1000);
        return nothing;
      case "diskStall":
        server.disk.stall(random.chance(0.1) ? durationMs * 4 : durationMs);
        return nothing;
      case "diskError":
        if (server.isDown) return null;
        server.condition.mayExit = true;
        server.disk.failNext(random.chance(0.6) ? "sync" : random.pick(["write", "read"] as const));
        return nothing;
      case "diskFull":
        server.condition.mayExit = true;
        server.disk.setFull(true, random.chance(0.5));
        return () => server.disk.setFull(false);
    }
  }

  /** Half of the time the leader, where there is one. */
  #victim(random: Random): SimServer {
    const { servers } = this.#setting;
    const leaders = servers.filter(isLeading);
    return leaders.length > 0 && random.chance(0.5) ? random.pick(leaders) : random.pick(servers);
  }

  /** A process is asked to end in order: one that leads hands over. */
  #stop(server: SimServer, random: Random): (() => void) | null {
    if (server.isDown || server.isPaused) return null;
    server.orders.stop(random.between(1_000, this.#setting.options.restartMaxMs * 1000));
    return nothing;
  }

  /** One of a minority that may lose data does: all of it, or some bytes. It is down meanwhile. */
  #harm(name: "wipe" | "damage" | "damageEnd", random: Random): (() => void) | null {
    const { servers, options, atlas, operator } = this.#setting;
    if (options.damageable.length === 0) return null;
    if (operator?.isReady === false) return null;
    // Where members change, any of them may be among the minority of the day.
    const ids = operator === null ? options.damageable : servers.map(({ id }) => id);
    const id = random.pick(ids);
    const server = servers.find((candidate) => candidate.id === id);
    if (server === undefined || !atlas.mayHarm(server)) return null;
    server.crash(`a fault: ${name}`);
    server.harm(name, random);
    server.restartIn(random.between(1_000, options.restartMaxMs * 1000));
    return nothing;
  }

  #line(name: string, detail: string): void {
    const { world } = this.#setting.fabric;
    world.trace.line(world.now, "fault", name, detail);
  }
}

function nothing(): void {}
