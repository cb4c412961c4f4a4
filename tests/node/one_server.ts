/** A node that is a cluster by itself, moved by hand. */
import { assertEquals } from "@std/assert";
import {
  DEFAULT_LIMITS,
  DEFAULT_STORAGE_LIMITS,
  DEFAULT_TIMING,
  type Limits,
  type StorageLimits,
} from "../../lib/node/limits.ts";
import type { NodeOptions } from "../../lib/node/node_options.ts";
import { Node } from "../../lib/node/node.ts";
import type { ClientSession, LogEvent } from "../../lib/node/api.ts";
import { DataDirectory } from "../../lib/storage/data_directory.ts";
import { Random } from "../../lib/util/random.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import { FakePasswords } from "./fake_passwords.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Time passes in steps of this here. */
const TICK_MS = 10;

/** A cluster of one server, whose turns, time and disk move when the test says so. */
export class OneServer {
  readonly disk: SimDisk;
  readonly node: Node;
  readonly events: LogEvent[] = [];
  readonly passwords = new FakePasswords((run) => this.disk.defer(run));
  /** What the wall clock shows while the monotonic one shows 0; a test may step it. */
  wallStartMs: number;
  /** The node asked for a turn that it did not get yet. */
  isTurnDue = false;
  #nowMs = 0;
  #readings = 0;

  /** On `disk`, an empty one unless given; its wall clock begins at `wallStartMs`. `sizes`: of its log. */
  constructor(
    disk: SimDisk = new SimDisk(),
    wallStartMs = 1_000_000,
    sizes: Partial<StorageLimits> = { segmentBytesMax: 1_000_000, reserveBytes: 1_000 },
    limits: Limits = DEFAULT_LIMITS,
    holdsVersion = true,
    more: Pick<NodeOptions, "needsUsers" | "userResets" | "scripts"> = {},
  ) {
    this.disk = disk;
    this.wallStartMs = wallStartMs;
    const random = new Random(1);
    const storage = { ...DEFAULT_STORAGE_LIMITS, ...sizes };
    this.node = new Node({
      config: {
        servers: [{ id: 1, hostname: "a", clientPort: 1, logPort: 2 }],
        timing: DEFAULT_TIMING,
        limits,
        storage,
        // Nothing comes into the log but what the test is about, unless it is about that.
        holdClusterVersion: holdsVersion,
      },
      serverId: 1,
      directory: DataDirectory.open(this.disk, {
        path: "1",
        serverId: 1,
        makeIncarnation: () => "0123456789abcdef",
        ...storage,
      }),
      clock: { monotonicMs: () => this.#look(), wallMs: () => this.wallMs },
      rng: random,
      passwords: this.passwords,
      host: {
        scheduleTurn: () => this.isTurnDue = true,
        wakeAt: () => {}, // it is woken at each step, far too often
        fatal: (error) => {
          throw error;
        },
        log: (event) => this.events.push(event),
      },
      checkInvariants: true,
      ...more,
    });
    for (let i = 0; i < 200 && this.node.raft?.state.role.kind !== "leader"; i++) {
      this.tick();
      this.settle();
    }
    assertEquals(this.node.raft?.state.role.kind, "leader");
  }

  get lastIndex(): number {
    return this.node.raft!.state.log.lastIndex;
  }

  /** No clock shows the same time twice. */
  #look(): number {
    this.#readings++;
    return this.#nowMs + this.#readings / 1e6;
  }

  get wallMs(): number {
    return this.wallStartMs + this.#nowMs;
  }

  /** Lets time pass of which this server sees nothing: nothing happens, and nothing wakes it. */
  skip(ms: number): void {
    this.#nowMs += ms;
  }

  /** Lets so much time pass, on both clocks. */
  pass(ms: number): void {
    for (let passed = 0; passed < ms; passed += TICK_MS) {
      this.tick();
      this.settle();
    }
  }

  tick(): void {
    this.#nowMs += TICK_MS;
    this.node.wake();
  }

  /** Lets the disk finish, and runs the turns that the node asks for, no others. */
  settleAsAsked(): void {
    this.disk.completeAll();
    while (this.isTurnDue) {
      this.isTurnDue = false;
      this.node.turn();
      this.disk.completeAll();
    }
  }

  /** Lets the disk finish, and takes what comes of it. */
  settle(): void {
    for (let i = 0; i < 5; i++) {
      this.disk.completeAll();
      this.node.turn();
    }
  }

  send(session: ClientSession, text: string): void {
    for (let bytes = encoder.encode(text); bytes.length > 0;) {
      const space = session.inputSpace();
      const count = Math.min(space.length, bytes.length);
      space.set(bytes.subarray(0, count));
      session.received(count);
      bytes = bytes.subarray(count);
      for (let batch = session.nextBatch(); batch !== null; batch = session.nextBatch()) {
        session.submit(batch);
      }
    }
    this.node.turn();
  }
}

export function replies(session: ClientSession): string {
  const output = session.takeOutput();
  const text = output === null ? "" : decoder.decode(output);
  session.outputWritten();
  return text;
}
