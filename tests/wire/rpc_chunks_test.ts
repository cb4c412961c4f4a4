/** The frame decoder against chunking and against noise. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Random } from "../../lib/util/random.ts";
import { writeU32 } from "../../lib/util/bytes.ts";
import { checksum } from "../../lib/util/checksum.ts";
import type { AppendRequest } from "../../lib/raft/types.ts";
import { encodeMessage, type Frame, FrameDecoder } from "../../lib/wire/rpc/rpc.ts";
import { decodeCut, problemOf, rawFrame, RpcDriver } from "./rpc_driver.ts";
import { commandsData, frameBytes, SAMPLES } from "./rpc_samples.ts";

function appendOf(frame: Frame | null | undefined): AppendRequest {
  if (frame?.type === "message" && frame.message.kind === "appendRequest") return frame.message;
  throw new Error(`Expected an append request, got ${frame?.type}`);
}

const APPEND = {
  kind: "appendRequest",
  from: 1,
  to: 2,
  term: 1,
  prevIndex: 0,
  prevTerm: 0,
  commitIndex: 0,
  readRound: 0,
} as const;
const STREAM = new Uint8Array(SAMPLES.flatMap(({ bytes }) => [...bytes]));
const FRAMES = SAMPLES.map(({ frame }) => frame);

Deno.test("rpc chunks: all frames in one stream, whole, byte by byte and in steps", () => {
  assertEquals(decodeCut(STREAM, []), FRAMES);
  for (const size of [1, 2, 3, 5, 64, 1000]) {
    const cuts = [];
    for (let at = size; at < STREAM.length; at += size) cuts.push(at);
    assertEquals(decodeCut(STREAM, cuts), FRAMES, `by ${size}`);
  }
});

Deno.test("rpc chunks: every frame, cut at every pair of places", () => {
  const next = SAMPLES[12]!;
  for (const { bytes, frame } of SAMPLES) {
    const both = new Uint8Array([...bytes, ...next.bytes]);
    const step = both.length > 200 ? 7 : 1;
    for (let first = 0; first <= both.length; first += 1) {
      for (let second = first; second <= both.length; second += step) {
        assertEquals(decodeCut(both, [first, second]).length, 2, `${first} ${second}`);
      }
      assertEquals(decodeCut(both, [first]), [frame, next.frame], `${frame.type} ${first}`);
    }
  }
});

Deno.test("rpc chunks: a frame cut short is no frame yet, at any length, and no error", () => {
  for (const { bytes } of SAMPLES) {
    for (let length = 0; length < bytes.length; length++) {
      assertEquals(new RpcDriver().push(bytes.subarray(0, length)).frames, []);
    }
  }
});

Deno.test("rpc chunks: a large frame in small chunks is right, and later frames leave it alone", () => {
  const entries = [1, 2, 3].map((i) => ({ index: i, term: 1, data: commandsData(300_000) }));
  const bytes = frameBytes((out) => encodeMessage(out, { ...APPEND, entries }));
  for (const size of [1000, 65_536, 1_000_000]) {
    const driver = new RpcDriver(1_000_000);
    for (let at = 0; at < bytes.length; at += size) driver.push(bytes.subarray(at, at + size));
    driver.push(STREAM);
    const received = appendOf(driver.frames[0]).entries;
    assertEquals(received.length, 3);
    // Compared as bytes: a deep comparison of a megabyte takes seconds.
    for (const [i, entry] of received.entries()) {
      assertEquals(entry.data.length, entries[i]!.data.length);
      assertEquals(checksum(entry.data), checksum(entries[i]!.data));
    }
    assertEquals(driver.frames.slice(1), FRAMES);
  }
});

Deno.test("rpc chunks: a frame that outgrows the buffer that it is gathered in is right", () => {
  // Above 1 MiB the buffer grows as bytes come; sizes around its doublings, and many of them.
  for (const payloadBytes of [1_048_000, 1_048_576, 1_600_000, 2_097_152, 5_000_000]) {
    const data = commandsData(payloadBytes);
    // All but the commands' heads.
    for (let i = 64; i < data.length - 64; i += 61) data[i] = i & 0xff;
    const message = { ...APPEND, entries: [{ index: 1, term: 1, data }] };
    const bytes = frameBytes((out) => encodeMessage(out, message));
    for (const size of [65_536, 700_001, 1_048_580, bytes.length - 1]) {
      const driver = new RpcDriver(6_000_000);
      for (let at = 0; at < bytes.length; at += size) driver.push(bytes.subarray(at, at + size));
      driver.push(STREAM);
      const [received] = appendOf(driver.frames[0]).entries;
      assertEquals(received!.data.length, data.length);
      assertEquals(checksum(received!.data), checksum(data), `${payloadBytes} by ${size}`);
      assertEquals(driver.frames.slice(1), FRAMES);
    }
  }
});

Deno.test("rpc chunks: the entries of one message share one buffer, which is not the chunk", () => {
  const append = SAMPLES.find(({ frame }) =>
    frame.type === "message" && frame.message.kind === "appendRequest" &&
    frame.message.entries.length > 1
  )!;
  for (const cut of [0, 30]) {
    const decoder = new FrameDecoder(1000);
    const chunks = [append.bytes.slice(0, cut), append.bytes.slice(cut)];
    decoder.push(chunks[0]!);
    assertEquals(decoder.next(), null);
    decoder.push(chunks[1]!);
    const { entries } = appendOf(decoder.next());
    const buffers = new Set(entries.map((entry) => entry.data.buffer));
    assertEquals(buffers.size, 1);
    assert(!buffers.has(chunks[0]!.buffer) && !buffers.has(chunks[1]!.buffer));
  }
});

Deno.test("rpc chunks: mutated streams never throw anything but ProtocolError", () => {
  let found = 0;
  for (let seed = 1; seed <= 1500; seed++) {
    const random = new Random(seed);
    const bytes = STREAM.slice();
    for (let i = random.between(1, 4); i > 0; i--) {
      bytes[random.between(0, bytes.length - 1)] = random.between(0, 255);
    }
    const cut = random.between(0, bytes.length);
    const problem = problemOf(bytes, [cut]);
    assertEquals(problemOf(bytes, []), problem, `seed ${seed}`);
    if (problem !== null) found++;
  }
  assert(found > 1000, `only ${found} mutations were found`);
});

Deno.test("rpc chunks: mutated bodies under a right checksum never throw anything else either", () => {
  for (let seed = 1; seed <= 6000; seed++) {
    const random = new Random(seed);
    const bytes = random.pick(SAMPLES).bytes.slice();
    const sumAt = bytes.length - 4;
    for (let i = random.between(1, 3); i > 0; i--) {
      bytes[random.between(4, sumAt - 1)] = random.pick([0, 1, 2, 12, 64, 127, 128, 255]);
    }
    writeU32(bytes, sumAt, checksum(bytes.subarray(4, sumAt)));
    assertEquals(problemOf(bytes, [random.between(0, bytes.length)]), problemOf(bytes));
  }
});

Deno.test("rpc chunks: any bytes as a stream, or as a body of any type, end in ProtocolError at worst", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.integer({ min: 0, max: 80 }),
      (bytes, type) => {
        problemOf(bytes, [bytes.length >> 1]);
        problemOf(rawFrame(type, bytes));
      },
    ),
    { seed: 9, numRuns: 2000 },
  );
});
