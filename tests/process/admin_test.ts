/** The admin port of real servers: every probe, healthy and not, and what the others hear of each. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { freePorts } from "../../bench/free_ports.ts";
import { answers, ask, factsOf, seen, statusOf } from "./admin_client.ts";
import { type Cluster, clusterTest, type Server, sharedClusterTest } from "./harness.ts";
import { eventually, sleep } from "./patience.ts";
import { RawSocket } from "./socket.ts";

const PROBES = ["/livez", "/readyz", "/readyz?noleader", "/leader", "/replica"];

async function probes(server: Server): Promise<number[]> {
  const all = await Promise.all(PROBES.map((path) => ask(server, path)));
  return all.map(({ status }) => status);
}

/** The leader, once the others follow it: just after a start the leadership may move once more. */
async function settled(cluster: Cluster): Promise<Server> {
  let leader: Server | null = null;
  await eventually("one leader, and two replicas", async () => {
    const all = await Promise.all(cluster.servers.map((server) => probes(server).catch(() => [])));
    leader = cluster.servers.find((_, at) => all[at]![3] === 200) ?? null;
    return leader !== null && all.filter((statuses) => statuses[4] === 200).length === 2;
  });
  return leader!;
}

sharedClusterTest("admin port", {}, {
  "healthy: one leader, two replicas, all ready": async (cluster) => {
    const leader = await settled(cluster);
    for (const follower of cluster.others(leader)) {
      assertEquals(await probes(follower), [200, 200, 200, 503, 200]);
    }
    assertEquals(await probes(leader), [200, 200, 200, 200, 503]);
  },

  "every server tells of all servers, whoever is asked": async (cluster) => {
    const leader = await settled(cluster);
    for (const server of cluster.servers) {
      await eventually(`server ${server.id} to hear of all`, async () => {
        const { servers } = await statusOf(server);
        return servers.every(({ facts }) => facts?.appliedIndex === servers[0]!.facts?.lastIndex);
      });
      const { leaderId, servers, events } = await statusOf(server);
      assertEquals(leaderId, leader.id);
      for (const one of servers) {
        assertEquals(one.reach, one.id === server.id ? "self" : "heard");
        assertEquals(one.facts?.adminPort, cluster.server(one.id).adminPort);
        assertEquals(one.facts?.role, one.id === leader.id ? "leader" : "follower");
        assert(one.factsAgeMs! < 5_000);
      }
      assert(events.some((event) => event.message.startsWith("Now leader")));
    }
    const { followers, memoryBytes, diskBytes, fsyncP99Ms } = await factsOf(leader);
    assertEquals(followers.map(({ lagEntries }) => lagEntries), [0, 0]);
    assert(memoryBytes! > 10_000_000 && diskBytes! > 0 && fsyncP99Ms! > 0);
  },

  "RAFTKV.STATUS says the same on the client port": async (cluster) => {
    const leader = await settled(cluster);
    using socket = await leader.connect();
    await socket.send("*1\r\n$13\r\nraftkv.status\r\n");
    const length = Number((await socket.readLine()).slice(1));
    const status = JSON.parse(await socket.readLine());
    assert(length > 1_000);
    assertEquals(Object.keys(status), Object.keys(await statusOf(leader)));
    assertEquals(status.serverId, leader.id);
  },

  "another name, another site, another method": async (cluster) => {
    const server = cluster.servers[0]!;
    const port = server.adminPort;
    using socket = await connectTo(server);
    await socket.send("GET /status HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    assertMatch(await socket.readLine(), /^HTTP\/1\.1 421 /);
    const own = `http://localhost:${port}`;
    assertEquals((await ask(server, "/status", { origin: "http://evil.example" })).status, 403);
    assertEquals((await ask(server, "/status", { "sec-fetch-site": "cross-site" })).status, 403);
    const posted = await fetch(`${own}/status`, { method: "POST", body: "x" });
    assertEquals([posted.status, posted.headers.get("allow")], [405, "GET, HEAD"]);
    await posted.body?.cancel();
  },

  "a frozen follower: the others say that it is not heard, and nothing is guessed": async (
    cluster,
  ) => {
    const leader = await settled(cluster);
    const frozen = cluster.others(leader)[0]!;
    frozen.freeze();
    await eventually("the frozen server to be lost", async () => {
      const { reach, facts } = await seen(leader, frozen.id);
      return reach === "lost" && facts === null;
    });
    const { silentMs, unknownBecause } = await seen(leader, frozen.id);
    assert(silentMs! > 1_000);
    assertMatch(
      unknownBecause!,
      /^It has told nothing of itself lately, and was last heard \d+ ms ago$/,
    );
    const { problems } = await factsOf(leader);
    // A busy machine may have a slow disk as well.
    const others = problems.filter(({ kind }) => kind !== "slowDisk");
    assertEquals(others.map(({ kind }) => kind), ["peerLost"]);
    assertStringIncludes(others[0]!.text, `Server ${frozen.id} (127.0.0.1:${frozen.logPort})`);
    const behind = (await factsOf(leader)).followers.find(({ id }) => id === frozen.id)!;
    // The connection has ended: what was confirmed over it does not count, and nobody knows the rest.
    assertEquals([behind.matchIndex, behind.lagEntries, behind.lagMs], [0, null, null]);
    assertEquals(await probes(leader), [200, 200, 200, 200, 503]);
    const answer = await ask(frozen, "/livez", {}, 500).catch(() => null);
    assertEquals(answer, null);
    frozen.thaw();
    await answers(frozen, "/replica", 200);
    await eventually("the thawed server to be well", async () => {
      return (await factsOf(leader)).problems.length === 0;
    });
  },

  "two of three down: alive, not ready, and it says why": async (cluster) => {
    const leader = await settled(cluster);
    for (const other of cluster.others(leader)) await other.kill();
    await answers(leader, "/readyz", 503);
    await answers(leader, "/leader", 503);
    await eventually("the loss to be named", async () => {
      const kinds = (await factsOf(leader)).problems.map(({ kind }) => kind);
      return ["noLeader", "noMajority", "peerLost"].every((kind) =>
        (kinds as string[]).includes(kind)
      );
    });
    assertEquals(await probes(leader), [200, 503, 200, 503, 503]);
    const { body } = await ask(leader, "/readyz");
    assertMatch(body, /\n\[-\]leader failed: no leader has been known for \d+ ms\n/);
    assertEquals((await ask(leader, "/readyz/data")).body, "ok\n");
    const { problems } = await factsOf(leader);
    const { text } = problems.find(({ kind }) => kind === "noMajority")!;
    assertEquals(text, "1 of 3 servers, this one included, are heard here: a leader needs 2");
    await cluster.startAll();
    await answers(leader, "/readyz", 200);
  },
});

clusterTest(
  "admin port: a stop is not held up by open streams, and ends them",
  {},
  async (cluster) => {
    await cluster.startAll();
    const server = cluster.servers[0]!;
    const sockets = [];
    for (let i = 0; i < 10; i++) {
      const socket = await connectTo(server);
      await socket.send("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
      assertEquals(await socket.readLine(), "HTTP/1.1 200 OK");
      sockets.push(socket);
    }
    assertMatch((await ask(server, "/metrics")).body, /^raftkv_admin_event_streams 10$/m);
    const beganMs = performance.now();
    const { code } = await server.terminate();
    assertEquals(code, 0);
    const tookMs = performance.now() - beganMs;
    assert(tookMs < 5_000, `${tookMs} ms`);
    for (const socket of sockets) socket[Symbol.dispose]();
  },
);

clusterTest(
  "admin port: where its default is taken, one line says so and the server does without",
  {
    size: 1,
  },
  async (cluster) => {
    const [server] = cluster.servers as [Server];
    const taken = Deno.listen({ hostname: "127.0.0.1", port: server.adminPort });
    try {
      server.start();
      await cluster.waitForLeader();
      const said = server.process.error.split("\n").filter((line) =>
        /There is no admin port/.test(line)
      );
      assertEquals(said.length, 1);
      assertStringIncludes(said[0]!, `Port ${server.adminPort} on 127.0.0.1 is in use`);
    } finally {
      taken.close();
    }
  },
);

clusterTest("admin port: a configured one that is taken is refused, 0 is none", {
  size: 1,
}, async (cluster) => {
  const [server] = cluster.servers as [Server];
  const taken = Deno.listen({ hostname: "127.0.0.1", port: server.adminPort });
  try {
    cluster.writeConfig({ servers: { adminPort: server.adminPort } });
    server.start();
    const ended = await server.process.ended(30_000);
    assertEquals(ended.code, 1);
    assertStringIncludes(ended.error, `raftkv: Port ${server.adminPort} on 127.0.0.1 is in use`);
  } finally {
    taken.close();
  }
  cluster.writeConfig({ servers: { adminPort: 0 } });
  server.start();
  await cluster.waitForLeader();
  await sleep(50);
  const refused = await ask(server, "/livez").then(() => false, () => true);
  assert(refused, "something answers there");
  assert(!/no admin port/.test(server.process.error));
});

/** A raw connection to the admin port. */
function connectTo(server: Server): Promise<RawSocket> {
  return RawSocket.connect(server.adminPort);
}

clusterTest(
  "admin port: a leader tells how far each follower is behind, until its connection ends",
  {
    timing: { heartbeatIntervalMs: 1_000, electionTimeoutMs: 8_000, commandTimeoutMs: 20_000 },
  },
  async (cluster) => {
    await cluster.startAll();
    const leader = await settled(cluster);
    const frozen = cluster.others(leader)[0]!;
    await answers(frozen, "/replica", 200);
    frozen.freeze();
    using socket = await leader.connect();
    for (let i = 0; i < 10; i++) {
      await socket.send("set lag 0 1\r\nx\r\n");
      assertMatch(await socket.readLine(), /^OK /);
    }
    await sleep(100); // a page is up to 50 ms old
    const { followers, lastIndex } = await factsOf(leader);
    const behind = followers.find(({ id }) => id === frozen.id)!;
    assertEquals(behind.matchIndex + behind.lagEntries!, lastIndex);
    assert(behind.lagEntries! >= 10 && behind.lagBytes! > 100 && behind.lagMs! >= 50);
    const { body } = await ask(leader, "/metrics");
    assertMatch(
      body,
      new RegExp(`^raftkv_raft_follower_lag_entries\\{peer="${frozen.id}"\\} 1\\d$`, "m"),
    );
  },
);

clusterTest(
  "admin: a probe port shows how a server is, and nothing else",
  { size: 1 },
  async (cluster) => {
    const [probePort] = freePorts(1);
    cluster.writeConfig({ servers: { probePort: probePort!, adminPort: 0 } });
    await cluster.startAll();
    const probed = { adminPort: probePort! };
    assertEquals(await ask(probed, "/readyz"), { status: 200, body: "ok\n" });
    assertEquals((await ask(probed, "/leader")).status, 200);
    for (const path of ["/", "/status", "/metrics", "/events"]) {
      assertEquals((await ask(probed, path)).status, 404, path);
    }
  },
);
