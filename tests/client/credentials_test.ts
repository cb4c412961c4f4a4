import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { ask, connect, Link, NotDone, open, Refused } from "../../client/mod.ts";
import { type FakeServer, withServers } from "./fake_server.ts";
import { errorOf, test } from "./runtime.ts";

const WRONG = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
const SHUT = "-NOAUTH Authentication required.\r\n";

/** The server has one user; every connection has to say who it is before anything else. */
function guard(server: FakeServer): void {
  const known = new Set<unknown>();
  server.answer = (request, peer) => {
    const [name] = request;
    if (name === "HELLO" || name === "AUTH") {
      const [user, password] = request.slice(name === "AUTH" ? 1 : 3);
      if (user === undefined) return known.has(peer) ? undefined : "-NOAUTH HELLO must be\r\n";
      if (user !== "bob" || password !== "s p@cret") return WRONG;
      known.add(peer);
      return name === "AUTH" ? "+OK\r\n" : undefined;
    }
    return known.has(peer) ? undefined : SHUT;
  };
}

test("client: user and password go with every connection, transactions' and single questions' too", async () => {
  await withServers(1, async (server) => {
    guard(server!);
    const bob = { user: "bob", password: "s p@cret" };
    await using client = await connect({ servers: [server!.address], ...bob });
    await client.set("k", "v");
    strictEqual(await client.text.transact(async (t) => await t.get("k")), "v");
    strictEqual(await ask(server!.address, ["PING"], bob), "PONG");
    const link = new Link(server!.address, { timeoutMs: 5_000, ...bob });
    const pongs = await Promise.all([link.request(["PING"]), link.request(["PING"])]);
    deepStrictEqual(pongs, ["PONG", "PONG"]);
    link.close();
  });
});

test("client: who is not let in is told so at once, in the server's words, and asks no more", async () => {
  await withServers(2, async (server, other) => {
    for (const one of [server!, other!]) guard(one);
    const servers = [server!.address, other!.address];
    const startMs = performance.now();
    const wrong = await errorOf(Refused, connect({ servers, user: "bob", password: "no" }));
    strictEqual(wrong.code, "WRONGPASS");
    strictEqual((await errorOf(Refused, connect({ servers }))).code, "NOAUTH");
    using client = open({ servers, user: "bob", password: "no", timeoutMs: 60_000 });
    const both = [client.get("a"), client.set("b", "1")].map((call) => errorOf(Refused, call));
    deepStrictEqual((await Promise.all(both)).map(({ code }) => code), ["WRONGPASS", "WRONGPASS"]);
    strictEqual(performance.now() - startMs < 30_000, true);
    strictEqual(server!.count("SET") + other!.count("SET"), 0);
    const asked = await errorOf(Refused, ask(server!.address, ["PING"]));
    strictEqual(asked.code, "NOAUTH");
  });
});

test("client: a server that lets nobody in is quoted, and nothing was done, whatever was asked", async () => {
  const why = "DENIED no user exists here yet";
  const bob = { user: "bob", password: "x" };
  await withServers(1, async (server) => {
    server!.answer = (_request, peer) => {
      peer.write(`-${why}\r\n`);
      peer.socket.end();
      return null;
    };
    const seen = () => server!.seen.map(([name]) => name);
    const asked = await errorOf(Refused, ask(server!.address, ["SET", "k", "v"], bob));
    strictEqual(asked.message, `SET was refused by ${server!.address}: ${why}`);
    strictEqual(asked.code, "DENIED");
    deepStrictEqual(seen(), []);
    const link = new Link(server!.address, { timeoutMs: 5_000, ...bob });
    strictEqual((await errorOf(Refused, link.request(["PING"]))).code, "DENIED");
    const alone = new Link(server!.address, { timeoutMs: 5_000 });
    strictEqual((await errorOf(Refused, alone.request(["PING"]))).code, "DENIED");
    // Its connection ends before it has answered at all.
    server!.answer = (_request, peer) => {
      peer.socket.end();
      return null;
    };
    const lost = await errorOf(NotDone, ask(server!.address, ["SET", "k", "v"]));
    strictEqual(/nothing was done/.test(lost.message), true);
  });
});

test("client: a server that stops, or has too many connections, denies nobody for good", async () => {
  const passing = ["ERR this server is stopping: connect to another one"]
    .concat(
      "ERR max number of clients reached",
      "ERR max number of clients reached for this address",
    );
  for (const why of passing) {
    await withServers(1, async (server) => {
      let turnedAway = 0;
      server!.answer = (request, peer) => {
        if (request[0] !== "HELLO" || turnedAway === 2) return undefined;
        turnedAway++;
        peer.write(`-${why}\r\n`);
        peer.socket.end();
        return null;
      };
      using client = open({ servers: [server!.address] });
      await client.set("k", "v");
      strictEqual(turnedAway, 2);
    });
  }
});

test("client: a user without a password is refused before anything is sent, a password alone is default's", async () => {
  const servers = ["127.0.0.1:1"];
  throws(() => open({ servers, user: "bob" }), /password is missing/);
  throws(() => open({ servers, password: 5 as never }), /^TypeError: password is no text$/);
  await withServers(1, async (server) => {
    const seen: (readonly string[])[] = [];
    server!.answer = (request) => {
      seen.push(request);
      return undefined;
    };
    await using _client = await connect({ servers: [server!.address], password: "x" });
    deepStrictEqual(seen[0], ["HELLO", "3", "AUTH", "default", "x"]);
  });
});
