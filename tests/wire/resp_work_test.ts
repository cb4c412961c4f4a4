/** What takes long, or much memory, in proportion to a request times the contents: it is bounded. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Reply } from "../process/redis_socket.ts";
import { LIMITS, OneClient, OneServer, requestBytes } from "./resp_driver.ts";

const TOO_MUCH = /^ERR there is more than one reply may carry/;

function message(reply: Reply | undefined): string {
  return reply instanceof Error ? reply.message : `answered ${JSON.stringify(reply)}`;
}

/** A client of a store with so many keys, of one byte each at least. */
function clientOf(keys: number): OneClient {
  const client = new OneClient(new OneServer());
  for (let from = 0; from < keys; from += 1_000) {
    const pairs: string[] = [];
    for (let i = from; i < Math.min(from + 1_000, keys); i++) pairs.push(`${i}`, "v");
    for (let i = 0; i < pairs.length; i += 100) client.ask(["MSET", ...pairs.slice(i, i + 100)]);
  }
  return client;
}

Deno.test("resp: a pattern of more than 4096 bytes is refused", () => {
  const client = clientOf(1);
  const longest = "*".repeat(4_096);
  // The codec of this test takes commands of 5196 bytes.
  assert(LIMITS.valueBytesMax + LIMITS.redisKeyBytesMax > 1_000);
  assertEquals(client.ask(["KEYS", longest], ["SCAN", "0", "MATCH", longest]), [
    ["0"],
    ["0", ["0"]],
  ]);
  const requests = [["KEYS"], ["SCAN", "0", "MATCH"], ["CONFIG", "GET"]];
  for (const reply of client.ask(...requests.map((request) => [...request, `${longest}*`]))) {
    assertMatch(message(reply), /^ERR a pattern has more than 4096 bytes$/);
  }
  assertMatch(
    message(client.ask(["CONFIG", "GET", ...Array<string>(101).fill("a")])[0]),
    /^ERR more than 100 names/,
  );
});

Deno.test("resp: KEYS looks through 50,000 keys, and not through one more", () => {
  const client = clientOf(50_000);
  assertEquals(client.ask(["KEYS", "4999?"])[0] instanceof Array, true);
  assertEquals((client.ask(["KEYS", "*"])[0] as Reply[]).length, 50_000);
  client.ask(["SET", "one more", "v"]);
  assertMatch(message(client.ask(["KEYS", "x"])[0]), TOO_MUCH);
});

Deno.test("resp: the walks of one transaction share the bounds of a single one", () => {
  const client = clientOf(30_000);
  client.ask(["MULTI"], ["KEYS", "none"], ["KEYS", "none"], ["SCAN", "0", "COUNT", "1000"]);
  const [replies] = client.ask(["EXEC"]) as [Reply[]];
  assertEquals(replies[0], []);
  assertMatch(message(replies[1]), TOO_MUCH);
  assertEquals((replies[2] as Reply[]).length, 2);
  client.ask(["MULTI"], ...Array<string[]>(60).fill(["SCAN", "0", "COUNT", "1000"]));
  const [scans] = client.ask(["EXEC"]) as [Reply[]];
  assertEquals(scans.filter((reply) => reply instanceof Error).length, 10);
  // And the next one has them anew.
  assertEquals(client.ask(["MULTI"], ["KEYS", "none"], ["EXEC"])[2], [[]]);
});

Deno.test("resp: a transaction is done also where its reply has no room any more, and says so", () => {
  const server = new OneServer();
  new OneClient(server).ask(["SET", "k", "v".repeat(1_000)]);
  const client = new OneClient(server, 2, 200_000);
  const transaction = [
    ["MULTI"],
    ...Array<string[]>(29).fill(["MGET", "k", "k", "k", "k"]),
    ["INCR", "done"],
    ["EXEC"],
  ];
  // One after the other each has room.
  for (let i = 0; i < 3; i++) assert(Array.isArray(client.ask(...transaction).at(-1)));
  // All three at once, before any reply is taken.
  client.send(requestBytes([...transaction, ...transaction, ...transaction]), undefined, false);
  client.output = "";
  server.settle();
  client.send(new Uint8Array(0));
  const late = client.replies().filter((reply) => reply instanceof Error || Array.isArray(reply));
  assertEquals(late.map((reply) => reply instanceof Error), [false, false, true]);
  assertMatch(message(late[2]), /^ERR this was done, and what it shows is left out/);
  assertEquals(client.ask(["GET", "done"]), ["6"]);
});

Deno.test("resp: clients' names are bounded, and one of a library is a word", () => {
  const client = new OneClient(new OneServer());
  const long = "n".repeat(257);
  const named = client.ask(
    ["CLIENT", "SETNAME", long],
    ["HELLO", "3", "SETNAME", long],
    ["CLIENT", "SETINFO", "LIB-NAME", long],
    ["CLIENT", "SETINFO", "LIB-VER", long],
  );
  for (const reply of named) assertMatch(message(reply), /^ERR a client's name has more than 256/);
  assertMatch(
    message(client.ask(["CLIENT", "SETINFO", "LIB-NAME", "a\nb"])[0]),
    /^ERR lib-name cannot contain spaces/,
  );
  assertEquals(client.ask(["CLIENT", "SETNAME", "n".repeat(256)], ["CLIENT", "SETNAME", ""]), [
    "OK",
    "OK",
  ]);
});
