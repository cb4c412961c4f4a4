import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { fromBytes, toBytes } from "../process/socket.ts";
import { LIMITS, OneClient, OneServer, requestBytes } from "./resp_driver.ts";

const RUNS = 400;

const words = fc.constantFrom(
  ..."get set del incr incrby append mset msetnx mget exists expire ttl persist getex getdel setnx"
    .split(" "),
  ..."multi exec discard watch unwatch ping echo hello reset client command config cluster info"
    .split(" "),
  ..."scan keys randomkey dbsize flushall setrange getrange incrbyfloat type wait time select"
    .split(" "),
  ..."delifeq delex digest msetex raftkv.range".split(" "),
);
const argument = fc.oneof(
  fc.constantFrom("k", "j", "1", "-1", "0", "10", "ex", "px", "nx", "xx", "get", "3", "2", "*"),
  fc.constantFrom("9223372036854775807", "count", "match", "setname", "keyslot", "", "abc", "1.5"),
  fc.constantFrom("limit", "keys", "ifeq", "ifne", "ifdeq", "ifdne", "keepttl", "2d06800538d394c2"),
  fc.string({ maxLength: 12 }).map((text) => fromBytes(new TextEncoder().encode(text))),
);
const request = fc.tuple(words, fc.array(argument, { maxLength: 5 }))
  .map(([name, args]) => [name, ...args]);
const requests = fc.array(request, { minLength: 1, maxLength: 12 });

/** The replies to these bytes, sent in pieces of so many. */
function outputOf(bytes: Uint8Array, pieceBytes: number): { output: string; closed: boolean } {
  const client = new OneClient(new OneServer());
  client.send(bytes, pieceBytes);
  return { output: client.output, closed: client.session.closing !== null };
}

Deno.test("resp: any requests get one reply each, in their order", () => {
  fc.assert(
    fc.property(requests, (some) => {
      const marked = some.filter(([name]) => name !== "quit")
        .flatMap((one, i) => [one, ["discard"], ["echo", `mark ${i}`]]);
      const client = new OneClient(new OneServer());
      const replies = client.ask(...marked);
      assertEquals(replies.length, marked.length);
      for (let i = 2; i < replies.length; i += 3) {
        assertEquals(replies[i], `mark ${(i - 2) / 3}`, JSON.stringify(marked[i - 2]));
      }
      assert(client.server.isSettled);
    }),
    { numRuns: RUNS },
  );
});

Deno.test("resp: what comes byte by byte is answered as what comes at once", () => {
  fc.assert(
    fc.property(requests, fc.integer({ min: 1, max: 40 }), (some, pieceBytes) => {
      const bytes = requestBytes(some);
      const whole = outputOf(bytes, bytes.length);
      assertEquals(outputOf(bytes, 1), whole);
      assertEquals(outputOf(bytes, pieceBytes), whole);
    }),
    { numRuns: RUNS },
  );
});

Deno.test("resp: a capture that is cut at any byte and goes on later is answered the same", () => {
  const capture = requestBytes([
    ["SET", "k", "v\r\n*1\r\n", "EX", "100"],
    ["WATCH", "k"],
    ["MULTI"],
    ["INCR", "n"],
    ["MGET", "k", "n"],
    ["EXEC"],
    ["SET", "big", "x".repeat(LIMITS.valueBytesMax + 1)],
    ["SET", "huge", "x".repeat(20_000)],
    ["GET", "k"],
  ]);
  const whole = outputOf(capture, capture.length).output;
  for (let cut = 1; cut < 300; cut++) {
    const client = new OneClient(new OneServer());
    client.send(capture.subarray(0, cut));
    client.send(capture.subarray(cut));
    assertEquals(client.output, whole, `cut at ${cut}`);
  }
});

Deno.test("resp: damaged captures never throw, and end in a reply or the end", () => {
  const damage = fc.array(
    fc.record({
      at: fc.nat(),
      kind: fc.constantFrom("flip", "drop", "insert", "double"),
      byte: fc.integer({ min: 0, max: 255 }),
    }),
    { minLength: 1, maxLength: 4 },
  );
  fc.assert(
    fc.property(requests, damage, fc.integer({ min: 1, max: 64 }), (some, changes, pieceBytes) => {
      let bytes = requestBytes(some);
      for (const { at, kind, byte } of changes) {
        bytes = damaged(bytes, at % bytes.length, kind, byte);
      }
      const client = new OneClient(new OneServer());
      client.send(bytes, pieceBytes);
      if (bytes[0] === 0x2a) client.replies();
      assert(client.server.isSettled);
    }),
    { numRuns: 2 * RUNS },
  );
});

Deno.test("resp: random bytes never throw", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (noise, isResp) => {
      const bytes = isResp ? toBytes("*" + fromBytes(noise)) : noise;
      const client = new OneClient(new OneServer());
      client.send(bytes, 7);
      if (isResp) client.replies();
    }),
    { numRuns: 2 * RUNS },
  );
});

Deno.test("resp: what announces more than it may holds no memory", () => {
  for (const head of ["*1048576\r\n$3\r\nGET\r\n", "*2\r\n$536870912\r\n", "*3\r\n$3\r\nSET\r\n"]) {
    const client = new OneClient(new OneServer());
    client.send(toBytes(head));
    for (let i = 0; i < 50; i++) client.send(new Uint8Array(10_000).fill(0x78));
    const space = client.session.closing === null ? client.session.inputSpace().buffer : null;
    assert(space === null || space.byteLength < 100_000, `${head} holds ${space?.byteLength}`);
  }
});

function damaged(bytes: Uint8Array, at: number, kind: string, byte: number): Uint8Array {
  const text = fromBytes(bytes);
  const one = String.fromCharCode(byte);
  switch (kind) {
    case "flip":
      return toBytes(text.slice(0, at) + one + text.slice(at + 1));
    case "drop":
      return toBytes(text.slice(0, at) + text.slice(at + 1 + byte % 8));
    case "insert":
      return toBytes(text.slice(0, at) + one + text.slice(at));
    default:
      return toBytes(text.slice(0, at) + text.slice(at, at + 20) + text.slice(at));
  }
}
