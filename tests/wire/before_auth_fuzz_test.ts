/** Whatever comes before a client has said who it is: nothing is done, shown or kept of it. */
import fc from "fast-check";
import { COMMANDS } from "../../lib/wire/resp/resp_table.ts";
import { assert, assertEquals } from "@std/assert";
import { fromBytes, toBytes } from "../process/socket.ts";
import { OneClient, OneServer, requestBytes } from "./resp_driver.ts";

const RUNS = 300;

const letter = fc.constantFrom(..."abcdkv123*$%~+-@| \0\x7f\xff");
const text = fc.array(letter, { maxLength: 12 }).map((letters) => letters.join(""));
const word = fc.oneof(
  fc.constantFrom(...COMMANDS.map(({ name }) => name)),
  fc.constantFrom("list", "get", "setuser", "root", "wrong", "auth", "setname", "3", "2", "k", "1"),
  text,
);
const request = fc.array(word, { minLength: 1, maxLength: 8 });

/** A server with one user and some keys, which nobody may see. */
function guarded(): OneServer {
  const server = new OneServer();
  const root = new OneClient(server);
  root.ask(["MSET", "k", "secret-value", "secret-key", "1"]);
  root.ask(["ACL", "SETUSER", "root", "on", ">the-password", "~*", "+@all"]);
  return server;
}

/** What a command may be answered with, by its name. */
const ALLOWED: Readonly<Record<string, RegExp>> = {
  auth: /^(NOAUTH|WRONGPASS|TRYAGAIN|ERR syntax error)/,
  hello:
    /^(NOAUTH|NOPROTO|WRONGPASS|TRYAGAIN|ERR (Syntax error in HELLO|Protocol version|a client))/,
  reset: /^(NOAUTH|RESET)/,
  quit: /^(NOAUTH|OK)/,
  "raftkv.user": /^(NOAUTH|ERR )/,
};

Deno.test("no command answers before AUTH, and none is done", () => {
  const server = guarded();
  const before = server.store.digest();
  fc.assert(
    fc.property(fc.array(request, { minLength: 1, maxLength: 10 }), (some) => {
      const client = new OneClient(server);
      client.output = "";
      client.send(requestBytes(some));
      const replies = client.replies();
      for (const [i, reply] of replies.entries()) {
        const said = reply instanceof Error ? reply.message : String(reply);
        const allowed = ALLOWED[some[i]![0]!.toLowerCase()] ?? /^NOAUTH /;
        assert(
          allowed.test(said) || /^ERR wrong number|^ERR Client names/.test(said),
          `${some[i]}: ${said}`,
        );
      }
      const quitAt = some.findIndex(([name]) => name!.toLowerCase() === "quit");
      const answered = quitAt < 0 ? some.length : quitAt + 1;
      assertEquals(replies.length, answered, JSON.stringify(some));
      assert(!client.output.includes("secret"), client.output);
      client.session.disconnected();
    }),
    { numRuns: RUNS },
  );
  assertEquals(server.store.digest(), before);
  assertEquals(server.asked, []);
  assert(server.isSettled);
});

Deno.test("no bytes at all, of either protocol, get more than a refusal before AUTH", () => {
  const server = guarded();
  const before = server.store.digest();
  const lines = fc.array(
    fc.oneof(
      fc.constantFrom("get k", "getm k", "delete k", "set k 0 1", "x", "help", "cas k 0 1 1", ""),
      fc.constantFrom("auth root 3", "auth root 99999", "auth", "auth a b c", "set k 0 1 noreply"),
      text,
    ),
    { maxLength: 12 },
  ).map((all) => all.join("\r\n") + "\r\n");
  const bytes = fc.oneof(
    lines,
    fc.array(request, { maxLength: 4 }).map((all) => fromBytes(requestBytes(all))),
    fc.tuple(text, lines).map((parts) => parts.join("")),
  );
  const LINES = /^(ERR_AUTH|ERR_BUSY|ERR_CMD_ERR[^\r]*|-[^\r]*|\+RESET|\+OK|)$/;
  fc.assert(
    fc.property(bytes, fc.integer({ min: 1, max: 50 }), (all, pieceBytes) => {
      const client = new OneClient(server);
      client.send(toBytes(all), pieceBytes);
      for (const line of client.output.split("\r\n")) assert(LINES.test(line), `${all}: ${line}`);
      if (!client.session.isGone) client.session.disconnected();
    }),
    { numRuns: RUNS },
  );
  assertEquals(server.store.digest(), before);
  assert(server.isSettled);
});

Deno.test("a large command before AUTH takes no room, and is passed over", () => {
  const client = new OneClient(guarded());
  const value = "v".repeat(900);
  const many = Array.from({ length: 40 }, () => value);
  client.send(requestBytes([["MSET", ...many]]), 1_000);
  assertEquals(client.replies().map(String), ["Error: NOAUTH Authentication required."]);
  assert(client.session.view(0).heldBytes < 30_000, `${client.session.view(0).heldBytes}`);
});
