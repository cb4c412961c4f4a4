import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { ProtocolProblem } from "../../client/errors.ts";
import { type Reply, ReplyError, ReplyParser } from "../../client/reply_parser.ts";
import { random, test } from "./runtime.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const LIMITS = { replyBytesMax: 1_000_000 };

/** All replies of `bytes`, given in pieces that end where `cuts` say. */
function parsed(bytes: Uint8Array, cuts: readonly number[], limits = LIMITS): unknown[] {
  const parser = new ReplyParser(limits);
  const found: unknown[] = [];
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    // Each piece in memory of its own, as sockets give them.
    parser.push(bytes.slice(from, cut), (reply) => found.push(plain(reply)));
    from = cut;
  }
  strictEqual(parser.isInside, false);
  return found;
}

/** Bytes as text, which is easier to compare and to read. */
function plain(reply: Reply): unknown {
  if (reply instanceof Uint8Array) return `$${decoder.decode(reply)}`;
  if (reply instanceof ReplyError) return { error: reply.text };
  if (Array.isArray(reply)) return reply.map(plain);
  if (reply instanceof Map) return { map: [...reply].map(([key, value]) => [key, plain(value)]) };
  return reply;
}

interface Sample {
  readonly text: string;
  readonly value: unknown;
}

/** A random reply, and what it says. */
function sample(draw: () => number, depth = 0): Sample {
  const pick = Math.floor(draw() * (depth < 3 ? 11 : 9));
  const number = Math.floor(draw() * 2 ** Math.floor(draw() * 53)) * (draw() < 0.3 ? -1 : 1);
  const word = "x\r\n$5:*".slice(0, Math.floor(draw() * 8)).repeat(Math.floor(draw() * 40));
  switch (pick) {
    case 0:
      return { text: `:${number}\r\n`, value: number === 0 && `${number}` === "0" ? 0 : number };
    case 1:
      return { text: "_\r\n", value: null };
    case 2:
      return { text: "$-1\r\n", value: null };
    case 3:
      return { text: "+a text\r\n", value: "a text" };
    case 4:
      return { text: "-ERR some problem\r\n", value: { error: "ERR some problem" } };
    case 5:
      return { text: "#t\r\n", value: true };
    case 6:
      return { text: ",1.5\r\n", value: 1.5 };
    case 7:
      return { text: `=${word.length + 4}\r\ntxt:${word}\r\n`, value: `$${word}` };
    case 8:
      return { text: `$${word.length}\r\n${word}\r\n`, value: `$${word}` };
    case 9: {
      const items = Array.from({ length: Math.floor(draw() * 5) }, () => sample(draw, depth + 1));
      const text = `*${items.length}\r\n${items.map((item) => item.text).join("")}`;
      return { text, value: items.map((item) => item.value) };
    }
    default: {
      const pairs = Array.from({ length: Math.floor(draw() * 3) }, (_, i) => {
        return { key: `k${i}`, item: sample(draw, depth + 1) };
      });
      const texts = pairs.map(({ key, item }) => `+${key}\r\n${item.text}`);
      const value = { map: pairs.map(({ key, item }) => [key, item.value]) };
      return { text: `%${pairs.length}\r\n${texts.join("")}`, value };
    }
  }
}

test("client parser: replies in any pieces come to the same", () => {
  const draw = random(18);
  for (let round = 0; round < 400; round++) {
    const samples = Array.from({ length: 1 + Math.floor(draw() * 6) }, () => sample(draw));
    const bytes = encoder.encode(samples.map((one) => one.text).join(""));
    const wanted = samples.map((one) => one.value);
    const cuts = Array.from({ length: Math.floor(draw() * 10) }, () => {
      return Math.floor(draw() * bytes.length);
    }).sort((a, b) => a - b);
    deepStrictEqual(parsed(bytes, cuts), wanted, `round ${round}`);
    if (round >= 40) continue;
    deepStrictEqual(parsed(bytes, [...bytes.keys()]), wanted, `round ${round}, byte by byte`);
  }
});

test("client parser: a value of many pieces is read once, not from its beginning each time", () => {
  const length = 8 * 1_048_576;
  const piece = new Uint8Array(4_096).fill(0x61);
  const parser = new ReplyParser({ replyBytesMax: 2 * length });
  const found: Reply[] = [];
  const startMs = performance.now();
  parser.push(encoder.encode(`*2\r\n:1\r\n$${length}\r\n`), (reply) => found.push(reply));
  for (let at = 0; at < length; at += piece.length) {
    parser.push(piece.slice(), (reply) => found.push(reply));
  }
  parser.push(encoder.encode("\r\n"), (reply) => found.push(reply));
  const [first] = found;
  strictEqual(Array.isArray(first) && (first[1] as Uint8Array).length, length);
  // Copying all of it for each of the 2,048 pieces would be 8 GiB: many seconds.
  strictEqual(performance.now() - startMs < 3_000, true);
});

test("client parser: numbers keep their 64 bits", () => {
  const bytes = encoder.encode(
    ":9007199254740991\r\n:9007199254740992\r\n:-9223372036854775808\r\n",
  );
  deepStrictEqual(parsed(bytes, []), [9007199254740991, 9007199254740992n, -9223372036854775808n]);
});

test("client parser: what is no reply is a problem, however it is cut", () => {
  const wrong = [
    "GET / HTTP/1.1\r\n",
    "\0",
    ":\r\n",
    ":1x\r\n",
    ":123456789012345678901\r\n",
    ":1\n",
    "$5\r\nabcdefg",
    "$x\r\n",
    "$-2\r\n",
    "$99999999999\r\n",
    "$1000001\r\n",
    "*99999999999\r\n",
    "*2000001\r\n",
    "%1000001\r\n",
    "%1\r\n:1\r\n:1\r\n",
    "=2\r\nab\r\n",
    ">2\r\n+a\r\n+b\r\n",
    "*1\r\n".repeat(9),
    "+" + "x".repeat(70_000),
    "+" + "x".repeat(70_000) + "\r\n",
  ];
  for (const text of wrong) {
    const bytes = encoder.encode(text + (text.endsWith("\n") ? "" : "\r\n"));
    const shown = JSON.stringify(text.slice(0, 40));
    throws(() => parsed(bytes, []), ProtocolProblem, shown);
    throws(() => parsed(bytes, [...bytes.subarray(0, 100).keys()]), ProtocolProblem, shown);
  }
});

test("client parser: no more than a whole reply may have is taken, in many parts neither", () => {
  const limits = { replyBytesMax: 1_000 };
  const part = `$90\r\n${"x".repeat(90)}\r\n`;
  deepStrictEqual(
    (parsed(encoder.encode(`*9\r\n${part.repeat(9)}`), [], limits)[0] as []).length,
    9,
  );
  throws(() => parsed(encoder.encode(`*11\r\n${part.repeat(11)}`), [], limits), ProtocolProblem);
  // Many small ones after each other are no large one.
  strictEqual(parsed(encoder.encode(part.repeat(50)), [], limits).length, 50);
});

test("client parser: memory grows with what has come, not with what was announced", () => {
  const parser = new ReplyParser({ replyBytesMax: 1_000_000_000 });
  const before = rssBytes();
  for (let i = 0; i < 200; i++) {
    const one = new ReplyParser({ replyBytesMax: 1_000_000_000 });
    one.push(encoder.encode("$900000000\r\nabc"), () => {});
    one.push(encoder.encode("def"), () => {});
  }
  parser.push(encoder.encode("*1999999\r\n"), () => {});
  strictEqual(rssBytes() - before < 100_000_000, true);
});

function rssBytes(): number {
  const { process } = globalThis as unknown as { process: { memoryUsage(): { rss: number } } };
  return process.memoryUsage().rss;
}
