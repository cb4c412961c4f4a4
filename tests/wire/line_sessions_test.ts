/** Client sessions in lines: what they come to, and what can't be understood. */
import { assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import { OneClient, OneServer } from "./resp_driver.ts";

/** What the lines are answered, by a client of its own. */
function say(
  server: OneServer,
  text: string,
  pieceBytes?: number,
): { said: string; over: boolean } {
  const client = new OneClient(server);
  client.send(new TextEncoder().encode(text), pieceBytes);
  return { said: client.output, over: client.session.closing !== null };
}

Deno.test("lines: a write that is sent again under its session and sequence is done once", () => {
  const server = new OneServer();
  const { said } = say(
    server,
    "session 60\n@1.1.1 set k 0 1\na\n@1.1.1 set k 0 1\na\n@1.2.1 cas k 0 1 1\nb\n@1.2.1 cas k 0 1 1\nb\n",
  );
  assertEquals(said, "OK 1\r\nOK 1\r\nOK 1\r\nOK 2\r\nOK 2\r\n");
  const rest = "@1.3.3 delete k\n@1.3.3 delete k\n@1.2.2 set k 0 1\nc\n@9.1.1 delete k\nget k\n";
  const again = "DELETED\r\nDELETED\r\nERR_SESSION\r\nERR_SESSION\r\nERR_NOT_FOUND\r\n";
  // In whatever pieces.
  for (const pieceBytes of [1, 3, 1_000]) {
    assertEquals(say(server, rest, pieceBytes).said, again);
  }
  assertEquals(say(server, "@1.4.4 set k 0 1 noreply\nd\nget k\n").said, "VALUE 1\r\nd\r\n");
});

Deno.test("lines: a session has a time that it may have", () => {
  const server = new OneServer();
  for (
    const wrong of ["session 2\n", "session 86401\n", "session x\n", "session 60 1\n", "session \n"]
  ) {
    assertEquals(say(server, wrong).said, "ERR_CMD_ERR\r\n");
  }
  assertEquals(say(server, "session 3\nsession 86400\n").said, "OK 1\r\nOK 2\r\n");
});

Deno.test("lines: what begins with @ and can't be understood ends the connection: a value may follow", () => {
  const server = new OneServer();
  say(server, "session 60\n");
  for (
    const wrong of [
      "@1.1 set k 0 1\nget k\n",
      "@1.1.2 set k 0 1\nget k\n",
      "@0.1.1 set k 0 1\nget k\n",
      "@1..1 set k 0 1\nget k\n",
      "@1.1.1.1 set k 0 1\nget k\n",
      "@1.1.1  set k 0 1\nget k\n",
      "@1.1.1 get k\nget k\n",
      "@1.1.1 auth k 5\nget k\n",
      "@1.1.1\nget k\n",
      "@\nget k\n",
      `@1.1.1 set k 0 1${"x".repeat(5_000)}\nget k\n`,
    ]
  ) assertEquals(say(server, wrong), { said: "ERR_CMD_ERR\r\n", over: true }, wrong);
  // What is wrong after it is, as without, refused with its value.
  assertEquals(
    say(server, "@1.1.1 set k x 5\nget k\nget k\n").said,
    "ERR_CMD_ERR\r\nERR_NOT_FOUND\r\n",
  );
});

Deno.test("lines: whatever stands where a session does, nothing breaks", () => {
  const part = fc.constantFrom(
    "@",
    "1",
    ".",
    " ",
    "set",
    "k",
    "0",
    "\n",
    "delete",
    "\r\n",
    "9".repeat(20),
  );
  fc.assert(fc.property(fc.array(part, { maxLength: 30 }), (parts) => {
    const { said } = say(new OneServer(), parts.join(""));
    assertMatch(said, /^((OK \d+|DELETED|ERR_[A-Z_]+.*)\r\n)*$/);
  }));
});
