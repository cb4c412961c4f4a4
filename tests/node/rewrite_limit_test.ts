/** Short commands that copy long values: how many of them a leader takes on. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { parseReply, type Reply, replyLength } from "../process/redis_socket.ts";
import { fromBytes, toBytes } from "../process/socket.ts";
import { requestBytes } from "../wire/resp_driver.ts";
import { OneServer, replies } from "./one_server.ts";

const LARGE = "x".repeat(1_000_000);
/** As many as fit into 64 MiB. */
const TAKEN = 67;

class Client {
  readonly server = new OneServer();
  readonly #session = this.server.node.openSession("test")!;

  ask(...requests: string[][]): Reply[] {
    let output = "";
    this.server.send(this.#session, fromBytes(requestBytes(requests)));
    for (let i = 0; i < 20; i++) {
      this.server.settle();
      output += replies(this.#session);
    }
    const bytes = toBytes(output);
    const found: Reply[] = [];
    for (let at = 0; at < bytes.length;) {
      const length = replyLength(bytes, at, bytes.length);
      found.push(parseReply(output.slice(at, at + length)));
      at += length;
    }
    assertEquals(found.length, requests.length);
    return found;
  }
}

function many(count: number, request: (i: number) => string[]): string[][] {
  return Array.from({ length: count }, (_, i) => request(i));
}

function refusals(found: readonly Reply[], pattern: RegExp): number {
  return found.filter((reply) => reply instanceof Error && pattern.test(reply.message)).length;
}

const REWRITES: Readonly<Record<string, (i: number) => string[]>> = {
  EXPIRE: (i) => ["EXPIRE", "large", `${1_000 + i}`],
  PERSIST: () => ["PERSIST", "large"],
  APPEND: () => ["APPEND", "large", "x"],
  SETRANGE: () => ["SETRANGE", "large", "0", "y"],
};

for (const [name, request] of Object.entries(REWRITES)) {
  Deno.test(`rewrites: so many of ${name} at once, the others are refused, and then it goes on`, () => {
    const client = new Client();
    client.ask(["SET", "large", LARGE, "EX", "100000"]);
    const found = client.ask(...many(300, request));
    assertEquals(refusals(found, /^TRYAGAIN/), 300 - TAKEN);
    assertEquals(refusals(client.ask(...many(TAKEN, request)), /./), 0);
  });
}

Deno.test("rewrites: a value on its way counts as one that is there", () => {
  const client = new Client();
  const found = client.ask(["SET", "large", LARGE], ...many(300, REWRITES.EXPIRE!));
  assertEquals(refusals(found, /^TRYAGAIN/), 300 - TAKEN);
  const extended = client.ask(
    ["SETRANGE", "new", "1000000", "x"],
    ...many(300, (i) => ["EXPIRE", "new", `${1_000 + i}`]),
  );
  assert(refusals(extended, /^TRYAGAIN/) > 200);
});

Deno.test("rewrites: what is too long for a value, or changes nothing, counts as no rewriting", () => {
  const client = new Client();
  const beyond = ["SETRANGE", "large", "9223372036854775807", "x"];
  const nothing = ["SETRANGE", "large", "9223372036854775807", ""];
  const asked = [["MULTI"], beyond, nothing, ["SET", "done", "v"], ["EXEC"]];
  const done = client.ask(...asked).at(-1) as Reply[];
  assertMatch(`${done[0]}`, /string exceeds maximum allowed size/);
  assertEquals(done.slice(1), [0, "OK"]);
  // Nor does it make the key count as longer than it can be for those after it.
  client.ask(["SET", "large", LARGE, "EX", "100000"]);
  const after = client.ask(beyond, ...many(TAKEN, REWRITES.EXPIRE!));
  assertEquals(refusals(after, /^TRYAGAIN/), 0);
  // Each counts as the longest value, not as the sum of all that were refused before it.
  const tooLong = many(20, () => ["APPEND", "large", "x".repeat(1_000_000)]);
  const appended = client.ask(...tooLong, ...many(40, REWRITES.EXPIRE!));
  assertEquals(refusals(appended, /^TRYAGAIN/), 0);
  assertEquals(refusals(appended, /string exceeds maximum allowed size/), 20);
});

Deno.test("rewrites: a transaction of too many is refused whole, a smaller one is done", () => {
  const client = new Client();
  client.ask(["SET", "large", LARGE], ["SET", "small", "v"]);
  const [, , ...rest] = client.ask(
    ["MULTI"],
    ["SET", "small", "w"],
    ...many(100, REWRITES.APPEND!),
    ["EXEC"],
    ["GET", "small"],
    ["STRLEN", "large"],
  );
  const [refused, small, length] = rest.slice(-3) as [Error, string, number];
  assertMatch(refused.message, /^ERR this transaction would rewrite more than 64 MiB of values/);
  assertEquals([small, length], ["v", LARGE.length]);
  const done = client.ask(["MULTI"], ...many(60, REWRITES.APPEND!), ["EXEC"], ["STRLEN", "large"]);
  assertEquals(done.at(-1), LARGE.length + 60);
  // What a transaction brings along itself counts, too.
  const own = client.ask(
    ["MULTI"],
    ["SET", "own", "x".repeat(400_000)],
    ...many(200, () => ["PERSIST", "own"]),
    ["EXEC"],
  );
  assertMatch((own.at(-1) as Error).message, /64 MiB/);
});

Deno.test("rewrites: short values are never held back", () => {
  const client = new Client();
  client.ask(["SET", "large", LARGE], ["SET", "k", "v".repeat(16_000)]);
  for (let i = 0; i < 3; i++) {
    const found = client.ask(...many(2_000, (n) => ["EXPIRE", "k", `${1_000 + n}`]));
    assertEquals(refusals(found, /./), 0);
  }
  assertEquals(
    client.ask(["MULTI"], ...many(5_000, () => ["APPEND", "new", "x"]), ["EXEC"]).length,
    5_002,
  );
});
