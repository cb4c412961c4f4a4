/** Ranges over both protocols: what a client sees of them. */
import { assert, assertEquals } from "@std/assert";
import { toBytes } from "../process/socket.ts";
import { bothProtocols as both, OneClient, OneServer, words } from "./resp_driver.ts";

Deno.test("RAFTKV.RANGE: keys in the order of their bytes, with version, time to live and value", () => {
  const { resp } = both();
  resp.ask(["MSET", "b", "2", "a", "1", "c", "3", "B", "0"], [
    "RAFTKV.SET",
    "b",
    "22",
    "PX",
    "500",
  ]);
  assertEquals(resp.ask(["RAFTKV.RANGE", "", ""]), [[null, [
    ["B", 1, -1, "0"],
    ["a", 1, -1, "1"],
    ["b", 2, 500, "22"],
    ["c", 1, -1, "3"],
  ]]]);
  assertEquals(resp.ask(["raftkv.range", "a", "c", "keys"]), [[null, ["a", "b"]]]);
  assertEquals(resp.ask(["RAFTKV.RANGE", "x", ""], ["RAFTKV.RANGE", "c", "a"]), [
    [null, []],
    [null, []],
  ]);
});

Deno.test("RAFTKV.RANGE: a page says where the next one begins", () => {
  const { resp } = both();
  for (let n = 0; n < 5; n++) resp.ask(["SET", `k${n}`, `${n}`]);
  const found: unknown[] = [];
  let pages = 0;
  for (let start: unknown = "k"; start !== null; pages++) {
    const [page] = resp.ask(["RAFTKV.RANGE", start as string, "l", "LIMIT", "2", "KEYS"]);
    const [next, keys] = page as [unknown, unknown[]];
    found.push(...keys);
    if (next !== null) assertEquals(next, `${keys.at(-1)}\0`);
    start = next;
  }
  assertEquals([found, pages], [["k0", "k1", "k2", "k3", "k4"], 3]);
});

Deno.test("RAFTKV.RANGE: version 3 of the protocol shows the same, its null at the end", () => {
  const { resp } = both();
  resp.ask(["HELLO", "3"], ["SET", "a", "1"]);
  resp.output = "";
  resp.ask(["RAFTKV.RANGE", "", "", "KEYS"]);
  assertEquals(resp.output, "*2\r\n_\r\n*1\r\n$1\r\na\r\n");
});

Deno.test("RAFTKV.RANGE: what is wrong is answered in words", () => {
  const { resp } = both();
  const long = "k".repeat(102);
  assertEquals(
    words(resp.ask(
      ["RAFTKV.RANGE", "a"],
      ["RAFTKV.RANGE", "a", "b", "LIMIT"],
      ["RAFTKV.RANGE", "a", "b", "LIMIT", "0"],
      ["RAFTKV.RANGE", "a", "b", "LIMIT", "x"],
      ["RAFTKV.RANGE", "a", "b", "VALUES"],
      ["RAFTKV.RANGE", long, ""],
    )),
    [
      "ERR wrong number of arguments for 'raftkv.range' command",
      "ERR syntax error",
      "ERR LIMIT has to be at least 1",
      "ERR value is not an integer or out of range",
      "ERR syntax error",
      "ERR a range's key has more than 101 bytes (limits.redisKeyBytesMax)",
    ],
  );
});

Deno.test("RAFTKV.RANGE: in a transaction it shows what was so when its turn came", () => {
  const { resp } = both();
  resp.ask(["SET", "a", "old"]);
  const replies = resp.ask(
    ["MULTI"],
    ["RAFTKV.RANGE", "", ""],
    ["SET", "a", "new"],
    ["SET", "b", "x"],
    ["RAFTKV.RANGE", "", "", "KEYS"],
    ["EXEC"],
  );
  assertEquals(replies.at(-1), [[null, [["a", 1, -1, "old"]]], "OK", "OK", [null, ["a", "b"]]]);
});

Deno.test("RAFTKV.RANGE and scan show what the user may read, and name nothing else", () => {
  const server = new OneServer();
  const admin = new OneClient(server, 1);
  for (const n of [1, 2, 3]) admin.ask(["SET", `app:${n}`, "x"], ["SET", `b:${n}`, "y"]);
  admin.ask(
    ["ACL", "SETUSER", "root", "on", ">secret", "+@all", "allkeys"],
    ["AUTH", "root", "secret"],
    ["ACL", "SETUSER", "bob", "on", ">secret", "+raftkv.range", "%R~app:*", "%W~b:*"],
    ["ACL", "SETUSER", "eve", "on", ">secret", "+get", "allkeys"],
  );
  const bob = new OneClient(server, 2);
  bob.ask(["AUTH", "bob", "secret"]);
  assertEquals(bob.ask(["RAFTKV.RANGE", "", "", "KEYS"]), [[null, ["app:1", "app:2", "app:3"]]]);
  assertEquals(bob.ask(["RAFTKV.RANGE", "", "", "LIMIT", "2", "KEYS"]), [
    ["app:2\0", ["app:1", "app:2"]],
  ]);
  assertEquals(bob.ask(["RAFTKV.RANGE", "b:", "", "KEYS"]), [[null, []]]);
  const eve = new OneClient(server, 3);
  eve.ask(["AUTH", "eve", "secret"]);
  assert(String(words(eve.ask(["RAFTKV.RANGE", "", ""]))[0]).startsWith("NOPERM"));
  const line = new OneClient(server, 4);
  line.send(toBytes("auth bob 6\r\nsecret\r\nscan * 10\r\n"));
  assertEquals(line.output.split("\r\n").filter((text) => text.startsWith("KEY")).length, 3);
});

Deno.test("RAFTKV.RANGE: where a user may read nothing of very much, no key is named", () => {
  const server = new OneServer();
  const admin = new OneClient(server, 1);
  for (let n = 0; n < 12_000; n += 20) {
    const pairs = Array.from({ length: 20 }, (_, i) => [`k${n + i}`, ""]).flat();
    assertEquals(admin.ask(["MSET", ...pairs]), ["OK"]);
  }
  admin.ask(
    ["SET", "zz", "mine"],
    ["ACL", "SETUSER", "root", "on", ">secret", "+@all", "allkeys"],
    ["AUTH", "root", "secret"],
    ["ACL", "SETUSER", "bob", "on", ">secret", "+raftkv.range", "~z*"],
  );
  const bob = new OneClient(server, 2);
  bob.ask(["AUTH", "bob", "secret"]);
  const [all, own] = words(bob.ask(["RAFTKV.RANGE", "", ""], ["RAFTKV.RANGE", "z", "", "KEYS"]));
  assert(String(all).startsWith("ERR there is more"), String(all));
  assertEquals(own, [null, ["zz"]]);
  const line = new OneClient(server, 3);
  line.send(toBytes("auth bob 6\r\nsecret\r\nscan * 10\r\n"));
  assert(line.output.includes("ERR_CMD_ERR too many keys"), line.output);
});

Deno.test("scan: keys and values by lines, page after page", () => {
  const { resp, lines } = both();
  resp.ask(["SET", "u:1", "a\r\nb"], ["RAFTKV.SET", "u:2", "", "PX", "1500"], [
    "SET",
    "u:3 %",
    "x",
  ]);
  assertEquals(
    lines("scan u: 2\r\n"),
    "KEY u:1 1 0 4\r\na\r\nb\r\nKEY u:2 1 2 0\r\n\r\nMORE u:2\r\n",
  );
  assertEquals(lines("scan u: 2 u:2\r\n"), "KEY u:3%20%25 1 0 1\r\nx\r\nEND\r\n");
  assertEquals(lines("scan u:3%20 2\r\n"), "KEY u:3%20%25 1 0 1\r\nx\r\nEND\r\n");
  assertEquals(lines("scan * 1 u:3%20%25\r\n"), "END\r\n");
  assertEquals(lines("scan v 1\r\n"), "END\r\n");
});
