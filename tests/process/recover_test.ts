/**
 * What comes back once a majority is lost for good, or all servers are, as an operator does it: by
 * `raftkv recover` from what is left, by `raftkv restore` from a backup; with real processes and load.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Cluster, clusterTest, type Server } from "./harness.ts";
import { assertHolds, Load } from "./load.ts";
import { note } from "./journal.ts";
import { runToEnd } from "./server_process.ts";

async function raftkv(cluster: Cluster, ...args: string[]) {
  note(`raftkv ${args.join(" ")}`);
  return await runToEnd({ args, directory: cluster.directory });
}

/** A value's version, as the line protocol shows it. */
async function versionOf(server: Server, key: string): Promise<number> {
  using socket = await server.connect();
  const line = await socket.ask(`getm ${key}\r\n`);
  const version = /^VALUE (\d+) \d+ \d+$/.exec(line)?.[1];
  assert(version !== undefined, line);
  return Number(version);
}

clusterTest(
  "process: two of three are lost for good under load; what the third holds comes back whole",
  { storage: { snapshotLogBytesMin: 65_536, segmentBytesMax: 262_144, reserveBytes: 65_536 } },
  async (cluster) => {
    await cluster.startAll();
    const leader = await cluster.waitForLeader();
    const [first, last] = cluster.others(leader) as [Server, Server];
    using client = cluster.client();
    for (let i = 1; i <= 4; i++) assertEquals(await client.set("counted", `${i}`), `OK ${i}`);
    const load = new Load(cluster, "lost");
    await load.more(1_500);
    // One is lost, later the leader: whatever was acknowledged in between, the last one has too.
    await first.kill();
    await load.more(1_500);
    await leader.kill();

    // Nobody can lead here any more, so writes wait; while it runs, nothing is recovered.
    const running = await raftkv(cluster, "recover", last.dataDirectory, "--yes");
    assertEquals(running.code, 1);
    assertStringIncludes(running.error, "a server is running here");
    await last.kill();

    const copies = cluster.servers.map(({ dataDirectory }) => dataDirectory);
    const compared = await raftkv(cluster, "recover", "--compare", ...copies);
    assertEquals([compared.code, compared.error], [0, ""]);
    assert(!compared.out.includes(`Take ${first.dataDirectory}`), compared.out);
    const id = `${last.id}`;
    const plan = await raftkv(cluster, "recover", last.dataDirectory, "--as", id);
    assertEquals([plan.code, plan.error], [0, ""]);
    assertStringIncludes(plan.out, "Nothing was changed.");
    const data = `${cluster.directory}/recovered`;
    const args = ["recover", last.dataDirectory, "--as", id, "--data", data, "--yes"];
    const done = await raftkv(cluster, ...args);
    assertEquals([done.code, done.error], [0, ""]);

    // The same cluster file: it still names the two that are lost.
    last.start({ RAFTKV_DATA: data });
    await load.more(500);
    await load.end();
    await assertHolds(last, load.acknowledged);
    assertMatch(last.process.error, /The cluster file lists other servers than this cluster has/);

    // Versions jumped: none that a client knows from before fits another value.
    assertEquals(await versionOf(last, "counted"), 1_000_000_004);
    using later = cluster.client([last]);
    assertEquals(await later.set("counted", "another"), "OK 1000000005");
    for (let version = 1; version <= 20; version++) {
      assertMatch(await later.cas("counted", version, "stale"), /^ERR_VERSION/);
    }

    // One of the old servers comes back: it is refused in a sentence, and changes nothing.
    first.start();
    await first.process.logged("A peer refuses this server");
    assertMatch(
      first.process.error,
      new RegExp(`server ${first.id} (is no member of this|belongs to) cluster`),
    );
    await assertHolds(last, load.acknowledged);
    await first.kill();
    // It survives a restart as any other.
    await last.kill();
    last.start({ RAFTKV_DATA: data });
    await cluster.waitForLeader([last]);
    await assertHolds(last, load.acknowledged);
    assertEquals((await raftkv(cluster, "verify", last.dataDirectory)).code, 0);
  },
);

clusterTest(
  "process: all three are lost; three come back from a backup, and one of them once more",
  {},
  async (cluster) => {
    await cluster.startAll();
    const servers = cluster.servers.map(({ clientPort }) => `127.0.0.1:${clientPort}`).join(",");
    const file = `${cluster.directory}/friday.backup`;
    const load = new Load(cluster, "kept");
    await load.more(1_000);
    const backedUp = new Map(load.acknowledged);
    const backup = await raftkv(cluster, "backup", file, "--servers", servers);
    assertEquals(backup.code, 0, backup.error);
    await load.end();
    using before = cluster.client();
    assertEquals(await before.set("counted", "1"), "OK 1");
    await cluster.stopServers();
    Deno.removeSync(cluster.dataPath, { recursive: true });

    const restore = (id: number, ...more: string[]) =>
      raftkv(cluster, "restore", file, "--data", cluster.dataPath, "--id", `${id}`, ...more);
    const first = await restore(1, "--servers", "1,2,3");
    assertEquals([first.code, first.error], [0, ""]);
    const token = /--token ([0-9a-f]{32})/.exec(first.out)?.[1] ?? "";
    const shared = ["--servers", "1,2,3", "--token", token];
    for (const id of [2, 3]) assertEquals((await restore(id, ...shared)).code, 0);

    // All are needed once, as at the first start of any cluster: none of them may be a second making.
    cluster.server(1).start();
    cluster.server(2).start();
    await cluster.server(1).process.logged("Log recovered, without entries");
    cluster.server(3).start();
    const leader = await cluster.waitForLeader();
    await assertHolds(leader, backedUp);
    await Promise.all(cluster.servers.map(({ process }) => process.logged("Caught up")));
    // Not in the backup: what the old cluster gave as version 1 of it can't be mistaken for this.
    using later = cluster.client();
    assertEquals(await later.set("counted", "new"), "OK 1000000001");
    assertMatch(await later.cas("counted", 1, "stale"), /^ERR_VERSION/);

    // One is lost after it has served, and is made anew by the same command: what it has forgotten is
    // not missed, whoever it votes for.
    const lost = cluster.others(await cluster.waitForLeader())[0]!;
    const more = new Load(cluster, "more");
    await more.more(500);
    await lost.kill();
    Deno.removeSync(lost.dataDirectory, { recursive: true });
    const again = await restore(lost.id, ...shared);
    assertEquals([again.code, again.error], [0, ""]);
    lost.start();
    await lost.process.logged("Caught up");
    await more.more(500);
    await (await cluster.waitForLeader()).kill();
    await more.more(300);
    await more.end();
    await assertHolds(await cluster.waitForLeader(), more.acknowledged);
    await assertHolds(await cluster.waitForLeader(), backedUp);
  },
);

clusterTest(
  "process: a backup founds a cluster of one, and a running server's directory is never written over",
  { size: 1 },
  async (cluster) => {
    await cluster.startAll();
    const server = cluster.server(1);
    using client = cluster.client();
    assertEquals(await client.set("a", "kept"), "OK 1");
    const file = `${cluster.directory}/friday.backup`;
    const address = `127.0.0.1:${server.clientPort}`;
    assertEquals((await raftkv(cluster, "backup", file, "--servers", address)).code, 0);
    const args = ["restore", file, "--data", cluster.dataPath, "--id", "1"];
    const taken = await raftkv(cluster, ...args);
    assertEquals(taken.code, 1);
    assertStringIncludes(taken.error, "is taken");
    assertEquals(await client.get("a"), "kept");
    await server.kill();
    Deno.removeSync(cluster.dataPath, { recursive: true });
    assertEquals((await raftkv(cluster, ...args)).code, 0);
    server.start();
    using after = cluster.client();
    assertEquals(await after.get("a"), "kept");
    assertEquals(await after.set("a", "more"), "OK 1000000002");
  },
);
