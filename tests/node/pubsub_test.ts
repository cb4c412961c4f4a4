/** Channels on one server, by whole connections: who is told what, in which order, and who no more. */
import { assert, assertEquals } from "@std/assert";
import { latin1Bytes } from "../../lib/util/latin1.ts";
import { Store } from "../../lib/kv/store.ts";
import { Random } from "../../lib/util/random.ts";
import type { Reply } from "../process/redis_socket.ts";
import { OneClient, OneServer } from "../wire/resp_driver.ts";

function words(line: string): string[] {
  return line.split(" ");
}

/** A connection that has sent these. */
function client(server: OneServer, ...lines: string[]): OneClient {
  const one = new OneClient(server, server.sessions.length + 1);
  one.ask(...lines.map(words));
  return one;
}

/** What it is told now. */
function told(one: OneClient): Reply[] {
  return one.ask();
}

Deno.test("each change of a key is told once and in order, in whichever channels match", () => {
  const random = new Random(7);
  const keys = ["a", "ab", "b", "k1", "k2"];
  for (let round = 0; round < 60; round++) {
    const server = new OneServer();
    const writer = client(server);
    const all = client(server, "PSUBSCRIBE __keyspace@0__:*");
    const events = client(server, "PSUBSCRIBE __keyevent@0__:*");
    const some = client(
      server,
      "PSUBSCRIBE __keyspace@0__:a* __keyspace@0__:k?",
      "SUBSCRIBE __keyspace@0__:a",
    );
    const expected: string[] = [];
    const there = new Set<string>();
    for (let i = 0; i < 40; i++) {
      const key = random.pick(keys);
      const isDelete = random.chance(0.3);
      const isForTime = random.chance(0.5);
      writer.ask(words(isDelete ? `DEL ${key}` : `SET ${key} 5${isForTime ? " EX 100" : ""}`));
      if (!isDelete) {
        expected.push(`${key} set`, ...(isForTime ? [`${key} expire`] : []));
        there.add(key);
      } else if (there.delete(key)) expected.push(`${key} del`);
    }
    const ofKeys = told(all).map((one) => {
      const [, , channel, event] = one as string[];
      return `${channel!.slice("__keyspace@0__:".length)} ${event}`;
    });
    assertEquals(ofKeys, expected);
    const ofEvents = told(events).map((one) => {
      const [, , channel, key] = one as string[];
      return `${key} ${channel!.slice("__keyevent@0__:".length)}`;
    });
    assertEquals(ofEvents, expected);
    const seen = told(some).map((one) => (one as string[]).length === 3 ? "=" : "*");
    const matching = expected.flatMap((one) => {
      const key = one.split(" ")[0]!;
      return [...(key === "a" ? ["="] : []), ...(/^a|^k.$/.test(key) ? ["*"] : [])];
    });
    assertEquals(seen, matching);
  }
});

Deno.test("nothing listens to a store before somebody asks for changes of keys, nor after", () => {
  const server = new OneServer();
  assert(!server.pubsub.isListening);
  const one = client(server, "SUBSCRIBE news", "PSUBSCRIBE n*");
  assert(!server.pubsub.isListening, "plain channels have nothing to do with keys");
  one.ask(words("SUBSCRIBE __keyevent@0__:expired"));
  assert(server.pubsub.isListening);
  one.ask(words("UNSUBSCRIBE __keyevent@0__:expired"));
  assert(!server.pubsub.isListening);
  one.ask(words("PSUBSCRIBE *"));
  assert(server.pubsub.isListening);
  one.session.disconnected();
  assert(!server.pubsub.isListening);
  assertEquals(server.pubsub.figures().subscriptions, 0);
  assertEquals(server.pubsub.figures().queuedBytes, 0);
});

Deno.test("a watch and a subscriber are told of the same change, and one goes without the other", () => {
  const server = new OneServer();
  const watcher = client(server, "RAFTKV.WATCH a");
  const subscriber = client(server, "SUBSCRIBE __keyspace@0__:a");
  const writer = client(server);
  writer.ask(words("SET a 1"));
  assertEquals(told(subscriber), [["message", "__keyspace@0__:a", "set"]]);
  assertEquals(told(watcher).length, 1);
  subscriber.session.disconnected();
  writer.ask(words("SET a 2"));
  assertEquals(told(watcher).length, 1);
});

Deno.test("in version 2 the commands after SUBSCRIBE are read as those of a subscriber", () => {
  const server = new OneServer();
  const one = client(server);
  const refused = (name: string) =>
    `ERR Can't execute '${name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET ` +
    "are allowed in this context";
  // All in one piece.
  const replies = one.ask(...["SUBSCRIBE x", "GET a", "PING", "UNSUBSCRIBE x", "GET a"].map(words));
  assertEquals(replies[0], ["subscribe", "x", 1]);
  assertEquals((replies[1] as Error).message, refused("get"));
  assertEquals(replies.slice(2), [["pong", ""], ["unsubscribe", "x", 0], null]);
  assertEquals(one.ask(words("MULTI"), words("PUBLISH x y"), words("EXEC")).map(String), [
    "OK",
    "Error: ERR PUBLISH is no part of a transaction here: messages are not in the log",
    "Error: EXECABORT Transaction discarded because of previous errors.",
  ]);
});

Deno.test("what was told before UNSUBSCRIBE comes before its reply, and nothing after", () => {
  const server = new OneServer();
  const one = client(server, "SUBSCRIBE x y");
  const other = client(server);
  assertEquals(other.ask(words("PUBLISH x 1"), words("PUBLISH y 2")), [1, 1]);
  assertEquals(one.ask(words("UNSUBSCRIBE x")), [
    ["message", "x", "1"],
    ["message", "y", "2"],
    ["unsubscribe", "x", 1],
  ]);
  assertEquals(other.ask(words("PUBLISH x 3"), words("PUBLISH y 4")), [0, 1]);
  assertEquals(told(one), [["message", "y", "4"]]);
});

Deno.test("a message waits for replies that are not confirmed, and comes after them", () => {
  const server = new OneServer();
  const one = client(server, "HELLO 3", "SUBSCRIBE x");
  one.output = "";
  one.send(
    latin1Bytes("*2\r\n$3\r\nGET\r\n$1\r\na\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n"),
    100,
    false,
  );
  // The write is done, so what was read before it is known, and may not leave yet.
  server.applyWaiting();
  assertEquals(server.pubsub.publish("x", latin1Bytes("hi")), 1);
  assertEquals(one.session.takeOutput(), null);
  server.confirmRounds();
  assertEquals(told(one), [null, "OK", ["message", "x", "hi"]]);
});

Deno.test("what is published goes to the other servers once, and what they hand on goes no further", () => {
  const server = new OneServer();
  server.hasOthers = true;
  const one = client(server, "PSUBSCRIBE x*");
  assertEquals(client(server).ask(words("PUBLISH xy hello")), [1]);
  assertEquals(server.handedOn, ["xy hello"]);
  server.pubsub.received(latin1Bytes("xz"), latin1Bytes("there"));
  assertEquals(server.handedOn.length, 1);
  assertEquals(told(one), [["pmessage", "x*", "xy", "hello"], ["pmessage", "x*", "xz", "there"]]);
});

Deno.test("beyond publishBytesPerSecond PUBLISH is refused, and nobody is told", () => {
  const server = new OneServer({ publishBytesPerSecond: 1_024 });
  server.hasOthers = true;
  const one = client(server, "SUBSCRIBE x");
  const other = client(server);
  const message = "m".repeat(400);
  const send = () => other.ask(["PUBLISH", "x", message])[0];
  assertEquals([send(), send()], [1, 1]);
  assertEquals(
    (send() as Error).message.slice(0, 44),
    "TRYAGAIN beyond limits.publishBytesPerSecond",
  );
  server.nowMs += 500;
  assertEquals(send(), 1);
  assertEquals(told(one).length, 3);
  assertEquals(server.handedOn.length, 3);
});

Deno.test("one that takes nothing is disconnected, and holds no more than its bound", () => {
  const server = new OneServer({ subscriberBytesMax: 65_536, subscribersBytesMax: 1_048_576 });
  const slow = client(server, "SUBSCRIBE x");
  const quick = client(server, "SUBSCRIBE x");
  const other = client(server);
  const message = "m".repeat(900);
  let most = 0;
  for (let i = 0; i < 200; i++) {
    other.ask(["PUBLISH", "x", message]);
    told(quick);
    most = Math.max(most, server.pubsub.figures().queuedBytes);
  }
  assert(slow.session.isKilled);
  assert(slow.session.closing!.includes("limits.subscriberBytesMax"), slow.session.closing!);
  assert(most > 32_768 && most < 2 * 65_536, `${most}`);
  assert(!quick.session.isKilled);
  assertEquals(server.pubsub.figures().slow, 1);
  assertEquals(server.pubsub.figures().queuedBytes, 0);
});

Deno.test("what waits for all is bounded as well: who has the most waiting goes first", () => {
  const server = new OneServer({ subscribersBytesMax: 1_048_576 });
  const many = Array.from({ length: 8 }, (_, i) => client(server, `SUBSCRIBE c${i}`));
  const other = client(server);
  for (let i = 0; i < 8; i++) {
    for (let n = 0; n < 100 + 200 * i; n++) other.ask(["PUBLISH", `c${i}`, "m".repeat(900)]);
    assert(server.pubsub.figures().queuedBytes <= 1_048_576);
  }
  const killed = many.filter(({ session }) => session.isKilled);
  assert(killed.length > 0 && !many[0]!.session.isKilled);
  assertEquals(server.pubsub.figures().slow, killed.length);
  // The same message for all is there once.
  const shared = new OneServer({ subscribersBytesMax: 1_048_576 });
  const crowd = Array.from({ length: 50 }, () => client(shared, "SUBSCRIBE x"));
  for (let n = 0; n < 500; n++) client(shared).ask(["PUBLISH", "x", "m".repeat(900)]);
  assert(crowd.every(({ session }) => !session.isKilled), "messages are counted once");
});

Deno.test("bounds of subscriptions refuse the whole command", () => {
  const server = new OneServer({
    subscriptionsMax: 4,
    subscriptionsPerConnectionMax: 3,
    patternsMax: 1,
  });
  const problem = (reply: Reply) => (reply as Error).message;
  const one = client(server);
  const limit = (name: string) => `ERR there are as many as limits.${name} lets there be`;
  assertEquals(
    problem(one.ask(words("SUBSCRIBE a b c d"))[0]!),
    limit("subscriptionsPerConnectionMax"),
  );
  assertEquals(one.ask(words("SUBSCRIBE a b a")).length, 3);
  assertEquals(
    problem(one.ask(words("PSUBSCRIBE a* b*"))[0]!),
    limit("subscriptionsPerConnectionMax"),
  );
  const other = client(server);
  assertEquals(problem(other.ask(words("PSUBSCRIBE a* b*"))[0]!), limit("patternsMax"));
  assertEquals(other.ask(words("PSUBSCRIBE a*")).length, 1);
  assertEquals(problem(other.ask(words("SUBSCRIBE a b"))[0]!), limit("subscriptionsMax"));
  assertEquals(
    problem(other.ask(["PSUBSCRIBE", "p".repeat(1_025)])[0]!),
    "ERR a pattern has more than 1024 bytes",
  );
  assertEquals(
    problem(other.ask(["SUBSCRIBE", "c".repeat(165)])[0]!),
    "ERR a channel has more than 164 bytes",
  );
});

Deno.test("who loses a channel, the command or its user is disconnected before anything more is told", () => {
  for (
    const [change, survives] of [
      ["ACL SETUSER u resetchannels", false],
      ["ACL SETUSER u resetchannels &x", true],
      ["ACL SETUSER u -subscribe", false],
      ["ACL SETUSER u -get", true],
      ["ACL SETUSER u off", false],
      ["ACL DELUSER u", false],
    ] as const
  ) {
    const server = new OneServer();
    const root = client(server, "ACL SETUSER root on >root +@all ~* &*", "AUTH root root");
    root.ask(words("ACL SETUSER u on >u +@all ~* &*"));
    const one = client(server, "AUTH u u");
    assertEquals(one.ask(words("SUBSCRIBE x")), [["subscribe", "x", 1]]);
    assertEquals(root.ask(words("PUBLISH x 1")), [1]);
    root.ask(words(change));
    assertEquals(one.session.isKilled, !survives, change);
    assertEquals(root.ask(words("PUBLISH x 2")), [survives ? 1 : 0], change);
  }
});

Deno.test("a revocation holds for what comes after it in the same entry", () => {
  const server = new OneServer();
  const root = client(server, "ACL SETUSER root on >root +@all ~* &*", "AUTH root root");
  root.ask(words("ACL SETUSER u on >u +@all ~* &*"));
  const one = client(server, "AUTH u u", "PSUBSCRIBE __keyspace@0__:*");
  root.ask(words("ACL SETUSER u resetchannels"), words("SET a 1"));
  assertEquals([one.session.isKilled, one.output.includes("set")], [true, false]);
});

Deno.test("of keys that a user may not read it is told nothing", () => {
  const server = new OneServer();
  const root = client(server, "ACL SETUSER root on >root +@all ~* &*", "AUTH root root");
  root.ask(words("ACL SETUSER u on >u +@all %R~open:* %W~* &*"));
  const one = client(
    server,
    "AUTH u u",
    "PSUBSCRIBE __keyspace@0__:*",
    "SUBSCRIBE __keyevent@0__:set",
  );
  root.ask(...["SET secret:1 x", "SET open:1 x", "DEL secret:1 open:1"].map(words));
  assertEquals(told(one), [
    ["pmessage", "__keyspace@0__:*", "__keyspace@0__:open:1", "set"],
    ["message", "__keyevent@0__:set", "open:1"],
    ["pmessage", "__keyspace@0__:*", "__keyspace@0__:open:1", "del"],
  ]);
});

Deno.test("where a snapshot takes the store's place, who is told of keys is disconnected, others stay", () => {
  const server = new OneServer();
  const ofKeys = client(server, "PSUBSCRIBE __key*");
  const plain = client(server, "SUBSCRIBE x");
  server.store = new Store({ hashSeed: 1 });
  server.pubsub.wake();
  assert(ofKeys.session.isKilled);
  assert(!plain.session.isKilled);
  assert(!server.pubsub.isListening);
  const again = client(server, "PSUBSCRIBE __key*");
  client(server).ask(words("SET a 1"));
  assertEquals(told(again).length, 2);
});

Deno.test("hostile names and patterns are taken as bytes", () => {
  const server = new OneServer();
  const name = "\xff\x00\r\n*é";
  const one = client(server);
  assertEquals(one.ask(["SUBSCRIBE", name, ""]), [["subscribe", name, 1], ["subscribe", "", 2]]);
  const other = client(server);
  assertEquals(other.ask(["PSUBSCRIBE", "\xff?\r[\n]\\**"]).length, 1);
  assertEquals(other.ask(["PSUBSCRIBE", ""]).length, 1);
  const writer = client(server);
  assertEquals(writer.ask(["PUBLISH", name, "\x00"], ["PUBLISH", "", "e"]), [2, 2]);
  assertEquals(told(one), [["message", name, "\x00"], ["message", "", "e"]]);
  assertEquals(told(other), [["pmessage", "\xff?\r[\n]\\**", name, "\x00"], [
    "pmessage",
    "",
    "",
    "e",
  ]]);
  assertEquals(writer.ask(["PUBSUB", "CHANNELS", "\xff*"]), [[name]]);
});

Deno.test("channels of shards are refused, and it is said what to use", () => {
  const one = client(new OneServer());
  for (const name of ["SSUBSCRIBE", "SUNSUBSCRIBE", "spublish"]) {
    const [reply] = one.ask([name, "x", "y"]);
    assertEquals(
      (reply as Error).message,
      `ERR unknown command '${name}': there is one shard, and without the first letter it reaches ` +
        "all of it",
    );
  }
});

Deno.test("a long pattern counts for as many short ones as it costs", () => {
  const server = new OneServer({ patternsMax: 40 });
  const one = client(server);
  const long = (end: string) => "?".repeat(1_023) + end;
  assertEquals(one.ask(["PSUBSCRIBE", long("a")]).length, 1);
  // Of the other ones that have it, it costs nothing more.
  const other = client(server);
  assertEquals(other.ask(["PSUBSCRIBE", long("a")]).length, 1);
  const refused = other.ask(["PSUBSCRIBE", long("b")])[0] as Error;
  assertEquals(refused.message, "ERR there are as many as limits.patternsMax lets there be");
  const short = Array.from({ length: 7 }, (_, i) => `${i}*`);
  assertEquals(other.ask(["PSUBSCRIBE", ...short]).length, 7);
  assert(other.ask(["PSUBSCRIBE", "x*"])[0] instanceof Error);
  one.session.disconnected();
  other.ask(["PUNSUBSCRIBE", long("a")]);
  assertEquals(other.ask(["PSUBSCRIBE", long("b")]).length, 1);
});

Deno.test("a connection listens from its first watch or subscription to its last", () => {
  const server = new OneServer();
  const one = client(server, "PING");
  const listens = () => server.sessions.at(-1)!.listens;
  const seen = [listens()];
  const steps = ["SUBSCRIBE a", "UNSUBSCRIBE a", "PSUBSCRIBE a*", "PUNSUBSCRIBE"];
  for (const line of [...steps, "RAFTKV.WATCH k", "RAFTKV.UNWATCH"]) {
    one.ask(words(line));
    seen.push(listens());
  }
  assertEquals(seen, [false, true, false, true, false, true, false]);
});
