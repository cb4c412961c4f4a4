/**
 * XXH3 against the values of the reference implementation (libxxhash 0.8.1), over the bytes that its own
 * sanity check takes: for each way of hashing, the shortest and the longest input, and ends of blocks.
 */
import { assertEquals } from "@std/assert";
import { xxh3 } from "../../lib/util/xxh3.ts";

const REFERENCE: readonly (readonly [number, string])[] = [
  [0, "2d06800538d394c2"],
  [1, "c44bdff4074eecdb"],
  [2, "7a9978044cb8a8bb"],
  [3, "54247382a8d6b94d"],
  [4, "e5dc74bc51848a51"],
  [5, "e4243f00720306bb"],
  [6, "27b56a84cd2d7325"],
  [7, "9941e0007f555e50"],
  [8, "24ccc9acaa9f65e4"],
  [9, "14d5001c15dd3f2b"],
  [15, "45556d4d6e1798bc"],
  [16, "981b17d36c7498c9"],
  [17, "796f5acd3a60f862"],
  [31, "5d516692ca764c50"],
  [32, "9feaddbdbf57eed3"],
  [33, "abfb2d081b400a10"],
  [64, "9cb48487720ec49d"],
  [65, "fd81aac4bebc3883"],
  [96, "935a769a7f94776f"],
  [97, "ca4ca268fd3c3a6c"],
  [127, "2408ed71323d6096"],
  [128, "fcff24126754d861"],
  [129, "98f1b0a679a2ca29"],
  [143, "7a7813693f1f4edb"],
  [144, "c440d47e5f03fe58"],
  [160, "9d03a319ed4cbd2b"],
  [200, "bddca58935d7c038"],
  [239, "16ce2b9d3b28805d"],
  [240, "81c3c2b67f568ccf"],
  [241, "c5a639ecd2030e5e"],
  [255, "e98f979f4ed8a197"],
  [256, "55de574ad89d0ac5"],
  [257, "b17fd5a8ae75bb0b"],
  [512, "617e49599013cb6b"],
  [1023, "87a8f7b2f2e22496"],
  [1024, "dd85c9b5c1109c5c"],
  [1025, "d870c0fa13211c6a"],
  [2048, "dd59e2c3a5f038e0"],
  [2049, "d3afa4329779b921"],
  [4096, "e91206429d1f48f9"],
  [10_000, "bcd883507019ca90"],
  [65_536, "918f7f0f912ca480"],
  [65_537, "e42d29d5d26c06c2"],
];

/** A byte is the highest of a product that goes on: the reference's sanity check makes them so. */
function sanityBytes(length: number): Uint8Array {
  let product = 2_654_435_761n;
  return Uint8Array.from({ length }, () => {
    const byte = Number(product >> 56n);
    product = BigInt.asUintN(64, product * 11_400_714_785_074_694_797n);
    return byte;
  });
}

function hexOf(bytes: Uint8Array, start: number, length: number): string {
  const out = new Uint8Array(8);
  xxh3(bytes, start, length, out);
  return [...out].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

Deno.test("xxh3: the reference's values, for every way of hashing", () => {
  const bytes = sanityBytes(65_537);
  for (const [length, wanted] of REFERENCE) {
    assertEquals(hexOf(bytes, 0, length), wanted, `${length} bytes`);
  }
});

Deno.test("xxh3: bytes within others, and one after the other, hash as they do alone", () => {
  const bytes = sanityBytes(3_000);
  const around = new Uint8Array(3_100).fill(0xff);
  around.set(bytes, 50);
  for (const [length, wanted] of REFERENCE) {
    if (length <= bytes.length) assertEquals(hexOf(around, 50, length), wanted, `${length} bytes`);
  }
});

Deno.test("xxh3: the example of Redis's page on DIGEST", () => {
  const bytes = new TextEncoder().encode("Hello world");
  assertEquals(hexOf(bytes, 0, bytes.length), "b6acb9d84a38ff74");
});
