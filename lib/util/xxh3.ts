/**
 * XXH3, 64 bits, seed 0: the hash of a value that Redis 8.4 shows with DIGEST and compares with IFDEQ. After
 * the specification of xxHash 0.8 (doc/xxhash_spec.md there). Our own, as what the log comes to hangs on it:
 * the same on every server, at once, in whole numbers of 32 bits (no BigInt, nothing that has to be loaded
 * first). Numbers of 64 bits are in two halves, high and low.
 */
/** The default secret of the specification, 192 bytes. */
const SECRET = fromHex(
  "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f" +
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c" +
    "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8" +
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364" +
    "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e" +
    "2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e",
);

/** The 32 bits from each of its bytes on. */
const SECRET_WORDS = Int32Array.from({ length: SECRET.length - 3 }, (_, at) => word(SECRET, at));

const STRIPE_BYTES = 64;
/** A stripe uses the secret from 8 bytes further on than the one before it; a block has all there are. */
const STRIPES_A_BLOCK = 16;
const BLOCK_BYTES = STRIPES_A_BLOCK * STRIPE_BYTES;
/** Where in the secret these begin: what ends a block, the last stripe, and what puts all together. */
const SCRAMBLE_AT = 128;
const LAST_STRIPE_AT = 121;
const MERGE_AT = 11;
/** Of inputs of 129 to 240 bytes: for the rounds from the ninth on, and for the last 16 bytes. */
const MIDDLE_AT = 3;
const MIDDLE_LAST_AT = 119;

const PRIME32_1 = 0x9e3779b1;
/** PRIME64_1 to 3 and those of the ends, in halves. */
const P1_HIGH = 0x9e3779b1, P1_LOW = 0x85ebca87;
const P2_HIGH = 0xc2b2ae3d, P2_LOW = 0x27d4eb4f;
const P3_HIGH = 0x165667b1, P3_LOW = 0x9e3779f9;
const MX1_HIGH = 0x16566791, MX1_LOW = 0x9e3779f9;
const MX2_HIGH = 0x9fb21c65, MX2_LOW = 0x1e98df25;

/** What the accumulators begin with, low half before high half. */
// deno-fmt-ignore
const ACCUMULATORS = Uint32Array.of(
  0xc2b2ae3d, 0, P1_LOW, P1_HIGH, P2_LOW, P2_HIGH, P3_LOW, P3_HIGH,
  0xc2b2ae63, 0x85ebca77, 0x85ebca77, 0, 0x165667c5, 0x27d4eb2f, PRIME32_1, 0,
);
const accumulators = new Int32Array(ACCUMULATORS.length);

/** The result of the last step, and what sums are gathered in. */
let high = 0;
let low = 0;
let sumHigh = 0;
let sumLow = 0;

/** Writes the hash of `bytes[start, start + length)` to `out[0, 8)`, its highest byte first. */
export function xxh3(bytes: Uint8Array, start: number, length: number, out: Uint8Array): void {
  if (length <= 16) hashShort(bytes, start, length);
  else if (length <= 240) hashMiddle(bytes, start, length);
  else hashLong(bytes, start, length);
  for (let i = 0; i < 4; i++) {
    out[i] = high >>> (24 - 8 * i);
    out[4 + i] = low >>> (24 - 8 * i);
  }
}

function hashShort(bytes: Uint8Array, start: number, length: number): void {
  if (length > 8) return hash9to16(bytes, start, length);
  if (length >= 4) return hash4to8(bytes, start, length);
  high = 0;
  low = 0;
  if (length > 0) {
    const first = bytes[start]!;
    const middle = bytes[start + (length >> 1)]!;
    const last = bytes[start + length - 1]!;
    low = (first << 16) | (middle << 24) | last | (length << 8);
    low ^= secretAt(0) ^ secretAt(4);
  } else {
    low = secretAt(56) ^ secretAt(64);
    high = secretAt(60) ^ secretAt(68);
  }
  // The last mixing of XXH64.
  xorShifted(33);
  multiply(P2_HIGH, P2_LOW);
  xorShifted(29);
  multiply(P3_HIGH, P3_LOW);
  xorShifted(32);
}

function hash4to8(bytes: Uint8Array, start: number, length: number): void {
  high = word(bytes, start) ^ secretAt(12) ^ secretAt(20);
  low = word(bytes, start + length - 4) ^ secretAt(8) ^ secretAt(16);
  // Rotated by 49 and by 24.
  const high49 = (low << 17) | (high >>> 15);
  const low49 = (high << 17) | (low >>> 15);
  const high24 = (high << 24) | (low >>> 8);
  const low24 = (low << 24) | (high >>> 8);
  high ^= high49 ^ high24;
  low ^= low49 ^ low24;
  multiply(MX2_HIGH, MX2_LOW);
  // The length is below 2^3, and what is shifted by 35 below 2^29: no carry.
  low ^= (high >>> 3) + length;
  multiply(MX2_HIGH, MX2_LOW);
  xorShifted(28);
}

function hash9to16(bytes: Uint8Array, start: number, length: number): void {
  const end = start + length - 8;
  const firstLow = word(bytes, start) ^ secretAt(24) ^ secretAt(32);
  const firstHigh = word(bytes, start + 4) ^ secretAt(28) ^ secretAt(36);
  const lastLow = word(bytes, end) ^ secretAt(40) ^ secretAt(48);
  const lastHigh = word(bytes, end + 4) ^ secretAt(44) ^ secretAt(52);
  sumHigh = 0;
  sumLow = length;
  add(swapped(firstLow), swapped(firstHigh));
  add(lastHigh, lastLow);
  foldProduct(firstHigh, firstLow, lastHigh, lastLow);
  add(high, low);
  endSum();
}

function hashMiddle(bytes: Uint8Array, start: number, length: number): void {
  beginSum(length);
  if (length > 128) {
    const rounds = length >> 4;
    for (let i = 0; i < 8; i++) mix16(bytes, start + 16 * i, 16 * i);
    endSum();
    sumHigh = high;
    sumLow = low;
    for (let i = 8; i < rounds; i++) mix16(bytes, start + 16 * i, 16 * (i - 8) + MIDDLE_AT);
    mix16(bytes, start + length - 16, MIDDLE_LAST_AT);
    return endSum();
  }
  // From the middle outwards, one piece from either end for each 32 bytes that were begun.
  for (let i = (length - 1) >> 5; i >= 0; i--) {
    mix16(bytes, start + 16 * i, 32 * i);
    mix16(bytes, start + length - 16 * (i + 1), 32 * i + 16);
  }
  endSum();
}

function hashLong(bytes: Uint8Array, start: number, length: number): void {
  accumulators.set(ACCUMULATORS);
  const blocks = Math.floor((length - 1) / BLOCK_BYTES);
  let at = start;
  for (let block = 0; block < blocks; block++) {
    for (let i = 0; i < STRIPES_A_BLOCK; i++, at += STRIPE_BYTES) accumulate(bytes, at, 8 * i);
    scramble();
  }
  const stripes = Math.floor((length - 1 - blocks * BLOCK_BYTES) / STRIPE_BYTES);
  for (let i = 0; i < stripes; i++, at += STRIPE_BYTES) accumulate(bytes, at, 8 * i);
  accumulate(bytes, start + length - STRIPE_BYTES, LAST_STRIPE_AT);
  beginSum(length);
  for (let i = 0; i < 4; i++) {
    const key = MERGE_AT + 16 * i;
    foldProduct(
      accumulators[4 * i + 1]! ^ secretAt(key + 4),
      accumulators[4 * i]! ^ secretAt(key),
      accumulators[4 * i + 3]! ^ secretAt(key + 12),
      accumulators[4 * i + 2]! ^ secretAt(key + 8),
    );
    add(high, low);
  }
  endSum();
}

/** Takes 64 bytes in: 8 go into a lane as a product with the secret, and into its neighbour as they are. */
function accumulate(bytes: Uint8Array, at: number, key: number): void {
  const lanes = accumulators;
  for (let lane = 0; lane < 16; lane += 2, at += 8, key += 8) {
    const dataLow = word(bytes, at) >>> 0;
    const dataHigh = word(bytes, at + 4);
    const neighbour = lane ^ 2;
    const plainLow = (lanes[neighbour]! >>> 0) + dataLow;
    lanes[neighbour + 1] = lanes[neighbour + 1]! + dataHigh + (plainLow > 0xffff_ffff ? 1 : 0);
    lanes[neighbour] = plainLow;
    const keyedLow = dataLow ^ secretAt(key);
    const keyedHigh = dataHigh ^ secretAt(key + 4);
    // The product of both halves, 32 by 32 bits, from halves of 16.
    const a0 = keyedLow & 0xffff, a1 = keyedLow >>> 16;
    const b0 = keyedHigh & 0xffff, b1 = keyedHigh >>> 16;
    const p00 = Math.imul(a0, b0);
    const p01 = Math.imul(a0, b1);
    const p10 = Math.imul(a1, b0);
    const middle = (p00 >>> 16) + (p01 & 0xffff) + (p10 & 0xffff);
    const productHigh = Math.imul(a1, b1) + (p01 >>> 16) + (p10 >>> 16) + (middle >>> 16);
    const productLow = ((middle << 16) | (p00 & 0xffff)) >>> 0;
    const laneLow = (lanes[lane]! >>> 0) + productLow;
    lanes[lane + 1] = lanes[lane + 1]! + productHigh + (laneLow > 0xffff_ffff ? 1 : 0);
    lanes[lane] = laneLow;
  }
}

/** Ends a block. */
function scramble(): void {
  for (let lane = 0, key = SCRAMBLE_AT; lane < 16; lane += 2, key += 8) {
    high = accumulators[lane + 1]!;
    low = accumulators[lane]!;
    xorShifted(47);
    high ^= secretAt(key + 4);
    low ^= secretAt(key);
    multiply(0, PRIME32_1);
    accumulators[lane + 1] = high;
    accumulators[lane] = low;
  }
}

function mix16(bytes: Uint8Array, at: number, key: number): void {
  foldProduct(
    word(bytes, at + 4) ^ secretAt(key + 4),
    word(bytes, at) ^ secretAt(key),
    word(bytes, at + 12) ^ secretAt(key + 12),
    word(bytes, at + 8) ^ secretAt(key + 8),
  );
  add(high, low);
}

/** The sum begins with the length times a prime: lengths are below 2^32. */
function beginSum(length: number): void {
  high = 0;
  low = length;
  multiply(P1_HIGH, P1_LOW);
  sumHigh = high;
  sumLow = low;
}

/** Mixes the sum, for the last time or between two parts. */
function endSum(): void {
  high = sumHigh;
  low = sumLow;
  xorShifted(37);
  multiply(MX1_HIGH, MX1_LOW);
  xorShifted(32);
}

function add(moreHigh: number, moreLow: number): void {
  const total = (sumLow >>> 0) + (moreLow >>> 0);
  sumHigh = (sumHigh + moreHigh + (total > 0xffff_ffff ? 1 : 0)) | 0;
  sumLow = total | 0;
}

/** The result, and itself shifted to the right by so many bits. */
function xorShifted(bits: number): void {
  if (bits >= 32) {
    low ^= bits === 32 ? high : high >>> (bits - 32);
    return;
  }
  low ^= (low >>> bits) | (high << (32 - bits));
  high ^= high >>> bits;
}

/** The result times this, modulo 2^64. */
function multiply(byHigh: number, byLow: number): void {
  const cross = Math.imul(high, byLow) + Math.imul(low, byHigh);
  multiply32(low, byLow);
  high = (high + cross) | 0;
}

/** The product of two numbers of 32 bits is the result. */
function multiply32(a: number, b: number): void {
  const a0 = a & 0xffff, a1 = a >>> 16;
  const b0 = b & 0xffff, b1 = b >>> 16;
  const p00 = Math.imul(a0, b0);
  const p01 = Math.imul(a0, b1);
  const p10 = Math.imul(a1, b0);
  const middle = (p00 >>> 16) + (p01 & 0xffff) + (p10 & 0xffff);
  high = (Math.imul(a1, b1) + (p01 >>> 16) + (p10 >>> 16) + (middle >>> 16)) | 0;
  low = (middle << 16) | (p00 & 0xffff);
}

/** The product of two numbers of 64 bits, one half of its 128 bits over the other. */
function foldProduct(aHigh: number, aLow: number, bHigh: number, bLow: number): void {
  multiply32(aLow, bLow);
  const low0 = low, low1 = high;
  multiply32(aHigh, bLow);
  const mid0 = low, mid1 = high;
  multiply32(aLow, bHigh);
  const cross = (low1 >>> 0) + (mid0 >>> 0) + (low >>> 0);
  const carry = Math.floor(cross / 0x1_0000_0000);
  const crossHigh = (mid1 >>> 0) + (high >>> 0) + carry;
  multiply32(aHigh, bHigh);
  const upper = (low >>> 0) + crossHigh;
  const top = (high >>> 0) + Math.floor(upper / 0x1_0000_0000);
  low = low0 ^ (upper | 0);
  high = (cross | 0) ^ (top | 0);
}

function secretAt(at: number): number {
  return SECRET_WORDS[at]!;
}

/** The 32 bits at `bytes[at]`, lowest byte first. */
function word(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

/** Its bytes in the other order. */
function swapped(word: number): number {
  return (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g)!, (digits) => parseInt(digits, 16));
}
