/** `raftkv import` out of a real redis-server. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { cli } from "./cli_process.ts";
import { type Cluster, clusterTest } from "./harness.ts";
import { missing, RedisServer } from "./redis_tools.ts";
import { eventually } from "./patience.ts";
import { encodeRequest, RedisSocket } from "./redis_socket.ts";

const KEYS = 3_000;

/** Strings with and without a deadline, odd bytes, a long value, and what is no string. */
async function fillSource(redis: RedisSocket): Promise<void> {
  const requests: Uint8Array[] = [];
  for (let i = 0; i < KEYS; i++) {
    const expiry = i % 3 === 0 ? ["PX", `${600_000 + i}`] : [];
    requests.push(encodeRequest(["SET", `key:${i}`, `value ${i}`, ...expiry]));
  }
  requests.push(encodeRequest(["SET", "odd\0\r\n\x7f", "\0\r\n$-1\r\n"]));
  requests.push(encodeRequest(["SET", "long", "l".repeat(900_000)]));
  requests.push(encodeRequest(["SET", "empty", ""]));
  requests.push(encodeRequest(["RPUSH", "a list", "1"]));
  requests.push(encodeRequest(["HSET", "a hash", "f", "1"]));
  requests.push(encodeRequest(["HSET", "another hash", "f", "1"]));
  for (const bytes of requests) await redis.write(bytes);
  for (let i = 0; i < KEYS + 3; i++) assertEquals(await redis.readRaw(), "+OK\r\n");
  for (let i = 0; i < 3; i++) assertEquals(await redis.readRaw(), ":1\r\n");
}

async function withSource(run: (source: RedisServer) => Promise<void>): Promise<void> {
  const source = await RedisServer.start();
  try {
    await run(source);
  } finally {
    await source.stop();
  }
}

async function ttlOf(cluster: Cluster, key: string): Promise<number> {
  const leader = await cluster.waitForLeader();
  using redis = await RedisSocket.connect(leader.clientPort);
  return Number(await redis.ask("PTTL", key));
}

const NOT_RUN = missing("redis-server");

clusterTest("import copies strings with their deadlines, and says what is left", {
  size: 1,
  notRun: NOT_RUN,
}, async (cluster) => {
  await cluster.startAll();
  await withSource(async (source) => {
    const url = `redis://127.0.0.1:${source.port}`;
    using redis = await RedisSocket.connect(source.port);
    await fillSource(redis);
    const first = await cli(cluster, ["import", url, "--check", "all"]);
    assertEquals(first.code, 1, first.error);
    assertMatch(first.error, /3,003 strings copied/);
    assertMatch(first.error, /3,003 strings compared: all are the same/);
    assertMatch(first.error, /the source has 3,006 keys now, the cluster has 3,003/);
    assertMatch(first.error, /not copied, as they are no strings: 1 list, 2 hash/);
    const leader = await cluster.waitForLeader();
    using here = await RedisSocket.connect(leader.clientPort);
    assertEquals(await here.ask("GET", "odd\0\r\n\x7f"), "\0\r\n$-1\r\n");
    assertEquals(await here.ask("STRLEN", "long"), 900_000);
    assertEquals(await ttlOf(cluster, "key:1"), -1);
    const [there, copied] = [
      Number(await redis.ask("PTTL", "key:0")),
      await ttlOf(cluster, "key:0"),
    ];
    assert(Math.abs(there - copied) < 5_000, `${there} and ${copied}`);
    // Given again, it takes up what has changed; what the source does not have stays.
    await redis.ask("DEL", "a list", "a hash", "another hash");
    await redis.ask("SET", "key:1", "another value");
    await here.ask("SET", "own", "stays");
    const again = await cli(cluster, ["import", url]);
    assertEquals(again.code, 0, again.error);
    assertEquals(await here.ask("GET", "key:1"), "another value");
    assertEquals(await here.ask("GET", "own"), "stays");
  });
});

clusterTest("import: a node of a Redis Cluster has a part of the keys, and that is said", {
  size: 1,
  notRun: NOT_RUN,
}, async (cluster) => {
  await cluster.startAll();
  await cluster.waitForLeader();
  const source = await RedisServer.start(["--cluster-enabled", "yes"], cluster.directory);
  try {
    using redis = await RedisSocket.connect(source.port);
    await redis.ask("CLUSTER", "ADDSLOTSRANGE", "0", "16383");
    await eventually("its slots", async () => await redis.ask("SET", "a", "1") === "OK");
    const url = `redis://127.0.0.1:${source.port}`;
    const { code, error } = await cli(cluster, ["import", url]);
    assertEquals(code, 0, error);
    assertMatch(error, /1 string copied/);
    assertMatch(error, /a node of a Redis Cluster.*once for each of its masters/);
    // raftkv speaks as a node of one does, and has all of them.
    const own = `redis://127.0.0.1:${cluster.server(1).clientPort}`;
    assert(!(await cli(cluster, ["import", own])).error.includes("Cluster"));
  } finally {
    await source.stop();
  }
});

/** Answers as a Redis with one key does, and ends where it is asked for more. */
async function halfARedis(listener: Deno.TcpListener): Promise<void> {
  const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`;
  const answers: Readonly<Record<string, string>> = {
    DBSIZE: ":2\r\n",
    SCAN: `*2\r\n${bulk("7")}*1\r\n${bulk("one")}`,
    STRLEN: ":1\r\n",
    GET: bulk("1"),
    PTTL: ":-1\r\n",
  };
  using connection = await listener.accept();
  listener.close();
  const bytes = new Uint8Array(65_536);
  for (let scans = 0;;) {
    const count = await connection.read(bytes) ?? 0;
    const words = new TextDecoder().decode(bytes.subarray(0, count)).split("\r\n");
    const asked = words.filter((word) => answers[word] !== undefined);
    scans += asked.filter((word) => word === "SCAN").length;
    if (count === 0 || scans > 1) return;
    const text = asked.map((word) => answers[word]).join("");
    await connection.write(new TextEncoder().encode(text));
  }
}

clusterTest("import: a source that ends in the middle is said with what was copied", {
  size: 1,
}, async (cluster) => {
  await cluster.startAll();
  await cluster.waitForLeader();
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = halfARedis(listener);
  const { code, error } = await cli(cluster, ["import", `redis://127.0.0.1:${listener.addr.port}`]);
  await serving;
  assertEquals(code, 3, error);
  assertMatch(error, /1 string copied before that; the command may be given again/);
});

clusterTest("import: a password, a database, what is no Redis, a value that is too long", {
  size: 1,
  notRun: NOT_RUN,
  limits: { valueBytesMax: 1_000 },
}, async (cluster) => {
  await cluster.startAll();
  await withSource(async (source) => {
    const place = `127.0.0.1:${source.port}`;
    using redis = await RedisSocket.connect(source.port);
    await redis.ask("CONFIG", "SET", "requirepass", "p@ss:word");
    await redis.ask("AUTH", "p@ss:word");
    await redis.ask("SELECT", "3");
    await redis.ask("SET", "a", "1");
    await redis.ask("SET", "long", "x".repeat(1_001));
    await redis.ask("SET", "k".repeat(1_025), "1");
    const none = await cli(cluster, ["import", `redis://${place}/3`]);
    assertEquals(none.code, 1);
    assertMatch(none.error, /NOAUTH .*; the password stands in the address/);
    const wrong = await cli(cluster, ["import", `redis://:nonsense@${place}/3`]);
    assertEquals(wrong.code, 1);
    assertMatch(wrong.error, /WRONGPASS/);
    assert(!wrong.error.includes("nonsense"), "a password is not repeated");
    const right = await cli(cluster, ["import", `redis://:p%40ss%3Aword@${place}/3`]);
    assertEquals(right.code, 1, right.error);
    assertMatch(right.error, /1 string copied/);
    assertMatch(right.error, /not taken by the cluster: 2 keys \(.*long: /);
    // What was not taken is said once: it is no difference, and ends no comparison.
    const url = `redis://:p%40ss%3Aword@${place}/3`;
    for (const said of [right, await cli(cluster, ["import", url, "--check", "all"])]) {
      assertMatch(said.error, /1 string compared: all are the same/);
      assert(!said.error.includes("differ"), said.error);
    }
    const default0 = await cli(cluster, ["import", `redis://default:p%40ss%3Aword@${place}`]);
    assertEquals(default0.code, 0, default0.error);
    assertMatch(default0.error, /0 strings copied/);
    // And where it is the cluster that wants to know who asks, the source's address is no matter.
    using first = await RedisSocket.connect(cluster.server(1).clientPort);
    await eventually("the cluster version that users need", async () => {
      const made = await first.ask("ACL", "SETUSER", "root", "on", ">secret", "~*", "+@all");
      return made === "OK";
    });
    const nobody = await cli(cluster, ["import", url]);
    assertEquals(nobody.code, 1);
    assertMatch(nobody.error, /\(NOAUTH\): the cluster has users, so say who asks: --user/);
    assert(!nobody.error.includes("in the address"), nobody.error);
  });
  const closed = await cli(cluster, ["import", "redis://127.0.0.1:1"]);
  assertEquals(closed.code, 3);
  assertMatch(closed.error, /127\.0\.0\.1:1/);
  for (
    const url of ["127.0.0.1:6379", "rediss://a:1", "redis://a/x", "redis://", "redis://:p%zz@a:1"]
  ) {
    assertEquals((await cli(cluster, ["import", url])).code, 2, url);
  }
});
