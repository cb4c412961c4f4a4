import { assert, assertEquals } from "@std/assert";
import { Glob } from "../../lib/kv/glob.ts";

const encoder = new TextEncoder();

function matches(pattern: string, text: string): boolean {
  const bytes = encoder.encode(`<${text}>`);
  const glob = encoder.encode(pattern);
  return new Glob(glob, 0, glob.length).matches(bytes, 1, bytes.length - 2);
}

Deno.test("patterns match as they do in Redis", () => {
  const yes: [string, string][] = [
    ["*", ""],
    ["*", "abc"],
    ["a*", "a"],
    ["*c", "abc"],
    ["a*c", "abbbc"],
    ["a*b*c", "aXbYbZc"],
    ["a?c", "abc"],
    ["a[bx]c", "abc"],
    ["a[a-c]c", "abc"],
    ["a[c-a]c", "abc"],
    ["a[^x]c", "abc"],
    ["a\\*c", "a*c"],
    ["a[\\]]c", "a]c"],
    ["a[b", "ab"],
    ["a\\", "a\\"],
    ["", "anything"],
  ];
  const no: [string, string][] = [
    ["a", "ab"],
    ["ab", "a"],
    ["a?c", "ac"],
    ["a[^b]c", "abc"],
    ["a\\*c", "abc"],
    ["A", "a"],
    ["*a", "ab"],
    ["[]", "a"],
    ["a[", "ab"],
    ["?", ""],
  ];
  for (const [pattern, text] of yes) assert(matches(pattern, text), `${pattern} ${text}`);
  for (const [pattern, text] of no) {
    assertEquals(matches(pattern, text), false, `${pattern} ${text}`);
  }
});

Deno.test("a pattern of many stars takes steps in proportion to pattern and text", () => {
  const pattern = encoder.encode("a*".repeat(40) + "b");
  const text = encoder.encode("a".repeat(2_000));
  const glob = new Glob(pattern, 0, pattern.length);
  assertEquals(glob.matches(text, 0, text.length), false);
  assert(glob.steps < 10 * pattern.length * text.length, `${glob.steps} steps`);
});
