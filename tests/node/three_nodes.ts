/** Three nodes in one process, with nothing between them that takes time. */
import { assert } from "@std/assert";
import { DEFAULT_LIMITS, DEFAULT_STORAGE_LIMITS, DEFAULT_TIMING } from "../../lib/node/limits.ts";
import type { LogEvent } from "../../lib/node/api.ts";
import { Node } from "../../lib/node/node.ts";
import type { NodeOptions } from "../../lib/node/node_options.ts";
import { DataDirectory } from "../../lib/storage/data_directory.ts";
import { Random } from "../../lib/util/random.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import { move } from "./linked_servers.ts";
import { FakePasswords } from "./fake_passwords.ts";

const { electionTimeoutMs } = DEFAULT_TIMING;

export interface BuildOptions {
  /** It is a build before features and cluster versions. */
  readonly isOlder?: boolean;
  /** It can read cluster versions up to this one. */
  readonly clusterVersionMax?: number;
  readonly holds?: boolean;
  readonly scripts?: NodeOptions["scripts"];
  /** It has a forward port. */
  readonly forwards?: boolean;
}

/** Three nodes on one clock, each woken when it asked for that, and links that carry all at once. */
export class Three {
  nowMs = 1_000;
  readonly nodes: Node[];
  /** When each is to be woken. */
  readonly wakeMs = [Infinity, Infinity, Infinity];
  readonly disks = [new SimDisk(), new SimDisk(), new SimDisk()];
  readonly #stopped = new Set<number>();
  readonly #turns = new Set<number>();
  /** By server. */
  readonly wakings = [0, 0, 0];
  readonly turns = [0, 0, 0];
  /** By server: looks at the clock, and times that the host was asked to set its timer. */
  readonly looks = [0, 0, 0];
  readonly timers = [0, 0, 0];

  /** What each server logged. */
  readonly events: LogEvent[][] = [[], [], []];

  /** `builds`: what each server can read at most, and whether it holds the cluster version back. */
  constructor(builds: readonly BuildOptions[] = []) {
    const servers = [1, 2, 3].map((id) => ({
      id,
      hostname: "a",
      clientPort: 10 * id,
      logPort: 10 * id + 1,
      ...(builds[id - 1]?.forwards === true && { forwardPort: 10 * id + 2 }),
    }));
    this.nodes = servers.map(({ id }, at) => {
      const random = new Random(id);
      const storage = { ...DEFAULT_STORAGE_LIMITS, segmentBytesMax: 100_000, reserveBytes: 1_000 };
      return new Node({
        config: {
          servers,
          timing: DEFAULT_TIMING,
          limits: DEFAULT_LIMITS,
          storage,
          holdClusterVersion: builds[at]?.holds === true,
        },
        clusterVersionMax: builds[at]?.clusterVersionMax,
        scripts: builds[at]?.scripts,
        ...(builds[at]?.isOlder === true && { protocolVersionMax: 1, clusterVersionMax: 1 }),
        serverId: id,
        directory: DataDirectory.open(this.disks[at]!, {
          path: "d",
          serverId: id,
          makeIncarnation: () => `${id}`.repeat(16),
          ...storage,
        }),
        clock: { monotonicMs: () => this.#look(at), wallMs: () => 1e12 + this.nowMs },
        rng: random,
        passwords: new FakePasswords((run) => this.disks[at]!.defer(run)),
        host: {
          scheduleTurn: () => this.#turns.add(at),
          wakeAt: (atMs) => {
            this.timers[at]!++;
            this.wakeMs[at] = atMs;
          },
          fatal: (error) => {
            throw error;
          },
          log: (event) => this.events[at]!.push(event),
        },
        checkInvariants: true,
      });
    });
    this.#wire();
  }

  /** A wire for each link that the nodes have now. */
  #wire(): void {
    for (const [at, node] of this.nodes.entries()) {
      const gone = this.wires.filter(({ from, link }) =>
        from === at && !node.outboundLinks.includes(link)
      );
      for (const wire of gone) {
        this.wires.splice(this.wires.indexOf(wire), 1);
        wire.inbound.disconnected();
        wire.link.disconnected("the link is over");
      }
      for (const link of node.outboundLinks) {
        if (this.wires.some((wire) => wire.link === link)) continue;
        const inbound = this.nodes[link.peerId - 1]!.openInboundLink(`${at + 1}`);
        link.connected();
        this.wires.push({ from: at, to: link.peerId - 1, link, inbound });
      }
    }
  }

  /** Links over which nothing moves, in either direction, and no end of a connection is heard of. */
  readonly held = new Set<Node["outboundLinks"][number]>();
  /** In the order in which they came: those for forwarded commands behind the others. */
  readonly wires: {
    from: number;
    to: number;
    link: Node["outboundLinks"][number];
    inbound: ReturnType<Node["openInboundLink"]>;
  }[] = [];

  #look(at: number): number {
    this.looks[at]!++;
    return this.nowMs;
  }

  get leader(): number {
    return this.nodes.findIndex(({ raft }) => raft?.state.role.kind === "leader");
  }

  stop(at: number): void {
    this.#stopped.add(at);
  }

  continue(at: number): void {
    this.#stopped.delete(at);
  }

  /** Lets time pass, a millisecond at a time. */
  pass(ms: number): void {
    for (let passed = 0; passed < ms; passed++) {
      this.nowMs++;
      for (const at of this.nodes.keys()) {
        if (!this.#stopped.has(at) && this.wakeMs[at]! <= this.nowMs) this.wake(at);
      }
      this.settle();
    }
  }

  wake(at: number): void {
    this.wakings[at]!++;
    this.wakeMs[at] = Infinity;
    this.nodes[at]!.wake();
  }

  /** Turns, syncs and bytes on their way, until nothing is; those of stopped servers stay. */
  settle(): void {
    for (let i = 0; i < 20; i++) {
      for (const at of [...this.#turns]) {
        if (this.#stopped.has(at)) continue;
        this.#turns.delete(at);
        this.disks[at]!.completeAll();
        this.turns[at]!++;
        this.nodes[at]!.turn();
        this.disks[at]!.completeAll();
      }
      this.#wire();
      for (const wire of this.wires) {
        if (this.#stopped.has(wire.from) || this.#stopped.has(wire.to)) continue;
        if (this.held.has(wire.link)) continue;
        move(wire.link, wire.inbound);
        move(wire.inbound, wire.link);
        const reason = wire.link.closing ?? wire.inbound.closing;
        if (reason === null) continue;
        wire.inbound.disconnected();
        wire.link.disconnected(reason);
        wire.inbound = this.nodes[wire.to]!.openInboundLink("again");
        wire.link.connected();
      }
    }
  }

  form(): void {
    this.settle();
    this.pass(4 * electionTimeoutMs);
    assert(this.leader >= 0, "nobody leads");
  }

  role(at: number): string {
    return this.nodes[at]!.raft!.state.role.kind;
  }
}
