/** Bugs of ordered keys and ranges, each with the test that has to find it: `deno task mutants --ranges`. */
import { tested, type TestedMutant } from "./security_mutants.ts";

const RANGES_TEST = "kv/ranges_test.ts";
const DELETED =
  "ranges: what is deleted leaves the order, one at a time and many at once, and can come back";
const DUE = "ranges: thousands of due keys in the way take pages of their own, which show nothing";
const ZEROS =
  "ranges: 100,000 keys, zeros at the end: each once and in order, after half are deleted too";
const WIRE_TEST = "wire/ranges_test.ts";

export const RANGES: readonly TestedMutant[] = [
  tested(["due-in-ranges", "A range shows keys whose time has come", RANGES_TEST, DUE], [
    "kv/commands/ranges.ts",
    "      if (deadlineMs !== 0 && deadlineMs <= this.#keys.clockMs) continue;\n",
    "",
  ]),
  tested(["deleted-in-order", "A deleted key stays in the order", RANGES_TEST, DELETED], [
    "kv/memory/contents.ts",
    "    this.order.remove(place, hash, slab, keyStart, old.keyLength);\n",
    "",
  ]),
  tested(["zeros-in-separators", "A separator has the zeros at its end", RANGES_TEST, ZEROS], [
    "kv/memory/key_bucket.ts",
    "  while (length > 0 && ((word >>> (32 - 8 * length)) & 0xff) === 0) length--;\n",
    "",
  ]),
  tested([
    "next-page-names-all",
    "The next page begins after a key that the user may not read",
    WIRE_TEST,
    "RAFTKV.RANGE: where a user may read nothing of very much, no key is named",
  ], [
    "kv/commands/ranges.ts",
    "      if (!mayRead) continue;\n      lastRef = ref;\n",
    "      lastRef = ref;\n      if (!mayRead) continue;\n",
  ]),
];
