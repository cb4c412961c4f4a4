/** Watches over both protocols, with a real store and sessions, and what the store tells of its changes. */
import { assert, assertEquals } from "@std/assert";
import { Random } from "../../lib/util/random.ts";
import { toBytes } from "../process/socket.ts";
import { encodeRequest, type Reply } from "../process/redis_socket.ts";
import { OneClient, OneServer } from "./resp_driver.ts";
import { readWatchLines, type SeenEvent, type SeenLine } from "./watch_lines.ts";

const CLUSTER = "0".repeat(32);

/** A client of lines. */
class LineClient extends OneClient {
  /** Sends lines and gives what came since the last call. */
  say(...lines: string[]): string {
    this.send(toBytes(lines.map((line) => `${line}\r\n`).join("")));
    const { output } = this;
    this.output = "";
    return output;
  }

  /** What the watch has told since the last call. */
  told(): SeenLine[] {
    const output = toBytes(this.say());
    const { seen, length } = readWatchLines(output);
    assertEquals(length, output.length);
    return seen;
  }
}

function events(seen: readonly SeenLine[]): SeenEvent[] {
  return seen.flatMap((one) => one.kind === "events" ? one.events : []);
}

/** A server with some entries, so that no revision is 0. */
function serverWithKeys(): { server: OneServer; redis: OneClient; lines: LineClient } {
  const server = new OneServer();
  const redis = new OneClient(server, 1);
  const lines = new LineClient(server, 2);
  redis.ask(["SET", "k", "before"]);
  return { server, redis, lines };
}

Deno.test("lines: a watch is told of a set, a delete and a flush, its key as it is", () => {
  const { redis, lines } = serverWithKeys();
  assertEquals(lines.say("watch k*"), `WATCHING 1@${CLUSTER}\r\n`);
  redis.ask(["SET", "k \r\nx", "a\r\nb"]);
  redis.ask(["DEL", "k"]);
  redis.ask(["FLUSHALL"]);
  assertEquals(
    lines.say(),
    "EVENTS 2 1\r\nset 1 5 4\r\nk \r\nx\r\na\r\nb\r\n" +
      "EVENTS 3 1\r\ndelete 1 1\r\nk\r\n" +
      "EVENTS 4 1\r\nflush\r\n",
  );
});

Deno.test("lines: without values, from a revision on, and over", () => {
  const { redis, lines } = serverWithKeys();
  assertEquals(lines.say("watch k"), `WATCHING 1@${CLUSTER}\r\n`);
  assertEquals(lines.say("unwatch"), "OK\r\n");
  assertEquals(lines.say("unwatch"), "OK\r\n");
  redis.ask(["SET", "k", "1"]);
  redis.ask(["SET", "k", "2"]);
  const told = "EVENTS 3 1\r\nset 3 1\r\nk\r\n";
  assertEquals(lines.say(`watch k 2@${CLUSTER} novalue`), `WATCHING 2@${CLUSTER}\r\n${told}`);
  // Commands go on, and a second watch does not: what it told could not be told apart.
  assertEquals(lines.say("get k"), "VALUE 1\r\n2\r\n");
  assertEquals(lines.say("watch other"), "ERR_CMD_ERR\r\n");
  assertEquals(lines.say("unwatch"), "OK\r\n");
  redis.ask(["SET", "k", "3"]);
  assertEquals(lines.say(), "");
});

Deno.test("lines: what can't be watched is refused", () => {
  const { lines } = serverWithKeys();
  assertEquals(lines.say("watch k 0"), "ERR_COMPACTED 1\r\n");
  assertEquals(lines.say("watch k 2"), "ERR_FUTURE 1\r\n");
  const wrong = [
    "watch",
    "watch ",
    "watch  k",
    "watch k ",
    "watch k -1",
    "watch k 1 2",
    "watch k 1 novalue 3",
    "watch k 1@xyz",
    `watch ${"k".repeat(251)}`,
    "watch k\x01",
    "watch k 99999999999999999",
  ];
  for (const line of wrong) {
    assert(lines.say(line).startsWith("ERR_CMD_ERR"), line);
  }
  assertEquals(lines.say("watch * novalue"), `WATCHING 1@${CLUSTER}\r\n`);
});

Deno.test("RESP: what is watched is pushed in version 3, between replies", () => {
  const { redis, server } = serverWithKeys();
  const client = new OneClient(server, 3);
  client.ask(["HELLO", "3"]);
  assertEquals(client.ask(["RAFTKV.WATCH", "k*"]), [[1, CLUSTER]]);
  assertEquals(client.ask(["RAFTKV.WATCH", "k*"]).map(String), [
    "Error: ERR this connection watches that already",
  ]);
  redis.ask(["SET", "k1", "v"]);
  assertEquals(client.ask(["GET", "k1"]), [
    "v",
    ["raftkv.watch", "k*", 2, [["set", "k1", 1, "v"]]],
  ]);
  assertEquals(client.ask(["RAFTKV.UNWATCH", "other"]), [0]);
  assertEquals(client.ask(["RAFTKV.UNWATCH", "k*"]), [1]);
  redis.ask(["SET", "k1", "w"]);
  assertEquals(client.ask(["PING"]), ["PONG"]);
});

Deno.test("RESP: a connection of version 2 that watches takes nothing else", () => {
  const { redis, server } = serverWithKeys();
  const client = new OneClient(server, 3);
  assertEquals(client.ask(["RAFTKV.WATCH", "k", "AFTER", "1", "NOVALUE"]), [[1, CLUSTER]]);
  assert(String(client.ask(["GET", "k"])[0]).startsWith("Error: ERR Can't execute 'get'"));
  redis.ask(["SET", "k", "v"], ["DEL", "k"]);
  assertEquals(client.ask(["PING"]), [
    "PONG",
    ["raftkv.watch", "k", 2, [["set", "k", 2, null], ["delete", "k", 2, null]]],
  ]);
  assertEquals(client.ask(["RAFTKV.UNWATCH"]), [1]);
  assertEquals(client.ask(["GET", "k"]), [null]);
  client.ask(["RAFTKV.WATCH", "k"]);
  assertEquals(client.ask(["RESET"]), ["RESET"]);
  assertEquals(server.watches.count, 0);
});

Deno.test("RESP: requests that are wrong, and a transaction, are refused", () => {
  const { redis } = serverWithKeys();
  const wrong: [string[], string][] = [
    [["RAFTKV.WATCH", "k", "AFTER"], "ERR syntax error"],
    [["RAFTKV.WATCH", "k", "AFTER", "x"], "ERR a position is"],
    [["RAFTKV.WATCH", "k", "AFTER", "0"], "COMPACTED 1 "],
    [["RAFTKV.WATCH", "k", "AFTER", "9"], "FUTURE 1 "],
    [["RAFTKV.WATCH", ""], "ERR an empty key"],
    [["RAFTKV.UNWATCH", "a", "b"], "ERR wrong number"],
  ];
  for (const [request, words] of wrong) {
    const reply = redis.ask(request)[0];
    assert(reply instanceof Error && reply.message.startsWith(words), String(reply));
  }
  redis.ask(["MULTI"]);
  assert(redis.ask(["RAFTKV.WATCH", "k"])[0] instanceof Error);
  assert(redis.ask(["EXEC"])[0] instanceof Error);
});

Deno.test("a key that is made again when it is due expires first; one that is swept expires", () => {
  const { server, redis, lines } = serverWithKeys();
  lines.say("watch *");
  redis.ask(["SET", "a", "1", "PX", "100"], ["SET", "b", "1", "PX", "100"]);
  server.nowMs += 1_000;
  redis.ask(["SET", "a", "2"]);
  const told = events(lines.told());
  assertEquals(told.map(({ kind, key }) => `${kind} ${key}`), [
    "set a",
    "set b",
    "expire a",
    "set a",
    "expire b",
  ]);
  assert(told[3]!.version > told[2]!.version && told[2]!.version === told[0]!.version);
});

Deno.test("who may not read what is watched is refused, and later told that it is over", () => {
  const { server, redis } = serverWithKeys();
  redis.ask(["ACL", "SETUSER", "admin", "on", ">secret", "+@all", "~*"]);
  redis.ask(["AUTH", "admin", "secret"]);
  redis.ask(["ACL", "SETUSER", "bob", "on", ">pw", "+@pubsub", "%R~mine/*", "%W~k*"]);
  assertEquals(redis.ask(["ACL", "DRYRUN", "bob", "RAFTKV.WATCH", "mine/a*"]), ["OK"]);
  for (const pattern of ["k", "*", "mine*"]) {
    assertEquals(redis.ask(["ACL", "DRYRUN", "bob", "RAFTKV.WATCH", pattern]), [
      `This user has no permissions to access the '${pattern}' key`,
    ]);
  }
  const bob = new LineClient(server, 3);
  assertEquals(bob.say("watch mine/*"), "ERR_AUTH\r\n");
  bob.say("auth bob 2", "pw");
  assertEquals(bob.say("watch k"), "ERR_PERMISSION\r\n");
  assertEquals(bob.say("watch *"), "ERR_PERMISSION\r\n");
  assertEquals(bob.say("watch mine*"), "ERR_PERMISSION\r\n");
  assert(bob.say("watch mine/a*").startsWith("WATCHING"));
  redis.ask(["SET", "mine/ab", "1"]);
  assertEquals(events(bob.told()).length, 1);
  redis.ask(["ACL", "SETUSER", "bob", "resetkeys", "~mine/b*"]);
  redis.ask(["SET", "mine/ab", "secret"]);
  assertEquals(bob.say(), "ERR_PERMISSION\r\n");
  assertEquals(server.watches.count, 0);
});

Deno.test("what the changes tell makes the same contents, whatever is done", () => {
  for (let seed = 1; seed <= 25; seed++) mirror(new Random(seed));
});

const KEYS = ["a", "b", "c", "d"];

/** Draws commands of all kinds, and follows the events into a map. */
function mirror(random: Random): void {
  const server = new OneServer();
  const redis = new OneClient(server, 1);
  const lines = new LineClient(server, 2);
  lines.say("watch *");
  const seen = new Map<string, SeenEvent>();
  for (let step = 0; step < 200; step++) {
    const count = random.between(1, 4);
    const requests = Array.from({ length: count }, () => drawn(random, random.pick(KEYS)));
    if (random.chance(0.2)) redis.ask(["MULTI"], ...requests, ["EXEC"]);
    else redis.ask(...requests);
    if (random.chance(0.2)) server.nowMs += random.between(1, 300);
    // Reading may let time pass, so it comes first.
    const found = redis.ask(...KEYS.map((key) => ["RAFTKV.GET", key])) as (Reply[] | null)[];
    follow(seen, events(lines.told()));
    for (const [i, key] of KEYS.entries()) {
      const { version, value } = seen.get(key) ?? { version: 0, value: null };
      assertEquals({ version, value }, shown(found[i]!));
    }
  }
}

function follow(seen: Map<string, SeenEvent>, told: readonly SeenEvent[]): void {
  for (const event of told) {
    const { kind, key, version } = event;
    if (kind === "flush") seen.clear();
    else if (kind === "set") {
      assert(version > (seen.get(key)?.version ?? 0));
      seen.set(key, event);
    } else {
      assertEquals(version, seen.get(key)?.version, `${kind} ${key}`);
      seen.delete(key);
    }
  }
}

function shown(found: readonly Reply[] | null): unknown {
  return { version: found?.[0] ?? 0, value: found?.[2] ?? null };
}

function drawn(random: Random, key: string): string[] {
  const value = String(random.between(1, 99));
  return random.pick([
    ["SET", key, value],
    ["SET", key, value, "PX", "100"],
    ["SET", key, value, "NX"],
    ["SET", key, value, "XX", "GET"],
    ["APPEND", key, value],
    ["SETRANGE", key, "1", value],
    ["INCRBY", key, value],
    ["INCRBYFLOAT", key, "1.5"],
    ["MSET", key, value, "a", value],
    ["MSETNX", key, value, "b", value],
    ["DEL", key, "c"],
    ["GETDEL", key],
    ["GETEX", key, "PX", "50"],
    ["GETEX", key, "PERSIST"],
    ["PEXPIRE", key, "70"],
    ["PEXPIRE", key, "-1"],
    ["PERSIST", key],
    ["DELIFEQ", key, value],
    ["RAFTKV.CAS", key, "0", value],
    ...(random.chance(0.1) ? [["FLUSHALL"]] : []),
  ]);
}

Deno.test("requests in pieces: the same as whole", () => {
  const { redis, server } = serverWithKeys();
  const client = new OneClient(server, 3);
  client.send(encodeRequest(["RAFTKV.WATCH", "k*", "AFTER", `1@${CLUSTER}`]), 1);
  redis.ask(["SET", "k", "v"]);
  assertEquals(client.ask(["PING"]), ["PONG", ["raftkv.watch", "k*", 2, [["set", "k", 2, "v"]]]]);
});
