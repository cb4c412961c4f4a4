/** Clients that ask for thousands of long walks at once: the loop ticks all the same. */
import { assert, assertEquals } from "@std/assert";
import { parseReply, type Reply, replyLength } from "../process/redis_socket.ts";
import { fromBytes, toBytes } from "../process/socket.ts";
import { requestBytes } from "../wire/resp_driver.ts";
import { OneServer, replies } from "./one_server.ts";

const KEYS = 40_000;
/** What one walk over all keys comes to, in steps; reads end for a tick at 8,000,000. */
const WALK_STEPS = 300 * KEYS;

class Client {
  readonly server: OneServer;
  readonly #session;
  #output = "";

  constructor(server: OneServer) {
    this.server = server;
    this.#session = server.node.openSession("test")!;
  }

  send(...requests: string[][]): void {
    this.server.send(this.#session, fromBytes(requestBytes(requests)));
  }

  /** What was answered since the last call. */
  take(): Reply[] {
    this.#output += replies(this.#session);
    const bytes = toBytes(this.#output);
    const found: Reply[] = [];
    let at = 0;
    for (let length = 1; at < bytes.length && length > 0; at += length) {
      length = replyLength(bytes, at, bytes.length);
      if (length > 0) found.push(parseReply(this.#output.slice(at, at + length)));
    }
    this.#output = "";
    return found;
  }
}

function loaded(): { server: OneServer; client: Client } {
  const server = new OneServer();
  const client = new Client(server);
  for (let from = 0; from < KEYS; from += 1_000) {
    const pairs = Array.from({ length: 1_000 }, (_, i) => [`key:${from + i}`, "v"]).flat();
    client.send(["MSET", ...pairs]);
    server.settle();
  }
  client.take();
  return { server, client };
}

function walks(count: number): string[][] {
  return Array.from({ length: count }, () => ["KEYS", "none"]);
}

/** Ticks until `isDone`, each of which has to keep to its share of work; reticks how many. */
function tickUntil(server: OneServer, isDone: () => boolean): number {
  let ticks = 0;
  for (; !isDone(); ticks++) {
    assert(ticks < 1_000, "it comes to no end");
    const before = server.node.store!.readWork;
    server.tick();
    server.settle();
    const steps = server.node.store!.readWork - before;
    assert(steps < 8_000_000 + 1.1 * WALK_STEPS, `${steps} steps after one tick`);
  }
  return ticks;
}

Deno.test("tick work: walks that come at once are spread over ticks, and all are answered", () => {
  const { server, client } = loaded();
  client.send(...walks(100), ["ECHO", "end"]);
  const found: Reply[] = [];
  const ticks = tickUntil(server, () => {
    found.push(...client.take());
    return found.length === 101;
  });
  assert(ticks >= 90, `${ticks} ticks`);
  assertEquals(found, [...Array<Reply>(100).fill([]), "end"]);
});

Deno.test("tick work: others are served between, in turn", () => {
  const { server, client } = loaded();
  const greedy = new Client(server);
  const other = new Client(server);
  client.send(...walks(50));
  greedy.send(...walks(50));
  other.send(["GET", "key:1"], ["SET", "key:1", "w"], ["GET", "key:1"]);
  const found: Reply[] = [];
  const ticks = tickUntil(server, () => {
    found.push(...other.take());
    return found.length === 3;
  });
  assert(ticks <= 10, `${ticks} ticks`);
  assertEquals(found, ["v", "OK", "w"]);
  const both = [client, greedy].map((one) => one.take().length);
  assert(Math.abs(both[0]! - both[1]!) <= 2, `they got ${both}`);
});

Deno.test("tick work: walks before a write that is applied now are turned away, not the write", () => {
  const { server, client } = loaded();
  client.send(...walks(100), ["SET", "k", "v"], ["GET", "k"]);
  const found: Reply[] = [];
  for (let i = 0; i < 200 && found.length < 102; i++) {
    server.tick();
    server.settle();
    found.push(...client.take());
  }
  assertEquals(found.slice(-2), ["OK", "v"]);
  const away = found.slice(0, 100).filter((reply) => reply instanceof Error).length;
  assert(
    away > 0 &&
      found.slice(0, 100).every((reply) => reply instanceof Error || Array.isArray(reply)),
  );
});
