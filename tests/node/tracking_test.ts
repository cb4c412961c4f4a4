/** CLIENT TRACKING on one server, by whole connections: what a client keeps is never stale for good. */
import { assert, assertEquals } from "@std/assert";
import { Store } from "../../lib/kv/store.ts";
import { latin1Bytes } from "../../lib/util/latin1.ts";
import { ConnectionTracking, overlapIn } from "../../lib/node/pubsub/client_tracking.ts";
import type { Tracked } from "../../lib/node/pubsub/tracked.ts";
import { TrackedPrefixes } from "../../lib/node/pubsub/tracked_prefixes.ts";
import { Random } from "../../lib/util/random.ts";
import { encodeRequest, type Reply } from "../process/redis_socket.ts";
import { OneClient, OneServer } from "../wire/resp_driver.ts";

function words(line: string): string[] {
  return line.split(" ");
}

function client(server: OneServer, ...lines: string[]): OneClient {
  const one = new OneClient(server, server.sessions.length + 1);
  one.ask(...lines.map(words));
  return one;
}

function told(one: OneClient): Reply[] {
  return one.ask();
}

const FORGET = (...keys: string[]) => keys.map((key) => ["invalidate", [key]]);
const FORGET_ALL = ["invalidate", null];

Deno.test("who has read a key is told once that it changed, and again after it was read again", () => {
  const server = new OneServer();
  const one = client(server, "HELLO 3", "CLIENT TRACKING ON");
  const other = client(server);
  other.ask(words("SET a 1"));
  assertEquals(told(one), []);
  assertEquals(one.ask(words("GET a")), ["1"]);
  other.ask(words("SET a 2"), words("SET a 3"), words("SET b 1"));
  assertEquals(told(one), FORGET("a"));
  assertEquals(one.ask(words("MGET a b none"), words("STRLEN c")), [["3", "1", null], 0]);
  other.ask(words("DEL b"), words("SET none x"), words("SET c x"), words("EXPIRE a 10"));
  assertEquals(told(one), FORGET("b", "none", "c", "a"));
  one.ask(words("GET a"), words("CLIENT TRACKING OFF"));
  other.ask(words("SET a 9"));
  assertEquals(told(one), []);
  assertEquals(server.pubsub.figures().trackedBytes, 0);
  assert(!server.pubsub.isListening);
});

Deno.test("its own writes are told too, after their reply, and not with NOLOOP", () => {
  const server = new OneServer();
  const one = client(server, "HELLO 3", "CLIENT TRACKING ON", "GET a");
  assertEquals(one.ask(words("SET a 1")), ["OK", ...FORGET("a")]);
  const quiet = client(server, "HELLO 3", "CLIENT TRACKING ON NOLOOP", "GET a", "GET b");
  assertEquals(quiet.ask(words("SET a 2")), ["OK"]);
  one.ask(words("SET b 1"));
  assertEquals(told(quiet), FORGET("b"));
  // It is not noted any more, as in Redis.
  one.ask(words("SET a 3"));
  assertEquals(told(quiet), []);
});

Deno.test("with BCAST changes under its prefixes are told, whether they were read or not", () => {
  const server = new OneServer();
  const one = client(server, "HELLO 3", "CLIENT TRACKING ON BCAST PREFIX a: PREFIX b:");
  const all = client(server, "HELLO 3", "CLIENT TRACKING ON BCAST");
  const other = client(server, "HELLO 3", "CLIENT TRACKING ON BCAST PREFIX a: NOLOOP");
  other.ask(...["SET a:1 x", "SET c:1 x", "SET b:2 x", "DEL a:1", "SET a x"].map(words));
  assertEquals(told(one), FORGET("a:1", "b:2", "a:1"));
  assertEquals(told(all), FORGET("a:1", "c:1", "b:2", "a:1", "a"));
  assertEquals(told(other), []);
  one.ask(words("SET a:5 x"));
  assertEquals(told(other), FORGET("a:5"));
});

Deno.test("a value that was read before a write is told to be forgotten after its reply, never before", () => {
  const server = new OneServer();
  const one = client(server, "HELLO 3", "CLIENT TRACKING ON");
  const other = client(server);
  other.ask(words("SET a old"));
  one.output = "";
  // Its own write makes it read before the round is confirmed; another one's write is done then, too.
  const sent = [["GET", "a"], ["SET", "b", "1"]].map((one) => encodeRequest(one));
  for (const bytes of sent) one.send(bytes, 100, false);
  server.applyWaiting();
  other.send(encodeRequest(["SET", "a", "new"]), 100, false);
  server.applyWaiting();
  assertEquals(one.session.takeOutput(), null);
  server.confirmRounds();
  assertEquals(told(one), ["old", "OK", ...FORGET("a")]);
});

Deno.test("what a transaction reads is tracked, from the moment at which it was", () => {
  const server = new OneServer();
  const one = client(server, "HELLO 3", "CLIENT TRACKING ON");
  const other = client(server);
  const transaction = ["MULTI", "GET a", "MGET b c", "SET d 1", "EXEC"].map(words);
  one.ask(...transaction);
  other.ask(...["SET a 1", "SET d 2", "SET c 1"].map(words));
  assertEquals(told(one), FORGET("a", "c"));
  // Other writes of the same entry, before it and after it.
  one.output = "";
  other.send(encodeRequest(["SET", "a", "before"]), 100, false);
  for (const line of transaction) one.send(encodeRequest(line), 100, false);
  other.send(encodeRequest(["SET", "a", "after"]), 100, false);
  server.settle();
  const replies = told(one);
  assertEquals(replies.at(-2), ["before", [null, "1"], "OK"]);
  assertEquals(replies.at(-1), FORGET("a")[0]);
  // One that is aborted reads nothing, and does not shift what comes after it.
  one.ask(words("WATCH w"));
  other.ask(words("SET w 1"));
  assertEquals(told(one), FORGET("w"));
  assertEquals(one.ask(words("MULTI"), words("GET x"), words("EXEC")).at(-1), null);
  one.ask(words("MULTI"), words("GET y"), words("EXEC"));
  other.ask(words("SET x 1"), words("SET y 1"));
  assertEquals(told(one), FORGET("y"));
});

Deno.test("FLUSHALL, another leader and a snapshot have all forgotten", () => {
  const server = new OneServer();
  const one = client(server, "HELLO 3", "CLIENT TRACKING ON", "GET a");
  const other = client(server);
  other.ask(words("SET a 1"));
  told(one);
  other.ask(words("FLUSHALL"));
  assertEquals(told(one), [FORGET_ALL]);
  one.ask(words("GET a"));
  server.leadership = "2 3";
  server.pubsub.wake();
  assertEquals(told(one), [FORGET_ALL]);
  server.pubsub.wake();
  assertEquals(told(one), []);
  server.store = new Store({ hashSeed: 1 });
  server.pubsub.wake();
  assertEquals(told(one), [FORGET_ALL]);
  one.ask(words("GET a"));
  other.ask(words("SET a 1"));
  assertEquals(told(one), FORGET("a"));
});

Deno.test("where the table is full, what was read longest ago is to be forgotten", () => {
  const server = new OneServer({ trackingBytesMax: 10_000 });
  const one = client(server, "HELLO 3", "CLIENT TRACKING ON");
  const forgotten: Reply[] = [];
  for (let i = 0; i < 200; i++) {
    forgotten.push(...one.ask(words(`GET key:${i}`)).slice(1));
    assert(server.pubsub.figures().trackedBytes <= 10_000);
  }
  forgotten.push(...told(one));
  assert(forgotten.length > 100 && forgotten.length < 190, `${forgotten.length}`);
  assertEquals(forgotten, FORGET(...forgotten.map((_, i) => `key:${i}`)));
});

Deno.test("with REDIRECT another connection of version 2 is told in the channel for that", () => {
  const server = new OneServer();
  const ear = client(server, "SUBSCRIBE __redis__:invalidate");
  const one = client(server);
  const id = 1;
  assertEquals(one.ask(words(`CLIENT TRACKING ON REDIRECT ${id}`), words("CLIENT GETREDIR")), [
    "OK",
    id,
  ]);
  one.ask(words("GET a"));
  const other = client(server);
  other.ask(words("SET a 1"), words("FLUSHALL"));
  assertEquals(told(ear), [
    ["message", "__redis__:invalidate", ["a"]],
    ["message", "__redis__:invalidate", null],
  ]);
  const missing = one.ask(words("CLIENT TRACKING ON REDIRECT 99"))[0] as Error;
  assertEquals(missing.message, "ERR The client ID you want redirect to does not exist");
  ear.session.disconnected();
  one.ask(words("GET a"));
  other.ask(words("SET a 2"));
  const info = one.ask(words("CLIENT TRACKINGINFO"))[0] as Reply[];
  assertEquals(info[1], ["on", "broken_redirect"]);
});

Deno.test("a user is told of no keys that it may not read, and nothing once it is off", () => {
  const server = new OneServer();
  const root = client(server, "ACL SETUSER root on >root +@all ~* &*", "AUTH root root");
  root.ask(words("ACL SETUSER u on >u +@all %R~open:* %W~*"));
  const one = client(server, "HELLO 3 AUTH u u", "CLIENT TRACKING ON BCAST");
  root.ask(words("SET secret x"), words("SET open:1 x"));
  assertEquals(told(one), FORGET("open:1"));
  const reader = client(server, "HELLO 3 AUTH u u", "CLIENT TRACKING ON");
  assertEquals((reader.ask(words("GET secret"))[0] as Error).message.slice(0, 6), "NOPERM");
  root.ask(words("SET secret y"));
  assertEquals(told(reader), []);
  root.ask(words("ACL SETUSER u off"));
  assert(one.session.isKilled && reader.session.isKilled);
});

Deno.test("with REDIRECT a connection that is another user's by then is told of no key", () => {
  const server = new OneServer();
  const root = client(server, "ACL SETUSER root on >root +@all ~* &*", "AUTH root root");
  root.ask(words("ACL SETUSER u on >u +@all ~* &*"), words("ACL SETUSER v on >v +@all ~v:* &*"));
  const id = server.sessions.length + 1;
  const ear = client(server, "HELLO 3 AUTH u u", "SUBSCRIBE __redis__:invalidate");
  const one = client(server, "HELLO 3 AUTH u u");
  one.ask(words(`CLIENT TRACKING ON REDIRECT ${id}`), words("GET a"));
  root.ask(words("SET a 1"));
  assertEquals(told(ear), FORGET("a"));
  one.ask(words("GET a"));
  ear.ask(words("AUTH v v"));
  root.ask(words("SET a 2"));
  assertEquals(told(ear), []);
  const info = one.ask(words("CLIENT TRACKINGINFO"))[0] as Reply[];
  assertEquals(info[1], ["on", "broken_redirect"]);
});

Deno.test("a client that keeps what it reads never keeps what is stale, whatever is sent when", () => {
  const keys = ["a", "b", "c"];
  for (let seed = 0; seed < 150; seed++) {
    const random = new Random(seed);
    const server = new OneServer({ trackingBytesMax: 400 });
    const isBroadcast = random.chance(0.3);
    const reader = client(server, "HELLO 3", `CLIENT TRACKING ON${isBroadcast ? " BCAST" : ""}`);
    const writer = client(server);
    const asked: string[] = [];
    const kept = new Map<string, Reply>();
    const take = () => {
      reader.send(new Uint8Array(0), 1, false);
      for (const reply of reader.replies()) {
        if (!Array.isArray(reply)) {
          const key = asked.shift()!;
          if (key !== "") kept.set(key, reply);
        } else if (reply[1] === null) kept.clear();
        else for (const key of reply[1] as string[]) kept.delete(key);
      }
      reader.output = "";
    };
    reader.output = "";
    for (let i = 0; i < 120; i++) {
      const key = random.pick(keys);
      if (random.chance(0.4)) {
        asked.push(key);
        reader.send(encodeRequest(["GET", key]), 100, false);
      } else if (random.chance(0.2)) {
        asked.push("");
        reader.send(encodeRequest(["SET", key, `r${i}`]), 100, false);
      } else if (random.chance(0.6)) {
        const line = random.chance(0.3) ? ["DEL", key] : ["SET", key, `w${i}`];
        writer.send(encodeRequest(line), 100, false);
      }
      if (random.chance(0.4)) server.applyWaiting();
      if (random.chance(0.3)) server.confirmRounds();
      if (random.chance(0.4)) take();
    }
    server.settle();
    take();
    assertEquals(asked, []);
    for (const [key, value] of kept) {
      assertEquals(writer.ask(words(`GET ${key}`)).at(-1), value, `seed ${seed}: ${key}`);
    }
  }
});

Deno.test("CLIENT LIST shows who tracks and who subscribes", () => {
  const server = new OneServer();
  client(server, "HELLO 3", "CLIENT TRACKING ON");
  client(server, "SUBSCRIBE a b", "PSUBSCRIBE c");
  const lines = String(client(server).ask(words("CLIENT LIST"))[0]).trim().split("\n");
  const shown = lines.map((line) =>
    /flags=(\S+) .*sub=(\d+) psub=(\d+) .*redir=(-?\d+)/.exec(line)!.slice(1)
  );
  assertEquals(shown, [["t", "0", "0", "0"], ["P", "2", "1", "-1"], ["N", "0", "0", "-1"]]);
  const ofType = (type: string) => String(client(server).ask(words(`CLIENT LIST TYPE ${type}`))[0]);
  assertEquals(ofType("pubsub").trim().split("\n").length, 1);
  assert(!ofType("normal").includes("flags=P"));
  assertEquals(latin1Bytes(ofType("master")).length, 0);
});

Deno.test("more prefixes than a connection may have are refused before they are compared", () => {
  const server = new OneServer();
  const tracking = new ConnectionTracking(server.pubsub, {
    clientId: 1,
    isResp3: true,
    userId: 0,
    has: () => false,
    mayRead: () => true,
    push: () => {},
    onTracking: () => {},
  });
  const mode = { isNoLoop: false, option: null, redirect: 0 };
  const prefixes = Array.from({ length: 5_000 }, (_, i) => `${i + 10_000}:`);
  const max = server.pubsub.limits.subscriptionsPerConnectionMax;
  assertEquals(tracking.turnOn({ ...mode, prefixes: prefixes.slice(0, max) }), null);
  let looks = 0;
  const { startsWith } = String.prototype;
  String.prototype.startsWith = function (...given) {
    looks++;
    return startsWith.apply(this, given);
  };
  try {
    assertEquals(tracking.turnOn({ ...mode, prefixes }), "tooMany");
    assertEquals(looks, 0);
    // What it has already is no more than it had.
    assertEquals(tracking.turnOn({ ...mode, prefixes: prefixes.slice(0, max) }), null);
  } finally {
    String.prototype.startsWith = startsWith;
  }
});

Deno.test("prefixes of all connections together are bounded as subscriptions are", () => {
  const server = new OneServer({ subscriptionsMax: 3 });
  const one = client(server, "HELLO 3", "CLIENT TRACKING ON BCAST PREFIX a PREFIX b");
  const other = client(server, "HELLO 3");
  const refused = other.ask(words("CLIENT TRACKING ON BCAST PREFIX a PREFIX c"))[0] as Error;
  assert(refused.message.includes("limits.subscriptionsMax"));
  assertEquals(other.ask(words("CLIENT TRACKING ON BCAST PREFIX c")), ["OK"]);
  assertEquals(one.ask(words("CLIENT TRACKING ON BCAST PREFIX a")), ["OK"]);
  one.session.disconnected();
  assertEquals(other.ask(words("CLIENT TRACKING ON BCAST PREFIX a PREFIX b")), ["OK"]);
});

Deno.test("whoever is told of a key by its prefix is found, and nobody else", () => {
  for (let seed = 0; seed < 40; seed++) {
    const random = new Random(seed);
    const text = () =>
      Array.from({ length: random.between(0, 5) }, () => random.pick(["a", "b", "\xff"])).join("");
    const all = Array.from({ length: 4 }, (): Tracked => ({
      isNoLoop: false,
      invalidate: () => {},
      mayRead: () => true,
    }));
    const prefixes = new TrackedPrefixes();
    const has = new Map<string, Set<Tracked>>();
    for (let i = 0; i < 200; i++) {
      const [prefix, one] = [text(), random.pick(all)];
      const tracked = has.get(prefix) ?? new Set();
      has.set(prefix, tracked);
      if (random.chance(0.6)) {
        tracked.add(one);
        prefixes.add(prefix, one);
      } else {
        tracked.delete(one);
        prefixes.remove(prefix, one);
      }
      const key = text();
      const wanted = [...has].filter(([prefix]) => key.startsWith(prefix))
        .sort(([a], [b]) => a.length - b.length).flatMap(([, tracked]) => [...tracked]);
      assertEquals(prefixes.trackedOf(key), wanted, `seed ${seed}, step ${i}: ${key}`);
      assertEquals(prefixes.count, [...has.values()].reduce((sum, { size }) => sum + size, 0));
    }
  }
});

Deno.test("what a change of a key costs does not grow with its length times that of prefixes", () => {
  const server = new OneServer();
  const { tracking } = server.pubsub;
  const one: Tracked = { isNoLoop: false, invalidate: () => {}, mayRead: () => true };
  tracking.add(one, Array.from({ length: 1_000 }, (_, i) => "b".repeat(i) + "c"));
  const key = latin1Bytes("a".repeat(1_000));
  let bytes = 0;
  const subarray = Uint8Array.prototype.subarray;
  key.subarray = function (start, end) {
    const part = subarray.call(this, start, end);
    bytes += part.length;
    return part as Uint8Array<ArrayBuffer>;
  };
  tracking.changed(key, 0, key.length);
  assertEquals(bytes, key.length);
});

Deno.test("prefixes that overlap are found as by comparing each with each, without doing so", () => {
  let refused = 0;
  for (let seed = 0; seed < 300; seed++) {
    const random = new Random(seed);
    const text = () =>
      Array.from({ length: random.between(1, 5) }, () => random.pick(["a", "b", "c"])).join("");
    const before = Array.from({ length: random.between(0, 2) }, text);
    const added = Array.from({ length: random.between(0, 4) }, text)
      .filter((one) => !before.includes(one));
    const pairs = added.flatMap((prefix, i) =>
      [...before, ...added.slice(i + 1)].map((overlaps, at) => {
        return { prefix, overlaps, isGiven: at >= before.length };
      })
    );
    const wanted = pairs.find(({ prefix, overlaps }) =>
      prefix !== overlaps && (prefix.startsWith(overlaps) || overlaps.startsWith(prefix))
    );
    if (wanted !== undefined) refused++;
    // What overlaps already is not looked at again: no connection has such.
    const isSound = overlapIn([], before) === null;
    if (isSound) assertEquals(overlapIn(before, added), wanted ?? null, `seed ${seed}`);
  }
  assert(refused > 50 && refused < 250, `${refused} refused`);
  const many = Array.from({ length: 1_000 }, (_, i) => `${i + 1_000}`);
  const { startsWith } = String.prototype;
  let looks = 0;
  String.prototype.startsWith = function (...given) {
    looks++;
    return startsWith.apply(this, given);
  };
  try {
    assertEquals(overlapIn(many, [...many.map((one) => `x${one}`), "10"]) !== null, true);
  } finally {
    String.prototype.startsWith = startsWith;
  }
  assert(looks < 20_000, `${looks} comparisons`);
});

Deno.test("OPTIN notes the command after CLIENT CACHING YES alone, OPTOUT all but the one after a NO", () => {
  const server = new OneServer();
  const other = client(server);
  const change = () => other.ask(...["a", "b", "c"].map((key) => words(`SET ${key} x`)));
  const inside = client(server, "HELLO 3", "CLIENT TRACKING ON OPTIN");
  const outside = client(server, "HELLO 3", "CLIENT TRACKING ON OPTOUT");
  // All in one write: what is said is for what comes next, not for when it is read.
  const reads = (word: string) => [`CLIENT CACHING ${word}`, "GET a", "GET b"].map(words);
  assertEquals(inside.ask(...reads("YES")), ["OK", null, null]);
  assertEquals(outside.ask(...reads("NO")), ["OK", null, null]);
  change();
  assertEquals([told(inside), told(outside)], [FORGET("a"), FORGET("b")]);
  // Any command but CLIENT ends it, whether it reads or not, is done or refused.
  for (
    const between of [
      "PING",
      "SET d 1",
      "NONSENSE",
      "GET",
      "EVAL x",
      "EXEC",
      "MULTI x",
      "CLIENT NONSENSE",
    ]
  ) {
    inside.ask(words("CLIENT CACHING YES"), words(between), words("GET a"));
    outside.ask(words("CLIENT CACHING NO"), words(between), words("GET a"));
    change();
    assertEquals([told(inside), told(outside)], [[], FORGET("a")], between);
  }
  inside.ask(words("CLIENT CACHING YES"), words("CLIENT SETNAME"), words("GET a"));
  change();
  assertEquals(told(inside), FORGET("a"));
  // It is for the whole of a transaction, and for nothing after it.
  const transaction = ["MULTI", "GET a", "GET b", "EXEC", "GET c"].map(words);
  inside.ask(words("CLIENT CACHING YES"), ...transaction);
  outside.ask(words("CLIENT CACHING NO"), ...transaction);
  change();
  assertEquals([told(inside), told(outside)], [FORGET("a", "b"), FORGET("c")]);
  for (const end of ["DISCARD", "RESET"]) {
    outside.ask(...["CLIENT CACHING NO", "MULTI", "GET a", end].map(words));
    outside.ask(words("HELLO 3"), words("CLIENT TRACKING ON OPTOUT"), words("GET a"));
    change();
    assertEquals(told(outside), FORGET("a"), end);
  }
});
