/** Writes that come while a commit is under way share an entry; the tick ends their waiting. */
import { assert, assertEquals } from "@std/assert";
import { OneServer, replies } from "./one_server.ts";

Deno.test("writes that come while a sync is under way share one entry, in the order of their coming", () => {
  const server = new OneServer();
  const session = server.node.openSession("client")!;
  const before = server.lastIndex;
  server.send(session, "set a 0 1\r\n1\r\n");
  assertEquals(server.lastIndex, before + 1, "the first one waits for nothing");
  server.send(session, "set a 0 1\r\n2\r\n");
  server.send(session, "set b 0 1\r\n3\r\n");
  assertEquals(server.lastIndex, before + 1, "the others gather");
  server.settle();
  assertEquals(server.lastIndex, before + 2);
  assertEquals(replies(session), "OK 1\r\nOK 2\r\nOK 1\r\n");
});

Deno.test("writes that gather wait no longer than to the next tick, however long the sync takes", () => {
  const server = new OneServer();
  const session = server.node.openSession("client")!;
  server.send(session, "set a 0 1\r\n1\r\n");
  const before = server.lastIndex;
  server.send(session, "set b 0 1\r\n2\r\n");
  assertEquals(server.lastIndex, before);
  server.tick();
  server.node.turn();
  assertEquals(server.lastIndex, before + 1);
  assert(server.node.raft!.state.log.durableIndex < before, "and the sync is under way still");
  server.settle();
  assertEquals(replies(session), "OK 1\r\nOK 1\r\n");
});

Deno.test("many bytes don't gather: they leave for the followers while the own disk is busy", () => {
  const server = new OneServer();
  const session = server.node.openSession("client")!;
  server.send(session, "set a 0 1\r\n1\r\n");
  const before = server.lastIndex;
  const value = "v".repeat(3_000);
  for (let i = 0; i < 100; i++) server.send(session, `set big${i} 0 3000\r\n${value}\r\n`);
  assert(server.lastIndex > before, "300 kB are more than gather");
  let text = "";
  for (let i = 0; i < 10; i++) {
    server.settle();
    text += replies(session);
  }
  assertEquals(text.match(/OK/g)?.length, 101);
});

Deno.test("a write that waits for the commit of a client that is gone continues after it, without a tick", () => {
  const server = new OneServer();
  const [gone, session] = [server.node.openSession("gone")!, server.node.openSession("client")!];
  server.send(gone, "set a 0 1\r\n1\r\n");
  gone.disconnected();
  server.send(session, "set b 0 1\r\n2\r\n");
  server.settleAsAsked();
  assertEquals(replies(session), "OK 1\r\n");
});

Deno.test("a write that waits for the passing of time continues after it, without a tick", () => {
  const server = new OneServer();
  const session = server.node.openSession("client")!;
  server.send(session, "set a 1 1\r\n1\r\n");
  server.settle();
  assertEquals(replies(session), "OK 1\r\n");
  const before = server.lastIndex;
  for (let i = 0; i < 200 && server.lastIndex === before; i++) {
    server.settleAsAsked();
    server.tick();
    server.node.turn();
  }
  assertEquals(server.lastIndex, before + 1, "the key's time has come");
  server.send(session, "set b 0 1\r\n2\r\n");
  assertEquals(server.lastIndex, before + 1, "the write waits for that commit");
  server.settleAsAsked();
  assertEquals(replies(session), "OK 2\r\n", "the expired key has raised the floor");
});
