/** SHA-1 (FIPS 180-4), by which the Redis protocol names scripts. Nothing here is secret. */

const ROUND = [0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6];

/** The digest of a text of a letter for each byte, as 40 hexadecimal digits. */
export function sha1Hex(text: string): string {
  const blocks = (text.length + 8 >> 6) + 1;
  const words = new Int32Array(blocks * 16);
  for (let i = 0; i < text.length; i++) {
    words[i >> 2]! |= text.charCodeAt(i) << (24 - 8 * (i & 3));
  }
  words[text.length >> 2]! |= 0x80 << (24 - 8 * (text.length & 3));
  words[words.length - 2] = Math.floor(text.length / 0x2000_0000);
  words[words.length - 1] = text.length << 3;
  const state = Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0);
  const w = new Int32Array(80);
  for (let block = 0; block < words.length; block += 16) digestBlock(state, words, block, w);
  return [...state].map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
}

function digestBlock(state: Int32Array, words: Int32Array, block: number, w: Int32Array): void {
  for (let i = 0; i < 80; i++) {
    w[i] = i < 16 ? words[block + i]! : rotate(w[i - 3]! ^ w[i - 8]! ^ w[i - 14]! ^ w[i - 16]!, 1);
  }
  let [a, b, c, d, e] = state as unknown as [number, number, number, number, number];
  for (let i = 0; i < 80; i++) {
    const part = Math.floor(i / 20);
    const mixed = part === 0
      ? (b & c) | (~b & d)
      : part === 2
      ? (b & c) | (b & d) | (c & d)
      : b ^ c ^ d;
    const next = (rotate(a, 5) + mixed + e + ROUND[part]! + w[i]!) | 0;
    [e, d, c, b, a] = [d, c, rotate(b, 30), a, next];
  }
  state[0]! += a;
  state[1]! += b;
  state[2]! += c;
  state[3]! += d;
  state[4]! += e;
}

function rotate(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by));
}
