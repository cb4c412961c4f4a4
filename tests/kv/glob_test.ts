import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Glob, PATTERN_BYTES_MAX } from "../../lib/kv/commands/glob.ts";

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

/** What a pattern says, one way after the other: slow, and plain. */
function matchesPlainly(pattern: string, text: string): boolean {
  if (pattern === "") return text === "";
  const [first, second] = pattern;
  if (first === "*") {
    return matchesPlainly(pattern.slice(1), text) ||
      (text !== "" && matchesPlainly(pattern, text.slice(1)));
  }
  if (text === "") return false;
  const rest = (length: number) => matchesPlainly(pattern.slice(length), text.slice(1));
  if (first === "?") return rest(1);
  if (first === "\\" && second !== undefined) return second === text[0] && rest(2);
  if (first !== "[") return first === text[0] && rest(1);
  let at = second === "^" ? 2 : 1;
  let isIn = false;
  while (at < pattern.length && pattern[at] !== "]") {
    let [low, high] = [pattern[at]!, pattern[at]!];
    if (low === "\\" && at + 1 < pattern.length) low = high = pattern[++at]!;
    else if (pattern[at + 1] === "-" && at + 2 < pattern.length) high = pattern[at += 2]!;
    if (low > high) [low, high] = [high, low];
    if (text[0]! >= low && text[0]! <= high) isIn = true;
    at++;
  }
  return isIn !== (second === "^") && rest(Math.min(at + 1, pattern.length));
}

Deno.test("any pattern matches what it plainly says", () => {
  const sign = fc.constantFrom(..."abc*?[]^\\-*a".split(""));
  const pattern = fc.array(sign, { minLength: 1, maxLength: 14 }).map((signs) => signs.join(""));
  const text = fc.array(fc.constantFrom(..."abc]^-\\".split("")), { maxLength: 10 })
    .map((signs) => signs.join(""));
  // In front of both, so many bytes that the states fill more than one word.
  const before = fc.constantFrom(0, 31, 32, 63, 200);
  fc.assert(
    fc.property(pattern, text, before, (some, key, count) => {
      const lead = "x".repeat(count);
      assertEquals(matches(lead + some, lead + key), matchesPlainly(some, key));
      assertEquals(matches(`*y${lead}${some}`, `xxy${lead}${key}`), matchesPlainly(some, key));
    }),
    { numRuns: 3_000 },
  );
});

Deno.test("a class is read once, however long it is, and not at every place of a key", () => {
  const pattern = encoder.encode(`*[${"z".repeat(PATTERN_BYTES_MAX - 3)}]`);
  const key = encoder.encode("a".repeat(65_535));
  const glob = new Glob(pattern, 0, pattern.length);
  assertEquals(glob.matches(key, 0, key.length), false);
  assert(glob.steps < 100_000, `${glob.steps} steps`);
});

Deno.test("the costliest pattern takes no more than its words for each byte of a key", () => {
  const pattern = encoder.encode("*" + "a*?".repeat(1_365));
  const key = encoder.encode("a".repeat(65_535));
  const glob = new Glob(pattern, 0, pattern.length);
  glob.matches(key, 0, key.length);
  assert(glob.steps <= 129 * (65_536 + 2 * 256) + 2 * 256 * 4_096, `${glob.steps} steps`);
});

Deno.test("a pattern of many stars takes steps in proportion to pattern and text", () => {
  const pattern = encoder.encode("a*".repeat(40) + "b");
  const text = encoder.encode("a".repeat(2_000));
  const glob = new Glob(pattern, 0, pattern.length);
  assertEquals(glob.matches(text, 0, text.length), false);
  assert(glob.steps < 10 * pattern.length * text.length, `${glob.steps} steps`);
});
