/**
 * Nodes in one process that come, go and move, on one clock: a link reaches whoever listens at the address
 * that it dials, unless the two are cut off from each other. Nothing between them takes time.
 */
import { assert } from "@std/assert";
import { DEFAULT_LIMITS, DEFAULT_STORAGE_LIMITS, DEFAULT_TIMING } from "../../lib/node/limits.ts";
import type { InboundLink, LogEvent, OutboundLink } from "../../lib/node/api.ts";
import { encodeAddresses } from "../../lib/node/members/addresses.ts";
import type { ChangeOutcome } from "../../lib/node/members/member_changes.ts";
import { Node, type ServerAddress } from "../../lib/node/node.ts";
import type { MemberChange } from "../../lib/raft/types.ts";
import { DataDirectory } from "../../lib/storage/data_directory.ts";
import { Random } from "../../lib/util/random.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import { move } from "./linked_servers.ts";
import { FakePasswords } from "./fake_passwords.ts";

export const { electionTimeoutMs } = DEFAULT_TIMING;
const STORAGE = { ...DEFAULT_STORAGE_LIMITS, segmentBytesMax: 100_000, reserveBytes: 1_000 };
/** Between two tries of a link. */
const PAUSE_MS = 20;

/** Where server `id` is unless it moved. */
export function placed(id: number, hostname = `h${id}`): ServerAddress {
  return { id, hostname, clientPort: 10 * id, logPort: 10 * id + 1 };
}

interface Wire {
  readonly to: Machine;
  readonly inbound: InboundLink;
}

/** A server with its disk; its process runs or not. */
export class Machine {
  readonly name: string;
  readonly id: number;
  readonly disk = new SimDisk();
  readonly events: LogEvent[] = [];
  file: readonly ServerAddress[];
  join: string | undefined;
  /** It holds the cluster version back. */
  holds = false;
  /** Its client port is open to the network, if there are users. */
  needsUsers = false;
  node: Node | null = null;
  directory: DataDirectory | null = null;
  wakeMs = Infinity;
  hasTurn = false;
  /** By link: its connection, or when it is tried again and at which of its places. */
  readonly wires = new Map<OutboundLink, Wire>();
  readonly tries = new Map<OutboundLink, { atMs: number; place: number }>();

  constructor(name: string, id: number, file: readonly ServerAddress[], join: string | undefined) {
    this.name = name;
    this.id = id;
    this.file = file;
    this.join = join;
  }

  get own(): ServerAddress {
    return this.file.find(({ id }) => id === this.id)!;
  }

  listensAt({ hostname, port }: { hostname: string; port: number }): boolean {
    return this.node !== null && this.own.hostname === hostname && this.own.logPort === port;
  }

  get role(): string {
    return this.node?.raft?.state.role.kind ?? "none";
  }

  get incarnation(): string {
    return this.directory!.identity.incarnation;
  }

  voters(): readonly number[] {
    return this.node!.raft!.state.configurations.current.voters;
  }

  /** What it logged at this level. */
  said(level: LogEvent["level"]): string[] {
    return this.events.filter((event) => event.level === level).map(({ message }) => message);
  }
}

export class Fleet {
  nowMs = 1_000;
  readonly machines = new Map<string, Machine>();
  readonly #cuts = new Set<string>();
  #drawn: number;

  /** No two clusters with other seeds are alike. */
  constructor(seed = 0) {
    this.#drawn = 100 * seed;
  }

  /** A machine that runs; `join`: the cluster that it is to be added to. */
  add(name: string, id: number, file: readonly ServerAddress[], join?: string): Machine {
    const machine = new Machine(name, id, file, join);
    this.machines.set(name, machine);
    this.start(name);
    return machine;
  }

  /** Founders 1 to `count`, and a leader among them, once the cluster version is raised, or held back. */
  found(count: number, holds = false): Machine[] {
    const file = Array.from({ length: count }, (_, at) => placed(at + 1));
    const founders = file.map(({ id }) => new Machine(`${id}`, id, file, undefined));
    for (const founder of founders) {
      founder.holds = holds;
      this.machines.set(founder.name, founder);
      this.start(founder.name);
    }
    const version = holds ? 1 : 2;
    this.until(() => {
      return founders.some(({ role }) => role === "leader") &&
        founders.every(({ node }) => (node!.store?.clusterVersion ?? 0) >= version);
    });
    return founders;
  }

  at(name: string | number): Machine {
    return this.machines.get(`${name}`)!;
  }

  start(name: string): void {
    const machine = this.at(name);
    const { id, file, join, holds, needsUsers, events } = machine;
    const random = new Random(1_000 * ++this.#drawn + id);
    const hex = () => random.u32().toString(16).padStart(8, "0");
    machine.directory = DataDirectory.open(machine.disk, {
      path: "d",
      serverId: id,
      makeIncarnation: () => hex() + hex(),
      ...STORAGE,
    });
    machine.node = new Node({
      config: {
        servers: file,
        timing: DEFAULT_TIMING,
        limits: DEFAULT_LIMITS,
        storage: STORAGE,
        holdClusterVersion: holds,
      },
      serverId: id,
      directory: machine.directory,
      ...(join !== undefined && { join: { clusterId: join } }),
      needsUsers,
      clock: { monotonicMs: () => this.nowMs, wallMs: () => 1e12 + this.nowMs },
      rng: random,
      passwords: new FakePasswords((run) => machine.disk.defer(run)),
      host: {
        scheduleTurn: () => machine.hasTurn = true,
        wakeAt: (atMs) => machine.wakeMs = atMs,
        fatal: (error) => {
          throw error;
        },
        log: (event) => events.push(event),
      },
      checkInvariants: true,
    });
  }

  /** Its process ends, and its connections with it; what was not synced is lost. */
  stop(name: string): void {
    const machine = this.at(name);
    machine.node = null;
    machine.wakeMs = Infinity;
    machine.hasTurn = false;
    machine.disk.powerLoss(new Random(this.nowMs));
    machine.wires.clear();
    machine.tries.clear();
    for (const other of this.machines.values()) {
      for (const [link, wire] of other.wires) {
        if (wire.to === machine) this.#end(other, link, wire, "the process ended");
      }
    }
  }

  cut(a: string, b: string): void {
    this.#cuts.add(`${a} ${b}`).add(`${b} ${a}`);
  }

  /** From everybody else. */
  isolate(name: string): void {
    for (const other of this.machines.keys()) if (other !== name) this.cut(name, other);
  }

  heal(): void {
    this.#cuts.clear();
  }

  leader(): Machine {
    const leaders = [...this.machines.values()].filter(({ role }) => role === "leader");
    const termOf = ({ node }: Machine) => node!.raft!.state.term;
    const [newest] = leaders.sort((a, b) => termOf(b) - termOf(a));
    assert(newest !== undefined, "nobody leads");
    return newest!;
  }

  /** Asks whoever leads, again and again, until it is done. */
  change(changes: readonly MemberChange[]): void {
    let outcome: ChangeOutcome | null = null;
    let isAsked = false;
    this.until(() => {
      if (!isAsked) {
        const refused = this.leader().node!.members.propose(changes, (done) => outcome = done);
        isAsked = refused === null;
      }
      assert(outcome !== "interrupted", "the leadership ended");
      return outcome === "committed";
    });
  }

  /** The change that adds a machine. */
  adding({ id, incarnation, own }: Machine, staysLearner = false): MemberChange {
    return { kind: "add", id, incarnation, staysLearner, addresses: encodeAddresses(own) };
  }

  pass(ms: number): void {
    for (let passed = 0; passed < ms; passed++) this.#step();
  }

  /** Lets time pass until `test` holds. */
  until(test: () => boolean, maxMs = 60_000): void {
    for (let passed = 0; passed < maxMs; passed++) {
      this.#step();
      if (test()) return;
    }
    assert(false, `not within ${maxMs} ms`);
  }

  #step(): void {
    this.nowMs++;
    for (const machine of this.machines.values()) {
      if (machine.wakeMs > this.nowMs) continue;
      machine.wakeMs = Infinity;
      machine.node?.wake();
    }
    for (let i = 0; i < 20; i++) if (!this.#settle()) break;
  }

  /** Turns, syncs, and bytes on their way; true where there was anything. */
  #settle(): boolean {
    let moved = false;
    for (const machine of this.machines.values()) {
      const { node, disk } = machine;
      if (node === null) continue;
      if (machine.hasTurn) {
        moved = true;
        machine.hasTurn = false;
        disk.completeAll();
        node.turn();
        disk.completeAll();
      }
      for (const [link, wire] of machine.wires) {
        if (!node.outboundLinks.includes(link) && link.closing === null) {
          throw new Error("A link is gone without a word");
        }
        this.#pump(machine, link, wire);
      }
      for (const link of node.outboundLinks) {
        if (!machine.wires.has(link)) this.#dial(machine, link);
      }
    }
    return moved;
  }

  #pump(from: Machine, link: OutboundLink, wire: Wire): void {
    const isCut = this.#cuts.has(`${from.name} ${wire.to.name}`);
    if (!isCut) {
      move(link, wire.inbound);
      move(wire.inbound, link);
    }
    const reason = link.closing ?? wire.inbound.closing;
    if (reason !== null || (link.isLost ?? false)) this.#end(from, link, wire, reason ?? "lost");
  }

  #end(from: Machine, link: OutboundLink, wire: Wire, reason: string): void {
    from.wires.delete(link);
    from.tries.set(link, { atMs: this.nowMs + PAUSE_MS, place: from.tries.get(link)!.place + 1 });
    if (wire.to.node !== null) wire.inbound.disconnected();
    if (from.node !== null) link.disconnected(reason);
  }

  #dial(from: Machine, link: OutboundLink): void {
    const { atMs, place } = from.tries.get(link) ?? { atMs: 0, place: 0 };
    if (atMs > this.nowMs) return;
    const address = link.addresses[place % link.addresses.length]!;
    from.tries.set(link, { atMs: this.nowMs + PAUSE_MS, place: place + 1 });
    const to = [...this.machines.values()].find((machine) => machine.listensAt(address));
    if (to === undefined || this.#cuts.has(`${from.name} ${to.name}`)) return;
    from.tries.set(link, { atMs: 0, place });
    const inbound = to.node!.openInboundLink(from.name);
    from.wires.set(link, { to, inbound });
    link.connected();
  }
}
