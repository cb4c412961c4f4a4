/** What goes wrong, and when: each kind of fault comes by itself, at drawn moments, for a drawn while. */
import type { Random } from "../../lib/util/random.ts";
import type { ClientConnection } from "./client_connection.ts";
import type { Fabric } from "./fabric.ts";
import type { Handler, SimEvent } from "./heap.ts";
import { Kind } from "./kinds.ts";
import { type FaultName, FAULTS, type SimOptions } from "./options.ts";
import { cutsOf } from "./partitions.ts";
import type { SimServer } from "./sim_server.ts";

export interface FaultSetting {
  readonly fabric: Fabric;
  readonly options: SimOptions;
  readonly servers: readonly SimServer[];
  readonly unreachable: Set<number>;
  readonly connections: Set<ClientConnection>;
}

const HOUR_MS = 3_600_000;

export class Faults implements Handler {
  readonly #setting: FaultSetting;
  readonly #random: Random;
  /** How to take back what lasts, by the number in its end event. */
  readonly #active = new Map<number, () => void>();
  #nextId = 1;
  /** Times between faults are stretched by this: see `ease`. */
  #stretch = 1;
  #isOn = false;

  constructor(setting: FaultSetting, random: Random) {
    this.#setting = setting;
    this.#random = random;
  }

  begin(): void {
    this.#isOn = true;
    for (const [at, name] of FAULTS.entries()) {
      if (this.#setting.options.faults[name] !== undefined) this.#scheduleNext(at, name);
    }
  }

  /** Fewer faults from here on. */
  ease(): void {
    this.#stretch *= 1.5;
  }

  /** No new faults, and all that last are taken back but those that `core` leaves out. */
  healAll(): void {
    this.#isOn = false;
    for (const undo of this.#active.values()) undo();
    this.#active.clear();
    const { fabric, servers, unreachable } = this.#setting;
    fabric.mendAll();
    fabric.options = { ...fabric.options, loss: 0, duplicate: 0, reorder: 0 };
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
    if (event.kind === Kind.faultEnd) {
      const undo = this.#active.get(event.a);
      this.#active.delete(event.a);
      if (undo === undefined) return;
      undo();
      return;
    }
    if (!this.#isOn) return;
    const name = FAULTS[event.a]!;
    this.#scheduleNext(event.a, name);
    this.#strike(name);
  }

  #strike(name: FaultName): void {
    const { world } = this.#setting.fabric;
    const { durationMinMs, durationMaxMs } = this.#setting.options.faults[name]!;
    const durationMs = durationMinMs +
      this.#random.unit() * Math.max(0, durationMaxMs - durationMinMs);
    const undo = this.inject(name, durationMs);
    if (undo === null) return;
    world.counters.add(`fault ${name}`);
    const id = this.#nextId++;
    this.#active.set(id, undo);
    world.schedule(durationMs * 1000, this, Kind.faultEnd, 0, id);
  }

  /** Does one fault now; returns how to take it back, null where there was nothing to hit. */
  inject(name: FaultName, durationMs: number): (() => void) | null {
    const server = this.#victim();
    const random = this.#random;
    this.#line(name, `server ${server.id} for ${durationMs.toFixed(1)} ms`);
    switch (name) {
      case "crash":
        if (server.isDown) return null;
        return this.#crash([server]);
      case "crashAll":
        return this.#crash(this.#setting.servers);
      case "crashInDisk":
        if (server.isDown) return null;
        server.disk.crashSoon();
        return nothing;
      case "pause":
        if (server.isDown || server.isPaused) return null;
        server.pause();
        return () => server.resume();
      case "partition":
      case "oneWayCut":
        return this.#cut(name === "oneWayCut");
      case "clog":
        return this.#clog(durationMs);
      case "connectionReset":
        return this.#resetSome();
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
        server.disk.failNextSync();
        return nothing;
      case "diskFull":
        server.mayExit = true;
        server.disk.setFull(true);
        return () => server.disk.setFull(false);
    }
  }

  /** Half of the time the leader, where there is one. */
  #victim(): SimServer {
    const { servers } = this.#setting;
    const leaders = servers.filter((server) =>
      server.probe?.isOpen() === true && server.probe.isLeader()
    );
    return leaders.length > 0 && this.#random.chance(0.5)
      ? this.#random.pick(leaders)
      : this.#random.pick(servers);
  }

  #crash(servers: readonly SimServer[]): () => void {
    for (const server of servers) {
      server.crash("a fault");
      server.restartIn(this.#random.between(1_000, this.#setting.options.restartMaxMs * 1000));
    }
    return nothing;
  }

  #cut(oneWay: boolean): (() => void) | null {
    const { fabric, servers } = this.#setting;
    if (servers.length < 2) return null;
    // The first is the one that most shapes set apart: often the leader, as long as clients reach it.
    const first = this.#victim().id;
    const cuts = cutsOf(first, servers.map((server) => server.id), oneWay, this.#random);
    for (const [from, to] of cuts) fabric.cut(from, to);
    this.#line("cuts", cuts.map(([from, to]) => `${from}>${to}`).join(" "));
    if (this.#random.chance(0.4)) this.resetLinks(cuts);
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

  #clog(durationMs: number): (() => void) | null {
    const { fabric, servers } = this.#setting;
    if (servers.length < 2) return null;
    const untilUs = fabric.world.now + durationMs * 1000;
    const from = this.#random.pick(servers).id;
    const whole = this.#random.chance(0.3);
    const to = this.#random.pick(servers).id;
    for (const other of servers) {
      if (other.id !== from && (whole || other.id === to)) fabric.clog(from, other.id, untilUs);
    }
    return nothing;
  }

  #resetSome(): () => void {
    const server = this.#random.pick(this.#setting.servers);
    for (const link of server.links) {
      if (this.#random.chance(0.5)) link.reset("reset by the network");
    }
    for (const connection of [...this.#setting.connections]) {
      if (this.#random.chance(0.3)) connection.reset();
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

function nothing(): void {}
