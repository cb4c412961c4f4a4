/** Scripts of a leadership that ends while they wait for their engine. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { CLUSTER_VERSION_MAX } from "../../lib/kv/cluster_version.ts";
import { LuaEngine } from "../../lib/scripts/engine.ts";
import type { ScriptEngine } from "../../lib/wire/scripts.ts";
import { replies } from "./one_server.ts";
import { Three } from "./three_nodes.ts";

Deno.test("scripts: who waits for the engine while leadership is lost is answered then", () => {
  const loads: ((engine: ScriptEngine | null) => void)[] = [];
  const scripts = { load: (done: (engine: ScriptEngine | null) => void) => void loads.push(done) };
  const three = new Three([{ scripts }, { scripts }, { scripts }]);
  three.form();
  for (
    let i = 0;
    i < 1_000 && three.nodes[three.leader]!.store!.clusterVersion < CLUSTER_VERSION_MAX;
    i++
  ) {
    three.pass(10);
  }
  const leader = three.leader;
  const node = three.nodes[leader]!;
  const session = node.openSession("client")!;
  const words = ["EVAL", "return redis.call('set', KEYS[1], 'x')", "1", "key"];
  const bytes = new TextEncoder().encode(
    `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`,
  );
  session.inputSpace().set(bytes);
  session.received(bytes.length);
  session.submit(session.nextBatch()!);
  three.settle();
  assertEquals([loads.length, replies(session)], [1, ""]);
  for (let at = 0; at < 3; at++) if (at !== leader) three.stop(at);
  for (let i = 0; i < 300 && three.role(leader) === "leader"; i++) three.pass(10);
  assert(three.role(leader) !== "leader");
  three.settle();
  assertMatch(replies(session), /^-(MOVED|CLUSTERDOWN) .*\r\n$/);
  loads[0]!(new LuaEngine());
  three.settle();
  assertEquals(replies(session), "");
});
