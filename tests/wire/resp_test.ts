import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { ClientError, CommandBatch } from "../../lib/wire/command_batch.ts";
import { slotOf } from "../../lib/wire/resp/hash_slots.ts";
import { RespCodec } from "../../lib/wire/resp/resp_codec.ts";
import { toBytes } from "../process/socket.ts";
import { LIMITS, OneClient, OneServer, peer, requestBytes } from "./resp_driver.ts";

const LEADER = { hostname: "127.0.0.1", port: 9002 };
const ABORTED = "EXECABORT Transaction discarded because of previous errors.";

function follower(): OneServer {
  const server = new OneServer();
  server.refusedWith = ClientError.redirect;
  server.leader = LEADER;
  return server;
}

function messages(replies: readonly unknown[]): unknown[] {
  return replies.map((reply) => reply instanceof Error ? reply.message : reply);
}

Deno.test("resp: slots are those of Redis Cluster", () => {
  const slot = (key: string) => slotOf(toBytes(key), 0, key.length);
  assertEquals(slot("123456789"), 12739);
  assertEquals(slot("foo"), 12182);
  assertEquals(slot("{user1000}.following"), slot("user1000"));
  assertEquals(slot("foo{}{bar}"), slotOf(toBytes("foo{}{bar}"), 0, 10));
  assertEquals(slot("foo{{bar}}zap"), slot("{bar"));
  assertEquals(slot("foo{bar}{zap}"), slot("bar"));
  assertEquals(slot("{bar"), slotOf(toBytes("x{bar"), 1, 5));
});

Deno.test("resp: the first byte tells the protocol", () => {
  const lines = new OneClient(new OneServer());
  lines.send(toBytes("set k 0 1\r\nv\r\nget k\r\n"));
  assertEquals(lines.output, "OK 1\r\nVALUE 1\r\nv\r\n");
  const resp = new OneClient(lines.server);
  assertEquals(resp.ask(["GET", "k"], ["STRLEN", "k"]), ["v", 1]);
});

Deno.test("resp: an inline command behind an array ends the connection with a hint", () => {
  const client = new OneClient(new OneServer());
  client.send(toBytes("*1\r\n$4\r\nPING\r\nPING\r\n"));
  assertMatch(client.output, /^\+PONG\r\n-ERR Protocol error: inline commands are not taken/);
  assert(client.session.closing !== null);
});

Deno.test("resp: malformed requests end the connection, with Redis's words", () => {
  const problems = {
    "*a\r\n": "-ERR Protocol error: invalid multibulk length\r\n",
    "*1048577\r\n": "-ERR Protocol error: invalid multibulk length\r\n",
    "*1\r\nPING\r\n": "-ERR Protocol error: expected '$', got 'P'\r\n",
    "*1\r\n$-1\r\n": "-ERR Protocol error: invalid bulk length\r\n",
    "*1\r\n$536870913\r\n": "-ERR Protocol error: invalid bulk length\r\n",
    "*1\r\n$a\r\n": "-ERR Protocol error: invalid bulk length\r\n",
    ["*1\r\n$" + "1".repeat(40)]: "-ERR Protocol error: too big bulk count string\r\n",
    ["*" + "1".repeat(40)]: "-ERR Protocol error: too big mbulk count string\r\n",
  };
  for (const [input, output] of Object.entries(problems)) {
    const client = new OneClient(new OneServer());
    client.send(toBytes(input));
    assertEquals(client.output, output, JSON.stringify(input));
    assert(client.session.closing !== null);
  }
});

Deno.test("resp: arrays of nothing are passed over", () => {
  const client = new OneClient(new OneServer());
  client.send(toBytes("*0\r\n*-1\r\n*1\r\n$4\r\nPING\r\n"));
  assertEquals(client.output, "+PONG\r\n");
});

Deno.test("resp: a command that is too large is passed over, and the next one is understood", () => {
  const client = new OneClient(new OneServer());
  const replies = client.ask(
    ["SET", "k", "x".repeat(LIMITS.valueBytesMax + 1)],
    ["SET", "k", "x".repeat(100_000)],
    ["GET", "k"],
  );
  assertMatch(
    (replies[0] as Error).message,
    /a value has more than 1000 bytes \(limits\.valueBytesMax\)$/,
  );
  assertMatch(
    (replies[1] as Error).message,
    /a command has more than \d+ bytes \(limits\.valueBytesMax and .* bound it\)$/,
  );
  assertEquals(replies[2], null);
});

Deno.test("resp: a command of thousands of arguments is understood, however it comes", () => {
  const limits = { valueBytesMax: 1_000, keyBytesMax: 100, commandBytesMax: 1_000_000 };
  const keys = Array.from({ length: 5_000 }, (_, i) => `key:${i}`);
  const requests = [["MGET", ...keys], ["PING"], ["DEL", ...keys.slice(0, 1_500)]];
  const bytes = requestBytes(requests);
  /** The commands as they come out where `pieceBytes` more of the input are there each time. */
  const encoded = (pieceBytes: number) => {
    const codec = new RespCodec(limits, { clientId: 1, remote: "test" });
    const batch = new CommandBatch();
    let [start, end] = [0, 0];
    while (end < bytes.length) {
      end = Math.min(end + pieceBytes, bytes.length);
      start += codec.parse(bytes, start, end, batch, 1_024);
    }
    assertEquals([start, batch.count], [bytes.length, requests.length]);
    return batch.bytes.copy();
  };
  const whole = encoded(bytes.length);
  for (const pieceBytes of [7, 1_000, 4_096, 20_000]) assertEquals(encoded(pieceBytes), whole);
});

Deno.test("resp: a follower says where the leader is, and does nothing", () => {
  const server = follower();
  const client = new OneClient(server);
  const replies = messages(client.ask(
    ["SET", "foo", "v"],
    ["GET", "foo"],
    ["MSET", "foo", "1", "bar", "2"],
    ["DBSIZE"],
    ["SCAN", "0"],
    ["FLUSHALL"],
    ["PING"],
  ));
  assertEquals(replies, [
    "MOVED 12182 127.0.0.1:9002",
    "MOVED 12182 127.0.0.1:9002",
    "MOVED 12182 127.0.0.1:9002",
    "MOVED 0 127.0.0.1:9002",
    "MOVED 0 127.0.0.1:9002",
    "MOVED 0 127.0.0.1:9002",
    "PONG",
  ]);
  assertEquals(server.store.keys, 0);
});

Deno.test("resp: what keeps a server from taking a command has an error of its own", () => {
  const server = new OneServer();
  const client = new OneClient(server);
  server.refusedWith = ClientError.noLeader;
  assertMatch(messages(client.ask(["GET", "k"]))[0] as string, /^CLUSTERDOWN /);
  server.refusedWith = ClientError.busy;
  assertMatch(messages(client.ask(["SET", "k", "v"]))[0] as string, /^TRYAGAIN /);
  server.refusedWith = 0;
  server.hasSpace = false;
  assertMatch(messages(client.ask(["SET", "k", "v"]))[0] as string, /^MISCONF /);
});

Deno.test("resp: once in the log, a command is never redirected: its outcome is unknown", () => {
  const server = new OneServer();
  const client = new OneClient(server);
  client.send(requestBytes([["INCR", "n"], ["GET", "n"], ["PING"]]), undefined, false);
  server.loseLeadership([client.session], LEADER);
  client.output = "";
  client.send(new Uint8Array(0));
  const replies = messages(client.replies());
  assertMatch(replies[0] as string, /^ERR outcome unknown: /);
  assertMatch(replies[1] as string, /^MOVED \d+ 127\.0\.0\.1:9002$/);
  assertEquals(replies[2], "PONG");
});

Deno.test("resp: a transaction of which a command was refused is not done by a later leader", () => {
  const server = follower();
  const client = new OneClient(server);
  const queued = messages(client.ask(["MULTI"], ["SET", "foo", "v"]));
  assertEquals(queued, ["OK", "MOVED 12182 127.0.0.1:9002"]);
  server.refusedWith = 0;
  assertEquals(messages(client.ask(["SET", "bar", "v"], ["EXEC"])), ["QUEUED", ABORTED]);
  assertEquals(client.ask(["MULTI"], ["INCR", "n"], ["EXEC"]), ["OK", "QUEUED", [1]]);
  assertEquals(server.store.keys, 1);
});

Deno.test("resp: a watch that could not be had leaves nothing to be done under it", () => {
  const server = follower();
  const client = new OneClient(server);
  assertMatch(messages(client.ask(["WATCH", "k"]))[0] as string, /^MOVED/);
  server.refusedWith = 0;
  const watched = ["MULTI", "SET k v", "EXEC"].map((line) => line.split(" "));
  assertEquals(messages(client.ask(...watched)), ["OK", "QUEUED", ABORTED]);
  assertEquals(client.ask(...watched), ["OK", "QUEUED", ["OK"]]);
});

Deno.test("resp: a watch whose answer is taken back leaves nothing to be done under it", () => {
  const server = new OneServer();
  const client = new OneClient(server);
  // The write behind it lets the read be answered early; the round is never confirmed.
  client.send(requestBytes([["WATCH", "k"], ["SET", "j", "v"]]), undefined, false);
  server.loseLeadership([client.session], LEADER);
  server.refusedWith = 0;
  client.output = "";
  const replies = messages(client.ask(["MULTI"], ["SET", "k", "v"], ["EXEC"]));
  assertMatch(replies[0] as string, /^MOVED/);
  assertEquals(replies.at(-1), ABORTED);
});

Deno.test("resp: others' changes abort a transaction, in the entry of the watch too", () => {
  const server = new OneServer();
  const [one, other] = [new OneClient(server, 1), new OneClient(server, 2)];
  one.ask(["SET", "k", "1"], ["WATCH", "k"], ["MULTI"], ["SET", "k", "mine"]);
  other.ask(["SET", "k", "theirs"]);
  assertEquals(one.ask(["EXEC"], ["GET", "k"]), [null, "theirs"]);
  assertEquals(one.ask(["WATCH", "k"], ["MULTI"], ["SET", "k", "mine"], ["EXEC"])[3], ["OK"]);
});

Deno.test("resp: a key that expires counts as changed", () => {
  const server = new OneServer();
  const client = new OneClient(server);
  client.ask(["SET", "k", "v", "PX", "50"], ["WATCH", "k"], ["MULTI"], ["SET", "j", "v"]);
  server.nowMs += 100;
  assertEquals(client.ask(["EXEC"], ["EXISTS", "j"]), [null, 0]);
});

Deno.test("resp: a read waits for the time that its key's deadline has come to", () => {
  const server = new OneServer();
  const client = new OneClient(server);
  client.ask(["SET", "k", "v", "PX", "50"], ["SET", "j", "v"]);
  server.nowMs += 100;
  assertEquals(client.ask(["MGET", "j", "k"], ["EXISTS", "k", "j"]), [["v", null], 1]);
  client.ask(["SET", "k", "v", "PX", "50"]);
  server.nowMs += 100;
  assertEquals(client.ask(["KEYS", "*"], ["TTL", "k"]), [["j"], -2]);
});

Deno.test("resp: READONLY connections read from a follower what it has applied", () => {
  const server = new OneServer();
  const client = new OneClient(server);
  client.ask(["SET", "k", "v", "EX", "100"]);
  server.refusedWith = ClientError.redirect;
  server.leader = LEADER;
  const replies = client.ask(["READONLY"], ["GET", "k"], ["TTL", "k"], ["MGET", "k", "j"]);
  assertEquals(replies, ["OK", "v", 100, ["v", null]]);
  const refused = messages(
    client.ask(["SET", "k", "w"], ["WATCH", "k"], ["READWRITE"], ["GET", "k"]),
  );
  assertEquals(refused.filter((one) => String(one).startsWith("MOVED")).length, 3);
  server.refusedWith = ClientError.noLeader;
  assertEquals(client.ask(["READONLY"], ["GET", "k"]), ["OK", "v"]);
});

Deno.test("resp: a scan visits every key once, whatever the pattern and the count", () => {
  const client = new OneClient(new OneServer());
  const keys = Array.from({ length: 90 }, (_, i) => `key:${i}`);
  for (const key of keys) client.ask(["SET", key, "v"]);
  for (const count of ["1", "7", "1000"]) {
    const seen: string[] = [];
    let cursor = "0";
    do {
      const [next, some] = client.ask(["SCAN", cursor, "COUNT", count, "MATCH", "key:*"])[0] as [
        string,
        string[],
      ];
      seen.push(...some);
      cursor = next;
    } while (cursor !== "0");
    assertEquals(seen.sort(), [...keys].sort());
  }
  assertEquals(client.ask(["SCAN", "9007199254740991"]), [["0", []]]);
});

Deno.test("resp: a transaction is bounded", () => {
  const client = new OneClient(new OneServer());
  client.ask(["MULTI"]);
  let refused: unknown = null;
  for (let i = 0; i < 40 && refused === null; i++) {
    const reply = client.ask(["SET", `k${i}`, "x".repeat(900)])[0];
    if (reply instanceof Error) refused = reply.message;
  }
  assertMatch(
    String(refused),
    /^ERR a transaction has more than \d+ bytes \(limits\.valueBytesMax and .* bound it\)$/,
  );
  assertEquals(messages(client.ask(["EXEC"])), [ABORTED]);
});

Deno.test("resp: the cluster is one shard, its leader first", () => {
  const server = follower();
  const client = new OneClient(server);
  server.peers = [2, 3].map((id) => peer(id, { silentMs: null }));
  const [slots, nodes, info, shards] = client.ask(
    ["CLUSTER", "SLOTS"],
    ["CLUSTER", "NODES"],
    ["CLUSTER", "INFO"],
    ["CLUSTER", "SHARDS"],
  );
  const [[from, to, master, ...replicas]] = slots as unknown as [[number, number, ...unknown[]]];
  assertEquals([from, to], [0, 16383]);
  assertEquals(master, ["127.0.0.1", 9002, "2".padStart(40, "0"), []]);
  assertEquals(replicas.length, 2);
  assertMatch(String(nodes), /127\.0\.0\.1:9002@9102 master - 0 0 3 connected 0-16383\n/);
  assertMatch(String(nodes), /127\.0\.0\.1:9001@9101 myself,slave 0+2 /);
  assertStringIncludes(String(info), "cluster_state:ok\r\n");
  assertEquals((shards as unknown[]).length, 1);
  server.leader = null;
  server.refusedWith = ClientError.noLeader;
  const down = messages(client.ask(["CLUSTER", "SLOTS"], ["CLUSTER", "INFO"]));
  assertMatch(String(down[0]), /^CLUSTERDOWN /);
  assertStringIncludes(String(down[1]), "cluster_state:fail");
  server.lastLeaderId = 2;
  const layout = ["SLOTS", "NODES", "SHARDS"].map((name) => ["CLUSTER", name]);
  const [lastSlots, lastNodes, lastShards] = client.ask(...layout);
  assertEquals([lastSlots, lastNodes, lastShards], [slots, nodes, shards]);
});

Deno.test("resp: what a server tells of itself comes in its place", () => {
  const client = new OneClient(new OneServer(), 7);
  const replies = client.ask(
    ["INCR", "n"],
    ["INFO", "replication"],
    ["INCR", "n"],
    ["WAIT", "2", "0"],
    ["TIME"],
    ["CLIENT", "ID"],
    ["HELLO", "3", "SETNAME", "me"],
    ["CLIENT", "LIST"],
  );
  assertEquals([replies[0], replies[2], replies[3], replies[5]], [1, 2, 2, 7]);
  assertMatch(String(replies[1]), /^# Replication\r\nrole:master\r\n/);
  assertEquals(replies[4], ["1000", "0"]);
  assertEquals((replies[6] as unknown[]).slice(0, 6), [
    "server",
    "redis",
    "version",
    "7.0.15",
    "proto",
    3,
  ]);
  assertMatch(String(replies[7]), /^txt:id=7 addr=test laddr= name=me /);
});

Deno.test("resp: keys that lines can't name are there for this protocol", () => {
  const server = new OneServer();
  const client = new OneClient(server);
  const lines = new OneClient(server);
  const long = "k".repeat(LIMITS.redisKeyBytesMax);
  client.ask(["MSET", "a b", "1", "\x00", "2", long, "3", "plain", "4"]);
  assertEquals(client.ask(["MGET", "a b", "\x00", long]), [["1", "2", "3"]]);
  lines.send(toBytes("get plain\r\nget a b\r\n"));
  assertEquals(lines.output, "VALUE 1\r\n4\r\nERR_CMD_ERR\r\n");
});
