import { assertEquals, assertThrows } from "@std/assert";
import { readFlags } from "../../bench/flags.ts";

const DEFAULTS = { rounds: 5, valueBytes: 256, executable: "", quick: false };

Deno.test("flags that are not given have their defaults", () => {
  assertEquals(readFlags([], DEFAULTS), DEFAULTS);
});

Deno.test("flags are named in lower case with dashes, and read by their defaults' types", () => {
  const args = ["--value-bytes", "16", "--executable=./raftkv", "--quick"];
  assertEquals(readFlags(args, DEFAULTS), {
    rounds: 5,
    valueBytes: 16,
    executable: "./raftkv",
    quick: true,
  });
});

Deno.test("a flag that is unknown or no positive number is refused", () => {
  for (const args of [["--bogus"], ["--rounds", "many"], ["--rounds", "0"], ["--rounds=-1"]]) {
    assertThrows(() => readFlags(args, DEFAULTS), Error);
  }
});
