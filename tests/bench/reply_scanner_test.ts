import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { ReplyKind, ReplyScanner } from "../../bench/reply_scanner.ts";

/** What a scanner hears of `text`, cut into chunks at `cuts`. */
function scanned(text: string, cuts: readonly number[]): [ReplyKind, string][] {
  const heard: [ReplyKind, string][] = [];
  const scanner = new ReplyScanner((kind, line) => heard.push([kind, line]));
  const bytes = new TextEncoder().encode(text);
  const ends = [...cuts.filter((cut) => cut <= bytes.length), bytes.length].sort((a, b) => a - b);
  let start = 0;
  for (const end of ends) {
    const chunk = bytes.slice(start, end);
    scanner.scan(chunk, chunk.length);
    // The buffer is the caller's own and used again.
    chunk.fill(0x58);
    start = end;
  }
  assert(scanner.isBetweenReplies);
  return heard;
}

const REPLIES: readonly (readonly [string, ReplyKind, string])[] = [
  ["OK 1\r\n", ReplyKind.done, ""],
  ["OK 9007199254740991\r\n", ReplyKind.done, ""],
  ["DELETED\r\n", ReplyKind.done, ""],
  ["VALUE 0\r\n\r\n", ReplyKind.value, ""],
  ["VALUE 5\r\nhello\r\n", ReplyKind.value, ""],
  ["VALUE 12\r\nOK 1\r\nERR_X\n\r\n", ReplyKind.value, ""],
  ["VALUE 3 60 10\r\n0123456789\r\n", ReplyKind.value, ""],
  ["ERR_NOT_FOUND\r\n", ReplyKind.notFound, ""],
  ["ERR_NO_LEADER\r\n", ReplyKind.error, "ERR_NO_LEADER"],
  ["ERR_REDIRECT 127.0.0.1 9002\r\n", ReplyKind.error, "ERR_REDIRECT 127.0.0.1 9002"],
];
const STREAM = REPLIES.map(([text]) => text).join("");
const HEARD = REPLIES.map(([, kind, line]): [ReplyKind, string] => [kind, line]);

Deno.test("replies in one chunk are counted in order", () => {
  assertEquals(scanned(STREAM, []), HEARD);
});

Deno.test("replies that arrive byte by byte are the same", () => {
  assertEquals(scanned(STREAM, Array.from({ length: STREAM.length }, (_, i) => i)), HEARD);
});

Deno.test("replies cut at any one place are the same", () => {
  for (let cut = 0; cut <= STREAM.length; cut++) assertEquals(scanned(STREAM, [cut]), HEARD);
});

Deno.test("any replies, cut anywhere, are the same", () => {
  const replies = fc.array(fc.constantFrom(...REPLIES), { maxLength: 20 });
  const cuts = fc.array(fc.nat(400), { maxLength: 20 });
  fc.assert(fc.property(replies, cuts, (list, at) => {
    const text = list.map(([reply]) => reply).join("");
    assertEquals(scanned(text, at), list.map(([, kind, line]) => [kind, line]));
  }));
});

Deno.test("a line too long to be a reply is cut, and the next reply is found", () => {
  const heard = scanned("E".repeat(5_000) + "\r\nOK 1\r\n", [17]);
  assertEquals(heard.map(([kind]) => kind), [ReplyKind.error, ReplyKind.done]);
  assertEquals(heard[0]![1], "E".repeat(320));
});
