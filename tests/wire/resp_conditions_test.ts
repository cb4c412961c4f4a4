/**
 * SET with IFEQ, IFNE, IFDEQ and IFDNE, DELEX, DIGEST and MSETEX: replies and errors as Redis 8.4 has them
 * (src/t_string.c, src/db.c and tests/unit/type/string.tcl there), and IFEQ as Valkey 8.1 has it.
 */
import { assertEquals } from "@std/assert";
import type { Reply } from "../process/redis_socket.ts";
import { OneClient, OneServer } from "./resp_driver.ts";

const HELLO_DIGEST = "9555e8555c62dcfd";
const OTHER_DIGEST = "0000000000000000";

/** The replies to commands, one after the other on a store of their own; errors by their text. */
function answers(...commands: string[]): (Reply | string)[] {
  const client = new OneClient(new OneServer());
  return client.ask(
    ...commands.map((one) => one.split(" ").map((word) => word === '""' ? "" : word)),
  )
    .map((reply) => reply instanceof Error ? `-${reply.message}` : reply);
}

const SYNTAX = "-ERR syntax error";

Deno.test("resp: SET with a comparison answers OK or nil, and the old value with GET", () => {
  const cases: [string, Reply, Reply][] = [
    ["SET k new IFEQ hello", "OK", "new"],
    ["SET k new ifeq hell", null, "hello"],
    ["SET k new IFEQ HELLO", null, "hello"],
    ["SET k new IFNE hello", null, "hello"],
    ["SET k new IFNE other", "OK", "new"],
    [`SET k new IFDEQ ${HELLO_DIGEST}`, "OK", "new"],
    [`SET k new IFDEQ ${HELLO_DIGEST.toUpperCase()}`, "OK", "new"],
    [`SET k new IFDEQ ${OTHER_DIGEST}`, null, "hello"],
    [`SET k new IFDNE ${HELLO_DIGEST}`, null, "hello"],
    [`SET k new IFDNE ${OTHER_DIGEST}`, "OK", "new"],
    // Redis looks at the length of a digest alone.
    ["SET k new IFDEQ xyzxyzxyzxyzxyzx", null, "hello"],
    ["SET k new IFDNE xyzxyzxyzxyzxyzx", "OK", "new"],
    ["SET k new IFEQ hello GET", "hello", "new"],
    ["SET k new GET IFEQ other", "hello", "hello"],
    ["SET k new IFNE hello GET EX 10", "hello", "hello"],
    ["SET k new IFEQ other IFEQ hello", "OK", "new"],
  ];
  for (const [command, said, value] of cases) {
    assertEquals(answers("SET k hello", command, "GET k"), ["OK", said, value], command);
  }
  const absent: [string, Reply, Reply][] = [
    ["SET k new IFEQ hello", null, null],
    ['SET k new IFEQ ""', null, null],
    ["SET k new IFNE hello", "OK", "new"],
    [`SET k new IFDEQ ${HELLO_DIGEST}`, null, null],
    [`SET k new IFDNE ${HELLO_DIGEST}`, "OK", "new"],
    ["SET k new IFEQ hello GET", null, null],
    ["SET k new IFNE hello GET", null, "new"],
  ];
  for (const [command, said, value] of absent) {
    assertEquals(answers(command, "GET k"), [said, value], command);
  }
});

Deno.test("resp: a comparison goes together with an expiry, and leaves it alone where it does not hold", () => {
  assertEquals(answers("SET k a PX 100000", "SET k b IFEQ a", "TTL k"), ["OK", "OK", -1]);
  assertEquals(answers("SET k a EX 100", "SET k b IFEQ a KEEPTTL", "TTL k"), ["OK", "OK", 100]);
  assertEquals(answers("SET k a", "SET k b EX 50 IFEQ a", "TTL k"), ["OK", "OK", 50]);
  assertEquals(answers("SET k a EX 100", "SET k b IFEQ x EX 50", "TTL k"), ["OK", null, 100]);
});

Deno.test("resp: what is wrong with a comparison is said, and nothing is done", () => {
  const digest = "-ERR must be exactly 16 hexadecimal characters";
  const cases: [string, string][] = [
    ["SET k new IFEQ", SYNTAX],
    ["SET k new IFDNE", SYNTAX],
    ["SET k new NX IFEQ hello", SYNTAX],
    ["SET k new IFEQ hello NX", SYNTAX],
    ["SET k new XX IFNE hello", SYNTAX],
    ["SET k new IFNE hello XX", SYNTAX],
    ["SET k new IFEQ hello IFNE hello", SYNTAX],
    ["SET k new IFEQ hello KEEPTTL EX 5", SYNTAX],
    ["SET k new IFDEQ abc", digest],
    ["SET k new IFDNE 00000000000000000", digest],
    ["SET k new IFEQ hello EX 0", "-ERR invalid expire time in 'set' command"],
    ["GETEX k IFEQ hello", SYNTAX],
    ["DELEX k IFEQ", "-ERR wrong number of arguments for 'delex' command"],
    ["DELEX k IFEQ hello more", "-ERR wrong number of arguments for 'delex' command"],
    ["DELEX k INVALID hello", "-ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE"],
    ["DELEX k IFDEQ abc", digest],
    ["DELEX", "-ERR wrong number of arguments for 'delex' command"],
    ["DIGEST", "-ERR wrong number of arguments for 'digest' command"],
    ["DIGEST k k", "-ERR wrong number of arguments for 'digest' command"],
  ];
  for (const [command, said] of cases) {
    assertEquals(answers("SET k hello", command, "GET k"), ["OK", said, "hello"], command);
  }
});

Deno.test("resp: DELEX deletes where its condition holds, or without one", () => {
  const cases: [string, number][] = [
    ["DELEX k", 1],
    ["DELEX k IFEQ hello", 1],
    ["DELEX k ifeq hell", 0],
    ["DELEX k IFNE hello", 0],
    ["DELEX k IFNE other", 1],
    [`DELEX k IFDEQ ${HELLO_DIGEST}`, 1],
    [`DELEX k IFDEQ ${OTHER_DIGEST}`, 0],
    [`DELEX k IFDNE ${HELLO_DIGEST}`, 0],
    [`DELEX k IFDNE ${OTHER_DIGEST}`, 1],
    ["DELEX k IFDEQ xyzxyzxyzxyzxyzx", 0],
    ["DELEX k IFDNE xyzxyzxyzxyzxyzx", 1],
  ];
  for (const [command, said] of cases) {
    assertEquals(answers("SET k hello", command, "EXISTS k"), ["OK", said, 1 - said], command);
    assertEquals(answers(command), [0], `${command}, of a key that is not there`);
  }
});

Deno.test("resp: DIGEST is XXH3 in 16 hexadecimal digits, nil where there is no key", () => {
  assertEquals(answers("DIGEST k", "SET k hello", "DIGEST k"), [null, "OK", HELLO_DIGEST]);
  assertEquals(answers('SET k ""', "DIGEST k"), ["OK", "2d06800538d394c2"]);
  assertEquals(answers("SET k 1", "INCR k", "DIGEST k", "SET j 2", "DIGEST j").slice(2), [
    answers("SET k 2", "DIGEST k")[1]!,
    "OK",
    answers("SET k 2", "DIGEST k")[1]!,
  ]);
});

Deno.test("resp: MSETEX stores all or nothing, with one expiry for all", () => {
  assertEquals(answers("MSETEX 2 a 1 b 2", "MGET a b", "TTL a"), [1, ["1", "2"], -1]);
  assertEquals(answers("MSETEX 2 a 1 b 2 EX 50", "TTL a", "TTL b"), [1, 50, 50]);
  assertEquals(answers("MSETEX 1 a 1 px 50000 nx", "TTL a"), [1, 50]);
  assertEquals(answers("MSETEX 1 a 1 EXAT 4102444800", "EXPIRETIME a"), [1, 4_102_444_800]);
  assertEquals(answers("MSETEX 1 a 1 PXAT 4102444800123", "PEXPIRETIME a"), [1, 4_102_444_800_123]);
  assertEquals(answers("SET a 0 EX 50", "MSETEX 2 a 1 b 2 KEEPTTL", "TTL a", "TTL b"), [
    "OK",
    1,
    50,
    -1,
  ]);
  assertEquals(answers("SET a 0 EX 50", "MSETEX 1 a 1", "TTL a"), ["OK", 1, -1]);
  assertEquals(answers("SET a 0", "MSETEX 2 b 2 a 1 NX", "MGET a b"), ["OK", 0, ["0", null]]);
  assertEquals(answers("SET a 0", "MSETEX 2 a 1 b 2 XX", "MGET a b"), ["OK", 0, ["0", null]]);
  assertEquals(answers("SET a 0", "MSETEX 1 a 1 XX EX 9", "GET a"), ["OK", 1, "1"]);
  assertEquals(answers("MSETEX 2 a 1 a 2 NX", "GET a"), [1, "2"]);
  // A key that is named as an option is.
  assertEquals(answers("MSETEX 1 NX XX", "GET NX"), [1, "XX"]);
});

Deno.test("resp: what is wrong with an MSETEX is said, and nothing is done", () => {
  const numkeys = "-ERR invalid numkeys value";
  const pairs = "-ERR wrong number of key-value pairs";
  const cases: [string, string][] = [
    ["MSETEX", "-ERR wrong number of arguments for 'msetex' command"],
    ["MSETEX 1 a", "-ERR wrong number of arguments for 'msetex' command"],
    ["MSETEX a 1 ex 10", numkeys],
    ["MSETEX 0 a 1", numkeys],
    ["MSETEX -1 a 1", numkeys],
    ["MSETEX 2147483648 a 1", numkeys],
    ["MSETEX 9223372036854775808 a 1", numkeys],
    ["MSETEX 2147483647 a 1", pairs],
    ["MSETEX 2 a 1 b", pairs],
    ["MSETEX 1 a 1 b", SYNTAX],
    ["MSETEX 1 a 1 NX XX", SYNTAX],
    ["MSETEX 1 a 1 EX 10 PX 10", SYNTAX],
    ["MSETEX 1 a 1 KEEPTTL EX 10", SYNTAX],
    ["MSETEX 1 a 1 EX 10 KEEPTTL", SYNTAX],
    ["MSETEX 1 a 1 EX", SYNTAX],
    ["MSETEX 1 a 1 GET", SYNTAX],
    ["MSETEX 1 a 1 PERSIST", SYNTAX],
    ["MSETEX 1 a 1 IFEQ x", SYNTAX],
    ["MSETEX 1 a 1 EX 0", "-ERR invalid expire time in 'msetex' command"],
    ["MSETEX 1 a 1 EX abc", "-ERR value is not an integer or out of range"],
  ];
  for (const [command, said] of cases) {
    assertEquals(answers(command, "DBSIZE"), [said, 0], command);
  }
});

Deno.test("resp: conditions and digests within a transaction see what came before them in it", () => {
  const said = answers(
    "MULTI",
    "SET k hello",
    "DIGEST k",
    "SET k new IFEQ hello GET",
    "SET k x IFEQ hello",
    `DELEX k IFDEQ ${HELLO_DIGEST}`,
    "DELEX k IFEQ new",
    "MSETEX 2 k 1 j 2 NX",
    "DIGEST none",
    "EXEC",
  );
  assertEquals(said.at(-1), ["OK", HELLO_DIGEST, "hello", null, 0, 1, 1, null]);
});
