import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { filePairs, keyOf, wordPairs } from "../../scripts/main_job_input.ts";

const encoder = new TextEncoder();
const names = () => fc.string({ unit: "binary", minLength: 1, maxLength: 400 });

Deno.test("any name gives a key of 1 to 250 legal bytes", async () => {
  await fc.assert(fc.asyncProperty(names(), async (name) => {
    const bytes = encoder.encode(await keyOf(name));
    assert(bytes.length >= 1 && bytes.length <= 250);
    assert(bytes.every((byte) => byte > 0x20 && byte !== 0x7f));
  }));
});

Deno.test("different names give different keys", async () => {
  const long = "x".repeat(300);
  const all = ["a b", "a%20b", "a\tb", "a\u2003b", "a%2003b", `${long}1`, `${long}2`, "ab"];
  const keys = await Promise.all(all.map(keyOf));
  assertEquals(new Set(keys).size, all.length);
});

Deno.test("a plain path is its own key", async () => {
  assertEquals(await keyOf("file:lib/raft/step.ts"), "file:lib/raft/step.ts");
});

Deno.test("a file too long for one value is stored in parts that join to the whole", async () => {
  const contents = new Uint8Array(2 * 1_048_576 + 5).map((_, i) => i % 251);
  const pairs = await filePairs("large.bin", contents);
  assertEquals(pairs.map(({ key }) => key), [
    "file:large.bin",
    "file:large.bin#1",
    "file:large.bin#2",
  ]);
  assertEquals(pairs.map(({ value }) => value.length), [1_048_576, 1_048_576, 5]);
  const joined = new Uint8Array(contents.length);
  let at = 0;
  for (const { value } of pairs) {
    joined.set(value, at);
    at += value.length;
  }
  assertEquals(joined, contents);
});

Deno.test("an empty file is one pair with an empty value", async () => {
  const pairs = await filePairs("empty", new Uint8Array(0));
  assertEquals(pairs, [{ key: "file:empty", value: new Uint8Array(0) }]);
});

Deno.test("words are counted whatever their case and what stands around them", async () => {
  const pairs = await wordPairs('The Software, and "the" software: AS-IS. The end');
  const counts = pairs.map(({ key, value }) => [key, new TextDecoder().decode(value)]);
  assertEquals(Object.fromEntries(counts), {
    "word:the": "3",
    "word:software": "2",
    "word:and": "1",
    "word:as-is": "1",
    "word:end": "1",
  });
});
