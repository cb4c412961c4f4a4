import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import type { AppendRequest, Entry, SnapshotChunk } from "../../lib/raft/types.ts";
import { ByteWriter, writeU32 } from "../../lib/util/bytes.ts";
import {
  appendFrameBytesMax,
  encodeFormation,
  encodeHello,
  encodeMessage,
  encodeRefusal,
  escapeControls,
  FrameDecoder,
  FrameType,
  ProtocolError,
  RefusalReason,
  snapshotChunkBytesMax,
} from "../../lib/wire/rpc/rpc.ts";
import { describeMembers } from "../raft/members.ts";
import { decodeCut, problemOf, rawFrame, RpcDriver, withBody } from "./rpc_driver.ts";
import {
  commandsData,
  configurationData,
  describedData,
  entriesFrom,
  frameBytes,
  HELLO,
  MESSAGES,
  noopData,
  NOTICE,
  SAMPLES,
} from "./rpc_samples.ts";

const U64_TOO_LARGE = [0, 0x20, 0, 0, 0, 0, 0, 0];
const HEARTBEAT = frameBytes((out) => encodeMessage(out, MESSAGES[9]!));

function refuses(bytes: Uint8Array, part: string): void {
  const problem = problemOf(bytes);
  assert(problem !== null, `taken, though "${part}"`);
  assertStringIncludes(problem, part);
}

function appendBytes(entries: Entry[], fields: Partial<AppendRequest> = {}): Uint8Array {
  const message: AppendRequest = {
    kind: "appendRequest",
    from: 1,
    to: 2,
    term: 5,
    prevIndex: 41,
    prevTerm: 2,
    entries,
    commitIndex: 3,
    readRound: 0,
    ...fields,
  };
  return frameBytes((out) => encodeMessage(out, message));
}

/** An append with one entry of the given bytes, whatever they are. */
function appendOf(data: Uint8Array): Uint8Array {
  return appendBytes([{ index: 42, term: 3, data }]);
}

Deno.test("rpc: each kind of frame comes back as it was", () => {
  for (const { bytes, frame } of SAMPLES) assertEquals(decodeCut(bytes, []), [frame]);
});

Deno.test("rpc: type numbers are fixed", () => {
  assertEquals({ ...FrameType }, {
    hello: 1,
    welcome: 2,
    refusal: 3,
    formation: 4,
    ping: 5,
    pong: 6,
    status: 7,
    probe: 8,
    probeResponse: 9,
    facts: 10,
    voteRequest: 16,
    voteResponse: 17,
    appendRequest: 18,
    appendResponse: 19,
    heartbeat: 20,
    heartbeatResponse: 21,
    timeoutNow: 22,
    snapshotChunk: 32,
    snapshotChunkResponse: 33,
    snapshotPiece: 34,
    digest: 48,
    addresses: 64,
    proof: 65,
    publish: 80,
    forward: 96,
    forwardTaken: 97,
    forwardEnd: 98,
  });
});

Deno.test("rpc: unknown and reserved types are refused", () => {
  for (const type of [0, 11, 15, 23, 31, 35, 47, 49, 66, 255]) {
    refuses(rawFrame(type, new Uint8Array(30)), `type ${type}: the type is unknown`);
  }
});

Deno.test("rpc: a length below a type and a checksum, or above the limit, is refused", () => {
  for (const length of [0, 4]) {
    const bytes = HEARTBEAT.slice();
    writeU32(bytes, 0, length);
    refuses(bytes, `a frame of ${length} bytes is shorter`);
  }
  for (const length of [100_001, 0xffff_ffff]) {
    const bytes = HEARTBEAT.slice(0, 4);
    writeU32(bytes, 0, length);
    refuses(bytes, `a frame of ${length} bytes is announced, at most 100000`);
  }
});

Deno.test("rpc: the limit is what the length may say, and can be raised between frames", () => {
  const length = HEARTBEAT.length - 4;
  assertEquals(new RpcDriver(length).push(HEARTBEAT).frames.length, 1);
  assertThrows(() => new RpcDriver(length - 1).push(HEARTBEAT), ProtocolError, "announced");
  const decoder = new FrameDecoder(length);
  const large = appendOf(commandsData(1000));
  const both = new Uint8Array([...HEARTBEAT, ...large]);
  decoder.push(both);
  assertEquals(decoder.next()?.type, "message");
  decoder.setFrameBytesMax(2000);
  assertEquals(decoder.next()?.type, "message");
  assertEquals(decoder.next(), null);
});

Deno.test("rpc: one flipped bit anywhere behind the length is found by the checksum", () => {
  for (const { bytes } of SAMPLES) {
    for (let at = 4; at < bytes.length; at++) {
      const bad = bytes.slice();
      bad[at]! ^= 1 << (at % 8);
      refuses(bad, "checksum");
    }
  }
});

Deno.test("rpc: a body cut short or followed by more is refused, its checksum right or not", () => {
  for (const { bytes } of SAMPLES) {
    const type = bytes[4]!;
    const body = bytes.slice(5, bytes.length - 4);
    for (let length = 0; length < body.length; length++) {
      assert(problemOf(rawFrame(type, body.subarray(0, length))) !== null, `type ${type}`);
    }
    // A status may grow at its end.
    const longer = rawFrame(type, new Uint8Array([...body, 0]));
    if (type === FrameType.status) assertEquals(problemOf(longer), null);
    else refuses(longer, type === FrameType.facts ? "no JSON" : "left");
  }
});

Deno.test("rpc: after an error a decoder takes nothing more", () => {
  const driver = new RpcDriver();
  assertThrows(() => driver.push(rawFrame(99, new Uint8Array(3))), ProtocolError, "unknown");
  assertThrows(() => driver.push(HEARTBEAT), ProtocolError, "unknown");
  assertEquals(driver.frames, []);
});

Deno.test("rpc: numbers above 2^53 - 1 are refused in every field", () => {
  for (const { bytes, frame } of SAMPLES) {
    if (frame.type !== "message" || frame.message.kind === "appendRequest") continue;
    const { kind } = frame.message;
    const flags = kind.startsWith("vote") || kind === "appendResponse" ? 1 : 0;
    // A chunk's numbers are followed by its data's length and its data.
    const { message } = frame;
    const numbers = message.kind === "snapshotChunk" && message.totalBytes === null ? 48 : 56;
    const bodyBytes = kind === "snapshotChunk" ? numbers : bytes.length - 9;
    const fields = [0, 8, 16];
    for (let at = 24 + flags; at < bodyBytes; at += 8) fields.push(at);
    for (const at of fields) refuses(withBody(bytes, at, U64_TOO_LARGE), "above 2^53 - 1");
  }
  const append = appendBytes(entriesFrom(42, [3]));
  for (const at of [0, 8, 16, 24, 32, 40, 48, 56, 68]) {
    refuses(withBody(append, at, U64_TOO_LARGE), "above 2^53 - 1");
  }
});

Deno.test("rpc: server 0 and unknown flags are refused", () => {
  const zero = new Array(8).fill(0);
  refuses(withBody(HEARTBEAT, 0, zero), "id is 0");
  refuses(withBody(HEARTBEAT, 8, zero), "id is 0");
  for (const [sample, flags] of [[0, 4], [2, 32], [8, 2]] as const) {
    const bytes = frameBytes((out) => encodeMessage(out, MESSAGES[sample]!));
    refuses(withBody(bytes, 24, [flags]), `flags ${flags}`);
  }
});

Deno.test("rpc: a handshake without the magic bytes is refused", () => {
  const hello = frameBytes((out) => encodeHello(out, HELLO));
  refuses(withBody(hello, 0, [0x52, 0x4b, 0x56, 0x4d]), "magic");
});

Deno.test("rpc: a handshake of another version or checksum is told apart, whatever follows", () => {
  const hello = frameBytes((out) => encodeHello(out, HELLO));
  for (const protocolVersion of [0, 3]) {
    assertEquals(decodeCut(withBody(hello, 4, [0, protocolVersion]), []), [
      { type: "otherVersion", protocolVersion, checksumAlgorithm: 1 },
    ]);
  }
  assertEquals(decodeCut(withBody(hello, 6, [9]), []), [
    { type: "otherVersion", protocolVersion: 1, checksumAlgorithm: 9 },
  ]);
  const short = rawFrame(FrameType.welcome, new Uint8Array([0x52, 0x4b, 0x56, 0x4c, 1, 0, 1, 7]));
  assertEquals(decodeCut(short, []), [
    { type: "otherVersion", protocolVersion: 256, checksumAlgorithm: 1 },
  ]);
});

Deno.test("rpc: a refusal's text is cut at 256 bytes, between characters", () => {
  const bytes = frameBytes((out) => encodeRefusal(out, RefusalReason.busy, "é".repeat(200) + "x"));
  assertEquals(decodeCut(bytes, []), [{ type: "refusal", reason: 7, text: "é".repeat(128) }]);
  const odd = frameBytes((out) => encodeRefusal(out, 7, "x" + "é".repeat(200)));
  assertEquals(decodeCut(odd, []), [{ type: "refusal", reason: 7, text: "x" + "é".repeat(127) }]);
  const body = new Uint8Array(4 + 257);
  body.set([0, 7, 1, 1]);
  refuses(rawFrame(FrameType.refusal, body), "257 bytes: at most 256");
});

Deno.test("rpc: a refusal's text can't play tricks on a terminal", () => {
  const tricky = "a\x1b[2J\r\n\0\x7f\x9b\u2028\u202eb é";
  const shown = "a\\u{1b}[2J\\u{d}\\u{a}\\u{0}\\u{7f}\\u{9b}\\u{2028}\\u{202e}b é";
  assertEquals(escapeControls(tricky), shown);
  const bytes = frameBytes((out) => encodeRefusal(out, 999, tricky));
  assertEquals(decodeCut(bytes, []), [{ type: "refusal", reason: 999, text: shown }]);
  const broken = rawFrame(FrameType.refusal, new Uint8Array([0, 1, 0, 2, 0xff, 0x61]));
  assertEquals(decodeCut(broken, []), [{ type: "refusal", reason: 1, text: "\ufffda" }]);
});

Deno.test("rpc: forming: stages, counts and the order of ids are checked", () => {
  const bytes = frameBytes((out) => encodeFormation(out, NOTICE));
  refuses(withBody(bytes, 0, [3]), "stage 3");
  refuses(withBody(bytes, 25, [0xff, 0xff]), "65535 members are announced in 48 bytes");
  refuses(withBody(bytes, 25, [0, 2]), "left over");
  const id = [0, 0, 0, 0, 0, 0, 0, 1];
  refuses(withBody(bytes, 27 + 16, id), "not sorted");
  refuses(withBody(bytes, 27, new Array(8).fill(0)), "id is 0");
  refuses(withBody(bytes, 27, U64_TOO_LARGE), "above 2^53 - 1");
});

Deno.test("rpc: entries have to follow the previous index and its term, up to the sender's", () => {
  const good = appendBytes(entriesFrom(42, [2, 5]));
  assertEquals(problemOf(good), null);
  refuses(withBody(good, 56, [0, 0, 0, 0, 0, 0, 0, 43]), "entry 43 comes after entry 41");
  refuses(appendBytes(entriesFrom(42, [1])), "entry 42 has term 1");
  refuses(appendBytes(entriesFrom(42, [4, 3])), "entry 43 has term 3");
  refuses(appendBytes(entriesFrom(42, [6])), "entry 42 has term 6");
  refuses(appendBytes([], { prevTerm: 6 }), "after term 6 come in term 5");
});

Deno.test("rpc: an index that would pass 2^53 - 1 is refused", () => {
  const bytes = appendBytes(entriesFrom(42, [5]));
  const prev = [0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe];
  const first = [0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
  refuses(withBody(withBody(bytes, 24, prev), 56, first), "above 2^53 - 1");
});

Deno.test("rpc: the count of entries is bounded by the bytes before anything is allocated", () => {
  const bytes = appendBytes(entriesFrom(42, [5]));
  refuses(withBody(bytes, 64, [0xff, 0xff, 0xff, 0xff]), "4294967295 entries are announced in");
  refuses(withBody(bytes, 64, [0, 0, 0, 2]), "2 entries are announced in 24 bytes");
  refuses(withBody(bytes, 64, [0, 0, 0, 0]), "left over");
  refuses(withBody(bytes, 76, [0, 0, 0, 13]), "Wanted 13 bytes");
  refuses(withBody(bytes, 76, [0, 0, 0, 11]), "too short");
});

Deno.test("rpc: entries that this version can't apply are refused", () => {
  refuses(appendOf(new Uint8Array(ENVELOPE)), "entry kind 0 is unknown");
  const version = noopData();
  version[1] = 2;
  refuses(appendOf(version), "entry format 2");
  const flags = noopData();
  flags[3] = 1;
  refuses(appendOf(flags), "entry flags");
  const stamp = noopData();
  stamp.set(U64_TOO_LARGE, 4);
  refuses(appendOf(stamp), "stamp");
  refuses(appendOf(new Uint8Array([...noopData(), 0])), "a no-op carries something");
  const operation = commandsData(4);
  operation[ENVELOPE + 4] = 64;
  refuses(appendOf(operation), "operation 64 is unknown");
  refuses(appendOf(commandsData(4).slice(0, -1)), "length");
});

const ENVELOPE = 12;

Deno.test("rpc: a configuration entry has to be one, with a voter and without doubles", () => {
  assertEquals(problemOf(appendOf(configurationData([1, 5, 9], [2]))), null);
  refuses(appendOf(configurationData([], [2])), "without voters");
  refuses(appendOf(configurationData([0, 1])), "id is 0");
  refuses(appendOf(configurationData([1]).slice(0, -1)), "no configuration");
  const double = configurationData([1, 2]);
  double[ENVELOPE + 17] = 1;
  refuses(appendOf(double), "ids repeat");
  const joint = describeMembers({ voters: [1, 4], votersOutgoing: [1, 2], learners: [7] });
  const described = describedData(joint);
  assertEquals(problemOf(appendOf(described)), null);
  refuses(appendOf(described.slice(0, -1)), "no configuration");
  described[ENVELOPE + 3] = 32; // more members than follow
  refuses(appendOf(described), "no configuration");
});

Deno.test("rpc: a batch of messages in one buffer stays apart", () => {
  const out = new ByteWriter(0);
  for (const message of MESSAGES) encodeMessage(out, message);
  const expected = MESSAGES.map((message) => ({ type: "message" as const, message }));
  assertEquals(decodeCut(out.copy(), []), expected);
});

Deno.test("rpc: the encoder refuses what no decoder would take", () => {
  const out = new ByteWriter();
  const append = MESSAGES[7] as AppendRequest;
  const gap = { ...append, prevIndex: 40 };
  assertThrows(() => encodeMessage(out, gap), Error, "Cannot send entry 42 in the place of 41");
  const fraction = { ...MESSAGES[10]!, term: 1.5 };
  assertThrows(() => encodeMessage(out, fraction), Error, "Cannot write 1.5");
  assertThrows(() => encodeHello(out, { ...HELLO, clusterId: "xyz" }), Error, "Cannot send the id");
});

Deno.test("rpc: the computed frame size holds the fullest append there can be", () => {
  const entryBytes = noopData().length;
  const count = 100;
  const many = appendBytes(entriesOf(count, noopData()), { prevTerm: 3 });
  assert(many.length - 4 <= appendFrameBytesMax(count * entryBytes, 0));
  const one = appendOf(commandsData(5000));
  assert(one.length - 4 <= appendFrameBytesMax(0, commandsData(5000).length));
});

/** A snapshotChunk frame with the given fields. */
function chunkBytes(fields: Partial<SnapshotChunk>): Uint8Array {
  const data = new Uint8Array([1, 2, 3]);
  const position = { index: 7, snapshotTerm: 2, offset: 10, totalBytes: 13 };
  const chunk: SnapshotChunk = {
    ...{ kind: "snapshotChunk", from: 1, to: 2, term: 5, data },
    ...{ ...position, ...fields },
  };
  return frameBytes((out) => encodeMessage(out, chunk));
}

Deno.test("rpc: a chunk lies inside its snapshot", () => {
  const empty = new Uint8Array(0);
  for (
    const fields of [
      {},
      { offset: 13, data: empty },
      { offset: 0, totalBytes: 0, data: empty },
      { offset: Number.MAX_SAFE_INTEGER - 3, totalBytes: Number.MAX_SAFE_INTEGER },
    ]
  ) assertEquals(problemOf(chunkBytes(fields)), null);
  refuses(chunkBytes({ offset: 11 }), "3 bytes at 11 do not fit into a snapshot of 13");
  refuses(chunkBytes({ offset: 14, data: empty }), "0 bytes at 14 do not fit");
  refuses(chunkBytes({ offset: 0, totalBytes: 0 }), "3 bytes at 0 do not fit");
  refuses(
    chunkBytes({ offset: Number.MAX_SAFE_INTEGER, totalBytes: Number.MAX_SAFE_INTEGER }),
    "do not fit",
  );
});

Deno.test("rpc: a piece of a snapshot that is being made is a chunk without the length of all", () => {
  const bytes = chunkBytes({ totalBytes: null });
  const chunk = chunkBytes({ totalBytes: 1_000_000 });
  assertEquals([bytes[4], chunk[4]], [FrameType.snapshotPiece, FrameType.snapshotChunk]);
  assertEquals(bytes.slice(5, 53), chunk.slice(5, 53));
  assertEquals(bytes.slice(53, -4), chunk.slice(61, -4));
  refuses(withBody(bytes, 48, [0, 0, 0, 4]), "Wanted 4 bytes, 3 are left");
  refuses(chunkBytes({ totalBytes: null, offset: Number.MAX_SAFE_INTEGER }), "do not fit");
  refuses(chunkBytes({ totalBytes: null, index: 0 }), "a snapshot at 0 of term 2 comes in term 5");
});

Deno.test("rpc: a chunk announces no more data than its frame holds", () => {
  const bytes = chunkBytes({ totalBytes: 1_000_000 });
  refuses(withBody(bytes, 56, [0, 0, 0, 4]), "Wanted 4 bytes, 3 are left");
  refuses(withBody(bytes, 56, [0, 0, 0, 2]), "1 bytes left over");
  refuses(withBody(bytes, 56, [0xff, 0xff, 0xff, 0xff]), "do not fit");
});

Deno.test("rpc: a snapshot has a position, of a term that the sender has reached", () => {
  refuses(chunkBytes({ index: 0 }), "a snapshot at 0 of term 2 comes in term 5");
  refuses(chunkBytes({ snapshotTerm: 0 }), "a snapshot at 7 of term 0 comes in term 5");
  refuses(chunkBytes({ snapshotTerm: 6 }), "a snapshot at 7 of term 6 comes in term 5");
  const answer = { kind: "snapshotChunkResponse", from: 2, to: 1, term: 5, offset: 0 } as const;
  for (const position of [{ index: 7, snapshotTerm: 6 }, { index: 0, snapshotTerm: 0 }]) {
    refuses(frameBytes((out) => encodeMessage(out, { ...answer, ...position })), "comes in term 5");
  }
});

Deno.test("rpc: the computed chunk size fills a frame to the byte", () => {
  const limit = 200;
  const data = new Uint8Array(snapshotChunkBytesMax(limit));
  const full = chunkBytes({ data, totalBytes: 1_000 });
  assertEquals(new RpcDriver(limit).push(full).frames.length, 1);
  const one = chunkBytes({ data: new Uint8Array(data.length + 1), totalBytes: 1_000 });
  assertThrows(() => new RpcDriver(limit).push(one), ProtocolError, "201 bytes is announced");
});

Deno.test("rpc: a chunk's data is never a view of what was pushed", () => {
  const bytes = chunkBytes({});
  for (const cut of [0, 30]) {
    const [frame] = decodeCut(bytes, [cut]);
    const message = frame?.type === "message" ? frame.message : undefined;
    assertEquals(message?.kind === "snapshotChunk" && [...message.data], [1, 2, 3]);
  }
});

function entriesOf(count: number, data: Uint8Array): Entry[] {
  return Array.from({ length: count }, (_, i) => ({ index: 42 + i, term: 3, data }));
}

Deno.test("rpc: any numbers go there and back", () => {
  const id = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
  const number = fc.maxSafeNat();
  fc.assert(
    fc.property(id, id, number, number, number, number, (from, to, term, a, b, c) => {
      for (
        const message of [
          { kind: "heartbeat", from, to, term, commitIndex: a, readRound: b },
          {
            kind: "appendResponse",
            from,
            to,
            term,
            success: a % 2 === 0,
            index: a,
            hintIndex: b,
            hintTerm: c,
            readRound: a,
          },
        ] as const
      ) {
        const bytes = frameBytes((out) => encodeMessage(out, message));
        assertEquals(decodeCut(bytes, []), [{ type: "message", message }]);
      }
    }),
    { seed: 5 },
  );
});
