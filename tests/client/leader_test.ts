import { deepStrictEqual, match, strictEqual, throws } from "node:assert/strict";
import {
  connect as connectClient,
  type ConnectOptions,
  NotDone,
  open as openClient,
  RaftkvError,
  Refused,
  Unknown,
} from "../../client/mod.ts";
import { FakeServer, withServers } from "./fake_server.ts";
import { errorOf, pauseMs, test, until } from "./runtime.ts";

/** Without client sessions: what each write comes to by itself. sessions_test.ts has those. */
const connect = (options: ConnectOptions) => connectClient({ ...options, sessions: false });
const open = (options: ConnectOptions) => openClient({ ...options, sessions: false });

test("client: a follower leads it to the leader, and names the other servers", async () => {
  await withServers(3, async (leader, second, third) => {
    await using client = await connect({ servers: [third!.address] });
    strictEqual(client.server, leader!.address);
    const all = [leader!, second!, third!].map((server) => server.address);
    deepStrictEqual([...client.servers].sort(), all.sort());
    await client.set("k", "v");
    strictEqual(leader!.store.get("k"), "v");
  });
});

test("client: MOVED in the middle: each call is done once, in order, by the next leader", async () => {
  await withServers(2, async (first, second) => {
    await using client = await connect({ servers: [first!.address] });
    await client.set("k", "0");
    first!.follow(second!);
    second!.lead();
    await Promise.all([1, 2, 3].map((i) => client.set("k", `${i}`)));
    strictEqual(client.server, second!.address);
    deepStrictEqual(second!.seen.map(([, , value]) => value), ["1", "2", "3"]);
    strictEqual(second!.store.get("k"), "3");
  });
});

test("client: CLUSTERDOWN and TRYAGAIN: nothing was done, so it tries again, with pauses", async () => {
  for (
    const refusal of [
      "-CLUSTERDOWN none\r\n",
      "-TRYAGAIN busy\r\n",
      "-BUSY far\r\n",
      "-LOADING\r\n",
    ]
  ) {
    await withServers(1, async (server) => {
      await using client = await connect({ servers: [server!.address] });
      let refusals = 0;
      server!.answer = ([name]) => name === "INCRBY" && ++refusals <= 4 ? refusal : undefined;
      strictEqual(await client.incr("n"), 1n, refusal);
      strictEqual(refusals, 5);

      server!.answer = ([name]) => name === "INCRBY" ? refusal : undefined;
      const before = server!.count("INCRBY");
      const error = await errorOf(RaftkvError, client.incr("n", 1, { timeoutMs: 400 }));
      strictEqual(error.code, "deadline");
      // The last try may be under way when time is up.
      strictEqual(error instanceof NotDone || error.phase === "reply", true);
      strictEqual(server!.store.get("n"), "1");
      const tries = server!.count("INCRBY") - before;
      strictEqual(tries >= 2 && tries < 60, true, `${tries} tries in 400 ms`);
    });
  }
});

test("client: cut after a write was sent: unknown, and never sent again", async () => {
  await withServers(2, async (first, second) => {
    await using client = await connect({ servers: [first!.address, second!.address] });
    first!.answer = ([name], peer) => {
      if (name !== "INCRBY") return undefined;
      peer.socket.destroy();
      return null;
    };
    const error = await errorOf(Unknown, client.incr("n"));
    strictEqual(error.code, "lost");
    strictEqual(error.server, first!.address);
    strictEqual(error.phase, "reply");
    match(error.message, /INCRBY: outcome unknown: 127\.0\.0\.1:\d+: .*read before you call again/);
    first!.answer = () => undefined;
    await client.get("n");
    strictEqual(first!.count("INCRBY") + second!.count("INCRBY"), 1);
  });
});

test("client: cut after reads were sent: they are read again, from whoever leads by then", async () => {
  await withServers(2, async (first, second) => {
    await using client = await connect({ servers: [first!.address, second!.address] });
    second!.store.set("k", "from the second");
    first!.answer = ([name], peer) => {
      if (name !== "GET") return undefined;
      first!.follow(second!);
      second!.lead();
      peer.socket.destroy();
      return null;
    };
    const values = await Promise.all([client.text.get("k"), client.text.get("k")]);
    deepStrictEqual(values, ["from the second", "from the second"]);
  });
});

test("client: a leader that falls silent is left when others name another one", async () => {
  await withServers(3, async (first, second, third) => {
    const servers = [first!, second!, third!];
    const options = { servers: servers.map((one) => one.address), silenceMs: 100 };
    await using client = await connect(options);
    first!.isFrozen = true;
    third!.lead();
    second!.follow(third!);
    third!.store.set("k", "v");
    const write = errorOf(Unknown, client.set("w", "x"));
    strictEqual(await client.text.get("k"), "v");
    strictEqual((await write).code, "lost");
    strictEqual(client.server, third!.address);
    strictEqual(third!.count("RAFTKV.SET"), 0);
    await client.set("w", "y");
  });
});

test("client: a frozen leader that others still name is left soon after they name the next", async () => {
  await withServers(3, async (first, second, third) => {
    const servers = [first!, second!, third!];
    // Whoever waited as long as a server has to answer would still wait when the read is given up.
    const limits = { silenceMs: 200, attemptTimeoutMs: 120_000, timeoutMs: 30_000 };
    await using client = await connect({ servers: servers.map((one) => one.address), ...limits });
    first!.isFrozen = true;
    const read = client.get("k");
    // In the round that is under way by then, both still named the first.
    await until("both to be asked", () => second!.accepted > 0 && third!.accepted > 0);
    await pauseMs(50);
    third!.lead();
    second!.follow(third!);
    await read;
    strictEqual(client.server, third!.address);
  });
});

test("client: a leader that is slow, and still the leader, is waited for", async () => {
  await withServers(2, async (first, second) => {
    const servers = [first!.address, second!.address];
    await using client = await connect({ servers, silenceMs: 50 });
    first!.answer = ([name], peer) => {
      if (name !== "INCRBY") return undefined;
      setTimeout(() => peer.write(":7\r\n"), 400);
      return null;
    };
    strictEqual(await client.incr("n"), 7n);
    strictEqual(first!.count("INCRBY"), 1);
    strictEqual(client.server, first!.address);
  });
});

test("client: an outcome that the server does not know: unknown for writes, reads are read again", async () => {
  await withServers(1, async (server) => {
    await using client = await connect({ servers: [server!.address] });
    let answers = 0;
    server!.store.set("k", "v");
    server!.answer = ([name]) => {
      const isFirst = (name === "GET" || name === "RAFTKV.SET") && ++answers <= 2;
      return isFirst ? "-ERR outcome unknown: it may be done or not\r\n" : undefined;
    };
    const error = await errorOf(Unknown, client.set("k", "w"));
    strictEqual(error.code, "unknown");
    strictEqual(await client.text.get("k"), "v");
    strictEqual(server!.count("RAFTKV.SET"), 1);
    strictEqual(server!.count("GET"), 2);
  });
});

test("client: what the server refuses is told in its words, once, with its code", async () => {
  await withServers(1, async (server) => {
    await using client = await connect({ servers: [server!.address] });
    for (const text of ["MISCONF The disk is full", "ERR a value has more than 5 bytes"]) {
      server!.answer = ([name]) => name === "RAFTKV.SET" ? `-${text}\r\n` : undefined;
      const before = server!.count("RAFTKV.SET");
      const error = await errorOf(Refused, client.set("k", "v"));
      strictEqual(error.code, text.split(" ")[0]);
      strictEqual(error instanceof NotDone, true);
      strictEqual(error.server, server!.address);
      strictEqual(error.message, `RAFTKV.SET was refused by ${server!.address}: ${text}`);
      strictEqual(server!.count("RAFTKV.SET"), before + 1);
    }
    server!.answer = ([name]) =>
      name === "RAFTKV.SET" ? "-ERR this was done, no room\r\n" : undefined;
    strictEqual((await errorOf(Unknown, client.set("k", "v"))).code, "leftOut");
  });
});

test("client: two followers that name each other are asked with pauses, until the deadline", async () => {
  await withServers(2, async (first, second) => {
    first!.follow(second!);
    second!.follow(first!);
    const servers = [first!.address, second!.address];
    const error = await errorOf(NotDone, connect({ servers, timeoutMs: 400 }));
    strictEqual(error.phase, "leader");
    match(error.message, /no server was found that leads within 400 ms/);
    match(error.message, new RegExp(`${first!.address}: it says that ${second!.address} leads`));
    const asked = first!.accepted + second!.accepted;
    strictEqual(asked >= 4 && asked < 60, true, `${asked} connections in 400 ms`);
  });
});

test("client: MOVED to and fro ends with the deadline, and pauses", async () => {
  await withServers(2, async (first, second) => {
    const servers = [first!.address, second!.address];
    await using client = await connect({ servers });
    // Each says that it leads, and sends every command to the other.
    second!.lead();
    const [one, other] = [first!, second!];
    one.answer = ([name]) => name === "GET" ? `-MOVED 0 ${other.address}\r\n` : undefined;
    other.answer = ([name]) => name === "GET" ? `-MOVED 0 ${one.address}\r\n` : undefined;
    await errorOf(NotDone, client.get("k", { timeoutMs: 400 }));
    const asked = one.count("GET") + other.count("GET");
    strictEqual(asked >= 3 && asked < 60, true, `${asked} times in 400 ms`);
  });
});

test("client: servers that are down or frozen cost little: the others are asked meanwhile", async () => {
  await withServers(3, async (leader, down, frozen) => {
    const port = down!.address;
    await down!.stop();
    frozen!.isFrozen = true;
    const servers = [port, frozen!.address, leader!.address];
    // Whoever waited for the frozen one's answer would not be connected in time.
    const limits = { attemptTimeoutMs: 120_000, timeoutMs: 30_000 };
    await using client = await connect({ servers, ...limits });
    strictEqual(client.server, leader!.address);
    await FakeServer.start().then((server) => server.stop());
  });
});

test("client: where no server can be used, each is named with what it said", async () => {
  await withServers(3, async (down, frozen, alone) => {
    await down!.stop();
    frozen!.isFrozen = true;
    alone!.role = "replica";
    alone!.layout = [];
    const servers = [down!, frozen!, alone!].map((server) => server.address);
    const options = { servers, timeoutMs: 700, attemptTimeoutMs: 200 };
    const error = await errorOf(NotDone, connect(options));
    strictEqual(error.phase, "leader");
    match(error.message, new RegExp(`${servers[0]}: it can't be reached: connection refused`));
    match(error.message, new RegExp(`${servers[1]}: it took the connection and did not answer`));
    match(error.message, new RegExp(`${servers[2]}: it knows no leader now`));
    const alone2 = await errorOf(NotDone, connect({ servers: [servers[0]!], timeoutMs: 200 }));
    strictEqual(alone2.phase, "connect");
  });
});

test("client: a follower that knows no leader says so, though its layout names the last one", async () => {
  await withServers(2, async (dead, follower) => {
    await using client = await connect({ servers: [dead!.address, follower!.address] });
    follower!.knowsLeader = false;
    await dead!.stop();
    const error = await errorOf(NotDone, client.set("k", "v", { timeoutMs: 400 }));
    strictEqual(error.phase, "leader");
    match(error.message, new RegExp(`${follower!.address}: it knows no leader now`));
    match(error.message, new RegExp(`${dead!.address}: it can't be reached`));
    const reading = client.transact((t) => t.get("k"), { timeoutMs: 300 });
    const said = (await errorOf(NotDone, reading)).message;
    match(
      said,
      new RegExp(`^transact failed: no server .*${follower!.address}: it knows no leader`),
    );
    strictEqual(/says that/.test(error.message), false, error.message);
    // The last one that it names is asked all the same: it may lead again.
    await dead!.listen(dead!.port);
    await using again = await connect({ servers: [follower!.address] });
    strictEqual(again.server, dead!.address);
  });
});

test("client: a server that answers no CLUSTER INFO leads, and is followed, all the same", async () => {
  await withServers(2, async (leader, follower) => {
    for (const server of [leader!, follower!]) {
      server.answer = ([, what]) => what === "INFO" ? "-ERR unknown subcommand\r\n" : undefined;
    }
    await using client = await connect({ servers: [follower!.address] });
    strictEqual(client.server, leader!.address);
  });
});

test("client: a leader that answers CLUSTERDOWN until time is up is named with it", async () => {
  await withServers(1, async (server) => {
    await using client = await connect({ servers: [server!.address] });
    server!.answer = ([name]) => name === "INCRBY" ? "-CLUSTERDOWN none\r\n" : undefined;
    const found: string[] = [];
    // Which step is under way when time is up is chance: none of them names no server.
    for (let timeoutMs = 40; timeoutMs <= 200; timeoutMs += 20) {
      found.push((await errorOf(RaftkvError, client.incr("n", 1, { timeoutMs }))).message);
    }
    for (const message of found) match(message, new RegExp(server!.address));
    strictEqual(
      found.some((one) => one.includes("it knows no leader now")),
      true,
      found.join("\n"),
    );
  });
});

test("client: time that is up before any server had its own is told with how far each had come", async () => {
  await withServers(4, async (down, frozen, alone, last) => {
    await down!.stop();
    frozen!.isFrozen = true;
    alone!.role = "replica";
    alone!.layout = [];
    const servers = [down!, alone!, frozen!, last!].map((server) => server.address);
    const error = await errorOf(NotDone, connect({ servers, timeoutMs: 140 }));
    strictEqual(error.phase, "leader");
    const said = [
      "it can't be reached: connection refused",
      "it knows no leader now",
      "it took the connection and has not answered yet",
      "it was not asked yet",
    ];
    for (const [i, server] of servers.entries()) {
      match(error.message, new RegExp(`${server}: ${said[i]}`));
    }
    const only = await errorOf(NotDone, connect({ servers: [frozen!.address], timeoutMs: 140 }));
    strictEqual(only.phase, "connect");
    match(
      only.message,
      /no server was found that leads within 140 ms \(127.*has not answered yet\)$/,
    );
  });
});

test("client: a server that ends every connection is tried less and less often", async () => {
  await withServers(1, async (server) => {
    await using client = await connect({ servers: [server!.address] });
    server!.answer = (_request, peer) => {
      peer.socket.destroy();
      return null;
    };
    server!.cut();
    const before = server!.accepted;
    const call = errorOf(NotDone, client.get("k", { timeoutMs: 1_200 }));
    await pauseMs(300);
    const early = server!.accepted - before;
    await call;
    const late = server!.accepted - before - early;
    strictEqual(early >= 2 && early < 60, true, `${early} in the first 300 ms`);
    strictEqual(late < 60, true, `${late} in the 900 ms after that`);
    server!.answer = () => undefined;
    strictEqual(await client.get("k"), null);
  });
});

test("client: idle, it comes back after a restart of the server", async () => {
  await withServers(1, async (server) => {
    await using client = await connect({ servers: [server!.address] });
    const { port } = server!;
    await server!.stop();
    await until("the connection to end", () => client.server === null);
    await server!.listen(port);
    strictEqual(await client.set("k", "v"), 1);
  });
});

test("client: opened without connecting, its first call finds the leader", async () => {
  await withServers(2, async (leader, follower) => {
    await using client = open({ servers: [follower!.address] });
    strictEqual(leader!.accepted + follower!.accepted, 0);
    strictEqual(await client.set("k", "v"), 1);
    strictEqual(client.server, leader!.address);
  });
});

test("client: any command can be sent, but for those that change the connection", async () => {
  await withServers(1, async (server) => {
    await using client = await connect({ servers: [server!.address] });
    server!.answer = ([name], peer) => {
      if (name === "EXISTS") return ":1\r\n";
      if (name !== "EXPIRE") return undefined;
      peer.socket.destroy();
      return null;
    };
    strictEqual(await client.command(["EXISTS", "k"], { isWrite: false }), 1);
    await errorOf(Unknown, client.command(["EXPIRE", "k", "60"]));
    strictEqual(server!.count("EXPIRE"), 1);
    for (const name of ["MULTI", "watch", "Hello", "QUIT", "Subscribe x", "client tracking on"]) {
      throws(
        () => client.command(name.split(" ")),
        /would change the connection that all calls share/,
      );
    }
    throws(() => client.command([new TextEncoder().encode("exec")]), /would change the connection/);
    throws(() => client.command([]), /begins with its name/);
  });
});

test("client: a connection that leads nowhere is left for a new one to the same server", async () => {
  await withServers(2, async (leader, follower) => {
    const servers = [leader!.address, follower!.address];
    await using client = await connect({ servers, silenceMs: 60, timeoutMs: 2_000 });
    const [dead] = leader!.peers;
    leader!.store.set("k", "v");
    leader!.answer = (_request, peer) => peer === dead ? null : undefined;
    const lost = errorOf(Unknown, client.set("k", "w", { timeoutMs: 500 }));
    const early = client.text.get("k");
    await until("a second connection", () => leader!.peers.size === 2);
    strictEqual(await client.text.get("k"), "v");
    // What was read over the dead one is read over the new one.
    strictEqual(await early, "v");
    strictEqual((await lost).code, "deadline");
    // Nobody waits for anything on the dead one now.
    await until("the dead one to be closed", () => !leader!.peers.has(dead!));
    strictEqual(leader!.count("RAFTKV.SET"), 1);
    strictEqual(leader!.accepted < 8, true, `${leader!.accepted} connections`);
  });
});

test("client: IPv6 addresses in redirects, with brackets and without", async () => {
  const { judge } = await import("../../client/refusals.ts");
  const { ReplyError } = await import("../../client/reply_parser.ts");
  const leaderOf = (text: string) => judge({} as never, new ReplyError(text));
  deepStrictEqual(leaderOf("MOVED 0 ::1:9000"), { why: "moved", leader: "[::1]:9000" });
  deepStrictEqual(leaderOf("MOVED 7 [::1]:9000"), { why: "moved", leader: "[::1]:9000" });
  deepStrictEqual(leaderOf("MOVED 0 db1.example:1"), { why: "moved", leader: "db1.example:1" });
  for (const text of ["MOVED", "MOVED 0", "MOVED 0 a:b", "MOVED 0 a/:/:1", "MOVED 0 h:0"]) {
    deepStrictEqual(leaderOf(text), { why: "moved", leader: null }, text);
  }
});
