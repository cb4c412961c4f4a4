/** What goes wrong, and when: each kind of fault comes by itself, at drawn moments, for a drawn while. */
import { Random } from "../../lib/util/random.ts";
import type { Atlas } from "./atlas.ts";
import type { ClientConnection } from "./client_connection.ts";
import type { Fabric } from "./fabric.ts";
import type { Handler, SimEvent } from "./heap.ts";
import { Kind } from "./kinds.ts";
import { type FaultName, FAULTS, type SimOptions, type Strike } from "./options.ts";
import { between, cutsOf } from "./partitions.ts";
import type { SimServer } from "./sim_server.ts";
import { LeaderFaults } from "./leader_faults.ts";
import { isLeading, SnapshotFaults } from "./snapshot_faults.ts";

export interface FaultSetting {
  readonly fabric: Fabric;
  readonly options: SimOptions;
  readonly servers: readonly SimServer[];
  readonly unreachable: Set<number>;
  readonly connections: Set<ClientConnection>;
  readonly atlas: Atlas;
}

/** A fault at a new leader comes within so many mean round trips. */
const NEW_LEADER_ROUND_TRIPS = 4;
/** The shape of such a fault that sets the leader apart. */
const CUT_WHOLLY = 3;
const HOUR_MS = 3_600_000;

export class Faults implements Handler {
  readonly #setting: FaultSetting;
  readonly #snapshots: SnapshotFaults;
  readonly #leaders: LeaderFaults;
  readonly #random: Random;
  /** How to take back what lasts, by the number in its end event. */
  readonly #active = new Map<number, () => void>();
  #nextId = 1;
  /** Times between faults are stretched by this: see `ease`. */
  #stretch = 1;
  #isOn = false;
  #beganUs = 0;
  /** While a chase is on: see `#beginChase`. */
  #chasedUntilUs = 0;
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
    this.#random = random;
  }

  begin(): void {
    this.#isOn = true;
    const { options, fabric } = this.#setting;
    this.#beganUs = fabric.world.now;
    if (options.schedule !== null) {
      for (const [at, strike] of options.schedule.entries()) {
        fabric.world.schedule(strike.atUs, this, Kind.faultBegin, 1, at);
      }
      return;
    }
    for (const [at, name] of FAULTS.entries()) {
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
    if (fabric.world.now < this.#chasedUntilUs) return this.#chaseNewest();
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
    const isChased = fabric.world.now < this.#chasedUntilUs;
    if (!isChased && !this.#random.chance(options.newLeaderFault)) return;
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
    const name = FAULTS[event.a]!;
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
        return this.#crash([server], random);
      case "crashAll":
        return this.#crash(this.#setting.servers, random);
      case "crashInDisk":
        // Where it is down, this ends its next start.
        server.disk.crashSoon();
        return nothing;
      case "pause":
        if (server.isDown || server.isPaused) return null;
        server.pause();
        return () => server.resume();
      case "partition":
      case "oneWayCut":
        return this.#cut(name === "oneWayCut", random);
      case "clog":
        return this.#clog(durationMs, random);
      case "swizzle":
        return this.#swizzle(durationMs, random);
      case "sleepingLeader":
        return this.#sleep(durationMs, random);
      case "chase":
        return this.#beginChase(durationMs);
      case "lag":
        return this.#snapshots.leaveBehind(durationMs, random);
      case "newLeader":
        return this.#hitNewLeader(random.between(0, 3), random);
      case "figureEight":
        return this.#hitNewLeader(CUT_WHOLLY, random, true);
      case "installing":
        return this.#snapshots.hitReceiver(this.#receiver, durationMs, random);
      case "overtaken":
        return this.#leaders.overtake(durationMs, random);
      case "stop":
        return this.#stop(server, random);
      case "earlyReads":
        return this.#hitNewLeader(CUT_WHOLLY, random);
      case "settling":
        this.#setting.servers.find(({ id }) => id === this.#settling)?.disk.stall(durationMs);
        return nothing;
      case "wipe":
      case "damage":
      case "damageEnd":
        return this.#harm(name, random);
      case "connectionReset":
        return this.#resetSome(random);
      case "clientCut":
        return this.#cutClients(server);
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
        server.mayExit = true;
        server.disk.failNext(random.chance(0.6) ? "sync" : random.pick(["write", "read"] as const));
        return nothing;
      case "diskFull":
        server.mayExit = true;
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

  #crash(servers: readonly SimServer[], random: Random): () => void {
    for (const server of servers) {
      server.crash("a fault");
      server.restartIn(random.between(1_000, this.#setting.options.restartMaxMs * 1000));
    }
    return nothing;
  }

  /** A process is asked to end in order: one that leads hands over. */
  #stop(server: SimServer, random: Random): (() => void) | null {
    if (server.isDown || server.isPaused) return null;
    server.stop(random.between(1_000, this.#setting.options.restartMaxMs * 1000));
    return nothing;
  }

  /** The newest leader goes, or loses touch, before or while its term's first entry gets about. */
  #hitNewLeader(shape: number, random: Random, isFigureEight = false): (() => void) | null {
    const { servers, fabric } = this.#setting;
    const leaders = servers.filter(isLeading).sort((a, b) => b.probe!.term() - a.probe!.term());
    const leader = leaders[0];
    if (leader === undefined) return null;
    if (isFigureEight) this.#freeOthers(leader);
    if (shape === 0) return this.#crash([leader], random);
    if (shape === 1) {
      leader.pause();
      return () => leader.resume();
    }
    // Cut off wholly, or all but one follower.
    const others = servers.filter((server) => server !== leader).map((server) => server.id);
    const kept = shape === 2 && others.length > 0 ? random.pick(others) : 0;
    const cuts = between([leader.id], others.filter((id) => id !== kept));
    if (cuts.length === 0) return null;
    for (const [from, to] of cuts) fabric.cut(from, to);
    return () => {
      for (const [from, to] of cuts) fabric.mend(from, to);
    };
  }

  /**
   * A leader sleeps, and wakes while it is still cut off from the others: it has answers of before its
   * sleep, clients that ask it, and somebody else has taken over.
   */
  #sleep(durationMs: number, random: Random): (() => void) | null {
    const { servers, fabric } = this.#setting;
    const leaders = servers.filter(isLeading);
    if (leaders.length === 0 || servers.length < 3) return null;
    const leader = random.pick(leaders);
    if (leader.isPaused) return null;
    const cuts = between([leader.id], servers.map(({ id }) => id).filter((id) => id !== leader.id));
    leader.pause();
    // A moment later: answers that are under way still come, and wait with it.
    const { delayMinMs, delayMeanMs } = fabric.options;
    let isCut = false;
    let isOver = false;
    const cut = () => {
      if (isOver) return;
      isCut = true;
      for (const [from, to] of cuts) fabric.cut(from, to);
    };
    const cutUs = 2_000 * (delayMinMs + delayMeanMs);
    fabric.world.schedule(cutUs, this, Kind.faultEnd, 0, 0, null, cut);
    const wakeUs = random.unit() * durationMs * 1000;
    const wake = () => leader.resume();
    fabric.world.schedule(wakeUs, this, Kind.faultEnd, 0, 0, null, wake);
    return () => {
      leader.resume();
      isOver = true;
      if (isCut) { for (const [from, to] of cuts) fabric.mend(from, to); }
    };
  }

  /**
   * For a while each new leader is cut off at once, with whatever its clients ask of it, and those cut
   * off before are let back in. So logs part, and come to lead again.
   */
  #beginChase(durationMs: number): (() => void) | null {
    const { servers, fabric } = this.#setting;
    if (servers.length < 3) return null;
    this.#chasedUntilUs = fabric.world.now + durationMs * 1000;
    this.#chaseNewest();
    return () => fabric.mendAll();
  }

  #chaseNewest(): void {
    const { servers, fabric } = this.#setting;
    const leaders = servers.filter(isLeading).sort((a, b) => b.probe!.term() - a.probe!.term());
    const leader = leaders[0];
    if (leader === undefined) return;
    fabric.mendAll();
    // One that comes back with entries that another could overwrite goes on, until a majority has them.
    if (servers.some((other) => couldOverwrite(other, leader))) return;
    const others = servers.filter((server) => server !== leader).map((server) => server.id);
    for (const [from, to] of between([leader.id], others)) fabric.cut(from, to);
  }

  /** Whoever could overwrite what this leader holds gets its chance. */
  #freeOthers(leader: SimServer): void {
    const { servers, fabric } = this.#setting;
    fabric.mendAll();
    for (const server of servers) {
      if (server === leader) continue;
      server.resume();
      if (server.isDown) server.restartIn(1_000);
    }
  }

  /** One of the minority that may lose data does: all of it, or some bytes. It is down meanwhile. */
  #harm(name: "wipe" | "damage" | "damageEnd", random: Random): (() => void) | null {
    const { servers, options, atlas } = this.#setting;
    if (options.damageable.length === 0) return null;
    const id = random.pick(options.damageable);
    const server = servers.find((candidate) => candidate.id === id)!;
    if (!atlas.mayHarm(server)) return null;
    server.crash(`a fault: ${name}`);
    server.harm(name, random);
    server.restartIn(random.between(1_000, options.restartMaxMs * 1000));
    return nothing;
  }

  /** Some servers lose touch one after the other and come back in another order. */
  #swizzle(durationMs: number, random: Random): (() => void) | null {
    const { fabric, servers } = this.#setting;
    if (servers.length < 2) return null;
    for (const { id } of servers) {
      if (random.chance(0.4)) continue;
      const beginUs = random.unit() * 500 * durationMs;
      const untilUs = fabric.world.now + (500 + random.unit() * 500) * durationMs;
      const clog = () => {
        if (!this.#isOn) return;
        for (const other of servers) {
          if (other.id === id) continue;
          fabric.clog(id, other.id, untilUs);
          fabric.clog(other.id, id, untilUs);
        }
      };
      fabric.world.schedule(beginUs, this, Kind.faultBegin, 0, 0, null, clog);
    }
    return nothing;
  }

  #cut(oneWay: boolean, random: Random): (() => void) | null {
    const { fabric, servers } = this.#setting;
    if (servers.length < 2) return null;
    // The first is the one that most shapes set apart: often the leader, as long as clients reach it.
    const first = this.#victim(random).id;
    const cuts = cutsOf(first, servers.map((server) => server.id), oneWay, random);
    for (const [from, to] of cuts) fabric.cut(from, to);
    this.#line("cuts", cuts.map(([from, to]) => `${from}>${to}`).join(" "));
    if (random.chance(0.4)) this.resetLinks(cuts);
    return () => {
      for (const [from, to] of cuts) fabric.mend(from, to);
    };
  }

  resetLinks(pairs: readonly (readonly [number, number])[]): void {
    for (const server of this.#setting.servers) {
      for (const link of server.links) {
        if (pairs.some(([from, to]) => from === server.id && to === link.toId)) {
          link.reset("reset by the network");
        }
      }
    }
  }

  #clog(durationMs: number, random: Random): (() => void) | null {
    const { fabric, servers } = this.#setting;
    if (servers.length < 2) return null;
    const untilUs = fabric.world.now + durationMs * 1000;
    const from = random.pick(servers).id;
    const whole = random.chance(0.3);
    const to = random.pick(servers).id;
    for (const other of servers) {
      if (other.id !== from && (whole || other.id === to)) fabric.clog(from, other.id, untilUs);
    }
    return nothing;
  }

  #resetSome(random: Random): () => void {
    const server = random.pick(this.#setting.servers);
    for (const link of server.links) {
      if (random.chance(0.5)) link.reset("reset by the network");
    }
    for (const connection of [...this.#setting.connections]) {
      if (random.chance(0.3)) connection.reset();
    }
    return nothing;
  }

  #cutClients(server: SimServer): () => void {
    const { unreachable, connections } = this.#setting;
    unreachable.add(server.id);
    for (const connection of [...connections]) {
      if (connection.server === server) connection.reset();
    }
    return () => {
      unreachable.delete(server.id);
    };
  }

  #line(name: string, detail: string): void {
    const { world } = this.#setting.fabric;
    world.trace.line(world.now, "fault", name, detail);
  }
}

/** Whether `other` ended its log in a term between that of the leader's old entries and its own. */
function couldOverwrite(other: SimServer, leader: SimServer): boolean {
  const state = leader.probe?.raft() ?? null;
  const theirs = other.probe?.raft()?.log.lastTerm ?? 0;
  if (state === null || state.log.lastIndex - 1 <= state.commitIndex) return false;
  return theirs > state.log.termAt(state.log.lastIndex - 1) && theirs < state.term;
}

function nothing(): void {}
