/** CLIENT LIST, INFO and KILL on a whole node: who is shown, who is ended, and what becomes of the rest. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { ClientSession } from "../../lib/node/api.ts";
import { OneServer, replies } from "./one_server.ts";

function request(...words: string[]): string {
  return `*${words.length}\r\n` + words.map((one) => `$${one.length}\r\n${one}\r\n`).join("");
}

function open(server: OneServer, remote: string, local = "127.0.0.1:9000"): ClientSession {
  return server.node.openSession(remote, local)!;
}

/** All that is answered to requests that are sent at once. */
function ask(server: OneServer, session: ClientSession, ...requests: string[][]): string {
  server.send(session, requests.map((words) => request(...words)).join(""));
  server.settle();
  return replies(session);
}

/** The lines of a list as fields by name. */
function listed(reply: string): Map<string, string>[] {
  const [head, ...rest] = reply.split("\r\n");
  const text = rest.join("\r\n").replace(/\r\n$/, "");
  assertEquals(head, `$${text.length}`);
  return text.split("\n").filter((line) => line !== "").map((line) =>
    new Map(
      line.split(" ").map((field) => {
        const at = field.indexOf("=");
        return [field.slice(0, at), field.slice(at + 1)];
      }),
    )
  );
}

Deno.test("CLIENT LIST shows all connections, lines and silent ones too", () => {
  const server = new OneServer();
  const one = open(server, "10.0.0.1:5001");
  const lines = open(server, "[::1]:5002", "[::1]:9000");
  const silent = open(server, "10.0.0.3:5003");
  server.send(lines, "set a 0 1\r\nb\r\n");
  server.settle();
  assertMatch(replies(lines), /^OK /);
  server.pass(3_000);
  ask(server, one, ["HELLO", "3", "SETNAME", "me"]);
  ask(server, one, ["CLIENT", "SETINFO", "LIB-NAME", "raftkv"], ["HELLO", "2"], ["READONLY"]);
  server.pass(2_000);
  const shown = listed(ask(server, one, ["CLIENT", "LIST"]));
  assertEquals(shown.map((line) => line.get("addr")), [
    "10.0.0.1:5001",
    "[::1]:5002",
    "10.0.0.3:5003",
  ]);
  const pick = (at: number, ...names: string[]) => names.map((name) => shown[at]!.get(name));
  assertEquals(pick(0, "laddr", "name", "age", "idle", "flags", "cmd", "resp", "lib-name"), [
    "127.0.0.1:9000",
    "me",
    "5",
    "0",
    "r",
    "client|list",
    "2",
    "raftkv",
  ]);
  assertEquals(pick(1, "laddr", "age", "idle", "cmd", "resp", "user"), [
    "[::1]:9000",
    "5",
    "5",
    "NULL",
    "0",
    "default",
  ]);
  assertEquals(pick(2, "age", "idle", "flags", "multi"), ["5", "5", "N", "-1"]);
  silent.disconnected();
  assertEquals(listed(ask(server, one, ["CLIENT", "LIST"])).length, 2);
});

Deno.test("CLIENT LIST: what waits, a transaction, and by ID", () => {
  const server = new OneServer();
  const [one, other] = [open(server, "a:1"), open(server, "b:2")];
  ask(server, other, ["WATCH", "k"], ["MULTI"], ["SET", "k", "v"]);
  const half = request("SET", "k", "v".repeat(100)).slice(0, -50);
  server.send(other, half);
  const shown = listed(ask(server, one, ["CLIENT", "LIST", "ID", "2", "9"]));
  assertEquals(shown.length, 1);
  const fields = ["id", "flags", "multi", "watch", "qbuf", "cmd"];
  assertEquals(fields.map((name) => shown[0]!.get(name)), [
    "2",
    "x",
    "1",
    "1",
    `${half.length}`,
    "set",
  ]);
  assert(Number(shown[0]!.get("multi-mem")) > 0);
  // A reply that is not taken.
  server.send(one, request("ECHO", "x".repeat(100)));
  server.settle();
  const third = open(server, "c:3");
  const [seen] = listed(ask(server, third, ["CLIENT", "LIST", "ID", "1"]));
  assert(Number(seen!.get("obl")) > 100);
  assertEquals(seen!.get("events"), "rw");
  const [self] = listed(ask(server, third, ["CLIENT", "INFO"]));
  assertEquals([self!.get("id"), self!.get("cmd")], ["3", "client|info"]);
});

Deno.test("CLIENT KILL ends others at once, with replies that they do not take", () => {
  const server = new OneServer();
  const [one, slow, other] = [open(server, "a:1"), open(server, "b:2"), open(server, "b:3")];
  server.send(slow, request("ECHO", "x".repeat(100)));
  server.settle();
  assertEquals(ask(server, one, ["CLIENT", "KILL", "b:9"]), "-ERR No such client\r\n");
  assertEquals(ask(server, one, ["CLIENT", "KILL", "b:2"]), "+OK\r\n");
  assertEquals(slow.isKilled, true);
  assertMatch(slow.closing ?? "", /killed/);
  assertEquals(slow.takeOutput(), null);
  assertEquals(slow.wantsInput, false);
  assertEquals(other.closing, null);
  // Its shell has not told of its end yet, and a write of it that was under way is nothing to it.
  slow.disconnected();
  assertEquals(ask(server, one, ["CLIENT", "KILL", "ID", "2"]), ":0\r\n");
  assertEquals(ask(server, one, ["CLIENT", "KILL", "LADDR", "127.0.0.1:9000"]), ":1\r\n");
  assertEquals(other.isKilled, true);
  assertEquals(one.closing, null);
  other.disconnected();
  assertEquals(server.node.clientLoad.connections, 1);
});

Deno.test("CLIENT KILL of a connection whose write is in the log: it is done, and nobody is answered", () => {
  const server = new OneServer();
  const [one, writer] = [open(server, "a:1"), open(server, "b:2")];
  server.send(writer, request("SET", "k", "v"));
  assertEquals(ask(server, one, ["CLIENT", "KILL", "ADDR", "b:2"]), ":1\r\n");
  assertEquals(ask(server, one, ["GET", "k"]), "$1\r\nv\r\n");
  assertEquals(writer.isKilled, true);
  assertEquals(writer.takeOutput(), null);
  writer.disconnected();
  assertEquals(server.node.clientLoad.waitingEntries, 0);
});

Deno.test("CLIENT KILL with SKIPME no: who asks gets all that is due, then its end", () => {
  const server = new OneServer();
  const [one, other] = [open(server, "a:1"), open(server, "b:2")];
  const wanted = [["SET", "k", "v"], ["CLIENT", "KILL", "USER", "default", "SKIPME", "no"]];
  assertEquals(ask(server, one, ...wanted), "+OK\r\n:2\r\n");
  assertEquals([one.isKilled, one.closing !== null], [false, true]);
  assertEquals(other.isKilled, true);
});

Deno.test("CLIENT LIST has the work of a walk: a thousand of them take several spans of time", () => {
  const server = new OneServer();
  const sessions = Array.from({ length: 1_000 }, (_, at) => open(server, `a:${at}`));
  const one = sessions[0]!;
  server.send(one, request("CLIENT", "LIST", "ID", "7").repeat(100));
  const count = () => replies(one).split("id=7 ").length - 1;
  const first = count();
  assert(first > 0 && first < 20, `${first} of 100 in one span`);
  let all = first;
  for (let span = 0; span < 100 && all < 100; span++) {
    server.pass(10);
    all += count();
  }
  assertEquals(all, 100);
});
