/** Bounds of times and cursors in the Redis protocol, beside what redis_cases.ts compares. */
import { assertEquals, assertMatch } from "@std/assert";
import { scanCursor } from "../../lib/wire/resp/resp_scan_cursor.ts";
import { toBytes } from "../process/socket.ts";
import { OneClient, OneServer } from "./resp_driver.ts";

/** 2^53 - 1 - 2^43: a time to live ends by 2^53 - 1 until the year 2248. */
const TIME_TO_LIVE_MS_MAX = 8_998_403_161_718_783;

function refusal(...request: string[]): string {
  const client = new OneClient(new OneServer());
  const [, reply, value] = client.ask(["SET", "k", "v"], request, ["GET", "k"]);
  assertEquals(value, "v", `${request.join(" ")} changed the key`);
  return reply instanceof Error ? reply.message : `answered ${reply}`;
}

Deno.test("resp: a time that does not fit is refused, and the key stays as it is", () => {
  const over = `${TIME_TO_LIVE_MS_MAX + 1}`;
  const cases: [string, string[]][] = [
    ["expire", ["EXPIRE", "k", "-9223372036854776"]],
    ["expire", ["EXPIRE", "k", "-9223372036854775808"]],
    ["expire", ["EXPIRE", "k", "9007199254740"]],
    ["expireat", ["EXPIREAT", "k", "-9223372036854776"]],
    ["expireat", ["EXPIREAT", "k", "9007199254741"]],
    ["pexpire", ["PEXPIRE", "k", over]],
    ["pexpireat", ["PEXPIREAT", "k", "9007199254740992"]],
    ["set", ["SET", "k", "w", "PX", over]],
    ["set", ["SET", "k", "w", "EX", "9007199254740"]],
    ["set", ["SET", "k", "w", "PXAT", "9007199254740992"]],
    ["set", ["SET", "k", "w", "EXAT", "-1"]],
    ["setex", ["SETEX", "k", "9007199254740", "w"]],
    ["psetex", ["PSETEX", "k", over, "w"]],
    ["getex", ["GETEX", "k", "PX", over]],
    ["getex", ["GETEX", "k", "EXAT", "9007199254741"]],
  ];
  for (const [name, request] of cases) {
    assertMatch(refusal(...request), new RegExp(`^ERR invalid expire time in '${name}' command$`));
  }
});

Deno.test("resp: the longest time to live is kept to the millisecond", () => {
  const server = new OneServer();
  server.nowMs = 2 ** 43;
  const client = new OneClient(server);
  const ms = `${TIME_TO_LIVE_MS_MAX}`;
  const replies = client.ask(["SET", "k", "v", "PX", ms], ["PTTL", "k"], ["PEXPIRETIME", "k"]);
  assertEquals(replies, ["OK", TIME_TO_LIVE_MS_MAX, Number.MAX_SAFE_INTEGER]);
});

Deno.test("resp: cursors are read as Redis reads them, up to 2^64 - 1 and with a sign", () => {
  const cursor = (text: string) => scanCursor(toBytes(`[${text}]`), 1, 1 + text.length);
  const MAX = Number.MAX_SAFE_INTEGER;
  const cases: [string, number][] = [
    ["", 0],
    ["0", 0],
    ["-0", 0],
    ["+17", 17],
    ["4294967295", 4_294_967_295],
    ["9007199254740990", MAX - 1],
    ["9007199254740993", MAX],
    ["18446744073709551615", MAX],
    ["18446744073709551616", -1],
    ["184467440737095516150", -1],
    ["-1", MAX],
    ["-18446744073709551615", 1],
    ["-18446744069414584320", 4_294_967_296],
    ["-18446744073709551616", -1],
    ["00000000000000000000000000000007", 7],
    ["7\0junk", 7],
    ["+", -1],
    ["+-1", -1],
    [" 1", -1],
    ["1 ", -1],
    ["1a", -1],
  ];
  for (const [text, value] of cases) assertEquals(cursor(text), value, JSON.stringify(text));
});
