/** RAFTKV.STATUS: what a server says of itself. */
import { assert, assertEquals } from "@std/assert";
import type { ClusterStatus, ServerFacts } from "../../lib/wire/status.ts";
import { OneServer, replies } from "./one_server.ts";

const page = Deno.readTextFileSync(new URL("../../docs/admin.md", import.meta.url));

/** Sends it over a connection of its own, and returns the replies. */
function ask(server: OneServer, text: string): string {
  const session = server.node.openSession("test")!;
  server.send(session, text);
  server.settle();
  const reply = replies(session);
  session.disconnected();
  return reply;
}

function statusOf(server: OneServer): ClusterStatus {
  const reply = ask(server, "*1\r\n$13\r\nRAFTKV.STATUS\r\n");
  const [head, json, ...rest] = reply.split("\r\n");
  assertEquals(head, `$${new TextEncoder().encode(json).length}`);
  assertEquals(rest, [""]);
  return JSON.parse(json!) as ClusterStatus;
}

function factsOf(server: OneServer): ServerFacts {
  return statusOf(server).servers[0]!.facts!;
}

Deno.test("a server tells its role, its log and what it holds", () => {
  const server = new OneServer();
  ask(server, "set a 0 1\r\nx\r\nset b 100 2\r\nyy\r\n");
  const status = statusOf(server);
  assertEquals([status.format, status.serverId, status.leaderId], [1, 1, 1]);
  assertEquals(status.servers.map(({ id, reach }) => [id, reach]), [[1, "self"]]);
  const facts = status.servers[0]!.facts!;
  assertEquals([facts.role, facts.leaderId, facts.leaderMissingMs], ["leader", 1, 0]);
  assertEquals([facts.keys, facts.expiringKeys, facts.writesTotal], [2, 1, 2]);
  assertEquals(facts.commitIndex, server.lastIndex);
  assertEquals(facts.appliedIndex, server.lastIndex);
  assertEquals(facts.durableIndex, server.lastIndex);
  assertEquals(facts.problems, []);
  assert(facts.diskBytes! > 0);
  // What is ahead is told once it knows what is committed.
  assertEquals(status.events.slice(-2).map(({ message }) => message.split(":")[0]), [
    "Now leader, was candidate",
    "The cluster version is held back here",
  ]);
});

Deno.test("a server alone forgets how slow its disk was, and not what it has just done", () => {
  const server = new OneServer();
  const session = server.node.openSession("slow")!;
  server.send(session, "set a 0 1\r\nx\r\n");
  server.skip(3_000);
  server.settle();
  const slow = factsOf(server);
  assert(slow.fsyncP99Ms! >= 3_000 && slow.writeP99Ms! >= 3_000, JSON.stringify(slow));
  // Nobody asks for its status meanwhile, and there is nobody whom it would tell.
  for (let seconds = 0; seconds < 130; seconds += 10) {
    ask(server, "set a 0 1\r\nx\r\n");
    server.skip(10_000);
  }
  const { fsyncP99Ms, writeP99Ms } = factsOf(server);
  assert(fsyncP99Ms !== null && fsyncP99Ms < 3_000, `fsync: ${fsyncP99Ms} ms`);
  assert(writeP99Ms !== null && writeP99Ms < 3_000, `writes: ${writeP99Ms} ms`);
  server.skip(500_000);
  assertEquals(factsOf(server).writeP99Ms, null, "there was none lately");
});

Deno.test("refused commands are counted, and reads", () => {
  const server = new OneServer();
  ask(server, "get a\r\n");
  assertEquals([factsOf(server).readsTotal, factsOf(server).refusedTotal], [1, 0]);
});

Deno.test("docs/admin.md has every field of the status", () => {
  const server = new OneServer();
  const status = statusOf(server);
  const follower = { id: 2, mode: "probe", matchIndex: 0, lagEntries: 0, lagBytes: 0, lagMs: 0 };
  const names = [status, status.servers[0]!, factsOf(server), status.events[0]!, follower]
    .flatMap((one) => Object.keys(one));
  const rows = page.split("\n").filter((line) => line.startsWith("| `"));
  const known = new Set(rows.flatMap((row) => row.split("|")[1]!.match(/`[^`]+`/g) ?? []));
  assertEquals(names.filter((name) => !known.has(`\`${name}\``)), []);
});
