/** A command that the cluster version does not allow yet is refused in words, and nothing is done. */
import { assertEquals, assertMatch } from "@std/assert";
import { OneServer, replies } from "./one_server.ts";

const TOO_EARLY = /^-ERR not before the cluster version is raised, .*: nothing was done, /;

function ask(server: OneServer, text: string): string {
  const session = server.node.openSession("client")!;
  server.send(session, text);
  server.settle();
  const said = replies(session);
  session.disconnected();
  return said;
}

Deno.test("DELIFEQ waits for cluster version 2, alone and within EXEC", () => {
  const server = new OneServer();
  assertEquals(ask(server, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nv\r\n"), "+OK\r\n");
  const before = server.lastIndex;
  const words = "*3\r\n$7\r\nDELIFEQ\r\n$1\r\na\r\n$1\r\nv\r\n";
  assertMatch(ask(server, words), TOO_EARLY);
  const set = "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nw\r\n";
  const all = ask(server, `*1\r\n$5\r\nMULTI\r\n${set}${words}*1\r\n$4\r\nEXEC\r\n`);
  const said = all.split("\r\n");
  assertEquals(said.slice(0, 3), ["+OK", "+QUEUED", "+QUEUED"]);
  assertMatch(said[3]!, TOO_EARLY);
  assertEquals(server.lastIndex, before, "nothing of it came into the log");
  assertEquals(ask(server, "*2\r\n$3\r\nGET\r\n$1\r\na\r\n"), "$1\r\nv\r\n");
});

Deno.test("conditions and MSETEX wait for cluster version 4, and so does a digest within EXEC", () => {
  const server = new OneServer();
  const request = (words: string) => {
    const all = words.split(" ");
    return `*${all.length}\r\n${all.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`;
  };
  assertEquals(ask(server, request("SET a v")), "+OK\r\n");
  const before = server.lastIndex;
  for (const words of ["SET a w IFEQ v", "DELEX a IFNE w", "MSETEX 1 a w"]) {
    assertMatch(ask(server, request(words)), TOO_EARLY, words);
  }
  for (const words of ["SET a w IFEQ v", "DIGEST a"]) {
    const said = ask(server, request("MULTI") + request(words) + request("EXEC")).split("\r\n");
    assertEquals(said.slice(0, 2), ["+OK", "+QUEUED"]);
    assertMatch(said[2]!, TOO_EARLY);
  }
  assertEquals(server.lastIndex, before, "nothing of it came into the log");
  assertEquals(ask(server, request("GET a")), "$1\r\nv\r\n");
  // By itself it is a read, which is in no log; and DELEX without a condition is a DEL.
  assertMatch(ask(server, request("DIGEST a")), /^\$16\r\n[0-9a-f]{16}\r\n$/);
  assertEquals(ask(server, request("DELEX a")), ":1\r\n");
});
