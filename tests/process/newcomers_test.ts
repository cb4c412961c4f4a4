/**
 * Servers come, go, move and are replaced while clients write all the time; every write that was acknowledged
 * is read back in the end.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { freePorts } from "../../bench/free_ports.ts";
import { DenoDisk } from "../../lib/host/deno_disk.ts";
import { readFormation, writeFormation } from "../../lib/storage/files/formation_file.ts";
import { cli, type CliEnded } from "./cli_process.ts";
import { type Cluster, clusterTest, type Server } from "./harness.ts";
import { assertHolds, Load } from "./load.ts";
import { eventually } from "./patience.ts";
import { RawSocket } from "./socket.ts";
import { BARE_ENVIRONMENT, programCommand } from "./server_process.ts";

const WRITES = 200;

/** Members change from version 2 of the cluster on, which needs all of the founders once. */
async function startChangeable(cluster: Cluster): Promise<void> {
  await cluster.startAll();
  for (const { process } of cluster.servers) await process.logged("The cluster version is raised:");
}

/** `raftkv member …`, told of `servers`. */
function member(
  cluster: Cluster,
  line: string,
  servers = cluster.clientPorts(),
): Promise<CliEnded> {
  return cli(cluster, ["member", ...line.split(" "), "--servers", servers, "--timeout", "20s"]);
}

/** As `raftkv member list` has them, those that run: `1 voter`, `4 learner`. */
async function roles(cluster: Cluster): Promise<string[]> {
  const { code, out, error } = await member(cluster, "list --output json");
  assertEquals([code, error], [0, ""]);
  const { members } = JSON.parse(out) as { members: { id: number; role: string }[] };
  return members.map(({ id, role }) => `${id} ${role}`);
}

/** Ends the load, and reads all of it back from whoever leads among `servers`. */
async function assertAllThere(cluster: Cluster, load: Load, servers: readonly Server[]) {
  await load.end();
  assert(load.acknowledged.size > WRITES);
  await assertHolds(await cluster.waitForLeader(servers), load.acknowledged);
}

clusterTest("members: a server that was killed and wiped is replaced", {}, async (cluster) => {
  await startChangeable(cluster);
  const load = new Load(cluster, "replaced");
  await load.more(WRITES);
  const leader = await cluster.waitForLeader();
  const [lost, kept] = cluster.others(leader) as [Server, Server];
  await lost.kill();
  Deno.removeSync(lost.dataDirectory, { recursive: true });
  // Under its old id it is a stranger, and told what to do.
  lost.start();
  await lost.process.logged(`raftkv member replace ${lost.id}`);
  await lost.kill();
  lost.flags = ["--join", cluster.clientPorts([leader, kept])];
  // Given before anybody asks, it waits.
  const replacing = member(cluster, `replace ${lost.id}`);
  lost.start();
  const replaced = await replacing;
  assertEquals(
    [replaced.code, replaced.out],
    [0, `server ${lost.id} is a voter\n`],
    replaced.error,
  );
  await load.more(WRITES);
  assertEquals(await roles(cluster), ["1 voter", "2 voter", "3 voter"]);
  // Given again it has nothing to do; and the same command line starts the server again.
  assertEquals((await member(cluster, `replace ${lost.id}`)).code, 0);
  await lost.restart();
  await load.more(WRITES);
  // It counts: without one of the others there is still a majority.
  await kept.kill();
  await load.more(WRITES);
  await assertAllThere(cluster, load, [leader, lost]);
});

clusterTest("members: one that ended as it was taken in continues", {}, async (cluster) => {
  await startChangeable(cluster);
  const fourth = cluster.newcomer(4);
  fourth.start();
  await fourth.process.logged("raftkv member add 4");
  const added = await member(cluster, "add 4 --learner");
  assertEquals([added.code, added.out], [0, "server 4 is a learner\n"], added.error);
  await fourth.process.logged("Joined the cluster");
  await fourth.kill();
  // As it was in between: who founded the cluster is written down, and there is no log yet.
  const { disk, path } = DenoDisk.at(fourth.dataDirectory);
  const record = readFormation(disk, path, 4, null)!;
  writeFormation(disk, path, 4, { ...record, stage: "prepared" });
  Deno.removeSync(`${fourth.dataDirectory}/wal`, { recursive: true });
  fourth.start();
  await fourth.process.logged("Log recovered");
  const promoted = await eventuallyDone(() => member(cluster, "promote 4"));
  assertEquals(promoted.out, "server 4 is a voter\n");
});

clusterTest(
  "members: a replacement continues, whoever is killed between its steps",
  {},
  async (cluster) => {
    await startChangeable(cluster);
    const load = new Load(cluster, "steps");
    await load.more(WRITES);
    const lost = cluster.others(await cluster.waitForLeader())[0]!;
    const kept = cluster.others(lost);
    await lost.kill();
    Deno.removeSync(lost.dataDirectory, { recursive: true });
    lost.flags = ["--join", cluster.clientPorts(kept)];
    const restart = async (server: Server) => {
      await server.kill();
      server.start();
    };
    // It waits, and is killed before anybody has taken it in.
    lost.start();
    await lost.process.logged(`raftkv member replace ${lost.id}`);
    await restart(lost);
    await lost.process.logged(`raftkv member replace ${lost.id}`);
    // The first of the two changes is committed, and the leader dies before the second.
    const removed = await member(cluster, `remove ${lost.id}`, cluster.clientPorts(kept));
    assertEquals(removed.code, 0, removed.error);
    await restart(await cluster.waitForLeader(kept));
    await cluster.waitForLeader(kept);
    await load.more(WRITES);
    // The second is, and the command, the newcomer and the leader die before it has caught up.
    const [program, ...args] = programCommand(undefined);
    const command = new Deno.Command(program!, {
      args: [...args, "member", "replace", `${lost.id}`, "--servers", cluster.clientPorts(kept)],
      env: { ...BARE_ENVIRONMENT },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    let said = "";
    for await (const text of command.stderr.pipeThrough(new TextDecoderStream())) {
      said += text;
      if (/the new one is a learner/.test(said)) break;
    }
    command.kill("SIGKILL");
    await command.status;
    assertMatch(said, /the new one is a learner/);
    await restart(lost);
    await restart(await cluster.waitForLeader(kept));
    // It is killed once more as soon as it is in.
    await lost.process.logged("Log recovered");
    await restart(lost);
    // Who was started a moment ago may not be heard yet: that is refused, and says how to continue.
    const replaced = await eventuallyDone(
      () => member(cluster, `replace ${lost.id}`, cluster.clientPorts(kept)),
      /does not answer, and no server waits.*continues from there/,
    );
    const done = `server ${lost.id} is a voter\n`;
    assertEquals([replaced.code, replaced.out], [0, done], replaced.error);
    assertEquals(await roles(cluster), ["1 voter", "2 voter", "3 voter"]);
    // It counts.
    await load.more(WRITES);
    await kept[0]!.kill();
    await load.more(WRITES);
    await assertAllThere(cluster, load, [lost, kept[1]!]);
  },
);

clusterTest("members: from 3 to 5, and to 3 others", {}, async (cluster) => {
  await startChangeable(cluster);
  const load = new Load(cluster, "grown");
  await load.more(WRITES);
  const [fourth, fifth] = [cluster.newcomer(4), cluster.newcomer(5)];
  fourth.start();
  await fourth.process.logged("raftkv member add 4");
  const added = await member(cluster, "add 4");
  assertEquals([added.code, added.out], [0, "server 4 is a voter\n"], added.error);
  await load.more(WRITES);
  fifth.start();
  const learner = await member(cluster, "add 5 --learner");
  assertEquals([learner.code, learner.out], [0, "server 5 is a learner\n"], learner.error);
  const promoted = await eventuallyDone(() => member(cluster, "promote 5"));
  assertEquals(promoted.out, "server 5 is a voter\n");
  assertEquals(await roles(cluster), ["1 voter", "2 voter", "3 voter", "4 voter", "5 voter"]);
  await load.more(WRITES);
  // Two of the founders go, the one that leads among them.
  const leader = await cluster.waitForLeader();
  const gone = leader.id <= 3 ? leader.id : 1;
  for (const id of [gone, gone === 2 ? 3 : 2]) {
    const removed = await member(cluster, `remove ${id}`);
    assertEquals([removed.code, removed.out], [0, `server ${id} is no member any more\n`]);
    await cluster.server(id).terminate();
    await load.more(WRITES);
  }
  const left = cluster.servers.filter((one) => one.isRunning);
  assertEquals(await roles(cluster), left.map(({ id }) => `${id} voter`));
  // Those that no file lists start again by the same command line.
  await fourth.restart();
  await load.more(WRITES);
  await assertAllThere(cluster, load, left);
});

/** Until it is not refused any more with these words: a learner that has just come does not keep up yet. */
async function eventuallyDone(
  run: () => Promise<CliEnded>,
  refusal = /does not keep up/,
): Promise<CliEnded> {
  let ended = await run();
  await eventually("the change to be taken", async () => {
    if (ended.code === 0) return true;
    assertMatch(ended.error, refusal);
    ended = await run();
    return false;
  }, 60_000);
  return ended;
}

clusterTest("members: all addresses move, one server after the other", {}, async (cluster) => {
  await startChangeable(cluster);
  const load = new Load(cluster, "moved");
  await load.more(WRITES);
  const before = cluster.clientPorts();
  for (const server of cluster.servers) {
    const [clientPort, logPort] = freePorts(2);
    await server.terminate();
    [server.clientPort, server.logPort] = [clientPort!, logPort!];
    // The others have read the file before: this server tells them where it is.
    cluster.writeConfig({});
    server.start();
    await cluster.waitForLeader();
    await load.more(WRITES);
    await eventually(`the log to say where server ${server.id} is`, async () => {
      const { out } = await member(cluster, "list --output json");
      const { members } = JSON.parse(out || "{}") as { members?: { clientPort: number }[] };
      return members?.some((one) => one.clientPort === clientPort) ?? false;
    }, 60_000);
  }
  assert(!before.split(",").some((port) => cluster.clientPorts().includes(port)));
  await assertAllThere(cluster, load, cluster.servers);
});

clusterTest("members: a server that can't have its ports does not ask to be taken in", {
  size: 1,
}, async (cluster) => {
  await startChangeable(cluster);
  for (const key of ["logPort", "clientPort", "adminPort"] as const) {
    const fourth = cluster.newcomer(4);
    const [adminPort] = freePorts(1);
    fourth.flags = [...fourth.flags, "--admin-port", `${adminPort}`];
    const port = key === "adminPort" ? adminPort! : fourth[key];
    const taken = Deno.listen({ hostname: "127.0.0.1", port });
    fourth.start();
    const { code, error } = await fourth.process.ended();
    taken.close();
    assertEquals(code, 1);
    assert(error.includes(`Port ${port} on 127.0.0.1 is in use`), error);
    const { waiting } = JSON.parse((await member(cluster, "list --output json")).out);
    assertEquals(waiting, [], `nobody is left to be taken in by mistake: ${key}`);
  }
});

clusterTest("members: one that joins with a forward port takes writes there", {
  size: 1,
}, async (cluster) => {
  await startChangeable(cluster);
  const second = cluster.newcomer(2);
  const [forwardPort] = freePorts(1);
  second.flags = [...second.flags, "--forward-port", `${forwardPort}`];
  second.start();
  await second.process.logged("raftkv member add 2");
  const added = await member(cluster, "add 2 --learner");
  assertEquals(added.out, "server 2 is a learner\n", added.error);
  using socket = await RawSocket.connect(forwardPort!);
  assertEquals(await socket.ask("set k 0 1\r\nx\r\n"), "OK 1");
  using own = await second.connect();
  assertMatch(await own.ask("set k 0 1\r\ny\r\n"), /^ERR_REDIRECT 127\.0\.0\.1 \d+$/);
});

clusterTest("members: a server that waits says for what, and ends in order", {
  size: 1,
}, async (cluster) => {
  const [founder] = cluster.servers as [Server];
  const fourth = cluster.newcomer(4);
  // Nobody is there yet.
  fourth.start();
  await fourth.process.logged("no server could be reached");
  assertEquals((await fourth.terminate()).code, 0);
  founder.flags = ["--hold-cluster-version"];
  await cluster.startAll();
  await fourth.process.logged("raftkv member add 4");
  const held = await member(cluster, "add 4");
  assertEquals([held.code, held.out], [1, ""]);
  assertMatch(held.error, /the cluster version is 1, and members change from 2 on: server 1 holds/);
  const { code, error } = await fourth.terminate();
  assertEquals(code, 0);
  assertMatch(error, /"message":"Stopped"/);
  // What it asked for is remembered for a few seconds alone.
  await eventually("nobody to wait", async () => {
    const { waiting } = JSON.parse((await member(cluster, "list --output json")).out);
    return waiting.length === 0;
  });
  // The id of a member that lives: another data directory does not take its place.
  const twin = cluster.newcomer(1);
  twin.flags = [...twin.flags, "--data", `${cluster.directory}/twin`];
  twin.start();
  await twin.process.logged("raftkv member replace 1");
  const alive = await member(cluster, "replace 1", cluster.clientPorts([founder]));
  assertEquals([alive.code, alive.out], [1, ""]);
  assertMatch(alive.error, /server 1 answers with the data directory that it joined with/);
  assertEquals((await twin.terminate()).code, 0);
});
