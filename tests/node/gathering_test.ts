/** Writes that come while a commit is under way share an entry; the tick ends their waiting. */
import { assert, assertEquals } from "@std/assert";
import { DEFAULT_LIMITS, DEFAULT_STORAGE_LIMITS, DEFAULT_TIMING } from "../../lib/node/limits.ts";
import { Node } from "../../lib/node/node.ts";
import type { ClientSession } from "../../lib/node/shells.ts";
import { DataDirectory } from "../../lib/storage/data_directory.ts";
import { Random } from "../../lib/util/random.ts";
import { SimDisk } from "../sim/sim_disk.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A cluster of one server, whose turns, time and disk move when the test says so. */
class OneServer {
  readonly disk = new SimDisk();
  readonly node: Node;
  #nowMs = 0;

  constructor() {
    const random = new Random(1);
    const storage = { ...DEFAULT_STORAGE_LIMITS, segmentBytesMax: 1_000_000, reserveBytes: 1_000 };
    this.node = new Node({
      config: {
        servers: [{ id: 1, hostname: "a", clientPort: 1, logPort: 2 }],
        timing: DEFAULT_TIMING,
        limits: DEFAULT_LIMITS,
        storage,
      },
      serverId: 1,
      directory: DataDirectory.open(this.disk, {
        path: "1",
        serverId: 1,
        makeIncarnation: () => "0123456789abcdef",
        ...storage,
      }),
      clock: { monotonicMs: () => this.#nowMs, wallMs: () => 1_000_000 + this.#nowMs },
      rng: random,
      host: {
        scheduleTurn: () => {},
        fatal: (error) => {
          throw error;
        },
        log: () => {},
      },
      checkInvariants: true,
    });
    for (let i = 0; i < 200 && this.node.raft?.state.role !== "leader"; i++) {
      this.tick();
      this.settle();
    }
    assertEquals(this.node.raft?.state.role, "leader");
  }

  get lastIndex(): number {
    return this.node.raft!.state.log.lastIndex;
  }

  tick(): void {
    this.#nowMs += DEFAULT_TIMING.tickMs;
    this.node.tick();
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

function replies(session: ClientSession): string {
  const output = session.takeOutput();
  const text = output === null ? "" : decoder.decode(output);
  session.outputWritten();
  return text;
}

Deno.test("writes that come while a sync is under way share one entry, in the order of their coming", () => {
  const server = new OneServer();
  const session = server.node.openSession("client")!;
  const before = server.lastIndex;
  server.send(session, "set a 0 1\r\n1\r\n");
  assertEquals(server.lastIndex, before + 1, "the first one waits for nothing");
  server.send(session, "set a 0 1\r\n2\r\n");
  server.send(session, "set b 0 1\r\n3\r\n");
  assertEquals(server.lastIndex, before + 1, "the others gather");
  server.settle();
  assertEquals(server.lastIndex, before + 2);
  assertEquals(replies(session), "OK 1\r\nOK 2\r\nOK 1\r\n");
});

Deno.test("writes that gather wait no longer than to the next tick, however long the sync takes", () => {
  const server = new OneServer();
  const session = server.node.openSession("client")!;
  server.send(session, "set a 0 1\r\n1\r\n");
  const before = server.lastIndex;
  server.send(session, "set b 0 1\r\n2\r\n");
  assertEquals(server.lastIndex, before);
  server.tick();
  server.node.turn();
  assertEquals(server.lastIndex, before + 1);
  assert(server.node.raft!.state.log.durableIndex < before, "and the sync is under way still");
  server.settle();
  assertEquals(replies(session), "OK 1\r\nOK 1\r\n");
});

Deno.test("many bytes don't gather: they leave for the followers while the own disk is busy", () => {
  const server = new OneServer();
  const session = server.node.openSession("client")!;
  server.send(session, "set a 0 1\r\n1\r\n");
  const before = server.lastIndex;
  const value = "v".repeat(3_000);
  for (let i = 0; i < 100; i++) server.send(session, `set big${i} 0 3000\r\n${value}\r\n`);
  assert(server.lastIndex > before, "300 kB are more than gather");
  let text = "";
  for (let i = 0; i < 10; i++) {
    server.settle();
    text += replies(session);
  }
  assertEquals(text.match(/OK/g)?.length, 101);
});
