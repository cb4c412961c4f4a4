import { assert, assertEquals, assertMatch } from "@std/assert";
import { clusterTest, type Server } from "./harness.ts";
import { needsLinux, needsProgram, run, unmet } from "./requirements.ts";
import { eventually, sleep } from "./patience.ts";
import { RedisSocket } from "./redis_socket.ts";
import { RawSocket } from "./socket.ts";

const MIB = 1_048_576;

clusterTest(
  "process: connections beyond connectionsMax are closed, and let in once there is room",
  {
    size: 1,
    limits: { connectionsMax: 5 },
  },
  async (cluster) => {
    await cluster.startAll();
    const server = cluster.server(1);
    const sockets: RawSocket[] = [];
    await eventually("five connections to be let in", async () => {
      for (const socket of sockets.splice(0)) socket.close();
      for (let i = 0; i < 5; i++) sockets.push(await server.connect());
      const replies = await Promise.all(
        sockets.map((socket) => socket.ask("get a\r\n").catch(() => "closed")),
      );
      return replies.every((reply) => reply === "ERR_NOT_FOUND");
    });
    for (let i = 0; i < 3; i++) {
      using sixth = await server.connect();
      assertEquals(await sixth.readToEnd(), "-ERR max number of clients reached\r\n");
    }
    assertEquals(await sockets[4]!.ask("get a\r\n"), "ERR_NOT_FOUND");
    sockets[0]!.close();
    await eventually("a place to be free", async () => {
      using next = await server.connect();
      return await next.ask("get a\r\n").catch(() => "closed") === "ERR_NOT_FOUND";
    });
    for (const socket of sockets) socket.close();
    await server.process.logged("limits.connectionsMax");
  },
);

clusterTest("process: idle and deaf clients are disconnected where the timing says so", {
  size: 1,
  timing: { idleTimeoutMs: 1_000, writeTimeoutMs: 1_000 },
}, async (cluster) => {
  await cluster.startAll();
  const server = cluster.server(1);
  using idle = await server.connect();
  assertEquals(await idle.ask("get a\r\n"), "ERR_NOT_FOUND");
  assertEquals(await idle.readToEnd(), "");
  using deaf = await server.connect();
  assertEquals(await deaf.ask(`set big 0 ${MIB}\r\n${"b".repeat(MIB)}\r\n`), "OK 1");
  await deaf.send("get big\r\n".repeat(100));
  await eventually("the server to give the deaf client up", async () => {
    using socket = await RedisSocket.connect(server.clientPort);
    return /^connected_clients:1\r$/m.test(String(await socket.ask("INFO", "clients")));
  });
  // What was under way before the end may still be in the system's buffers; all of it can't be.
  const read = await deaf.readToEnd();
  assert(read.length < 90 * MIB, `${read.length} bytes reached a client that did not read`);
});

const noPrlimit = unmet(needsLinux(), needsProgram("prlimit", "--nofile=64:64", "true"));

/** How many files a server has open. */
function openFiles(server: Server): number {
  return [...Deno.readDirSync(`/proc/${server.process.pid}/fd`)].length;
}

/** A connection that is served: the runtime's own files may take the room for a moment. */
async function letIn(server: Server): Promise<RawSocket> {
  let socket = await server.connect();
  await eventually("a connection to be let in", async () => {
    if (await socket.ask("get a\r\n").catch(() => "") === "ERR_NOT_FOUND") return true;
    socket.close();
    socket = await server.connect();
    return false;
  });
  return socket;
}

clusterTest("process: clients never take the descriptors that log and snapshots need", {
  size: 1,
  storage: { segmentBytesMax: 65_536, snapshotLogBytesMin: 262_144 },
  notRun: noPrlimit,
}, async (cluster) => {
  const server = cluster.server(1);
  server.start({}, ["prlimit", "--nofile=64:64"]);
  await cluster.waitForLeader();
  using before = await letIn(server);
  assertEquals(await before.ask("set a 0 1\r\nx\r\n"), "OK 1");
  const sockets: RawSocket[] = [];
  for (let i = 0; i < 100; i++) sockets.push(await server.connect());
  await server.process.logged("Clients are turned away: almost no file descriptors");
  // Idle strangers on the other port take none of them either.
  for (let i = 0; i < 100; i++) sockets.push(await RawSocket.connect(server.logPort));
  // Some of the strangers' connections may be closing while this is read.
  await eventually("free descriptors", () => openFiles(server) <= 64 - 8);
  assert(openFiles(server) > 30, "connections were let in as long as there was room");

  const value = "v".repeat(32_768);
  for (let n = 0; n < 60; n++) {
    assertEquals(await before.ask(`set key${n} 0 ${value.length}\r\n${value}\r\n`), "OK 1");
  }
  await eventually("segments and a snapshot", () => {
    const names = [...Deno.readDirSync(`${server.dataDirectory}/wal`)].map((file) => file.name);
    const snapshots = [...Deno.readDirSync(`${server.dataDirectory}/snapshot`)];
    return !names.includes("0000000000000001.log") && snapshots.length > 0;
  });
  assertEquals(await before.ask("set a 0 1\r\ny\r\n"), "OK 2");

  for (const socket of sockets) socket.close();
  await eventually("new connections to be served again", async () => {
    using after = await server.connect();
    await after.send("get a\r\n");
    return await after.readLine(1_000).catch(() => "") === "VALUE 1";
  });
  await server.restart();
  await cluster.waitForLeader();
  using again = await server.connect();
  assertEquals(await again.ask("get key59\r\n"), `VALUE ${value.length}`);
});

clusterTest("process: a limit on descriptors that comes while the server runs is noticed", {
  size: 1,
  notRun: noPrlimit,
}, async (cluster) => {
  await cluster.startAll();
  const server = cluster.server(1);
  assertEquals(run("prlimit", `--pid=${server.process.pid}`, "--nofile=64:64"), null);
  using before = await letIn(server);
  assertEquals(await before.ask("set a 0 1\r\nx\r\n"), "OK 1");
  const sockets: RawSocket[] = [];
  for (let i = 0; i < 100; i++) sockets.push(await server.connect());
  await server.process.logged("Clients are turned away: almost no file descriptors");
  assertEquals(await before.ask("set a 0 1\r\ny\r\n"), "OK 2");
  for (const socket of sockets) socket.close();
  await eventually("new connections to be served again", async () => {
    using after = await server.connect();
    await after.send("get a\r\n");
    return await after.readLine(1_000).catch(() => "") === "VALUE 1";
  });
});

clusterTest("process: a crowd that comes at once takes no descriptors that files need", {
  size: 1,
  notRun: noPrlimit,
}, async (cluster) => {
  await cluster.startAll();
  const server = cluster.server(1);
  assertEquals(run("prlimit", `--pid=${server.process.pid}`, "--nofile=64:64"), null);
  using before = await letIn(server);
  // All of them are in its queue when it looks: some runtimes have one of 128.
  server.freeze();
  const sockets: RawSocket[] = [];
  for (let i = 0; i < 100; i++) sockets.push(await server.connect());
  await before.send("set a 0 1\r\nx\r\n");
  server.thaw();
  assertEquals(await before.readLine(), "OK 1");
  await server.process.logged("Clients are turned away: almost no file descriptors");
  await eventually("all of them to be turned away or let in", () => openFiles(server) <= 64 - 8);
  const refused = server.process.log.filter(({ message }) =>
    message === "Cannot accept connections"
  );
  assertEquals(refused, [], "there was always one for the next connection");
  for (const socket of sockets) socket.close();
});

clusterTest("process: a frozen follower does not stop the others, nor fill the leader's memory", {
  limits: { outboxBytesMax: 8 * MIB, appendBytesInFlightMax: 4 * MIB },
}, async (cluster) => {
  await cluster.startAll();
  const leader = await cluster.waitForLeader();
  const frozen = cluster.others(leader)[0]!;
  frozen.freeze();
  using socket = await leader.connect();
  const value = "v".repeat(MIB);
  const before = leader.process.residentBytes();
  for (let i = 0; i < 64; i++) {
    assertEquals(await socket.ask(`set frozen${i} 0 ${MIB}\r\n${value}\r\n`), "OK 1");
  }
  const after = leader.process.residentBytes();
  if (before !== null && after !== null) {
    // The log and the store keep 64 MiB each; what waits for the follower is bounded.
    const grownMib = Math.round((after - before) / MIB);
    assert(grownMib < 450, `memory grew by ${grownMib} MiB`);
  }
  frozen.thaw();
  // With the third dead, nothing commits without the one that was frozen.
  const third = cluster.others(leader).find((server) => server !== frozen)!;
  await third.kill();
  using client = cluster.client([leader, frozen]);
  assertMatch(await client.set("after", "x"), /^OK 1$/);
  assertEquals(await client.get("frozen63") === value, true);
});

clusterTest(
  "process: silent strangers on the log port that come again and again don't keep a server out",
  {},
  async (cluster) => {
    await cluster.startAll();
    const leader = await cluster.waitForLeader();
    const [first, second] = cluster.others(leader);
    await first!.kill();
    await second!.kill();
    await eventually("the leader to miss the others", async () => {
      using socket = await leader.connect();
      return await socket.ask("get a\r\n") === "ERR_NO_LEADER";
    });
    // More than a server takes: it has none left for those who belong there.
    const strangers: RawSocket[] = [];
    for (let i = 0; i < 150; i++) strangers.push(await RawSocket.connect(leader.logPort));
    let isOver = false;
    const renewing = (async () => {
      while (!isOver) {
        strangers.push(await RawSocket.connect(leader.logPort));
        strangers.shift()!.close();
        await sleep(20);
      }
    })();
    try {
      first!.start();
      using client = cluster.client([leader, first!]);
      assertMatch(await client.set("a", "x"), /^OK 1$/);
      assertEquals(leader.isRunning, true);
    } finally {
      isOver = true;
      await renewing;
      for (const stranger of strangers) stranger.close();
    }
  },
);
