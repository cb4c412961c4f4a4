/** Every command as a process: a server down, one frozen, no leader, all down, wrong addresses. */
import { assertEquals, assertMatch } from "@std/assert";
import { look, runAll, writeLines } from "./cli_commands.ts";
import { cli } from "./cli_process.ts";
import { clusterTest, type Server } from "./harness.ts";
import { eventually } from "./patience.ts";

/** A new leader is there long before, however busy the machine is. */
const PATIENT = ["--timeout", "20s"];

clusterTest("cli: a server down, one frozen, the leader frozen", {}, async (cluster) => {
  await cluster.startAll();
  writeLines(cluster);
  const leader = await cluster.waitForLeader();
  const follower = cluster.others(leader)[0]!;
  await follower.kill();
  await runAll(cluster, 0, /^/, PATIENT);
  const down = await look(cluster, [5]);
  assertMatch(down.status!, new RegExp(`^ +${follower.id} {2}.* no answer$`, "m"));
  assertMatch(
    down.status!,
    new RegExp(`server ${follower.id} does not answer: connection refused`),
  );
  assertMatch(down.check!, /^FAULT {4}servers: .* connection refused[^\n]*\n {9}→ start it there/m);

  follower.start();
  await cluster.waitForLeader();
  await eventually("its word of all three", async () => {
    return (await cli(cluster, ["status"])).out.match(/ (leader|follower) /g)?.length === 3;
  });
  follower.freeze();
  await runAll(cluster, 0, /^/, PATIENT);
  const frozen = await look(cluster, [5]);
  assertMatch(
    frozen.status!,
    new RegExp(`server ${follower.id} does not answer: it took the connection`),
  );
  assertMatch(frozen.check!, /it is frozen, or far too busy\n {9}→ look at its process: state T/);
  follower.thaw();

  await eventually("all three to answer", async () => {
    return (await cli(cluster, ["status"])).out.match(/ (leader|follower) /g)?.length === 3;
  });
  const now = await cluster.waitForLeader();
  now.freeze();
  await runAll(cluster, 0, /^/, PATIENT);
  const moved = await look(cluster, [5]);
  const next = await cluster.waitForLeader(cluster.others(now));
  assertMatch(moved.status!, new RegExp(`^leader: server ${next.id}, `, "m"));
  assertMatch(
    moved.status!,
    new RegExp(`server ${now.id} does not answer: it took the connection`),
  );
  now.thaw();
});

clusterTest("cli: no leader, all down, wrong addresses", {}, async (cluster) => {
  await cluster.startAll();
  writeLines(cluster);
  const leader = await cluster.waitForLeader();
  const [lonely, other] = cluster.others(leader) as [Server, Server];
  await Promise.all([leader.kill(), other.kill()]);
  await eventually("the last one to know no leader", async () => {
    return /no leader/.test((await cli(cluster, ["status"])).out);
  });
  await runAll(cluster, 3, /^raftkv: .*gave up while waiting for a leader/m, [
    "--timeout",
    "1500ms",
  ]);
  const without = await look(cluster, [5]);
  assertMatch(without.status!, /no leader.*: 1 server answers of 3, and 2 are needed/);
  assertMatch(without.status!, new RegExp(`^ +${lonely.id} {2}.* (follower|preCandidate) `, "m"));
  assertMatch(without.check!, /^FAULT {4}leader: no leader/m);

  await lonely.kill();
  await runAll(cluster, 3, /^raftkv: .*gave up while connecting: .*refused/m, [
    "--timeout",
    "500ms",
  ]);
  await look(cluster, [3]);

  const flags = (servers: string) => ["--servers", servers, "--timeout", "500ms"];
  await runAll(cluster, 3, /gave up while resolving names: .*no such host/, flags("no.invalid:1"));
  await look(cluster, [3], ["--servers", "no.invalid:1"]);
  // Somebody listens and says nothing, as a frozen server does.
  const mute = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const held: Deno.Conn[] = [];
  const holding = (async () => {
    for await (const conn of mute) held.push(conn);
  })();
  const { port } = mute.addr as Deno.NetAddr;
  await runAll(cluster, 3, /gave up while /, flags(`127.0.0.1:${port}`));
  const silent = await cli(cluster, ["status", "--servers", `127.0.0.1:${port}`]);
  assertEquals(silent.code, 3);
  assertMatch(silent.out, /does not answer: it took the connection and said nothing/);
  mute.close();
  await holding;
  for (const conn of held) conn.close();
});

clusterTest(
  "cli: a write that was sent and not answered is exit code 4",
  { timing: { electionTimeoutMs: 5_000, commandTimeoutMs: 20_000 } },
  async (cluster) => {
    await cluster.startAll();
    const leader = await cluster.waitForLeader();
    assertEquals((await cli(cluster, ["set", "n", "1"])).code, 0);
    // It leads for an election timeout yet, and can commit nothing.
    for (const server of cluster.others(leader)) server.freeze();
    const flags = ["--servers", `127.0.0.1:${leader.clientPort}`, "--timeout", "2s"];
    const [set, load] = await Promise.all([
      cli(cluster, ["incr", "n", ...flags]),
      cli(cluster, ["load", "-", ...flags], { input: '{"key":"l","value":"1"}\n' }),
    ]);
    assertEquals(set.code, 4, set.error);
    assertMatch(set.error, /^raftkv: INCRBY: outcome unknown: .*read before you call again\n$/);
    assertEquals(load.code, 4, load.error);
    assertMatch(
      load.error,
      /^raftkv: line 1: .*outcome unknown, sent without an answer: 1; everything else is not done; to continue: raftkv load - --from 1\n$/,
    );
    for (const server of cluster.others(leader)) server.thaw();
  },
);
