/** Scripts on a server that leads: what they see, when they wait, and what becomes of them. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { CLUSTER_VERSION_MAX } from "../../lib/kv/cluster_version.ts";
import type { ClientSession } from "../../lib/node/api.ts";
import { DEFAULT_LIMITS } from "../../lib/node/limits.ts";
import { leaderOf } from "../../lib/raft/state.ts";
import { LuaEngine } from "../../lib/scripts/engine.ts";
import { Random } from "../../lib/util/random.ts";
import type { ScriptEngine } from "../../lib/wire/scripts.ts";
import { OneServer, replies } from "./one_server.ts";

const RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then " +
  "return redis.call('del', KEYS[1]) else return 0 end";
const COUNT = "local n = tonumber(redis.call('get', KEYS[1]) or '0') + 1 " +
  "redis.call('set', KEYS[1], n) return n";

/** A server whose cluster version allows scripts; the engine is loaded where `load` lets it. */
function scriptServer(engine: ScriptEngine | null = new LuaEngine()): OneServer {
  const scripts = { load: (done: (engine: ScriptEngine | null) => void) => done(engine) };
  const server = new OneServer(
    undefined,
    undefined,
    undefined,
    DEFAULT_LIMITS,
    false,
    { scripts },
  );
  for (let i = 0; i < 500 && server.node.store!.clusterVersion < CLUSTER_VERSION_MAX; i++) {
    server.pass(10);
  }
  return server;
}

function request(...words: string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`;
}

function ask(server: OneServer, session: ClientSession, ...words: string[]): string {
  server.send(session, request(...words));
  let got = "";
  for (let i = 0; i < 20 && got === ""; i++) {
    server.settle();
    got = replies(session);
  }
  return got;
}

Deno.test("scripts: a lock is given back by its holder alone", () => {
  const server = scriptServer();
  const session = server.node.openSession("client")!;
  assertEquals(ask(server, session, "SET", "lock", "a", "NX", "PX", "10000"), "+OK\r\n");
  assertEquals(ask(server, session, "EVAL", RELEASE, "1", "lock", "b"), ":0\r\n");
  assertEquals(ask(server, session, "EVAL", RELEASE, "1", "lock", "a"), ":1\r\n");
  assertEquals(ask(server, session, "GET", "lock"), "$-1\r\n");
});

Deno.test("scripts: EVALSHA knows what SCRIPT LOAD and EVAL have shown, until SCRIPT FLUSH", () => {
  const server = scriptServer();
  const session = server.node.openSession("client")!;
  const hash = /[0-9a-f]{40}/.exec(ask(server, session, "SCRIPT", "LOAD", "return 5"))![0];
  assertEquals(ask(server, session, "EVALSHA", hash, "0"), ":5\r\n");
  assertEquals(
    ask(server, session, "SCRIPT", "EXISTS", hash, "f".repeat(40)),
    "*2\r\n:1\r\n:0\r\n",
  );
  assertEquals(ask(server, session, "SCRIPT", "FLUSH"), "+OK\r\n");
  assertEquals(
    ask(server, session, "EVALSHA", hash, "0"),
    "-NOSCRIPT No matching script. Please use EVAL.\r\n",
  );
});

Deno.test("scripts: a script that only reads leaves nothing in the log", () => {
  const server = scriptServer();
  const session = server.node.openSession("client")!;
  ask(server, session, "SET", "a", "1");
  const before = server.lastIndex;
  assertEquals(
    ask(server, session, "EVAL", "return redis.call('get', KEYS[1])", "1", "a"),
    "$1\r\n1\r\n",
  );
  assertEquals(
    ask(server, session, "EVAL_RO", "return redis.call('set', 'a', 2)", "0").slice(0, 60),
    "-ERR Write commands are not allowed from read-only scripts. ",
  );
  assertEquals(server.lastIndex, before);
});

Deno.test("scripts: what one has touched is not there for the next, if it has gone meanwhile", () => {
  const server = scriptServer();
  const session = server.node.openSession("client")!;
  const get = ["EVAL", "return redis.call('get', KEYS[1])", "1", "a"];
  ask(server, session, "EVAL", "return redis.call('set', KEYS[1], 'x')", "1", "a");
  assertEquals(ask(server, session, ...get), "$1\r\nx\r\n");
  ask(server, session, "DEL", "a");
  assertEquals(ask(server, session, ...get), "$-1\r\n");
  assertMatch(
    ask(server, session, "EVAL", "redis.call('set', 'a', 1) while true do end", "0"),
    /^-ERR/,
  );
  assertEquals(ask(server, session, ...get), "$-1\r\n");
});

Deno.test("scripts: what was done before an error stays done, as in Redis", () => {
  const server = scriptServer();
  const session = server.node.openSession("client")!;
  const script =
    "redis.call('set', KEYS[1], 'x') redis.call('incr', KEYS[1]) redis.call('del', KEYS[1])";
  assertMatch(ask(server, session, "EVAL", script, "1", "a"), /^-ERR value is not an integer/);
  assertEquals(ask(server, session, "GET", "a"), "$1\r\nx\r\n");
});

Deno.test("scripts: nothing is done of one that takes more than it may", () => {
  const server = scriptServer();
  const session = server.node.openSession("client")!;
  const before = server.lastIndex;
  const script = "redis.call('set', KEYS[1], 'x') while true do end";
  assertMatch(ask(server, session, "EVAL", script, "1", "a"), /nothing was done\r\n$/);
  assertEquals([server.lastIndex, ask(server, session, "GET", "a")], [before, "$-1\r\n"]);
});

Deno.test("scripts: short commands that make or go through long values are counted while they run", () => {
  const server = scriptServer();
  const session = server.node.openSession("client")!;
  const before = server.lastIndex;
  const cases: readonly (readonly [string, RegExp])[] = [
    ["redis.call('setrange', 'k' .. i, 1000000, 'x')", /rewrite more than 64 MiB/],
    [
      "if i == 1 then redis.call('setrange', 'k', 1000000, 'x') end redis.call('append', 'k', 'x')",
      /rewrite more than 64 MiB/,
    ],
    ["redis.call('setrange', 'k', 1000000, 'x') redis.call('digest', 'k')", /commands read more/],
    [
      "redis.call('setrange', 'k', 1000000, 'x') " +
      "redis.call('mget', 'k', 'k', 'k', 'k', 'k', 'k', 'k', 'k', 'k')",
      /shows more than 8 MiB/,
    ],
  ];
  for (const [calls, problem] of cases) {
    const reply = ask(server, session, "EVAL", `for i = 1, 1000 do ${calls} end`, "0");
    // The next one waits for its share of time.
    server.pass(1_000);
    assertMatch(reply, /^-ERR the script was stopped: .*nothing was done\r\n$/);
    assertMatch(reply, problem);
  }
  assertEquals(server.lastIndex, before);
});

Deno.test("scripts: compiling long sources takes from the share of the loop's time that scripts have", () => {
  const server = scriptServer();
  const sessions = Array.from({ length: 20 }, () => server.node.openSession("client")!);
  ask(server, sessions[0]!, "EVAL", "return 1", "0");
  for (const [i, session] of sessions.entries()) {
    const source = `return ${i} --${"x".repeat(60_000)}`;
    server.send(
      session,
      i % 2 === 0 ? request("EVAL", source, "0") : request("SCRIPT", "LOAD", source),
    );
  }
  server.pass(60);
  const answered = () => sessions.filter((session) => replies(session) !== "").length;
  const soon = answered();
  assert(soon > 0 && soon < 20, `${soon} within 60 ms`);
  server.pass(2_000);
  assertEquals(answered(), 20 - soon);
  const tooLong = ask(server, sessions[0]!, "EVAL", `return 1 --${"x".repeat(65_530)}`, "0");
  assertEquals(tooLong, "-ERR a script has more than 65536 bytes\r\n");
});

/** Has them ask at once: no turn comes between. */
function askTogether(
  asked: readonly (readonly [ClientSession, string[]])[],
): void {
  for (const [session, words] of asked) {
    const bytes = new TextEncoder().encode(request(...words));
    session.inputSpace().set(bytes);
    session.received(bytes.length);
    session.submit(session.nextBatch()!);
  }
}

/** A server that knows some scripts already, and so many clients. */
function withClients(count: number): [OneServer, ClientSession[]] {
  const server = scriptServer();
  const sessions = Array.from({ length: count }, () => server.node.openSession("client")!);
  ask(server, sessions[0]!, "EVAL", "return 1", "0");
  return [server, sessions];
}

Deno.test("scripts: those that come together go into one entry, each on top of what those before it wrote", () => {
  const [server, sessions] = withClients(12);
  const before = server.lastIndex;
  // On two keys, of which two scripts have both, and one that only reads finds what is not applied yet.
  const both = "redis.call('incr', KEYS[1]) return redis.call('incr', KEYS[2])";
  const undeclared = COUNT.replaceAll("KEYS[1]", "ARGV[1]");
  const scripts = sessions.map((session, i): [ClientSession, string[]] => {
    if (i === 5 || i === 9) return [session, ["EVAL", both, "2", "a", "b"]];
    if (i === 11) return [session, ["EVAL", "return redis.call('get', KEYS[1])", "1", "a"]];
    if (i % 2 === 0) return [session, ["EVAL", COUNT, "1", "a"]];
    return [session, ["EVAL", undeclared, "0", "b"]];
  });
  askTogether(scripts);
  server.settle();
  assertEquals(
    sessions.map(replies),
    [":1", ":1", ":2", ":2", ":3", ":3", ":5", ":4", ":6", ":5", ":8", "$1\r\n8"]
      .map((reply) => `${reply}\r\n`),
  );
  assertEquals(server.lastIndex, before + 1);
});

Deno.test("scripts: they go in front of what was gathered, and lose to none of it", () => {
  const [server, [script, other]] = withClients(2) as [OneServer, [ClientSession, ClientSession]];
  ask(server, other, "INCR", "n");
  askTogether([[other, ["INCR", "n"]], [script, ["EVAL", COUNT, "1", "n"]]]);
  const before = server.lastIndex;
  server.settle();
  assertEquals([replies(script), replies(other)], [":2\r\n", ":3\r\n"]);
  // One entry each: the script was not run again.
  assertEquals(server.lastIndex, before + 2);
});

Deno.test("scripts: one that writes asks for no read round, one that comes to write nothing does", () => {
  const [server, [session]] = withClients(1) as [OneServer, [ClientSession]];
  const rounds = () => leaderOf(server.node.raft!.state)!.reads.started;
  ask(server, session, "SET", "lock", "token");
  const before = rounds();
  assertEquals(ask(server, session, "EVAL", RELEASE, "1", "lock", "token"), ":1\r\n");
  assertEquals(rounds(), before);
  assertEquals(ask(server, session, "EVAL", RELEASE, "1", "lock", "token"), ":0\r\n");
  assertEquals(rounds(), before + 1);
});

Deno.test("scripts: one that wrote nothing the last time waits for no entry", () => {
  const [server, [script, other]] = withClients(2) as [OneServer, [ClientSession, ClientSession]];
  ask(server, other, "SET", "lock", "token");
  assertEquals(ask(server, script, "EVAL", RELEASE, "1", "lock", "x"), ":0\r\n");
  // In the log, and not durable.
  server.send(other, request("SET", "x", "1"));
  server.isTurnDue = false;
  askTogether([[script, ["EVAL", RELEASE, "1", "lock", "x"]]]);
  for (let turns = 0; server.isTurnDue && turns < 10; turns++) {
    server.isTurnDue = false;
    server.node.turn();
  }
  assertEquals([replies(script), replies(other)], [":0\r\n", ""]);
  assertEquals(ask(server, script, "EVAL", RELEASE, "1", "lock", "token"), ":1\r\n");
});

Deno.test("scripts: one that is stopped takes nothing along of those that share its keys", () => {
  const [server, sessions] = withClients(4);
  const endless = "redis.call('set', KEYS[1], 'x') while true do end";
  const large = "redis.call('set', KEYS[1], 7) error('no')";
  askTogether([
    [sessions[0]!, ["EVAL", COUNT, "1", "n"]],
    [sessions[1]!, ["EVAL", endless, "1", "n"]],
    [sessions[2]!, ["EVAL", large, "1", "n"]],
    [sessions[3]!, ["EVAL", COUNT, "1", "n"]],
  ]);
  server.pass(1_000);
  const [first, stopped, failed, last] = sessions.map(replies);
  assertEquals([first, last], [":1\r\n", ":8\r\n"]);
  assertMatch(stopped!, /^-ERR the script was stopped: .*nothing was done\r\n$/);
  assertMatch(failed!, /^-ERR /);
});

Deno.test("scripts: long writes go by themselves, one after the other on one key", () => {
  const [server, sessions] = withClients(3);
  const append = "return redis.call('append', KEYS[1], string.rep('x', 200000))";
  const before = server.lastIndex;
  askTogether(sessions.map((session) => [session, ["EVAL", append, "1", "n"]]));
  server.pass(1_000);
  assertEquals(sessions.map(replies).sort(), [":200000\r\n", ":400000\r\n", ":600000\r\n"]);
  assertEquals(server.lastIndex, before + 3);
  const long = append.replace("200000", "300000");
  assertEquals(ask(server, sessions[0]!, "EVAL", long, "1", "m"), ":300000\r\n");
});

Deno.test("scripts: those of different users, and those that lost often, share no transaction", () => {
  const [server, sessions] = withClients(3);
  const admin = server.node.openSession("127.0.0.1:5000")!;
  for (const name of ["one", "two"]) {
    ask(server, admin, "ACL", "SETUSER", name, "on", ">pass", "~*", "+@all");
    if (name === "one") ask(server, admin, "AUTH", name, "pass");
  }
  for (const [i, session] of sessions.entries()) {
    assertEquals(ask(server, session, "AUTH", i === 1 ? "two" : "one", "pass"), "+OK\r\n");
  }
  const before = server.lastIndex;
  askTogether(sessions.map((session) => [session, ["EVAL", COUNT, "1", "n"]]));
  server.pass(100);
  assertEquals(sessions.map(replies).sort(), [":1\r\n", ":2\r\n", ":3\r\n"]);
  assert(server.lastIndex > before + 1);
});

Deno.test("scripts: a time that passes while one waits for its entry has passed when it is run", () => {
  const [server, [script, other]] = withClients(2) as [OneServer, [ClientSession, ClientSession]];
  server.send(other, request("SET", "x", "1"));
  // The entry before is in the log, and not committed: the script waits for it.
  const atMs = `${server.wallMs + 15}`;
  const source =
    "redis.call('set', KEYS[1], 5, 'pxat', ARGV[1]) return redis.call('incr', KEYS[1])";
  server.send(script, request("EVAL", source, "1", "k", atMs));
  assertEquals(replies(script), "");
  server.skip(20);
  server.settle();
  assertEquals([replies(script), replies(other)], [":1\r\n", "+OK\r\n"]);
  assertEquals(ask(server, other, "GET", "k"), "$1\r\n1\r\n");
});

Deno.test("scripts: absolute times are the wall clock's, in the script and in the log", () => {
  const server = scriptServer();
  const session = server.node.openSession("client")!;
  server.pass(1_000);
  // The log's time does not go back with it.
  server.wallStartMs -= 600_000;
  server.pass(20_000);
  const source = "redis.call('set', KEYS[1], 'x', 'pxat', ARGV[1]) " +
    "redis.call('set', KEYS[1], 'x', 'pxat', ARGV[1]) " +
    "redis.call('set', KEYS[2], 'y') redis.call('pexpireat', KEYS[2], ARGV[1]) " +
    "return {redis.call('pttl', KEYS[1]), redis.call('pttl', KEYS[2])}";
  const atMs = `${server.wallMs + 50_000}`;
  const within = [...ask(server, session, "EVAL", source, "2", "a", "b", atMs).matchAll(/:(\d+)/g)];
  const after = ["a", "b"].map((key) => ask(server, session, "PTTL", key));
  const found = [...within.map((one) => one[1]!), ...after.map((one) => one.slice(1))].map(Number);
  assertEquals(found.length, 4);
  for (const ms of found) assert(ms > 49_000 && ms <= 50_000, `${found}`);
});

Deno.test("scripts: those with long values, one after the other in one entry, each keep their own", () => {
  const [server, [first, second, third]] = withClients(3) as [
    OneServer,
    [ClientSession, ClientSession, ClientSession],
  ];
  const source = "local v = string.rep(ARGV[1], 50000) redis.call('set', KEYS[1], v) " +
    "return #redis.call('get', KEYS[1]) + #(redis.call('get', 'shared') or '')";
  for (let round = 0; round < 2; round++) {
    askTogether([
      [first, ["EVAL", source, "1", "a", "aa"]],
      [second, [
        "EVAL",
        "redis.call('set', KEYS[1], string.rep('s', 70000)) return 1",
        "1",
        "shared",
      ]],
      [third, ["EVAL", source, "1", "b", "b"]],
    ]);
    server.pass(100);
    const seen = round === 0
      ? [":100000\r\n", ":1\r\n", ":120000\r\n"]
      : [":170000\r\n", ":1\r\n", ":120000\r\n"];
    assertEquals([first, second, third].map(replies), seen);
    const lengths = ["a", "b", "shared"].map((key) => ask(server, first, "STRLEN", key));
    assertEquals(lengths, [":100000\r\n", ":50000\r\n", ":70000\r\n"]);
    for (const [key, letter, count] of [["a", "aa", 50_000], ["b", "b", 50_000]] as const) {
      const value = letter.repeat(count);
      assertEquals(ask(server, first, "GET", key) === `$${value.length}\r\n${value}\r\n`, true);
    }
  }
});

Deno.test("scripts: one that lost to another client's write is run again, and given up at the eighth time", () => {
  const server = scriptServer();
  const [script, other] = [0, 1].map(() => server.node.openSession("client")!) as [
    ClientSession,
    ClientSession,
  ];
  ask(server, script, "EVAL", "return 1", "0");
  // The write is in the entry before the script's transaction, which was run without it.
  const race = (): void => {
    server.send(other, request("INCR", "n"));
    server.send(script, request("EVAL", COUNT, "1", "n"));
    server.settle();
  };
  race();
  assertEquals([replies(other), replies(script)], [":1\r\n", ":2\r\n"]);
  const asked = server.node.openSession("client")!;
  server.send(other, request("INCR", "n"));
  server.send(asked, request("EVAL", COUNT, "1", "n"));
  let got = "";
  for (let i = 0; i < 40 && got === ""; i++) {
    server.send(other, request("INCR", "n"));
    server.disk.completeAll();
    server.node.turn();
    got = replies(asked);
  }
  assert(/^(:\d+|-TRYAGAIN .* 8 times .*nothing was done)\r\n$/.test(got), got);
});

Deno.test("scripts: a key whose time has come on the leader alone is neither served nor denied", () => {
  const server = scriptServer();
  const session = server.node.openSession("client")!;
  ask(server, session, "SET", "a", "1", "PX", "50");
  server.skip(200);
  const before = server.lastIndex;
  assertEquals(
    ask(server, session, "EVAL", "return redis.call('exists', KEYS[1])", "1", "a"),
    ":0\r\n",
  );
  assert(server.lastIndex > before, "the passing of time is in the log");
});

Deno.test("scripts: without an engine, before the cluster version, and in MULTI: an error in words", () => {
  const none = scriptServer(null);
  assertMatch(
    ask(none, none.node.openSession("client")!, "EVAL", "return 1", "0"),
    /^-ERR the engine for scripts can't be loaded/,
  );
  const early = new OneServer();
  assertMatch(
    ask(early, early.node.openSession("client")!, "EVAL", "return 1", "0"),
    /^-ERR not before the cluster version is raised/,
  );
  const server = scriptServer();
  const session = server.node.openSession("client")!;
  ask(server, session, "MULTI");
  assertMatch(
    ask(server, session, "EVAL", "return 1", "0"),
    /^-ERR scripts are not supported within/,
  );
  assertMatch(ask(server, session, "EXEC"), /^-EXECABORT/);
});

Deno.test("scripts: commands that nobody knows the keys of, or whose versions are not decided, are refused", () => {
  const server = scriptServer();
  const session = server.node.openSession("client")!;
  ask(server, session, "SET", "a", "1");
  const calls = [
    "'keys', '*'",
    "'scan', '0'",
    "'randomkey'",
    "'dbsize'",
    "'flushall'",
    "'flushdb'",
    "'raftkv.range', 'a', 'b'",
    "'raftkv.get', 'a'",
    "'raftkv.set', 'a', 'b'",
    "'raftkv.cas', 'a', '1', 'b'",
    "'raftkv.session', 'open', '1000'",
  ];
  for (const call of calls) {
    const reply = ask(server, session, "EVAL", `return redis.call(${call})`, "0");
    assertMatch(reply, /^-ERR .* not allowed in a script/, call);
  }
  assertEquals(ask(server, session, "GET", "a"), "$1\r\n1\r\n");
});

Deno.test("scripts: users run what they may, on keys that they may touch", () => {
  const server = scriptServer();
  const admin = server.node.openSession("127.0.0.1:5000")!;
  const login = (session: ClientSession, name: string) =>
    ask(server, session, "AUTH", name, "pass");
  assertEquals(
    ask(server, admin, "ACL", "SETUSER", "root", "on", ">pass", "~*", "+@all"),
    "+OK\r\n",
  );
  assertEquals(login(admin, "root"), "+OK\r\n");
  ask(server, admin, "ACL", "SETUSER", "app", "on", ">pass", "~app:*", "+eval", "+get", "+set");
  ask(server, admin, "ACL", "SETUSER", "none", "on", ">pass", "~*", "+get");
  const app = server.node.openSession("client")!;
  assertEquals(login(app, "app"), "+OK\r\n");
  const set = "return redis.call('set', KEYS[1], 'x')";
  assertEquals(ask(server, app, "EVAL", set, "1", "app:a"), "+OK\r\n");
  assertEquals(ask(server, app, "GET", "app:a"), "$1\r\nx\r\n");
  assertMatch(ask(server, app, "EVAL", set, "1", "other"), /^-NOPERM .* keys used as arguments/);
  const undeclared = "return redis.call('set', 'other', 'x')";
  assertMatch(
    ask(server, app, "EVAL", undeclared, "0"),
    /^-ERR The user executing the script can't access/,
  );
  assertMatch(
    ask(server, app, "EVAL", "return redis.call('del', KEYS[1])", "1", "app:a"),
    /^-ERR The user executing the script can't run this command/,
  );
  const check = "return redis.acl_check_cmd(unpack(ARGV))";
  const mayRun = (words: string) => ask(server, app, "EVAL", check, "0", ...words.split(" "));
  for (const words of ["set app:a v", "SET", "get app:a", "set app:a v get", "eval x 0"]) {
    assertEquals(mayRun(words), ":1\r\n", words);
  }
  for (
    const words of ["set other v", "set app:a v get", "del app:a", "eval x 1 other", "acl list"]
  ) {
    const expected = words === "set app:a v get" ? ":1\r\n" : "$-1\r\n";
    assertEquals(mayRun(words), expected, words);
  }
  assertMatch(mayRun("acl nonsense"), /^-ERR Invalid command passed to redis.acl_check_cmd/);
  assertMatch(ask(server, app, "EVAL_RO", "return 1", "0"), /^-NOPERM .* 'eval_ro'/);
  const other = server.node.openSession("client")!;
  login(other, "none");
  assertMatch(ask(server, other, "EVAL", "return 1", "0"), /^-NOPERM .* 'eval'/);
});

Deno.test("scripts: asking what a user may, by costly rules, is work that is counted and bounded", () => {
  const server = scriptServer();
  const admin = server.node.openSession("127.0.0.1:5000")!;
  const login = (session: ClientSession, name: string) =>
    ask(server, session, "AUTH", name, "pass");
  ask(server, admin, "ACL", "SETUSER", "root", "on", ">pass", "+@all", "~*");
  assertEquals(login(admin, "root"), "+OK\r\n");
  const colons = ":".repeat(30);
  ask(
    server,
    admin,
    "ACL",
    "SETUSER",
    "app",
    "on",
    ">pass",
    `~*${colons}d*`,
    "+eval",
    "+get",
    "+mget",
  );
  const app = server.node.openSession("client")!;
  assertEquals(login(app, "app"), "+OK\r\n");
  // What one takes is time that the next one waits.
  const run = (body: string) => {
    server.pass(200);
    return ask(server, app, "EVAL", body, "0");
  };
  const key = "local k = string.rep(':', 1000)";
  assertEquals(run(`${key} return redis.acl_check_cmd('get', k) and 1 or 0`), ":0\r\n");
  const tooMuch = /^-ERR the script was stopped: its commands read more than those of one may/;
  const often = "for i = 1, 450 do redis.acl_check_cmd('get', k) end return 1";
  assertMatch(run(`${key} ${often}`), tooMuch);
  const keys = "local k = {} for i = 1, 450 do k[i] = string.rep(':', 1000) .. 'd' end";
  assertMatch(run(`${keys} return #redis.call('mget', unpack(k))`), tooMuch);
  assertEquals(run(`return redis.call('get', '${colons}d')`), "$-1\r\n");
});

Deno.test("scripts: those of many clients on few keys come to what they come to one after the other", () => {
  for (let seed = 1; seed <= 12; seed++) {
    const random = new Random(seed);
    const server = scriptServer();
    const sessions = Array.from({ length: 6 }, () => server.node.openSession("client")!);
    const waiting = new Map<ClientSession, string>();
    const counts = new Map<string, string[]>();
    const take = (): void => {
      for (const [session, key] of waiting) {
        const reply = replies(session);
        if (reply === "") continue;
        waiting.delete(session);
        if (reply.startsWith("-TRYAGAIN")) continue;
        assertMatch(reply, /^:\d+\r\n$/);
        counts.set(key, [...counts.get(key) ?? [], reply]);
      }
    };
    const step = (): void => {
      const session = sessions[random.between(0, sessions.length - 1)]!;
      if (!waiting.has(session) && random.between(0, 2) > 0) {
        const key = `k${random.between(0, 1)}`;
        // Some name the key, some don't, and some are no scripts at all.
        const plain = "return redis.call('incr', ARGV[1])";
        const kinds = [
          request("EVAL", COUNT, "1", key),
          request("EVAL", COUNT.replaceAll("KEYS[1]", "ARGV[1]"), "0", key),
          request("EVAL", plain, "0", key),
          request("INCR", key),
        ];
        waiting.set(session, key);
        server.send(session, kinds[random.between(0, kinds.length - 1)]!);
      } else if (random.chance(0.5)) server.disk.completeAll();
      else server.node.turn();
      take();
    };
    for (let i = 0; i < 400; i++) step();
    for (let i = 0; i < 60 && waiting.size > 0; i++) {
      server.pass(10);
      take();
    }
    assertEquals(waiting.size, 0, `seed ${seed}`);
    for (const [key, given] of counts) {
      const numbers = given.map((reply) => Number(reply.slice(1))).sort((a, b) => a - b);
      const wanted = numbers.map((_, i) => i + 1);
      assertEquals(numbers, wanted, `seed ${seed}: each number of ${key} once`);
      const value = ask(server, sessions[0]!, "GET", key);
      assertEquals(value.split("\r\n")[1], String(numbers.length), `seed ${seed}: ${key}`);
    }
  }
});
