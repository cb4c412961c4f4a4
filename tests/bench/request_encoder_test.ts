import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { RequestEncoder } from "../../bench/request_encoder.ts";
import { Random } from "../../lib/util/random.ts";

function encoderOf(setShare: number, keys = 1_000): RequestEncoder {
  const random = new Random(7);
  return new RequestEncoder({ valueBytes: 3, keys, setShare }, () => random.u32());
}

function requests(encoder: RequestEncoder, count: number): string[] {
  const bytes = new Uint8Array(encoder.requestBytesMax * count);
  const found: string[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    const end = encoder.encode(bytes, at);
    found.push(new TextDecoder().decode(bytes.subarray(at, end)));
    at = end;
  }
  return found;
}

Deno.test("sets and gets are commands of the line protocol, back to back", () => {
  const found = requests(encoderOf(0.5), 200);
  for (const request of found) {
    assertMatch(request, /^(set key:\d{12} 0 3\r\n[a-z]{3}|get key:\d{12})\r\n$/);
  }
  const sets = found.filter((request) => request.startsWith("set")).length;
  assertEquals(sets > 60 && sets < 140, true);
});

Deno.test("a share of 1 gives sets alone, of 0 gets alone", () => {
  assertEquals(requests(encoderOf(1), 100).every((request) => request.startsWith("set ")), true);
  assertEquals(requests(encoderOf(0), 100).every((request) => request.startsWith("get ")), true);
});

Deno.test("a key's number is written with all its digits, over whatever was there", () => {
  const encoder = encoderOf(1, 2 ** 32);
  const bytes = new Uint8Array(encoder.requestBytesMax).fill(0x39);
  for (const key of [0, 7, 1_234, 99_999_999]) {
    const end = encoder.encodeSet(key, bytes, 0);
    const text = new TextDecoder().decode(bytes.subarray(0, end));
    assertEquals(text.slice(0, 20), `set key:${String(key).padStart(12, "0")}`);
  }
});

Deno.test("more keys than one random number can draw are refused", () => {
  assertThrows(() => encoderOf(1, 2 ** 32 + 1), RangeError, "4294967297 keys");
  assertThrows(() => encoderOf(1, 0), RangeError, "0 keys");
});
