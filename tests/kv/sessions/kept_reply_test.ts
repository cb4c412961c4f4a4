/** Results as bytes: what is kept of them, and what no bytes from outside may come to. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Result, Status } from "../../../lib/kv/commands/result.ts";
import {
  decodeReply,
  encodeReply,
  KeptReply,
  REPLY_BYTES_MAX,
} from "../../../lib/kv/sessions/kept_reply.ts";
import { checksum } from "../../../lib/util/checksum.ts";
import { ByteFormatError, ByteReader, ByteWriter } from "../../../lib/util/bytes.ts";

/** What of a result has a meaning, by its status. */
interface Plain {
  readonly status: Status;
  readonly tag: number;
  readonly version?: number;
  readonly deadlineMs?: number;
  readonly value?: number[];
  readonly integer?: [number, number];
  readonly cursor?: number;
  readonly list?: Plain[];
}

const u53 = fc.maxSafeNat();
const tag = fc.nat(255);
const { plain } = fc.letrec<{ plain: Plain; list: Plain }>((tie) => ({
  list: fc.record({
    status: fc.constant<Status>(Status.list),
    tag,
    cursor: u53,
    list: fc.array(tie("plain"), { maxLength: 4 }),
  }),
  plain: fc.oneof(
    { depthSize: "small", maxDepth: 2 },
    fc.record({
      status: fc.constantFrom<Status>(Status.notFound, Status.overflow, Status.notPermittedKey),
      tag,
    }),
    fc.record({ status: fc.constant<Status>(Status.stored), tag, version: u53 }),
    fc.record({
      status: fc.constant<Status>(Status.found),
      tag,
      version: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
      deadlineMs: u53,
      value: fc.array(fc.nat(255), { maxLength: 60 }),
    }),
    fc.record({
      status: fc.constant<Status>(Status.integer),
      tag,
      integer: fc.tuple(fc.integer(), fc.nat(0xffff_ffff)),
    }),
    tie("list"),
  ),
}));

/** With something of an earlier command in every field. */
function toResult(one: Plain, into = new Result()): Result {
  into.version = one.version ?? 77;
  into.deadlineMs = one.deadlineMs ?? 88;
  into.cursor = 99;
  into.setValue(Uint8Array.from([9, ...one.value ?? []]), 1, one.value?.length ?? 0);
  [into.integer.high, into.integer.low] = one.integer ?? [5, 6];
  if (one.list !== undefined) {
    into.beginList();
    for (const part of one.list) toResult(part, into.addPart());
    into.cursor = one.cursor!;
  }
  into.status = one.status;
  into.tag = one.tag;
  return into;
}

function toPlain(result: Result): Plain {
  const { status, tag, version, deadlineMs, cursor } = result;
  switch (status) {
    case Status.stored:
      return { status, tag, version };
    case Status.found: {
      const { bytes, offset, length } = result;
      return {
        status,
        tag,
        version,
        deadlineMs,
        value: [...bytes.subarray(offset, offset + length)],
      };
    }
    case Status.integer:
      return { status, tag, integer: [result.integer.high, result.integer.low] };
    case Status.list: {
      const list = result.list.slice(0, result.listLength).map(toPlain);
      return { status, tag, cursor, list };
    }
    default:
      return { status, tag };
  }
}

function encoded(result: Result): Uint8Array | null {
  const out = new ByteWriter();
  return encodeReply(out, result) ? out.copy() : null;
}

Deno.test("kept replies: a result comes back with all that its status gives a meaning to, and nothing else", () => {
  fc.assert(fc.property(plain, (one) => {
    const bytes = encoded(toResult(one))!;
    const reader = new ByteReader(bytes);
    const back = toResult({ status: Status.stored, tag: 0 });
    decodeReply(reader, back);
    reader.finish();
    assertEquals(toPlain(back), one);
    // Whatever was left over in it makes no difference to the bytes.
    assertEquals(encoded(back), bytes);
  }));
});

Deno.test("kept replies: with bytes of its own or without, one is the same bytes and the same result", () => {
  const same = (kept: KeptReply, bytes: Uint8Array, one: Plain) => {
    const out = new ByteWriter();
    kept.encode(out);
    assertEquals(out.copy(), bytes);
    assertEquals([kept.length, kept.checksum], [bytes.length, checksum(bytes)]);
    const back = toResult({ status: Status.list, tag: 3, cursor: 4, list: [] });
    kept.decode(back);
    assertEquals(toPlain(back), one);
    if (one.status === Status.stored) assertEquals(back.deadlineMs, 0);
  };
  fc.assert(fc.property(plain, fc.nat(255), u53, (drawn, tag, version) => {
    const stored: Plain = { status: Status.stored, tag, version };
    for (const one of [drawn, stored]) {
      const bytes = encoded(toResult(one))!;
      same(KeptReply.of(bytes), bytes, one);
    }
    // Kept after others that were made in the same place.
    const kept = KeptReply.ofStored(toResult(stored));
    KeptReply.ofStored(toResult({ status: Status.stored, tag: 1, version: 2 }));
    same(kept, encoded(toResult(stored))!, stored);
  }));
});

Deno.test("kept replies: what was encoded can be decoded, whatever it is: nothing ends a server", () => {
  let nested: Plain = { status: Status.notFound, tag: 0 };
  for (let depth = 0; depth < 6; depth++) {
    const bytes = encoded(toResult(nested));
    if (bytes !== null) decodeReply(new ByteReader(bytes), new Result());
    else assert(depth > 3, `${depth}`);
    nested = { status: Status.list, tag: 0, cursor: 0, list: [nested] };
  }
  assertEquals(encoded(toResult(nested)), null);
  const long: Plain = {
    status: Status.found,
    tag: 0,
    version: 1,
    deadlineMs: 0,
    value: Array(40_000).fill(1),
  };
  assert(encoded(toResult(long))!.length < REPLY_BYTES_MAX);
  const two: Plain = { status: Status.list, tag: 0, cursor: 0, list: [long, long] };
  assertEquals(encoded(toResult(two)), null);
});

Deno.test("kept replies: bytes that are none are refused, and take no room", () => {
  fc.assert(fc.property(plain, fc.nat(), fc.nat(255), (one, at, byte) => {
    const bytes = encoded(toResult(one))!;
    bytes[at % bytes.length] = byte;
    const cut = bytes.subarray(0, at % (bytes.length + 1));
    for (const some of [bytes, cut]) {
      try {
        decodeReply(new ByteReader(some), new Result());
      } catch (error) {
        assert(error instanceof ByteFormatError, String(error));
      }
    }
  }));
});

Deno.test("kept replies: when the next key expires, which servers need not agree on, is no part of them", () => {
  const [one, other] = [1, 2].map((deadlineMs) => {
    const list = new Result();
    list.beginList();
    const key = list.addPart(); // as RANDOMKEY shows one
    key.setValue(Uint8Array.of(107), 0, 1);
    key.deadlineMs = deadlineMs;
    list.deadlineMs = deadlineMs;
    return encoded(list);
  });
  assertEquals(one, other);
});
