import { deepStrictEqual, match, strictEqual, throws } from "node:assert/strict";
import {
  connect as connectClient,
  type ConnectOptions,
  NotDone,
  Unknown,
} from "../../client/mod.ts";
import { bulk, type FakeServer, withServers } from "./fake_server.ts";
import { errorOf, pauseMs, test, until } from "./runtime.ts";

/** Without client sessions: what each write comes to by itself. sessions_test.ts has those. */
const connect = (options: ConnectOptions) => connectClient({ ...options, sessions: false });

/** Leaves every command of this name without an answer. */
function ignore(server: FakeServer, ...names: string[]): void {
  server.answer = ([name]) => names.includes(name!) ? null : undefined;
}

test("client: a call that is not answered ends at its deadline, and says whether it was done", async () => {
  await withServers(1, async (server) => {
    await using client = await connect({ servers: [server!.address], timeoutMs: 10_000 });
    ignore(server!, "GET", "RAFTKV.SET");
    const startMs = performance.now();
    const [read, write] = await Promise.all([
      errorOf(NotDone, client.get("k", { timeoutMs: 100 })),
      errorOf(Unknown, client.set("k", "v", { timeoutMs: 150 })),
    ]);
    const tookMs = performance.now() - startMs;
    strictEqual(tookMs >= 145 && tookMs < 9_000, true, `${tookMs} ms`);
    strictEqual(read.code, "deadline");
    strictEqual(write.code, "deadline");
    strictEqual(write.phase, "reply");
    match(write.message, /127\.0\.0\.1:\d+ did not answer within 150 ms/);
  });
});

test("client: a reply that comes after its call's end is not taken for another's", async () => {
  await withServers(1, async (server) => {
    await using client = await connect({ servers: [server!.address] });
    server!.answer = ([name, key], peer) => {
      if (name !== "GET") return undefined;
      setTimeout(() => peer.write(bulk(`value of ${key}`)), key === "late" ? 150 : 0);
      return null;
    };
    await errorOf(NotDone, client.get("late", { timeoutMs: 40 }));
    server!.answer = () => undefined;
    await pauseMs(150);
    server!.store.set("k", "v");
    strictEqual(await client.text.get("k"), "v");
  });
});

test("client: an aborted call ends at once, before it is sent and after", async () => {
  await withServers(1, async (server) => {
    await using client = await connect({ servers: [server!.address] });
    const reason = new Error("the user went away");
    const before = await errorOf(
      NotDone,
      client.set("k", "v", { signal: AbortSignal.abort(reason) }),
    );
    strictEqual(before.code, "aborted");
    strictEqual(before.cause, reason);
    match(before.message, /the user went away/);
    strictEqual(server!.count("RAFTKV.SET"), 0);

    ignore(server!, "RAFTKV.SET", "GET");
    const controller = new AbortController();
    const calls = Promise.all([
      errorOf(Unknown, client.set("k", "v", { signal: controller.signal })),
      errorOf(NotDone, client.get("k", { signal: controller.signal })),
    ]);
    await until("both to be sent", () => server!.count("GET") === 1);
    controller.abort(reason);
    const [write, read] = await calls;
    deepStrictEqual([write.code, read.code], ["aborted", "aborted"]);
    strictEqual(write.cause, reason);
  });
});

test("client: connecting can be aborted", async () => {
  await withServers(1, async (server) => {
    server!.isFrozen = true;
    const signal = AbortSignal.timeout(50);
    const error = await errorOf(NotDone, connect({ servers: [server!.address], signal }));
    strictEqual(error.code, "aborted");
    await until("its connection to end", () => server!.peers.size === 0);
  });
});

test("client: close settles all calls and ends all connections", async () => {
  await withServers(2, async (server, other) => {
    const servers = [server!.address, other!.address];
    const client = await connect({ servers, callsUnderWayMax: 2 });
    ignore(server!, "RAFTKV.SET", "GET");
    const sent = errorOf(Unknown, client.set("k", "v"));
    const read = errorOf(NotDone, client.get("k"));
    const waiting = errorOf(NotDone, client.set("k", "w"));
    await until("two to be sent", () => server!.seen.length === 2);
    client.close();
    client.close();
    const codes = (await Promise.all([sent, read, waiting])).map((error) => error.code);
    deepStrictEqual(codes, ["closed", "closed", "closed"]);
    const later = await errorOf(NotDone, client.get("k"));
    match(later.message, /the client is closed/);
    await until("the connections to end", () => server!.peers.size + other!.peers.size === 0);
    strictEqual(server!.seen.length, 2);
  });
});

test("client: using and await using close it", async () => {
  await withServers(1, async (server) => {
    let kept;
    {
      using client = await connect({ servers: [server!.address] });
      kept = client;
    }
    await errorOf(NotDone, kept.get("k"));
    {
      await using client = await connect({ servers: [server!.address] });
      kept = client;
    }
    await errorOf(NotDone, kept.get("k"));
    await until("the connections to end", () => server!.peers.size === 0);
  });
});

test("client: no more is under way than it may be; more still waits, more yet is refused", async () => {
  await withServers(1, async (server) => {
    const bounds = { callsUnderWayMax: 3, callsWaitingMax: 5 };
    await using client = await connect({ servers: [server!.address], ...bounds });
    const open: (() => void)[] = [];
    server!.answer = ([name], peer) => {
      if (name !== "INCRBY") return undefined;
      open.push(() => peer.write(":1\r\n"));
      return null;
    };
    const calls = Array.from({ length: 8 }, () => client.incr("n"));
    const error = await errorOf(NotDone, client.incr("n"));
    strictEqual(error.code, "busy");
    await until("three to arrive", () => open.length === 3);
    await pauseMs(30);
    strictEqual(open.length, 3);
    for (let answered = 0; answered < 8; answered++) {
      await until("the next one to arrive", () => open.length > answered);
      strictEqual(open.length <= answered + 3, true);
      open[answered]!();
    }
    strictEqual((await Promise.all(calls)).length, 8);
  });
});

test("client: bytes under way and waiting are bounded too, and one large call goes all the same", async () => {
  await withServers(1, async (server) => {
    const bounds = { bytesUnderWayMax: 10_000, bytesWaitingMax: 10_000 };
    await using client = await connect({ servers: [server!.address], ...bounds });
    ignore(server!, "GET");
    const blocked = errorOf(NotDone, client.get("k", { timeoutMs: 400 }));
    const large = errorOf(NotDone, client.set("k", "x".repeat(20_000), { timeoutMs: 200 }));
    const refused = await errorOf(NotDone, client.set("k", "v"));
    strictEqual(refused.code, "busy");
    strictEqual((await large).phase, "queue");
    await blocked;
    server!.answer = () => undefined;
    server!.cut();
    strictEqual(await client.set("k", "x".repeat(20_000)), 1);
  });
});

test("client: what is called together is sent together", async () => {
  await withServers(1, async (server) => {
    await using client = await connect({ servers: [server!.address] });
    const [peer] = server!.peers;
    const before = peer!.chunks;
    await Promise.all(Array.from({ length: 50 }, (_, i) => client.set(`k${i}`, "v")));
    strictEqual(peer!.chunks, before + 1);
  });
});

test("client: bytes that are changed after the call are sent as they were", async () => {
  await withServers(1, async (server) => {
    await using client = await connect({ servers: [server!.address] });
    const key = new TextEncoder().encode("key");
    const value = new TextEncoder().encode("value");
    server!.cut();
    await until("the connection to end", () => client.server === null);
    const call = client.set(key, value);
    key.fill(0x78);
    value.fill(0x79);
    await call;
    deepStrictEqual([...server!.store], [["key", "value"]]);
  });
});

test("client: wrong arguments are told before anything is sent", async () => {
  await withServers(1, async (server) => {
    await using client = await connect({ servers: [server!.address] });
    throws(
      () => client.set("k", "v", { timeToLiveMs: 0 }),
      /timeToLiveMs is 0: write whole millis/,
    );
    throws(() => client.cas("k", "v", -1), /-1 is no version/);
    throws(() => client.incr("k", 0.5), /0\.5 can't be added/);
    throws(() => client.get("k", { timeoutMs: 0 }), /timeoutMs is 0: write milliseconds above 0/);
    throws(() => client.json<unknown>().set("k", undefined), /undefined can't be written as JSON/);
    strictEqual(server!.seen.length, 0);
  });
  for (const address of ["", "host", "host:0", "host:70000", "a b:1", "http://h:1", "::1:1"]) {
    const error = await errorOf(TypeError, connect({ servers: [address] }));
    match(error.message, /is no server's address: write HOST:PORT/);
  }
  await errorOf(TypeError, connect({ servers: [] }));
});
