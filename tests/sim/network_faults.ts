/** Faults of the network: between servers, and between them and their clients. */
import type { Random } from "../../lib/util/random.ts";
import type { ClientConnection } from "./client_connection.ts";
import type { Fabric } from "./fabric.ts";
import type { Handler } from "./heap.ts";
import { Kind } from "./kinds.ts";
import { cutsOf } from "./partitions.ts";
import type { SimServer } from "./sim_server.ts";

export interface NetworkFaultSetting {
  readonly fabric: Fabric;
  readonly servers: readonly SimServer[];
  readonly unreachable: Set<number>;
  readonly connections: Set<ClientConnection>;
}

export class NetworkFaults {
  readonly #setting: NetworkFaultSetting;
  /** Whose events they are. */
  readonly #owner: Handler;
  /** Whether faults still come: what was planned before the healing does not come after it. */
  readonly #isOn: () => boolean;

  constructor(setting: NetworkFaultSetting, owner: Handler, isOn: () => boolean) {
    this.#setting = setting;
    this.#owner = owner;
    this.#isOn = isOn;
  }

  /** Some servers lose touch one after the other and come back in another order. */
  swizzle(durationMs: number, random: Random): (() => void) | null {
    const { fabric, servers } = this.#setting;
    if (servers.length < 2) return null;
    for (const { id } of servers) {
      if (random.chance(0.4)) continue;
      const beginUs = random.unit() * 500 * durationMs;
      const untilUs = fabric.world.now + (500 + random.unit() * 500) * durationMs;
      const clog = () => {
        if (!this.#isOn()) return;
        for (const other of servers) {
          if (other.id === id) continue;
          fabric.clog(id, other.id, untilUs);
          fabric.clog(other.id, id, untilUs);
        }
      };
      fabric.world.schedule(beginUs, this.#owner, Kind.faultBegin, 0, 0, null, clog);
    }
    return nothing;
  }

  /** `first` is the server that most shapes set apart. */
  cut(first: number, oneWay: boolean, random: Random): (() => void) | null {
    const { fabric, servers } = this.#setting;
    if (servers.length < 2) return null;
    const cuts = cutsOf(first, servers.map((server) => server.id), oneWay, random);
    for (const [from, to] of cuts) fabric.cut(from, to);
    fabric.world.trace.line(
      fabric.world.now,
      "fault",
      "cuts",
      cuts.map(([from, to]) => `${from}>${to}`).join(" "),
    );
    if (random.chance(0.4)) this.#resetLinks(cuts);
    return () => {
      for (const [from, to] of cuts) fabric.mend(from, to);
    };
  }

  #resetLinks(pairs: readonly (readonly [number, number])[]): void {
    for (const server of this.#setting.servers) {
      for (const link of server.links.all) {
        if (pairs.some(([from, to]) => from === server.id && to === link.toId)) {
          link.reset("reset by the network");
        }
      }
    }
  }

  clog(durationMs: number, random: Random): (() => void) | null {
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

  resetSome(random: Random): () => void {
    const server = random.pick(this.#setting.servers);
    for (const link of server.links.all) {
      if (random.chance(0.5)) link.reset("reset by the network");
    }
    for (const connection of [...this.#setting.connections]) {
      if (random.chance(0.3)) connection.reset();
    }
    return nothing;
  }

  cutClients(server: SimServer): () => void {
    const { unreachable, connections } = this.#setting;
    unreachable.add(server.id);
    for (const connection of [...connections]) {
      if (connection.server === server) connection.reset();
    }
    return () => {
      unreachable.delete(server.id);
    };
  }
}

function nothing(): void {}
