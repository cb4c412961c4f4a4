import { deepStrictEqual, match, strictEqual, throws } from "node:assert/strict";
import { connect, NotDone, type Pending, Refused, Unknown } from "../../client/mod.ts";
import { withServers } from "./fake_server.ts";
import { errorOf, pauseMs, test, until } from "./runtime.ts";

test("client transact: writes alone go in one piece, over the connection of all calls", async () => {
  await withServers(1, async (server) => {
    await using client = await connect({ servers: [server!.address] });
    const { accepted } = server!;
    const visits = await client.transact((t) => {
      t.set("last", "now");
      return t.incr("visits", 2);
    });
    strictEqual(visits.value, 2n);
    deepStrictEqual(server!.seen.map(([name]) => name), ["MULTI", "RAFTKV.SET", "INCRBY", "EXEC"]);
    strictEqual(server!.accepted, accepted);
    strictEqual(await client.transact(() => "nothing to do"), "nothing to do");
    strictEqual(server!.count("EXEC"), 1);
  });
});

test("client transact: what is read is watched, and all runs again where it has changed", async () => {
  await withServers(1, async (server) => {
    await using client = await connect({ servers: [server!.address] });
    server!.store.set("n", "1");
    let runs = 0;
    server!.answer = ([name], peer) => {
      if (name !== "EXEC" || runs > 2) return undefined;
      peer.queue = null;
      server!.store.set("n", `${runs + 1}`);
      return "_\r\n";
    };
    const seen = await client.text.transact(async (t) => {
      runs++;
      const n = await t.get("n");
      t.set("n", `${n}!`);
      return n;
    });
    strictEqual(runs, 3);
    strictEqual(seen, "3");
    strictEqual(server!.store.get("n"), "3!");
    const names = server!.seen.map(([name]) => name);
    deepStrictEqual(names.slice(0, 5), ["WATCH", "GET", "MULTI", "RAFTKV.SET", "EXEC"]);
    // A connection of its own, and the same one each time.
    strictEqual(server!.accepted, 2);
  });
});

test("client transact: what its function throws is thrown, and nothing is done", async () => {
  await withServers(1, async (server) => {
    await using client = await connect({ servers: [server!.address] });
    const mine = new Error("not enough");
    const caught = await errorOf(
      Error,
      client.transact(async (t) => {
        await t.get("n");
        t.set("n", "x");
        throw mine;
      }),
    );
    strictEqual(caught, mine);
    strictEqual(server!.count("EXEC"), 0);
    await until("its connection to end", () => server!.peers.size === 1);
  });
});

test("client transact: a write that is refused within is told by itself", async () => {
  await withServers(1, async (server) => {
    await using client = await connect({ servers: [server!.address] });
    server!.answer = ([name], peer) => {
      if (name !== "EXEC") return undefined;
      peer.queue = null;
      return "*2\r\n:5\r\n-ERR value is not an integer or out of range\r\n";
    };
    let early: Pending<number> | null = null;
    const [set, incr] = await client.transact((t) => {
      early = t.set("a", "x");
      throws(() => early!.value, /not done yet/);
      return [early, t.incr("a")] as const;
    });
    strictEqual(set.value, 5);
    throws(() => incr.value, Refused);
  });
});

test("client transact: refused before it began, it is sent to whoever leads, or told", async () => {
  await withServers(2, async (first, second) => {
    await using client = await connect({ servers: [first!.address] });
    first!.follow(second!);
    second!.lead();
    const n = await client.transact((t) => t.incr("n"));
    strictEqual(n.value, 1n);
    second!.answer = ([name]) => {
      if (name === "INCRBY") return "-ERR a key has more than 5 bytes\r\n";
      return name === "EXEC" ? "-EXECABORT Transaction discarded\r\n" : undefined;
    };
    const error = await errorOf(Refused, client.transact((t) => t.incr("too long")));
    match(error.message, /a key has more than 5 bytes/);
    strictEqual(second!.store.get("n"), "1");
  });
});

test("client transact: a new leader in the middle: it begins anew there", async () => {
  await withServers(2, async (first, second) => {
    await using client = await connect({ servers: [first!.address, second!.address] });
    second!.store.set("n", "5");
    let runs = 0;
    const seen = await client.text.transact(async (t) => {
      const n = await t.get("n");
      if (++runs === 1) {
        first!.follow(second!);
        second!.lead();
      }
      t.set("n", "6");
      return n;
    });
    strictEqual(runs, 2);
    strictEqual(seen, "5");
    strictEqual(second!.store.get("n"), "6");
    strictEqual(first!.count("EXEC") + second!.count("EXEC"), 2);
  });
});

test("client transact: cut after EXEC was sent: unknown, and not run again", async () => {
  for (const reads of [true, false]) {
    await withServers(1, async (server) => {
      await using client = await connect({ servers: [server!.address] });
      let runs = 0;
      server!.answer = ([name], peer) => {
        if (name !== "EXEC") return undefined;
        peer.socket.destroy();
        return null;
      };
      const work = client.transact(async (t) => {
        runs++;
        if (reads) await t.get("n");
        t.incr("n");
      });
      strictEqual((await errorOf(Unknown, work)).code, "lost");
      strictEqual(runs, 1);
      strictEqual(server!.count("EXEC"), 1);
    });
  }
});

test("client transact: cut before EXEC: nothing was done, so it runs again", async () => {
  await withServers(1, async (server) => {
    await using client = await connect({ servers: [server!.address] });
    let runs = 0;
    await client.transact(async (t) => {
      await t.get("n");
      if (++runs === 1) server!.cut();
      await t.get("m");
      t.incr("n");
    });
    strictEqual(runs, 2);
    strictEqual(server!.store.get("n"), "1");
  });
});

test("client transact: a key that keeps changing ends with the deadline; so does silence", async () => {
  await withServers(1, async (server) => {
    await using client = await connect({ servers: [server!.address] });
    server!.answer = ([name], peer) => {
      if (name !== "EXEC") return undefined;
      peer.queue = null;
      return "_\r\n";
    };
    const body = async (t: { get(key: string): Promise<unknown>; incr(key: string): unknown }) => {
      await t.get("n");
      t.incr("n");
    };
    // Without writes: else the last EXEC may be under way when time is up, and its outcome unknown.
    const reads = client.transact((t) => t.get("n"), { timeoutMs: 200 });
    const error = await errorOf(NotDone, reads);
    match(error.message, /it was tried \d+ times within 200 ms; nothing was done; .*was changed/);
    server!.answer = ([name]) => name === "GET" ? null : undefined;
    const silent = await errorOf(NotDone, client.transact(body, { timeoutMs: 150 }));
    strictEqual(silent.code, "deadline");
    server!.answer = ([name]) => name === "EXEC" ? null : undefined;
    const unknown = await errorOf(Unknown, client.transact(body, { timeoutMs: 150 }));
    strictEqual(unknown.code, "deadline");
  });
});

test("client transact: its time ends also while its function waits for something else", async () => {
  await withServers(1, async (server) => {
    await using client = await connect({ servers: [server!.address] });
    const { promise: never, resolve } = resolvable();
    const late = await errorOf(
      NotDone,
      client.transact(async (t) => {
        await t.get("n");
        await never;
        t.set("n", "x");
      }, { timeoutMs: 100 }),
    );
    strictEqual(late.code, "deadline");
    const controller = new AbortController();
    const aborted = errorOf(NotDone, client.transact(() => never, { signal: controller.signal }));
    controller.abort();
    strictEqual((await aborted).code, "aborted");
    resolve();
    await until("its connection to end", () => server!.peers.size === 1);
    strictEqual(server!.count("EXEC"), 0);
  });
});

test("client transact: what its function left undone can't get into another transaction", async () => {
  await withServers(1, async (server) => {
    await using client = await connect({ servers: [server!.address] });
    const kept = await client.transact(async (t) => {
      await t.get("n");
      return t;
    });
    throws(() => kept.set("n", "x"), /The transaction is over/);
    throws(() => kept.get("n"), /The transaction is over/);
  });
});

test("client transact: many at once share a few connections, in turns", async () => {
  await withServers(1, async (server) => {
    await using client = await connect({ servers: [server!.address] });
    let most = 0;
    const all = Array.from({ length: 100 }, (_, i) => {
      return client.transact(async (t) => {
        await t.get("n");
        most = Math.max(most, server!.peers.size);
        t.set(`k${i}`, "v");
      });
    });
    await Promise.all(all);
    strictEqual(server!.store.size, 100);
    strictEqual(most > 2 && most <= 17, true, `${most} connections`);
    server!.answer = ([name]) => name === "EXEC" ? null : undefined;
    const before = server!.count("EXEC");
    const stuck = Array.from({ length: 20 }, () => {
      const work = client.transact(async (t) => {
        await t.get("n");
        t.set("n", "v");
      }, { timeoutMs: 150 });
      return work.catch((error: Error) => error.name);
    });
    const names = await Promise.all(stuck);
    // Sixteen were sent; of the others, some may have got their turn in the last moment.
    await pauseMs(30);
    const sent = server!.count("EXEC") - before;
    strictEqual(sent >= 16 && sent <= 20, true, `${sent} were sent`);
    strictEqual(names.filter((name) => name === "Unknown").length, sent);
    strictEqual(names.filter((name) => name === "NotDone").length, 20 - sent);
    server!.answer = () => undefined;
    await client.transact((t) => t.get("n"));
  });
});

function resolvable(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((done) => resolve = done);
  return { promise, resolve };
}
