/** The programs that come with Redis, each against a real cluster. */
import { assert, assertEquals } from "@std/assert";
import { type Cluster, clusterTest } from "./harness.ts";
import { missing } from "./redis_tools.ts";
import { encodeRequest, RedisSocket } from "./redis_socket.ts";
import { sleep } from "./patience.ts";

async function leaderPort(cluster: Cluster): Promise<number> {
  return (await cluster.waitForLeader()).clientPort;
}

clusterTest("redis-cli: one server, and -c that follows the leader", {
  notRun: missing("redis-cli"),
}, async (cluster) => {
  await cluster.startAll();
  const leader = await cluster.waitForLeader();
  const follower = cluster.others(leader)[0]!;
  assertEquals(await redisCli(leader.clientPort, ["SET", "k", "v"]), "OK\n");
  assertEquals(await redisCli(leader.clientPort, ["GET", "k"]), "v\n");
  const moved = await redisCli(follower.clientPort, ["GET", "k"]);
  assertEquals(moved.trim(), `MOVED 7629 127.0.0.1:${leader.clientPort}`);
  assertEquals(await redisCli(follower.clientPort, ["-c", "INCR", "n"]), "1\n");
  await leader.kill();
  await cluster.waitForLeader();
  assertEquals(await redisCli(follower.clientPort, ["-c", "INCR", "n"]), "2\n");
  assertEquals((await redisCli(follower.clientPort, ["-c", "GET", "k"])).trim(), "v");
});

clusterTest("redis-benchmark runs through", {
  notRun: missing("redis-benchmark"),
}, async (cluster) => {
  await cluster.startAll();
  const port = `${await leaderPort(cluster)}`;
  for (const pipeline of ["1", "16"]) {
    const { success, stdout } = await new Deno.Command("redis-benchmark", {
      args: ["-p", port, "-t", "set,get,incr,mset", "-d", "256", "-r", "100000"]
        .concat("-n", "3000", "-P", pipeline, "--csv"),
    }).output();
    const out = new TextDecoder().decode(stdout);
    assert(success, out);
    for (const name of ["SET", "GET", "INCR", "MSET (10 keys)"]) {
      assert(out.includes(`"${name}"`), `${name} is missing: ${out}`);
    }
  }
});

clusterTest("redis-benchmark: what it counted outlives the leader", {
  notRun: missing("redis-benchmark"),
}, async (cluster) => {
  const key = "counter:__rand_int__";
  const benchmark = (port: number, count: number) =>
    new Deno.Command("redis-benchmark", {
      args: ["-p", `${port}`, "-t", "incr", "-c", "10", "-n", `${count}`, "-q"],
      stdout: "null",
      stderr: "null",
    });
  await cluster.startAll();
  const leader = await cluster.waitForLeader();
  assert((await benchmark(leader.clientPort, 2000).output()).success);
  // It gives up when its server dies, and does not say how many were acknowledged by then.
  const cutOff = benchmark(leader.clientPort, 100_000).spawn();
  await sleep(500);
  await leader.kill();
  await cutOff.status;
  assert((await benchmark(await leaderPort(cluster), 2000).output()).success);
  using socket = await RedisSocket.connect(await leaderPort(cluster));
  const value = Number(await socket.ask("GET", key));
  assert(value >= 4_000 && value <= 104_000, `${key} is ${value}: 4000 were acknowledged`);
});

async function redisCli(port: number, args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await new Deno.Command("redis-cli", {
    args: ["-p", `${port}`, ...args],
  }).output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

clusterTest("redis-cli --pipe loads a file, and ends without an error", {
  size: 1,
  notRun: missing("redis-cli"),
}, async (cluster) => {
  await cluster.startAll();
  const port = cluster.servers[0]!.clientPort;
  const rows = Array.from({ length: 1_000 }, (_, i) => ["SET", `key:${i}`, `value ${i}`]);
  const child = new Deno.Command("redis-cli", {
    args: ["-p", `${port}`, "--pipe"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const input = child.stdin.getWriter();
  for (const row of rows) await input.write(encodeRequest(row));
  await input.close();
  const { code, stdout, stderr } = await child.output();
  const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assert(code === 0 && said.includes("errors: 0, replies: 1000"), said);
  using socket = await RedisSocket.connect(port);
  assertEquals(await socket.ask("DBSIZE"), 1_000);
});
