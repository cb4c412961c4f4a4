/** SCRIPT LOAD, EXISTS and FLUSH through the log: whoever comes to lead knows what was loaded. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { createHash } from "node:crypto";
import { CLUSTER_VERSION_MAX, NEEDED_VERSION } from "../../lib/kv/cluster_version.ts";
import { LOADED_SCRIPTS_MAX } from "../../lib/kv/scripts/loaded_scripts.ts";
import { DEFAULT_TIMING } from "../../lib/node/limits.ts";
import { LuaEngine } from "../../lib/scripts/engine.ts";
import type { ScriptEngine } from "../../lib/wire/scripts.ts";
import { requestBytes } from "../wire/resp_driver.ts";
import { replies } from "./one_server.ts";
import { type BuildOptions, Three } from "./three_nodes.ts";

const { electionTimeoutMs } = DEFAULT_TIMING;
const NOSCRIPT = "-NOSCRIPT No matching script. Please use EVAL.\r\n";
const SOURCE = "return redis.call('incr', KEYS[1])";
const HASH = sha1(SOURCE);

function sha1(source: string): string {
  return createHash("sha1").update(source, "latin1").digest("hex");
}

/** Three servers that run scripts, formed, at the highest cluster version that all can read. */
function formed(build: BuildOptions = {}): Three {
  const engine = () => {
    const own = new LuaEngine();
    return { load: (done: (engine: ScriptEngine | null) => void) => done(own) };
  };
  const three = new Three([1, 2, 3].map(() => ({ scripts: engine(), forwards: true, ...build })));
  three.form();
  three.pass(8 * electionTimeoutMs);
  const version = build.clusterVersionMax ?? CLUSTER_VERSION_MAX;
  assertEquals(three.nodes[three.leader]!.store!.clusterVersion, version);
  return three;
}

/** On a connection of its own, of the server that leads unless `at` says of which. */
function ask(three: Three, words: readonly string[], at = three.leader, isForwarding = false) {
  const session = three.nodes[at]!.openSession("127.0.0.1:9", "", isForwarding)!;
  const bytes = requestBytes([[...words]]);
  for (let at = 0; at < bytes.length;) {
    const space = session.inputSpace();
    const part = bytes.subarray(at, at + space.length);
    space.set(part);
    session.received(part.length);
    at += part.length;
    for (let batch = session.nextBatch(); batch !== null; batch = session.nextBatch()) {
      session.submit(batch);
    }
  }
  let got = "";
  for (let i = 0; i < 100 && got === ""; i++) {
    three.pass(10);
    got = replies(session);
  }
  session.disconnected();
  return got;
}

/** Another server comes to lead, without a word from the one that did. */
function exchangeLeader(three: Three): number {
  const old = three.leader;
  three.stop(old);
  for (let i = 0; i < 1_000 && !hasOther(three, old); i++) three.pass(10);
  three.continue(old);
  three.pass(4 * electionTimeoutMs);
  assert(three.leader !== old && three.leader >= 0);
  return old;
}

function hasOther(three: Three, old: number): boolean {
  return [0, 1, 2].some((at) => at !== old && three.role(at) === "leader");
}

Deno.test("loaded scripts: who comes to lead knows what was loaded, and forgets what was flushed", () => {
  const three = formed();
  assertEquals(ask(three, ["SCRIPT", "LOAD", SOURCE]), `$40\r\n${HASH}\r\n`);
  assertEquals(ask(three, ["EVALSHA", HASH, "1", "n"]), ":1\r\n");
  const first = exchangeLeader(three);
  assertEquals(
    ask(three, ["SCRIPT", "EXISTS", HASH.toUpperCase(), sha1("")]),
    "*2\r\n:1\r\n:0\r\n",
  );
  assertEquals(ask(three, ["EVALSHA", HASH.toUpperCase(), "1", "n"]), ":2\r\n");
  assertEquals(ask(three, ["EVALSHA_RO", sha1("return 1"), "0"]), NOSCRIPT);
  assertEquals(ask(three, ["SCRIPT", "FLUSH", "ASYNC"]), "+OK\r\n");
  assertEquals(ask(three, ["EVALSHA", HASH, "1", "n"]), NOSCRIPT);
  // The engine of the one that led at first has run it: there it is forgotten as well.
  while (three.leader !== first) exchangeLeader(three);
  assertEquals(ask(three, ["EVALSHA", HASH, "1", "n"]), NOSCRIPT);
  assertEquals(ask(three, ["SCRIPT", "EXISTS", HASH]), "*1\r\n:0\r\n");
  assertEquals(ask(three, ["GET", "n"]), "$1\r\n2\r\n");
  const digests = new Set(three.nodes.map(({ store }) => store!.digest()));
  assertEquals(digests.size, 1);
});

Deno.test("loaded scripts: what EVAL has shown is known to the server alone that has run it", () => {
  const three = formed();
  assertEquals(ask(three, ["EVAL", SOURCE, "1", "n"]), ":1\r\n");
  assertEquals(ask(three, ["EVALSHA", HASH, "1", "n"]), ":2\r\n");
  // EXISTS promises what any leader will find.
  assertEquals(ask(three, ["SCRIPT", "EXISTS", HASH]), "*1\r\n:0\r\n");
  exchangeLeader(three);
  assertEquals(ask(three, ["EVALSHA", HASH, "1", "n"]), NOSCRIPT);
});

Deno.test("loaded scripts: through a forward port they are loaded at the leader", () => {
  const three = formed();
  const follower = (three.leader + 1) % 3;
  const forwarded = (...words: string[]) => ask(three, words, follower, true);
  assertEquals(forwarded("SCRIPT", "LOAD", SOURCE), `$40\r\n${HASH}\r\n`);
  assertEquals(forwarded("SCRIPT", "EXISTS", HASH), "*1\r\n:1\r\n");
  assertEquals(forwarded("EVALSHA", HASH, "1", "n"), ":1\r\n");
  assertEquals(forwarded("SCRIPT", "FLUSH"), "+OK\r\n");
  assertEquals(forwarded("EVALSHA", HASH, "1", "n"), NOSCRIPT);
});

Deno.test("loaded scripts: one that does not compile, or has no place, is refused and changes nothing", () => {
  const three = formed();
  const { loadedScripts } = three.nodes[three.leader]!.store!;
  assertMatch(ask(three, ["SCRIPT", "LOAD", "return ("]), /^-ERR Error compiling script/);
  const long = "-- " + "x".repeat(65_536);
  assertEquals(ask(three, ["SCRIPT", "LOAD", long]), "-ERR a script has more than 65536 bytes\r\n");
  assertEquals([loadedScripts.count, loadedScripts.areUnused], [0, true]);
  for (let i = 0; i < LOADED_SCRIPTS_MAX; i++) {
    const bytes = new TextEncoder().encode(`return ${i}`);
    loadedScripts.load(createHash("sha1").update(bytes).digest(), bytes);
  }
  assertEquals(
    ask(three, ["SCRIPT", "LOAD", SOURCE]),
    "-ERR 1000 scripts are loaded, as many as there may be: SCRIPT FLUSH forgets them, " +
      "nothing was done\r\n",
  );
});

Deno.test("loaded scripts: a leader that is cut off denies no script, and promises none", () => {
  const three = formed();
  const old = three.leader;
  assertEquals(ask(three, ["SCRIPT", "LOAD", "return 1"]), `$40\r\n${sha1("return 1")}\r\n`);
  for (const at of [0, 1, 2]) if (at !== old) three.stop(at);
  for (
    const words of [
      ["EVALSHA", HASH, "1", "n"],
      ["SCRIPT", "EXISTS", sha1("return 1")],
      ["SCRIPT", "LOAD", SOURCE],
      ["SCRIPT", "FLUSH"],
    ]
  ) {
    assertMatch(ask(three, words, old), /^$|^-(MOVED|CLUSTERDOWN|ERR outcome unknown)/, words[0]);
  }
});

Deno.test("loaded scripts: before their cluster version they are the leader's own, as they were", () => {
  const clusterVersionMax = NEEDED_VERSION.loadedScripts - 1;
  const three = formed({ clusterVersionMax });
  const { lastIndex } = three.nodes[three.leader]!.raft!.state.log;
  assertEquals(ask(three, ["SCRIPT", "LOAD", SOURCE]), `$40\r\n${HASH}\r\n`);
  assertEquals(ask(three, ["SCRIPT", "EXISTS", HASH]), "*1\r\n:1\r\n");
  assertEquals(three.nodes[three.leader]!.raft!.state.log.lastIndex, lastIndex);
  assertEquals(ask(three, ["EVALSHA", HASH, "1", "n"]), ":1\r\n");
  assertEquals(ask(three, ["SCRIPT", "FLUSH"]), "+OK\r\n");
  assertEquals(ask(three, ["SCRIPT", "EXISTS", HASH]), "*1\r\n:0\r\n");
  assertEquals(ask(three, ["EVALSHA", HASH, "1", "n"]), NOSCRIPT);
  ask(three, ["SCRIPT", "LOAD", SOURCE]);
  exchangeLeader(three);
  assertEquals(ask(three, ["EVALSHA", HASH, "1", "n"]), NOSCRIPT);
  for (const { store } of three.nodes) assert(store!.loadedScripts.areUnused);
});
