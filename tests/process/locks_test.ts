/** Locks over real processes: tokens, `raftkv lock`, `raftkv-run`, and the client over kills of the leader. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { connect } from "../../client/mod.ts";
import { type Cluster, clusterTest } from "./harness.ts";
import { LineProcess } from "./line_process.ts";
import { eventually, sleep } from "./patience.ts";
import { RedisSocket } from "./redis_socket.ts";
import { programCommand, wrapperCommand } from "./server_process.ts";

/** Longer than a busy machine takes for its elections and starts. */
const LONG_MS = 60_000;

/** As soon as the cluster version lets there be sessions and scripts. */
async function started(cluster: Cluster): Promise<void> {
  await cluster.startAll();
  for (const { process } of cluster.servers) await process.logged("The cluster version is raised:");
}

async function ask(cluster: Cluster, ...words: string[]): Promise<unknown> {
  const leader = await cluster.waitForLeader();
  using socket = await RedisSocket.connect(leader.clientPort);
  return await socket.ask(...words);
}

const lock = (cluster: Cluster, ...args: string[]) =>
  new LineProcess(cluster, [...programCommand(undefined), "lock", ...args]);
const run = (cluster: Cluster, ...args: string[]) =>
  new LineProcess(cluster, [...wrapperCommand(), "--servers", cluster.clientPorts(), ...args]);

clusterTest("locks: taken, let go and taken within one entry, the tokens grow", {
  size: 1,
}, async (cluster) => {
  await started(cluster);
  const leader = await cluster.waitForLeader();
  using socket = await RedisSocket.connect(leader.clientPort);
  const take = ["RAFTKV.CAS", "jobs", "me", "0"];
  for (const words of [["MULTI"], take, ["DEL", "jobs"], take]) await socket.ask(...words);
  const [first, , second] = await socket.ask("EXEC") as number[];
  assert(first! > 0 && second! > first!, `${first}, then ${second}`);
  // It is held now.
  assertEquals(await socket.ask(...take), 0);
  await socket.ask("DEL", "jobs");
  // A script sees no versions; a watch tells them, all of one entry together.
  await using client = await connect({ servers: [`127.0.0.1:${leader.clientPort}`] });
  const script = `
    for taking = 1, 2 do
      if not redis.call('SET', KEYS[1], 'me', 'NX') then return 0 end
      if taking == 1 then redis.call('DEL', KEYS[1]) end
    end
    return 1`;
  for await (const { events } of client.watch("jobs", { marks: true })) {
    if (events.length === 0) {
      assertEquals(await socket.ask("EVAL", script, "1", "jobs"), 1);
      continue;
    }
    assertEquals(events.map(({ kind }) => kind), ["set", "delete", "set"]);
    const [third, fourth] = [events[0]!.version, events[2]!.version];
    assert(third > second! && fourth > third, `${second}, then ${third}, then ${fourth}`);
    break;
  }
});

clusterTest(
  "locks: raftkv lock holds until its input ends, over a kill of the leader",
  {},
  async (cluster) => {
    await started(cluster);
    await using first = lock(cluster, "jobs", "--ttl", "10s");
    const token = Number(/^token (\d+)$/.exec(await first.line())?.[1]);
    await using second = lock(cluster, "jobs", "--value", "second", "--output", "json");
    assertEquals(await second.line(), '{"state":"waiting"}');
    await using none = lock(cluster, "jobs", "--wait", "0");
    const refused = await none.ended();
    assertEquals([refused.code, refused.out], [1, ""]);
    assertMatch(refused.error, /^raftkv: lock failed: jobs is held by others; nothing is held\n$/);
    await (await cluster.waitForLeader()).kill();
    await cluster.waitForLeader();
    // Longer than it would last by itself.
    await sleep(11_000);
    await using late = lock(cluster, "jobs", "--wait", "300ms");
    assertEquals(await late.line(), "waiting");
    const { code, error } = await late.ended();
    assertEquals([code, error], [
      1,
      "raftkv: lock failed: jobs is held by others, and was all of 300 ms; nothing is held\n",
    ]);
    await first.endInput();
    assertEquals(await first.line(), "released");
    assertEquals((await first.ended()).code, 0);
    const held = JSON.parse(await second.line());
    assertEquals(held.state, "held");
    assert(held.token > token, `${held.token} after ${token}`);
    assertEquals(await ask(cluster, "GET", "jobs"), "second");
    second.signal("SIGTERM");
    assertEquals(await second.line(), '{"state":"released"}');
    assertEquals((await second.ended()).code, 143);
    assertEquals(await ask(cluster, "GET", "jobs"), null);
  },
);

clusterTest("locks: raftkv lock says when the lock is lost, or that it was killed", {
  size: 1,
}, async (cluster) => {
  await started(cluster);
  await using taken = lock(cluster, "jobs", "--ttl", "3s");
  assertMatch(await taken.line(), /^token \d+$/);
  assertEquals(await ask(cluster, "DEL", "jobs"), 1);
  assertMatch(await taken.line(), /^lost: jobs is not held any more: its key was .* deleted by /);
  const lost = await taken.ended();
  assertEquals([lost.code, /\n\s+at /.test(lost.error)], [5, false]);
  await using interrupted = lock(cluster, "jobs");
  await interrupted.line();
  interrupted.signal("SIGINT");
  assertEquals([await interrupted.line(), (await interrupted.ended()).code], ["released", 130]);
  // Who is killed says nothing: the lock goes by itself.
  await using killed = lock(cluster, "jobs", "--ttl", "3s");
  await killed.line();
  killed.signal("SIGKILL");
  await using next = lock(cluster, "jobs");
  assertEquals(await next.line(), "waiting");
  assertMatch(await next.line(), /^token \d+$/);
});

clusterTest("locks: raftkv-run holds a lock while its command runs", {
  size: 1,
}, async (cluster) => {
  await started(cluster);
  const shell = ["--", "sh", "-c"];
  await using told = run(cluster, "jobs", ...shell, 'echo "$RAFTKV_LOCK $RAFTKV_TOKEN"; exit 7');
  const [name, token] = (await told.line()).split(" ");
  assertEquals([name, (await told.ended()).code], ["jobs", 7]);
  await using passes = run(
    cluster,
    "jobs",
    ...shell,
    'trap "echo got; exit 9" USR1; echo "$RAFTKV_TOKEN"; while :; do sleep 0.05; done',
  );
  assert(Number(await passes.line()) > Number(token));
  await using refused = run(cluster, "jobs", "--wait", "0", ...shell, "echo never");
  const none = await refused.ended();
  assertEquals([none.code, none.out], [123, ""]);
  assertMatch(none.error, /^raftkv-run: lock failed: jobs is held by others; nothing is held\n$/);
  passes.signal("SIGUSR1");
  assertEquals([await passes.line(), (await passes.ended()).code], ["got", 9]);
  await using ended = run(cluster, "jobs", ...shell, "echo begun; exec sleep 600");
  await ended.line();
  ended.signal("SIGTERM");
  assertEquals((await ended.ended()).code, 143);
  assertEquals(await ask(cluster, "EXISTS", "jobs"), 0);
  // Its input is the command's; a password before it is not.
  await using reads = run(cluster, "jobs", "--", "cat");
  await reads.write("hello\n");
  assertEquals(await reads.line(), "hello");
  await reads.endInput();
  assertEquals((await reads.ended()).code, 0);
  await using missing = run(cluster, "jobs", "--", "no-such-program");
  const noProgram = await missing.ended();
  assertEquals(noProgram.code, 127);
  assertEquals(
    noProgram.error,
    "raftkv-run: Cannot run no-such-program: there is no such program\n",
  );
  await using directory = run(cluster, "jobs", "--", "/tmp");
  assertEquals((await directory.ended()).code, 126);
  await using wrong = run(cluster, "jobs");
  const incomplete = await wrong.ended();
  assertEquals(incomplete.code, 125);
  assertEquals(
    incomplete.error,
    "raftkv-run: it takes a lock's name and a command: NAME -- COMMAND. Try raftkv-run --help\n",
  );
  await using brief = run(cluster, "jobs", "--ttl", "1s", "--", "true");
  assertEquals(
    (await brief.ended()).error,
    'raftkv-run: --ttl: "1s" is too short or too long: from 3s to 1d. Try raftkv-run --help\n',
  );
  assertEquals(await ask(cluster, "EXISTS", "jobs"), 0);
});

clusterTest(
  "locks: raftkv-run ends its command where the lock is lost: first gently, then surely",
  {
    size: 1,
  },
  async (cluster) => {
    await started(cluster);
    const stubborn = 'trap "echo asked" TERM; echo begun; while :; do sleep 0.05; done';
    const flags = ["--ttl", "3s", "--grace", "500ms"];
    await using child = run(cluster, "jobs", ...flags, "--", "sh", "-c", stubborn);
    await child.line();
    await ask(cluster, "SET", "jobs", "somebody else's");
    assertEquals(await child.line(), "asked");
    const { code, error } = await child.ended();
    assertEquals(code, 124);
    assertMatch(error, /^raftkv-run: jobs is not held any more: .*; the command is ended\n$/);
    // What was taken over is left alone.
    assertEquals(await ask(cluster, "GET", "jobs"), "somebody else's");
  },
);

clusterTest(
  "locks: a user with the rules of docs/locks.md has them, and gives the password by standard input",
  { size: 1 },
  async (cluster) => {
    await started(cluster);
    const leader = await cluster.waitForLeader();
    using socket = await RedisSocket.connect(leader.clientPort);
    const rules = "+@read +@write +@transaction +raftkv.watch".split(" ");
    await socket.ask("ACL", "SETUSER", "admin", "on", ">admin-password", "allkeys", "+@all");
    await socket.ask("AUTH", "admin", "admin-password");
    await socket.ask("ACL", "SETUSER", "worker", "on", ">worker-password", "~jobs*", ...rules);
    const worker = ["--user", "worker", "--password-stdin"];
    const shell = ["--", "sh", "-c", 'read -r line; echo "$line"; cat'];
    await using first = run(cluster, ...worker, "jobs", ...shell);
    await first.write("worker-password\nfor the command\n");
    assertEquals(await first.line(), "for the command");
    await using second = run(cluster, ...worker, "jobs", "--", "echo", "next");
    await second.write("worker-password\n");
    await second.waiting();
    await first.endInput();
    assertEquals((await first.ended()).code, 0);
    assertEquals([await second.line(), (await second.ended()).code], ["next", 0]);
    await using other = run(cluster, ...worker, "other", "--", "echo", "never");
    await other.write("worker-password\n");
    const refused = await other.ended();
    assertEquals([refused.code, refused.out], [125, ""]);
    assertMatch(refused.error, /NOPERM/);
    await using wrong = run(cluster, ...worker, "jobs", "--", "echo", "never");
    await wrong.write("no such password\n");
    assertMatch((await wrong.ended()).error, /^raftkv-run: .*WRONGPASS/);
  },
);

clusterTest(
  "locks: the client keeps a lock over a kill of the leader, and whoever waits has it next",
  {},
  async (cluster) => {
    await started(cluster);
    const servers = cluster.servers.map(({ clientPort }) => `127.0.0.1:${clientPort}`);
    await using a = await connect({ servers, timeoutMs: 30_000 });
    await using b = await connect({ servers, timeoutMs: 30_000 });
    const held = await a.lock("jobs", { ttlMs: LONG_MS });
    const permit = await a.acquire("pool", 1, { ttlMs: LONG_MS });
    const leads = await a.campaign("boss", { ttlMs: LONG_MS, value: "a" });
    let isTaken = false;
    const waiting = b.lock("jobs", { ttlMs: LONG_MS }).then((next) => {
      isTaken = true;
      return next;
    });
    const waitsToo = [b.acquire("pool", 1), b.campaign("boss", { value: "b" })] as const;
    for (let kills = 0; kills < 2; kills++) {
      const leader = await cluster.waitForLeader();
      await leader.kill();
      await cluster.waitForLeader();
      // Asked of whoever leads now, it is held still.
      await Promise.all([held.extend(), permit.extend(), leads.extend()]);
      leader.start();
    }
    assertEquals([held.isHeld, permit.isHeld, leads.isLeader, isTaken], [true, true, true, false]);
    assertEquals(await b.leader("boss"), { value: "a", token: leads.token });
    await Promise.all([held.unlock(), permit.release(), leads.resign()]);
    const next = await waiting;
    const [nextPermit, nextLeader] = await Promise.all(waitsToo);
    assert(next.token > held.token && nextPermit.token > permit.token);
    assertEquals(await a.leader("boss"), { value: "b", token: nextLeader.token });
    await Promise.all([next.unlock(), nextPermit.release(), nextLeader.resign()]);
    // Nothing is left of any of it.
    await eventually("all sessions to be closed", async () => (await ask(cluster, "DBSIZE")) === 0);
  },
);
