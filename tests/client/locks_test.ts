/** Locks, elections and semaphores of the client: what is sent, who is woken, what is known of a loss. */
import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { type Client, LockLost, NotDone, open, Unknown } from "../../client/mod.ts";
import { FakeLocks } from "./fake_locks.ts";
import { type FakeServer, withServers } from "./fake_server.ts";
import { errorOf, pauseMs, test, until } from "./runtime.ts";

const TTL_MS = 3_000;

function withLocks(
  run: (locks: FakeLocks, clients: readonly Client[], leader: FakeServer) => Promise<void> | void,
): Promise<void> {
  return withServers(1, async (leader) => {
    const locks = new FakeLocks();
    locks.serve(leader!);
    const clients = Array.from({ length: 3 }, () => open({ servers: [leader!.address] }));
    try {
      await run(locks, clients, leader!);
    } finally {
      for (const client of clients) client.close();
    }
  });
}

test("client locks: a token is the version of the taking, and grows with each", () =>
  withLocks(async (locks, [client]) => {
    const tokens: number[] = [];
    for (let i = 0; i < 3; i++) {
      const lock = await client!.lock("jobs", { value: "me" });
      tokens.push(lock.token);
      strictEqual(locks.keys.get("jobs")?.version, lock.token);
      strictEqual(lock.isHeld, true);
      await lock.unlock();
      deepStrictEqual([lock.isHeld, lock.signal.aborted, locks.keys.size], [false, false, 0]);
    }
    deepStrictEqual(tokens, [1, 2, 3]);
    deepStrictEqual(locks.count("BIND"), 3);
    strictEqual(locks.sessions.size, 0);
  }));

test("client locks: who waits is woken and asks nothing meanwhile, first come first served", () =>
  withLocks(async (locks, [a, b, c]) => {
    const first = await a!.lock("jobs");
    const order: string[] = [];
    const take = async (client: Client, name: string) => {
      const lock = await client.lock("jobs");
      order.push(name);
      return lock;
    };
    const second = take(b!, "b");
    await until("b to wait", () => locks.count("RAFTKV.WATCH") === 1);
    const third = take(c!, "c");
    await until("c to wait", () => locks.count("RAFTKV.WATCH") === 2);
    const fourth = take(a!, "a");
    await until("a to wait", () => locks.count("RAFTKV.WATCH") === 3);
    await pauseMs(50);
    const asked = locks.asked.length;
    await pauseMs(300);
    strictEqual(locks.asked.length, asked);
    await first.unlock();
    await (await second).unlock();
    await (await third).unlock();
    await (await fourth).unlock();
    deepStrictEqual(order, ["b", "c", "a"]);
    deepStrictEqual([locks.keys.size, locks.sessions.size], [0, 0]);
    // One each, and three of b's in vain: as it came, when it was first, and once it watched.
    strictEqual(locks.count("RAFTKV.CAS"), 7);
  }));

test("client locks: what is held by others is waited for as long as was said, and nothing is left", () =>
  withLocks(async (locks, [a, b]) => {
    const lock = await a!.lock("jobs");
    for (const waitMs of [0, 50]) {
      const error = await errorOf(NotDone, b!.lock("jobs", { waitMs }));
      strictEqual(error.code, "held");
      ok(error.message.startsWith("lock failed: jobs is held by others"), error.message);
    }
    const signal = AbortSignal.timeout(50);
    const aborted = await errorOf(NotDone, b!.lock("jobs", { signal }));
    strictEqual(aborted.code, "aborted");
    await until("all to be taken back", () => locks.sessions.size === 1);
    deepStrictEqual([...locks.keys.keys()], ["jobs"]);
    await lock.unlock();
  }));

test("client locks: a taking whose reply is lost is sent again, and is one taking", () =>
  withLocks(async (locks, [client], leader) => {
    let losses = 0;
    locks.serve(leader, (request, peer) => {
      if (request[6] !== "RAFTKV.CAS" || losses === 2) return undefined;
      losses++;
      locks.answer([...request], peer);
      peer.socket.destroy();
      return null;
    });
    const lock = await client!.lock("jobs");
    deepStrictEqual([lock.token, losses, locks.again], [1, 2, 2]);
    deepStrictEqual(locks.told, ["set jobs 1"]);
    await lock.unlock();
  }));

test("client locks: the time counts from before the request was sent, and less than the cluster's", () =>
  withLocks(async (locks, [client], leader) => {
    locks.serve(leader, (request, peer) => {
      if (request[6] !== "RAFTKV.CAS") return undefined;
      const reply = locks.answer([...request], peer)!;
      setTimeout(() => peer.write(reply), 300);
      return null;
    });
    const lock = await client!.lock("jobs", { ttlMs: TTL_MS });
    ok(lock.leftMs <= TTL_MS * 0.9 - 290, `${lock.leftMs} ms are left`);
    await lock.extend();
    ok(lock.leftMs > TTL_MS * 0.5, `${lock.leftMs} ms are left after it was extended`);
    await lock.unlock();
  }));

test("client locks: where no answer comes it is lost before the cluster would end it", () =>
  withLocks(async (locks, [client], leader) => {
    const beganMs = performance.now();
    const lock = await client!.lock("jobs", { ttlMs: TTL_MS });
    locks.serve(
      leader,
      (request) => request[1] === "RUN" || request[0] === "MULTI" ? null : undefined,
    );
    const failed = await errorOf(Unknown, lock.extend({ timeoutMs: 20 }));
    strictEqual(failed.code, "deadline");
    strictEqual(lock.isHeld, true);
    const loss = await lock.lost;
    deepStrictEqual([loss.code, lock.isHeld, lock.signal.reason], ["late", false, loss]);
    // The timer may be late on a busy machine; what is asked is not.
    ok(performance.now() - beganMs >= TTL_MS * 0.9 - 1);
    strictEqual(await errorOf(LockLost, lock.unlock()), loss);
    strictEqual(await errorOf(LockLost, lock.extend()), loss);
    await lock[Symbol.asyncDispose]();
  }));

test("client locks: it is extended by itself, and lost where its session is over", () =>
  withLocks(async (locks, [client]) => {
    const lock = await client!.lock("jobs", { ttlMs: 2 * TTL_MS });
    await until("it to be extended", () => locks.count("PERSIST") >= 1);
    const before = lock.leftMs;
    await until("it to be extended again", () => locks.count("PERSIST") >= 2);
    ok(before > 0 && lock.isHeld);
    locks.end("1");
    const loss = await errorOf(LockLost, lock.extend());
    deepStrictEqual([loss.code, await lock.lost], ["session", loss]);
    strictEqual(
      loss.message,
      "jobs is not held any more: the cluster has ended its client session",
    );
  }));

test("client locks: an extending that is refused is tried again soon, and the lock is not lost by it", () =>
  withLocks(async (locks, [client], leader) => {
    const lock = await client!.lock("jobs", { ttlMs: TTL_MS });
    let refused = 0;
    locks.serve(leader, (request) => {
      if (!request.includes("EXEC") || refused === 3) return undefined;
      refused++;
      return "-MISCONF no room on the disk: nothing was done\r\n";
    });
    await until("it to be refused", () => refused === 3);
    const before = lock.leftMs;
    await until("it to be extended all the same", () => lock.leftMs > before);
    deepStrictEqual([lock.isHeld, lock.signal.aborted], [true, false]);
    await lock.unlock();
  }));

test("client locks: a key that somebody took over is theirs, and the lock is lost", () =>
  withLocks(async (locks, [client]) => {
    const lock = await client!.lock("jobs");
    locks.set("jobs", "theirs");
    const loss = await errorOf(LockLost, lock.extend());
    strictEqual(loss.code, "taken");
    await until("its session to be closed", () => locks.sessions.size === 0);
    strictEqual(locks.keys.get("jobs")?.value, "theirs");
    const other = await client!.lock("other");
    locks.set("other", "theirs");
    await other.unlock();
    strictEqual(locks.keys.get("other")?.value, "theirs");
  }));

test("client locks: who loses its place while it waits comes again", () =>
  withLocks(async (locks, [a, b]) => {
    const lock = await a!.lock("jobs");
    const waiting = b!.lock("jobs", { ttlMs: TTL_MS });
    await until("b to wait", () => locks.count("RAFTKV.WATCH") === 1);
    locks.end("2");
    await until("b to wait again", () => locks.count("RAFTKV.WATCH") === 2);
    await lock.unlock();
    await (await waiting).unlock();
    deepStrictEqual(locks.sessions.size, 0);
  }));

test("client locks: what is closed with its client is told", () =>
  withLocks(async (_, [client]) => {
    const lock = await client!.lock("jobs");
    client!.close();
    deepStrictEqual([(await lock.lost).code, lock.isHeld, lock.signal.aborted], [
      "closed",
      false,
      true,
    ]);
  }));

test("client locks: a semaphore has as many holders as permits, each with a number of its own", () =>
  withLocks(async (locks, [a, b, c]) => {
    const [one, two] = await Promise.all([a!.acquire("pool", 2), b!.acquire("pool", 2)]);
    deepStrictEqual([one.number, two.number].sort(), [1, 2]);
    strictEqual((await errorOf(NotDone, c!.acquire("pool", 2, { waitMs: 0 }))).code, "held");
    const third = c!.acquire("pool", 2);
    await until("c to wait", () => locks.count("RAFTKV.WATCH") === 1);
    await two.release();
    const permit = await third;
    deepStrictEqual([permit.number, permit.token > two.token], [two.number, true]);
    await permit.release();
    await one.release();
    deepStrictEqual([locks.keys.size, locks.sessions.size], [0, 0]);
  }));

test("client locks: an election is won by one, and told to all", () =>
  withLocks(async (locks, [a, b, c]) => {
    const seen: (string | null)[] = [];
    const ended = (async () => {
      for await (const one of c!.observe("boss")) {
        seen.push(one?.value ?? null);
        if (seen.length === 4) return;
      }
    })();
    await until("c to look on", () => locks.count("RAFTKV.GET") === 1);
    const first = await a!.campaign("boss", { value: "host-a" });
    deepStrictEqual(await b!.leader("boss"), { value: "host-a", token: first.token });
    const next = b!.campaign("boss", { value: "host-b" });
    await until("b to wait", () => locks.count("RAFTKV.WATCH") === 2);
    await first.resign();
    const second = await next;
    ok(second.token > first.token && second.isLeader && !first.isLeader);
    await ended;
    deepStrictEqual(seen, [null, "host-a", null, "host-b"]);
    await second.resign();
    strictEqual(await b!.leader("boss"), null);
  }));

test("client locks: what can't be is refused before anything is sent", () =>
  withLocks((locks, [client]) => {
    throws(() => client!.lock(""), TypeError);
    throws(() => client!.lock("a".repeat(991)), RangeError);
    throws(() => client!.campaign("ä".repeat(500)), RangeError);
    throws(() => client!.lock("jobs", { ttlMs: 2_999 }), RangeError);
    throws(() => client!.lock("jobs", { waitMs: -1 }), RangeError);
    throws(() => client!.lock("jobs", { ttl: 5 } as object), TypeError);
    throws(() => client!.acquire("pool", 0), RangeError);
    throws(() => client!.acquire("pool", 1_001), RangeError);
    throws(() => client!.leader("boss", { wait: 1 } as object), TypeError);
    strictEqual(locks.asked.length, 0);
  }));
