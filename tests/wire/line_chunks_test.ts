/** The line parser against chunking and against noise: how bytes arrive must not matter. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Random } from "../../lib/util/random.ts";
import { LINE_BYTES_MAX } from "../../lib/wire/line/line_parser.ts";
import { latin, LineDriver } from "./line_driver.ts";

/** One sample of each rule; those that end a connection come last in their stream. */
const GOING_ON = [
  "set k 0 3\r\nabc\r\n",
  "cas key 10 7 2 noreply\nxy\n",
  "get k\r\n",
  "getm k\n",
  "scan k 10\r\n",
  "scan * 10 k%20\n",
  "delete k\r\n",
  "\r\n",
  "GET k\r\n",
  "help\r\n",
  "set k 0 2\r\n\r\n\r\n",
  "set k x 6\r\nget a\n\r\n",
  "set k x 6 noreply\r\nget a\n\n",
  "set k 0 1\r\nxyz\r\n",
  "set k 0 1\r\nx\rget y\r\n",
  "get a b\r\n",
];
const ENDING = [
  "set k 0 x\r\nabc\r\n",
  "cas k 0 1 1001 noreply\r\n",
  "set  k 0 3\r\nabc\r\n",
];

function whole(bytes: Uint8Array): string[] {
  return new LineDriver().push(bytes).events;
}

function splitAt(bytes: Uint8Array, cuts: readonly number[]): string[] {
  const driver = new LineDriver();
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    driver.push(bytes.subarray(from, cut));
    from = cut;
  }
  return driver.events;
}

Deno.test("line chunks: every sample alone, whole, byte by byte, and cut at every pair of places", () => {
  for (
    const sample of [...GOING_ON, ...ENDING, "GET / HTTP/1.1\r\nget k\r\n", "\x16\x03\nget k\r\n"]
  ) {
    const bytes = latin(sample + "get z\r\n");
    const expected = whole(bytes);
    assertEquals(splitAt(bytes, Array.from(bytes.keys())), expected, sample);
    for (let first = 0; first <= bytes.length; first++) {
      for (let second = first; second <= bytes.length; second++) {
        assertEquals(splitAt(bytes, [first, second]), expected, `${sample} ${first} ${second}`);
      }
    }
  }
});

Deno.test("line chunks: all samples in one stream, byte by byte", () => {
  for (const last of ENDING) {
    const bytes = latin(GOING_ON.join("") + last + "get z\r\n");
    const expected = whole(bytes);
    // One sample reads "xyz" away; the last one ends it all.
    assertEquals(expected.length, GOING_ON.length + 1);
    assertEquals(splitAt(bytes, Array.from(bytes.keys())), expected);
  }
});

Deno.test("line chunks: a stream cut short gives a prefix of the events, and says what it waits for", () => {
  const bytes = latin(GOING_ON.join(""));
  const expected = whole(bytes);
  for (let length = 0; length <= bytes.length; length++) {
    const driver = new LineDriver().push(bytes.subarray(0, length));
    assertEquals(driver.events, expected.slice(0, driver.events.length));
    const { codec, left } = driver;
    assertEquals(codec.isMidCommand(), codec.bytesNeeded() > 0);
    if (left === 0) continue;
    const needed = codec.bytesNeeded();
    assert(needed > left, `${needed} bytes are needed, ${left} are there`);
    // So many are needed at the least: one fewer is not enough, whatever they are.
    const rest = bytes.subarray(length, length + needed - left - 1);
    const before = driver.events.length;
    assertEquals(driver.push(rest).events.length, before, `${rest.length} more behind ${length}`);
  }
});

Deno.test("line chunks: over-long lines are the same however they come", () => {
  const tail = "\r\nget z\r\n";
  for (const head of ["x", "get ", "set ", "cas ", "GET /", "settle "]) {
    for (const length of [LINE_BYTES_MAX - 2, LINE_BYTES_MAX - 1, LINE_BYTES_MAX, 9000]) {
      const bytes = latin(head + "y".repeat(length - head.length) + tail);
      const expected = whole(bytes);
      for (const size of [1, 7, 1000, LINE_BYTES_MAX - 1, LINE_BYTES_MAX, LINE_BYTES_MAX + 1]) {
        const cuts = [];
        for (let at = size; at < bytes.length; at += size) cuts.push(at);
        assertEquals(splitAt(bytes, cuts), expected, `${head} ${length} by ${size}`);
      }
    }
  }
});

const WORDS = [
  "set",
  "cas",
  "get",
  "getm",
  "delete",
  "scan",
  "*",
  "noreply",
  "k",
  "key2",
  "0",
  "1",
  "5",
  "12",
];
const GLUE = [" ", " ", " ", " ", "\r\n", "\r\n", "\n", "  ", "\r", "abc", "\0", "1001", "x", "-1"];

/** A stream of words, whole commands and noise, likely enough to reach every state. */
function randomStream(random: Random): string {
  let text = "";
  for (let i = random.between(1, 30); i > 0; i--) {
    if (random.chance(0.5)) text += random.pick(GOING_ON);
    else if (random.chance(0.03)) text += random.pick(ENDING);
    else text += random.pick(WORDS) + random.pick(GLUE);
  }
  return text;
}

Deno.test("line chunks: random streams parse the same in random chunks, with any room", () => {
  for (let seed = 1; seed <= 3000; seed++) {
    const random = new Random(seed);
    const bytes = latin(randomStream(random));
    const expected = whole(bytes);
    const driver = new LineDriver({ room: random.pick([1, 2, 1024]) });
    for (let at = 0; at < bytes.length;) {
      const size = random.pick([1, 2, 3, 10, 50]);
      driver.push(bytes.subarray(at, at + size));
      at += size;
    }
    assertEquals(driver.events, expected, `seed ${seed}`);
  }
});

Deno.test("line chunks: mutated samples never throw, and parse the same in chunks", () => {
  const base = latin(GOING_ON.join(""));
  for (let seed = 1; seed <= 2000; seed++) {
    const random = new Random(seed);
    const bytes = base.slice();
    for (let i = random.between(1, 6); i > 0; i--) {
      bytes[random.between(0, bytes.length - 1)] = random.pick([0, 9, 10, 13, 32, 48, 57, 255]);
    }
    const cut = random.between(0, bytes.length);
    assertEquals(splitAt(bytes, [cut]), whole(bytes), `seed ${seed}`);
  }
});

Deno.test("line chunks: any bytes at all never throw, and parse the same byte by byte", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      assertEquals(splitAt(bytes, Array.from(bytes.keys())), whole(bytes));
    }),
    { seed: 7, numRuns: 500 },
  );
});

Deno.test("line chunks: every well-formed command comes out as it went in", () => {
  const key = fc.uint8Array({ minLength: 1, maxLength: 250 }).map((bytes) =>
    Array.from(bytes, (byte) => String.fromCharCode(byte <= 0x20 || byte === 0x7f ? 0x6b : byte))
      .join("")
  );
  const value = fc.uint8Array({ maxLength: 1000 }).map((bytes) => String.fromCharCode(...bytes));
  const command = fc.record({
    key,
    value,
    exptime: fc.integer({ min: 0, max: 4_294_967_295 }),
    version: fc.maxSafeNat(),
    noreply: fc.boolean(),
    verb: fc.constantFrom("set", "cas", "get", "getm", "delete"),
    lineEnd: fc.constantFrom("\r\n", "\n"),
  });
  fc.assert(
    fc.property(fc.array(command, { maxLength: 5 }), fc.nat(), (commands, cut) => {
      let text = "";
      const expected = [];
      for (const { key, value, exptime, version, noreply, verb, lineEnd } of commands) {
        const silent = noreply ? " noreply" : "";
        const expiry = exptime === 0 ? "never:0" : `relative:${exptime * 1000}`;
        if (verb === "set" || verb === "cas") {
          const middle = verb === "cas" ? `${version} ` : "";
          const shown = verb === "cas" ? `v${version} ` : "";
          text += `${verb} ${key} ${exptime} ${middle}${value.length}${silent}${lineEnd}`;
          text += value + lineEnd;
          expected.push(`write ${verb} ${key} ${expiry} ${shown}${JSON.stringify(value)}${silent}`);
        } else {
          text += `${verb} ${key}${lineEnd}`;
          const action = verb === "delete" ? "write" : "read";
          expected.push(`${action} ${verb} ${key}${verb === "getm" ? " withMeta" : ""}`);
        }
      }
      const bytes = latin(text);
      assertEquals(splitAt(bytes, [cut % (bytes.length + 1)]), expected);
    }),
    { seed: 11, numRuns: 200 },
  );
});
