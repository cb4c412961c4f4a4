/** Real servers whose wall clocks are wrong, by faketime; their monotonic ones are the machine's. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { FakeWall, noFakeWall } from "./fake_wall.ts";
import { type Cluster, clusterTest, type Server } from "./harness.ts";
import { eventually } from "./patience.ts";
import { RedisSocket } from "./redis_socket.ts";

const HOUR_S = 3_600;

const notRun = noFakeWall;

/** Sets a server's wall clock so many seconds off, while it runs too. */
function setWall(cluster: Cluster, server: Server, offsetS: number): FakeWall {
  return new FakeWall(`${cluster.directory}/wall-${server.id}`, offsetS);
}

function startWith(cluster: Cluster, server: Server, offsetS: number): void {
  server.start(setWall(cluster, server, offsetS).environment);
}

function nowS(): number {
  return Math.floor(Date.now() / 1000);
}

async function wallOf(socket: RedisSocket): Promise<number> {
  const [seconds] = await socket.ask("TIME") as [string];
  return Number(seconds);
}

/** With right clocks now: absolute times are those of the wall, to the second. */
async function checkAbsoluteTimes(server: Server): Promise<void> {
  using socket = await RedisSocket.connect(server.clientPort);
  assert(Math.abs(await wallOf(socket) - nowS()) <= 1, "this server's clock is right");
  const at = nowS() + 30;
  assertEquals(await socket.ask("SET", "exat", "v", "EXAT", `${at}`), "OK");
  assertEquals(await socket.ask("SET", "expireat", "v"), "OK");
  assertEquals(await socket.ask("EXPIREAT", "expireat", `${at}`), 1);
  assertEquals(await socket.ask("SET", "ex", "v", "EX", "30"), "OK");
  for (const key of ["exat", "expireat", "ex"]) {
    const ttl = Number(await socket.ask("TTL", key));
    assert(ttl >= 20 && ttl <= 31, `${key} has ${ttl} s left`);
  }
  assertEquals(await socket.ask("EXPIRETIME", "exat"), at);
  assertEquals(await socket.ask("PEXPIRETIME", "expireat"), at * 1000);
}

/** Two more keys of two seconds each, one by a deadline: they go when it is time for them. */
async function checkTheyGo(server: Server): Promise<void> {
  using socket = await RedisSocket.connect(server.clientPort);
  const at = nowS() + 3;
  assertEquals(await socket.ask("SET", "soon", "v", "EXAT", `${at}`), "OK");
  assertEquals(await socket.ask("GET", "soon"), "v");
  await eventually("the key to go", async () => await socket.ask("GET", "soon") === null, 20_000);
  assert(Date.now() >= at * 1000 - 200, "it went no sooner than it should");
  assertEquals(await socket.ask("GET", "exat"), "v");
}

clusterTest("followers an hour ahead lead once: absolute times stay those of the wall", {
  notRun,
}, async (cluster) => {
  const [right, ...ahead] = cluster.servers as [Server, Server, Server];
  startWith(cluster, right, 0);
  for (const server of ahead) startWith(cluster, server, HOUR_S);
  await cluster.waitForLeader();
  // Whoever leads next would continue that leader's time: where all begin anew, nobody has told any.
  await cluster.stopServers();
  for (const server of ahead) startWith(cluster, server, HOUR_S);
  const wrong = await cluster.waitForLeader(ahead);
  {
    using socket = await RedisSocket.connect(wrong.clientPort);
    assert(await wallOf(socket) > nowS() + HOUR_S - 10);
    assertEquals(await socket.ask("SET", "k", "v"), "OK");
  }
  await cluster.stopServers();
  for (const server of cluster.servers) startWith(cluster, server, 0);
  const leader = await cluster.waitForLeader();
  await checkAbsoluteTimes(leader);
  await checkTheyGo(leader);
  const said = leader.process.log.filter(({ message }) => /wall clock/.test(message));
  assertMatch(said[0]!.message, /^The log's time is 3[56]\d\d\.\d s ahead of this server's wall/);
  assertEquals(said[0]!.level, "warning");
  // A follower shows the same times, by its own clock.
  const follower = cluster.others(leader)[0]!;
  using socket = await RedisSocket.connect(follower.clientPort);
  await socket.ask("READONLY");
  using asked = await RedisSocket.connect(leader.clientPort);
  await eventually("the follower to have applied it", async () => (
    await socket.ask("GET", "exat") === "v"
  ));
  const shown = await socket.ask("EXPIRETIME", "exat");
  assert(Math.abs(Number(shown) - Number(await asked.ask("EXPIRETIME", "exat"))) <= 1);
  const difference = Number(await socket.ask("TTL", "exat")) -
    Number(await asked.ask("TTL", "exat"));
  assert(Math.abs(difference) <= 1, `${difference} s apart`);
});

clusterTest("booted a year ahead once: absolute times are those of the wall, over restarts", {
  size: 1,
  notRun,
}, async (cluster) => {
  const server = cluster.servers[0]!;
  startWith(cluster, server, 365 * 24 * HOUR_S);
  await cluster.waitForLeader();
  {
    using socket = await RedisSocket.connect(server.clientPort);
    assertEquals(await socket.ask("SET", "k", "v", "EX", "100"), "OK");
  }
  for (let restarts = 0; restarts < 2; restarts++) {
    await server.kill();
    startWith(cluster, server, 0);
    await cluster.waitForLeader();
    await checkAbsoluteTimes(server);
  }
  await checkTheyGo(server);
});

clusterTest("booted an hour behind and put right while it leads: what is set then goes in time", {
  size: 1,
  notRun,
}, async (cluster) => {
  const server = cluster.servers[0]!;
  startWith(cluster, server, -HOUR_S);
  await cluster.waitForLeader();
  using socket = await RedisSocket.connect(server.clientPort);
  assert(await wallOf(socket) < nowS() - HOUR_S + 10);
  setWall(cluster, server, 0);
  await eventually("the clock to be right", async () => await wallOf(socket) >= nowS() - 1);
  await checkAbsoluteTimes(server);
  await checkTheyGo(server);
  await eventually("the server to say so", () => (
    Promise.resolve(
      server.process.log.some(({ level, message }) => (
        level === "warning" && /^The log's time is 3\d{3}\.\d s behind this server's/.test(message)
      )),
    )
  ));
});

clusterTest("booted an hour behind and put right: a change of leader ends no time to live early", {
  notRun,
}, async (cluster) => {
  for (const server of cluster.servers) startWith(cluster, server, -HOUR_S);
  const leader = await cluster.waitForLeader();
  const others = cluster.others(leader);
  let deadline: number;
  {
    using socket = await RedisSocket.connect(leader.clientPort);
    assert(await wallOf(socket) < nowS() - HOUR_S + 10);
    for (const server of cluster.servers) setWall(cluster, server, 0);
    await eventually("the clock to be right", async () => await wallOf(socket) >= nowS() - 1);
    assertEquals(await socket.ask("SET", "k", "v", "EX", "1800"), "OK");
    deadline = Number(await socket.ask("EXPIRETIME", "k"));
    assert(Math.abs(deadline - nowS() - 1800) <= 15, `${deadline - nowS()} s left`);
  }
  await leader.kill();
  const next = await cluster.waitForLeader(others);
  using socket = await RedisSocket.connect(next.clientPort);
  const left = Number(await socket.ask("TTL", "k"));
  assert(Math.abs(left - (deadline - nowS())) <= 2, `${left} s left of ${deadline - nowS()}`);
  assert(Math.abs(Number(await socket.ask("EXPIRETIME", "k")) - deadline) <= 1);
});

clusterTest("a follower's time to live counts down while nobody writes", {}, async (cluster) => {
  await cluster.startAll();
  const leader = await cluster.waitForLeader();
  using asked = await RedisSocket.connect(leader.clientPort);
  assertEquals(await asked.ask("SET", "k", "v", "EX", "100"), "OK");
  for (const follower of cluster.others(leader)) {
    using socket = await RedisSocket.connect(follower.clientPort);
    await socket.ask("READONLY");
    const left = async () => Number(await socket.ask("PTTL", "k"));
    await eventually("the key", async () => await left() > 0);
    const [before, startMs] = [await left(), performance.now()];
    // The leader's report was on its way for a while: by that the follower shows more, never less.
    await eventually("three seconds to be counted", async () => before - await left() >= 2_900);
    const after = await left();
    const passedMs = performance.now() - startMs;
    assert(before - after <= passedMs + 1_000, `${before - after} ms passed in ${passedMs}`);
    const leaders = Number(await asked.ask("PTTL", "k"));
    const betweenMs = performance.now() - startMs - passedMs;
    const apart = `${after} here, and ${betweenMs} ms later ${leaders} on the leader`;
    assert(leaders - after < 1_000 && after - leaders < betweenMs + 1_000, apart);
    assertEquals(await socket.ask("PEXPIRETIME", "k"), await asked.ask("PEXPIRETIME", "k"));
  }
});
