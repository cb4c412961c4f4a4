/** The two versions of the handshake, and the features that the second one names. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { bytesToHex } from "../../lib/util/hex.ts";
import { ByteWriter } from "../../lib/util/bytes.ts";
import { LENGTH_BYTES } from "../../lib/wire/rpc/frame.ts";
import {
  encodeHello,
  encodeStatus,
  encodeWelcome,
  factsBytes,
  Feature,
  featureOfFrame,
  FrameType,
  HELLO_BYTES_MAX,
  NO_FEATURES,
} from "../../lib/wire/rpc/rpc.ts";
import { decodeCut, problemOf, rawFrame } from "./rpc_driver.ts";
import { FACTS, frameBytes, HELLO, HELLO_2, STATUS } from "./rpc_samples.ts";

/** What builds that know version 1 alone say, to the byte: taken from one of them. */
const VERSION_1_HELLO = "00000034" + "01" + "524b564c" + "0001" + "01" +
  "00112233445566778899aabbccddeeff" + "0000000000000001" + "0000000000000003" +
  "0123456789abcdef" + "c1dc0050";

function hex(bytes: Uint8Array): string {
  return bytesToHex(bytes, 0, bytes.length);
}

/** A hello of version 2 with these bytes after the fields of version 1. */
function helloWith(features: readonly number[]): Uint8Array {
  const fixed = frameBytes((out) => encodeHello(out, { ...HELLO_2, features: NO_FEATURES }));
  const body = fixed.slice(5, fixed.length - 4 - 2);
  return rawFrame(FrameType.hello, new Uint8Array([...body, ...features]));
}

function named(name: string, value: readonly number[] = []): number[] {
  const bytes = [...new TextEncoder().encode(name)];
  return [bytes.length, ...bytes, value.length >>> 8, value.length & 255, ...value];
}

function refuses(features: readonly number[], part: string): void {
  const problem = problemOf(helloWith(features));
  assert(problem !== null, `taken, though "${part}"`);
  assertStringIncludes(problem, part);
}

Deno.test("features: a handshake of version 1 is spoken as builds before spoke it, to the byte", () => {
  const hello = frameBytes((out) => encodeHello(out, HELLO));
  assertEquals(hex(hello), VERSION_1_HELLO);
  const welcome = frameBytes((out) => encodeWelcome(out, HELLO));
  assertEquals(hex(welcome.slice(5, -4)), VERSION_1_HELLO.slice(10, -8));
});

Deno.test("features: version 2 is version 1, then the features", () => {
  const hello = frameBytes((out) => encodeHello(out, HELLO_2));
  const body = hex(hello.slice(5, -4));
  assertEquals(
    body.slice(0, 8) + body.slice(12, 94),
    VERSION_1_HELLO.slice(10, 18) +
      VERSION_1_HELLO.slice(22, -8),
  );
  assertEquals(body.slice(8, 12), "0002");
  const status = "06" + "737461747573" + "0000";
  const start = "05" + "7374617274" + "0008" + "0102030405060708";
  const facts = "05" + "6661637473" + "0000";
  assertEquals(body.slice(94), "0003" + status + start + facts);
});

Deno.test("features: a server that knows nothing of the other says no more than older builds take", () => {
  for (const encode of [encodeHello, encodeWelcome]) {
    const length = frameBytes((out) => encode(out, HELLO_2)).length - LENGTH_BYTES;
    assert(length <= HELLO_BYTES_MAX, `${length} bytes`);
  }
});

/** Server 1 with some incarnation. */
const ABOUT = [0, 0, 0, 0, 0, 0, 0, 1, ...Array(8).fill(7)];

Deno.test("features: addresses have their bound", () => {
  for (const count of [0, 513]) {
    const frame = rawFrame(
      FrameType.addresses,
      new Uint8Array([...ABOUT, count >>> 8, count & 255]),
    );
    assertStringIncludes(problemOf(frame)!, `addresses of ${count} bytes: 1 to 512`);
  }
});

Deno.test("features: those of a later build are skipped, and so is what a value has grown by", () => {
  const start = named("start", [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  const known = [...named("status", [9, 9]), ...start, ...named("facts", [1])];
  const later = [...named("later", [1, 2, 3]), ...named("x".repeat(32), Array(300).fill(7))];
  const hello = helloWith([0, 6, ...named("zz"), ...later, ...known]);
  assertEquals(decodeCut(hello, []), [{ type: "hello", hello: HELLO_2 }]);
  assertEquals(decodeCut(helloWith([0, 0]), []), [
    { type: "hello", hello: { ...HELLO_2, features: NO_FEATURES } },
  ]);
});

Deno.test("features: counts and lengths are held against the bytes that are there", () => {
  refuses([], "Wanted 2 bytes");
  refuses([0xff, 0xff], "65535 features are announced in 0 bytes");
  refuses([0, 2, ...named("status")], "Wanted 1 bytes");
  refuses([0, 1, 7, 0x73], "1 features are announced in 2 bytes");
  refuses([0, 1, 7, 0x73, 0x74, 0x75], "Wanted 1 bytes");
  refuses([0, 1, 1, 0x73, 0xff, 0xff], "Wanted 65535 bytes");
  refuses([0, 1, ...named("status"), 0], "1 bytes left over");
  refuses([0, 1, 0, 0, 0, 0], "name has 0 bytes: 1 to 32");
  refuses([0, 1, ...named("x".repeat(33))], "name has 33 bytes: 1 to 32");
  refuses([0, 1, ...named("start", [1, 2, 3, 4, 5, 6, 7])], "a value of 7 bytes, of at least 8");
  refuses([0, 1, ...named("a b")], "not in ASCII");
  refuses([0, 1, ...named("é")], "not in ASCII");
  refuses([0, 2, ...named("later"), ...named("later")], "later is named twice");
  // Names that an object has without having been given them.
  assertEquals(problemOf(helloWith([0, 1, ...named("constructor")])), null);
});

Deno.test("features: a secret's value is a nonce, and as much of a proof as is known", () => {
  for (const [given, kept] of [[16, 16], [47, 47], [48, 48], [60, 48]] as const) {
    const value = Array.from({ length: given }, (_, at) => at + 1);
    const [frame] = decodeCut(helloWith([0, 1, ...named("secret", value)]), []);
    const features = frame?.type === "hello" ? frame.hello.features : null;
    assertEquals([...features!.get(Feature.secret)!], value.slice(0, kept));
  }
  refuses([0, 1, ...named("secret", [1, 2])], "secret has a value of 2 bytes, of at least 16");
});

Deno.test("features: frames that came later belong to one, the others to none", () => {
  const since = Object.entries(FrameType).filter(([, type]) => featureOfFrame(type) !== null);
  assertEquals(since.map(([name]) => name), [
    "status",
    "probe",
    "probeResponse",
    "facts",
    "snapshotPiece",
    "addresses",
    "proof",
    "publish",
    "forward",
    "forwardTaken",
    "forwardEnd",
  ]);
  assertEquals(featureOfFrame(FrameType.status), Feature.status);
  assertEquals(featureOfFrame(99), null);
});

Deno.test("status: flags and bytes that only later builds know are skipped", () => {
  const out = new ByteWriter();
  encodeStatus(out, STATUS);
  const body = out.copy().slice(5, -4);
  body[0]! |= 0xf0;
  const longer = rawFrame(FrameType.status, new Uint8Array([...body, 1, 2, 3]));
  assertEquals(decodeCut(longer, []), [{ type: "status", status: STATUS }]);
});

Deno.test("facts: fields of later builds are dropped, and what is missing or no such thing is refused", () => {
  const noticed = (change: (notice: Record<string, Record<string, unknown>>) => void) => {
    const notice = JSON.parse(JSON.stringify(FACTS));
    change(notice);
    return rawFrame(FrameType.facts, new TextEncoder().encode(JSON.stringify(notice)));
  };
  const later = noticed((notice) => {
    notice.facts!.newField = { x: 1 };
    notice.other = {};
  });
  assertEquals(decodeCut(later, []), [{ type: "facts", notice: FACTS }]);
  // What builds with this feature did not always say.
  const {
    clusterVersion: _1,
    clusterVersionMax: _2,
    clusterVersionWaits: _3,
    keepsChanges: _4,
    tellsChanges: _5,
    ...rest
  } = FACTS.facts;
  const silent = noticed((notice) => {
    for (const field of Object.keys(notice.facts!)) {
      if (!Object.hasOwn(rest, field)) delete notice.facts![field];
    }
  });
  const versions = { clusterVersion: 1, clusterVersionMax: 1, clusterVersionWaits: null };
  const assumed = { ...versions, keepsChanges: false, tellsChanges: false };
  assertEquals(decodeCut(silent, []), [
    { type: "facts", notice: { ...FACTS, facts: { ...FACTS.facts, ...assumed } } },
  ]);
  for (const [field, value] of Object.entries(rest)) {
    assertStringIncludes(problemOf(noticed((notice) => delete notice.facts![field]))!, field);
    const wrong = typeof value === "string" ? 1 : "x";
    assertStringIncludes(problemOf(noticed((notice) => notice.facts![field] = wrong))!, field);
  }
  for (const term of [-1, 1.5, 2 ** 53, null]) {
    assertStringIncludes(problemOf(noticed((notice) => notice.facts!.term = term))!, "term");
  }
  for (const events of [null, {}, "x", Array(65).fill(FACTS.events[0])]) {
    assert(problemOf(noticed((notice) => Object.assign(notice, { events }))) !== null);
  }
  assert(problemOf(rawFrame(FrameType.facts, new Uint8Array(20_000))) !== null);
});

Deno.test("facts: what others say can't play tricks on a terminal, and is cut", () => {
  const version = `1\u001b[2J\u202e${"x".repeat(1_000)}`;
  const body = factsBytes({ ...FACTS, facts: { ...FACTS.facts, version } });
  const [frame] = decodeCut(rawFrame(FrameType.facts, body), []);
  const said = frame?.type === "facts" ? frame.notice.facts.version : "";
  assert(said.startsWith("1\\u{1b}[2J\\u{202e}xx"), said);
  assert(said.length < 420);
});

Deno.test("facts: where events don't fit into the frame, they are left out", () => {
  const detail = "\u0001".repeat(400);
  const events = Array.from({ length: 8 }, () => ({ ...FACTS.events[0]!, detail }));
  const body = factsBytes({ ...FACTS, events });
  assertEquals(decodeCut(rawFrame(FrameType.facts, body), []), [
    { type: "facts", notice: { ...FACTS, events: [] } },
  ]);
});
