import { assert, assertEquals, assertMatch } from "@std/assert";
import { clusterTest } from "./harness.ts";
import { assertHolds, Load } from "./load.ts";
import { eventually, REPLY_DEADLINE_MS } from "./patience.ts";

clusterTest(
  "process: kill -9 of the leader under load loses no acknowledged write",
  {},
  async (cluster) => {
    await cluster.startAll();
    const load = new Load(cluster, "kill");
    await load.more(300);
    const first = await cluster.waitForLeader();
    await first.kill();
    await load.more(300);
    const second = await cluster.waitForLeader();
    first.start();
    await load.more(100);
    await second.kill();
    await load.more(300);
    await load.end();
    await assertHolds(await cluster.waitForLeader(), load.acknowledged);
  },
);

clusterTest(
  "process: kill -9 of all three under load loses no acknowledged write",
  {},
  async (cluster) => {
    await cluster.startAll();
    const load = new Load(cluster, "all");
    await load.more(500);
    await Promise.all(cluster.servers.map((server) => server.kill()));
    for (const server of cluster.servers) server.start();
    await load.more(100);
    await load.end();
    await assertHolds(await cluster.waitForLeader(), load.acknowledged);
  },
);

clusterTest(
  "process: a majority serves after a restart, without the third",
  {},
  async (cluster) => {
    await cluster.startAll();
    using client = cluster.client();
    assertEquals(await client.set("before", "restart"), "OK 1");
    await Promise.all(cluster.servers.map((server) => server.kill()));
    cluster.server(1).start();
    cluster.server(3).start();
    assertEquals(await client.get("before"), "restart");
  },
);

clusterTest(
  "process: a follower that missed 10,000 writes catches up and can lead",
  {},
  async (cluster) => {
    await cluster.startAll();
    const leader = await cluster.waitForLeader();
    const late = cluster.others(leader)[0]!;
    await late.kill();
    const contents = new Map<string, string>();
    for (let i = 0; i < 10_000; i++) contents.set(`late-${i}`, `value ${i} `.repeat(10));
    using socket = await leader.connect();
    const entries = [...contents];
    for (let from = 0; from < entries.length; from += 1_000) {
      const some = entries.slice(from, from + 1_000);
      await socket.send(some.map(([k, v]) => `set ${k} 0 ${v.length}\r\n${v}\r\n`).join(""));
      for (const _ of some) assertEquals(await socket.readLine(), "OK 1");
    }
    late.start();
    // Whoever leads hands over when told to stop: sooner or later to the one that was late.
    for (let tries = 0; tries < 20; tries++) {
      const now = await cluster.waitForLeader();
      if (now === late) return await assertHolds(late, contents);
      assertEquals((await now.terminate()).code, 0);
      const next = await cluster.waitForLeader();
      now.start();
      await cluster.waitForLeader();
      if (next === late) return await assertHolds(await cluster.waitForLeader([late]), contents);
    }
    throw new Error(`Server ${late.id} never came to lead`);
  },
);

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  clusterTest(
    `process: ${signal} of the leader under load hands over, exits 0 in 2 s, loses nothing`,
    {},
    async (cluster) => {
      await cluster.startAll();
      const load = new Load(cluster, signal);
      await load.more(200);
      const leader = await cluster.waitForLeader();
      const ended = await leader.terminate(signal, 2_000);
      assertEquals({ code: ended.code, signal: ended.signal }, { code: 0, signal: null });
      await load.more(200);
      await load.end();
      await assertHolds(await cluster.waitForLeader(), load.acknowledged);
      const lines = leader.process.log.map((line) => line.message).join("\n");
      assertMatch(lines, /[Hh]anding the leadership over/);
      for (const server of cluster.others(leader)) {
        assertEquals((await server.terminate(signal)).code, 0);
      }
    },
  );
}

clusterTest("process: a write that no majority confirms is ERR_TIMEOUT, then ERR_NO_LEADER", {
  timing: { commandTimeoutMs: 1_000 },
}, async (cluster) => {
  await cluster.startAll();
  const leader = await cluster.waitForLeader();
  using socket = await leader.connect();
  assertEquals(await socket.ask("set a 0 3\r\nold\r\n"), "OK 1");
  for (const follower of cluster.others(leader)) follower.freeze();
  await socket.send("set a 0 3\r\nnew\r\nget a\r\n");
  assertEquals(await socket.readLine(), "ERR_TIMEOUT");
  assertEquals(await socket.readLine(), "ERR_NO_LEADER", "no read is served without a majority");
  // The leader hears of no majority: it steps down, and nobody is left to redirect to.
  await eventually("the leader to step down", async () => {
    const line = await socket.ask("delete a\r\n");
    assertMatch(line, /^ERR_(TIMEOUT|NO_LEADER)$/);
    return line === "ERR_NO_LEADER";
  });
  assertEquals(await socket.ask("get a\r\n"), "ERR_NO_LEADER");
  for (const follower of cluster.others(leader)) follower.thaw();
  await cluster.waitForLeader();
  using client = cluster.client();
  const value = await client.get("a");
  assert(value === "new" || value === "old" || value === null, `"a" is ${value}`);
});

clusterTest(
  "process: a frozen leader serves nothing stale when it goes on",
  {},
  async (cluster) => {
    await cluster.startAll();
    const old = await cluster.waitForLeader();
    using socket = await old.connect();
    assertEquals(await socket.ask("set a 0 3\r\nold\r\n"), "OK 1");
    old.freeze();
    await socket.send("get a\r\nset a 0 5\r\nstale\r\n");
    using client = cluster.client(cluster.others(old));
    await cluster.waitForLeader(cluster.others(old));
    assertEquals(await client.set("a", "new"), "OK 2");
    old.thaw();
    assertMatch(await socket.readLine(), /^ERR_(REDIRECT 127\.0\.0\.1 \d+|NO_LEADER)$/);
    assertMatch(await socket.readLine(), /^ERR_(REDIRECT 127\.0\.0\.1 \d+|NO_LEADER|TIMEOUT)$/);
    assertEquals(await client.get("a"), "new");
  },
);

clusterTest("process: one server of three, alone, says ERR_NO_LEADER", {}, async (cluster) => {
  const alone = cluster.server(1);
  alone.start();
  using before = await alone.connectEventually();
  assertEquals(await before.ask("get a\r\n"), "ERR_NO_LEADER", "before the cluster has formed");
  await alone.process.logged("aiting for");
  await cluster.startAll();
  using client = cluster.client();
  assertEquals(await client.set("a", "x"), "OK 1");
  await Promise.all(cluster.others(alone).map((server) => server.kill()));
  using socket = await alone.connect();
  await eventually("ERR_NO_LEADER", async () => {
    const line = await socket.ask("get a\r\n");
    return line === "ERR_NO_LEADER";
  });
  for (const command of ["getm a", "delete a", "set a 0 1\r\nx", "cas a 0 1 1\r\nx"]) {
    assertEquals(await socket.ask(`${command}\r\n`), "ERR_NO_LEADER", command);
  }
});

clusterTest("process: more uncommitted bytes than the limit are ERR_BUSY", {
  limits: { valueBytesMax: 16_384, uncommittedBytesMax: 65_536 },
  timing: { electionTimeoutMs: 2_000, commandTimeoutMs: 2_000 },
}, async (cluster) => {
  await cluster.startAll();
  const leader = await cluster.waitForLeader();
  using socket = await leader.connect();
  assertEquals(await socket.ask("set a 0 1\r\nx\r\n"), "OK 1");
  for (const follower of cluster.others(leader)) follower.freeze();
  const replies: string[] = [];
  const value = "v".repeat(8_192);
  for (let i = 0; i < 40; i++) await socket.send(`set busy${i} 0 8192\r\n${value}\r\n`);
  for (let i = 0; i < 40; i++) replies.push(await socket.readLine(REPLY_DEADLINE_MS));
  for (const follower of cluster.others(leader)) follower.thaw();
  assertEquals([...new Set(replies)].sort(), ["ERR_BUSY", "ERR_TIMEOUT"]);
  const taken = replies.filter((reply) => reply === "ERR_TIMEOUT").length;
  assert(taken <= 16, "no more was taken in than the limit and one batch");
  // What was refused was not done; what timed out may have been. A small batch may fit behind a large
  // one that did not, so the last command is not always among the refused ones.
  using client = cluster.client();
  for (let i = 0; i < 40; i++) {
    if (replies[i] === "ERR_BUSY") assertEquals(await client.get(`busy${i}`), null);
  }
  assertMatch(await client.set("busy39", "x"), /^OK \d+$/);
});
