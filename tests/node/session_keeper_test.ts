/** Client sessions on a whole node: what keeps them alive, what that costs, and how they end. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { CLUSTER_VERSION_MAX } from "../../lib/kv/cluster_version.ts";
import type { ClientSession } from "../../lib/node/api.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import { requestBytes } from "../wire/resp_driver.ts";
import { OneServer, replies } from "./one_server.ts";

const SESSIONS = 200;

function raisedServer(): OneServer {
  const server = new OneServer(new SimDisk(), 1_000_000, undefined, undefined, false);
  for (let i = 0; i < 200 && server.node.store!.clusterVersion < CLUSTER_VERSION_MAX; i++) {
    server.pass(100);
  }
  assertEquals(server.node.store!.clusterVersion, CLUSTER_VERSION_MAX);
  return server;
}

/** What the requests, sent in one piece, are answered with. */
function ask(server: OneServer, session: ClientSession, requests: string[]): string {
  const words = requests.map((one) => one.split(" "));
  server.send(session, new TextDecoder().decode(requestBytes(words)));
  let said = "";
  for (let i = 0; i < 10; i++) {
    server.pass(10);
    for (let batch = session.nextBatch(); batch !== null; batch = session.nextBatch()) {
      session.submit(batch);
    }
    said += replies(session);
  }
  return said;
}

Deno.test("client sessions: all that are pinged cost one entry a second together, and live on", () => {
  const server = raisedServer();
  const client = server.node.openSession("127.0.0.1:5000")!;
  const every = Array.from({ length: SESSIONS }, (_, at) => at + 1);
  const opened = ask(server, client, every.map(() => "RAFTKV.SESSION OPEN 3000"));
  assertEquals(opened, every.map((id) => `:${id}\r\n`).join(""));
  const before = server.lastIndex;
  const seconds = 20;
  for (let i = 0; i < seconds; i++) {
    const said = ask(server, client, every.map((id) => `RAFTKV.SESSION PING ${id}`));
    assertMatch(said, /^(:[1-9]\d*\r\n){200}$/);
    server.pass(900);
  }
  assertEquals(server.node.store!.clientSessions.count, SESSIONS);
  const entries = server.lastIndex - before;
  assert(entries >= seconds - 1 && entries <= seconds + 1, `${entries} entries`);
  // Nobody pings any more, and nobody writes: they end all the same, and then nothing goes into the log.
  server.pass(5_000);
  assertEquals(server.node.store!.clientSessions.count, 0);
  const last = server.lastIndex;
  server.pass(20_000);
  assertEquals(server.lastIndex, last);
  assertMatch(ask(server, client, ["RAFTKV.SESSION PING 1"]), /^-SESSION /);
});

Deno.test("client sessions: the metrics show how many there are, and what is kept for them", () => {
  const server = raisedServer();
  const client = server.node.openSession("127.0.0.1:5000")!;
  const figures = () => {
    const { clientSessions, clientSessionBytes } = server.node.view.counts();
    return [clientSessions, clientSessionBytes];
  };
  assertEquals(figures(), [0, 0]);
  ask(server, client, ["RAFTKV.SESSION OPEN 60000", "RAFTKV.SESSION OPEN 60000"]);
  const [two, empty] = figures();
  assertEquals([two, empty], [2, 0]);
  ask(server, client, ["RAFTKV.SESSION RUN 1 1 1 INCR n"]);
  const kept = figures()[1]!;
  assert(kept > 0, `${kept} bytes for a reply that is kept`);
  ask(server, client, ["RAFTKV.SESSION CLOSE 1"]);
  assertEquals(figures(), [1, 0]);
});

Deno.test("client sessions: before the cluster version is raised they are refused in words, and nothing is done", () => {
  const server = new OneServer();
  const client = server.node.openSession("127.0.0.1:5000")!;
  const before = server.lastIndex;
  const requests = [
    "RAFTKV.SESSION OPEN",
    "RAFTKV.SESSION RUN 1 1 1 INCR n",
    "RAFTKV.SESSION CLOSE 1",
    "MULTI",
    "INCR n",
    "RAFTKV.SESSION RUN 1 1 1 EXEC",
  ];
  const said = ask(server, client, requests).split("\r\n");
  const early = /^-ERR not before the cluster version is raised/;
  for (const at of [0, 1, 2, 5]) assertMatch(said[at]!, early);
  assertMatch(ask(server, client, ["RAFTKV.SESSION PING 1"]), /^-SESSION /);
  assertEquals(ask(server, client, ["GET n"]), "$-1\r\n");
  assertEquals(server.lastIndex, before);
});
