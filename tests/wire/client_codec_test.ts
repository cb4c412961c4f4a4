/** One port for two protocols: what the first bytes of a connection decide. */
import { assertEquals, assertMatch } from "@std/assert";
import { toBytes } from "../process/socket.ts";
import { OneClient, OneServer } from "./resp_driver.ts";

const PING = "*1\r\n$4\r\nPING\r\n";
const PONG = "+PONG\r\n";
const HINT = /^ERR_CMD_ERR [^\r\n]*type help[^\r\n]*\r\n$/;

/** What comes back for these bytes, in pieces of so many. */
function outputOf(text: string, pieceBytes = text.length): string {
  const client = new OneClient(new OneServer());
  client.send(toBytes(text), pieceBytes);
  return client.output;
}

/** Lets time pass for a connection, as the ticks of a node do. */
function passTime(client: OneClient, ms: number): void {
  client.server.nowMs += ms;
  client.session.checkDeadlines(client.server.nowMs, 5_000, 30_000);
  client.send(new Uint8Array(0));
}

Deno.test("client codec: empty lines before and between Redis requests get no reply, however cut", () => {
  const cases: [string, string][] = [
    [`${PING}\r\n${PING}`, PONG + PONG],
    [`\r\n${PING}`, PONG],
    [`\n\r\n\n${PING}\n\n${PING}\r\n`, PONG + PONG],
    [`${PING}  \r\n\t\n${PING}`, PONG + PONG],
    [`${"\r\n".repeat(500)}${PING}`, PONG],
  ];
  for (const [input, output] of cases) {
    for (const pieceBytes of [input.length, 1, 2, 3, 5]) {
      assertEquals(outputOf(input, pieceBytes), output, JSON.stringify(input.slice(0, 40)));
    }
  }
});

Deno.test("client codec: a blank line with something on it is no empty line", () => {
  for (const input of [`${PING}  PING\r\n`, `${PING}\r${PING}`]) {
    for (const pieceBytes of [input.length, 1]) {
      assertMatch(outputOf(input, pieceBytes), /^\+PONG\r\n-ERR Protocol error: inline commands/);
    }
  }
});

Deno.test("client codec: empty lines before a command of lines are answered, however cut", () => {
  for (const input of ["\r\nget k\r\n", "\n\r\nget k\n", `${"\n".repeat(1_500)}get k\n`]) {
    const lines = outputOf(input).split("\r\n");
    assertEquals(lines.at(-2), "ERR_NOT_FOUND");
    assertEquals(lines.length - 2, input.split("\n").length - 2);
    for (const line of lines.slice(0, -2)) assertMatch(`${line}\r\n`, HINT);
    for (const pieceBytes of [1, 2, 3, 7]) {
      assertEquals(
        outputOf(input, pieceBytes),
        outputOf(input),
        JSON.stringify(input.slice(0, 20)),
      );
    }
  }
});

Deno.test("client codec: an empty line alone is answered after a moment, and then it is lines", () => {
  const client = new OneClient(new OneServer());
  client.send(toBytes("\r\n"));
  passTime(client, 100);
  assertEquals(client.output, "");
  passTime(client, 150);
  assertMatch(client.output, HINT);
  client.output = "";
  passTime(client, 60_000);
  assertEquals([client.output, client.session.closing], ["", null]);
  client.send(toBytes("set k 0 1\r\nv\r\nget k\r\n"));
  assertEquals(client.output, "OK 1\r\nVALUE 1\r\nv\r\n");
});

Deno.test("client codec: an empty line before the end of the input is answered", () => {
  const client = new OneClient(new OneServer());
  client.send(toBytes("\n"));
  client.session.inputEnded();
  client.send(new Uint8Array(0));
  assertMatch(client.output, HINT);
});

Deno.test("client codec: help names every command, one a line, up to an empty line", () => {
  const server = new OneServer();
  const client = new OneClient(server);
  client.send(toBytes("help\r\nget k\r\n"));
  const lines = client.output.split("\r\n");
  const end = lines.indexOf("");
  assertEquals(lines.slice(0, end).map((line) => line.split(" ")[0]), [
    "set",
    "get",
    "getm",
    "cas",
    "delete",
    "scan",
    "session",
    "@<session>.<sequence>.<lowest>",
    "watch",
    "unwatch",
    "auth",
    "help",
  ]);
  assertEquals(lines.slice(end), ["", "ERR_NOT_FOUND", ""]);
});
