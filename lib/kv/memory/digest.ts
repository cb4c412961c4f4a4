/**
 * The digest of the contents: the sum, modulo 2^64, of one 64-bit hash a record. A sum does not
 * depend on the order of the records, and a change takes the record's old hash off and adds the new
 * one, so it costs the same however many keys there are. Replicas that applied the same entries
 * have the same digest; it guards against bugs and damage, not against someone who forges contents.
 *
 * A record's hash covers its key (by the seeded hash and in the checksum), its value (by checksum
 * and length), version, deadline and the index of its last change.
 */
import type { RecordHead } from "./record.ts";

const TWO_32 = 0x1_0000_0000;

/** How many indexes back `DigestHistory` remembers. */
const DIGESTS_REMEMBERED = 512;

/** Both halves of another sum, signed. */
export interface DigestPart {
  readonly digestLow: number;
  readonly digestHigh: number;
}

export class Digest {
  /** Both halves as signed 32-bit numbers, which the engine keeps unboxed. */
  low = 0;
  high = 0;

  /** Counts a record in; `deadlineMs` is 0 for never. */
  add(hash: number, head: RecordHead, deadlineMs: number): void {
    mix(hash, head, deadlineMs);
    const low = (this.low + mixedLow) | 0;
    const carry = (low >>> 0) < (mixedLow >>> 0) ? 1 : 0;
    this.low = low;
    this.high = (this.high + mixedHigh + carry) | 0;
  }

  /** Takes a record off again. */
  subtract(hash: number, head: RecordHead, deadlineMs: number): void {
    mix(hash, head, deadlineMs);
    const borrow = (this.low >>> 0) < (mixedLow >>> 0) ? 1 : 0;
    this.low = (this.low - mixedLow) | 0;
    this.high = (this.high - mixedHigh - borrow) | 0;
  }

  /** Becomes the digest of contents together with users, client sessions and loaded scripts. */
  setSum(contents: Digest, users: DigestPart, sessions: DigestPart, scripts: DigestPart): void {
    this.low = (contents.low + users.digestLow + sessions.digestLow + scripts.digestLow) | 0;
    this.high = (contents.high + users.digestHigh + sessions.digestHigh + scripts.digestHigh) | 0;
  }

  /** 16 hexadecimal digits. */
  toString(): string {
    return digestText(this.high, this.low);
  }
}

/** The digests after the last entries, by index. */
export class DigestHistory {
  readonly #sum = new Digest();
  readonly #indexes = new Float64Array(DIGESTS_REMEMBERED).fill(-1);
  readonly #lows = new Int32Array(DIGESTS_REMEMBERED);
  readonly #highs = new Int32Array(DIGESTS_REMEMBERED);

  remember(index: number, digest: Digest): void {
    const at = index % DIGESTS_REMEMBERED;
    this.#indexes[at] = index;
    this.#lows[at] = digest.low;
    this.#highs[at] = digest.high;
  }

  /** The digest of contents with the rest, where that was ever used. Valid until the next call. */
  sum(
    contents: Digest,
    users: DigestPart & { readonly count: number },
    sessions: DigestPart & { readonly areUnused: boolean },
    scripts: DigestPart & { readonly areUnused: boolean },
  ): Digest {
    if (users.count === 0 && sessions.areUnused && scripts.areUnused) return contents;
    this.#sum.setSum(contents, users, sessions, scripts);
    return this.#sum;
  }

  /** The digest after entry `index`, or null where that is too long ago or not applied yet. */
  at(index: number): string | null {
    const at = index % DIGESTS_REMEMBERED;
    if (this.#indexes[at] !== index) return null;
    return digestText(this.#highs[at]!, this.#lows[at]!);
  }
}

let mixedLow = 0;
let mixedHigh = 0;

/** Leaves the record's 64 bits in `mixedLow` and `mixedHigh`: no object for two numbers. */
function mix(hash: number, head: RecordHead, deadlineMs: number): void {
  let a = hash;
  let b = hash ^ 0x5bd1e995;
  // Each line is a bijection of (a, word) for a fixed word, so one differing word always shows.
  a = Math.imul(a ^ head.checksum, 0x9e3779b1);
  b = Math.imul(b + head.checksum, 0x85ebca77);
  a ^= a >>> 15;
  b ^= b >>> 13;
  a = Math.imul(a ^ head.valueLength, 0x9e3779b1);
  b = Math.imul(b + head.valueLength, 0x85ebca77);
  a ^= a >>> 15;
  b ^= b >>> 13;
  a = Math.imul(a ^ head.version, 0x9e3779b1);
  b = Math.imul(b + (head.version | 0), 0x85ebca77);
  a ^= a >>> 15;
  b ^= b >>> 13;
  a = Math.imul(a ^ deadlineMs, 0x9e3779b1);
  b = Math.imul(b + (deadlineMs | 0), 0x85ebca77);
  a ^= a >>> 15;
  b ^= b >>> 13;
  a = Math.imul(a ^ head.index, 0x9e3779b1);
  b = Math.imul(b + (head.index | 0), 0x85ebca77);
  a ^= a >>> 15;
  b ^= b >>> 13;
  // The upper halves are mostly zero; they go in apart, so that no two words can cancel out.
  a = Math.imul(a ^ (head.version / TWO_32), 0x9e3779b1);
  b = Math.imul(b + ((head.version / TWO_32) | 0), 0x85ebca77);
  a ^= a >>> 15;
  b ^= b >>> 13;
  a = Math.imul(a ^ (deadlineMs / TWO_32), 0x9e3779b1);
  b = Math.imul(b + ((deadlineMs / TWO_32) | 0), 0x85ebca77);
  a ^= a >>> 15;
  b ^= b >>> 13;
  a = Math.imul(a ^ (head.index / TWO_32), 0x9e3779b1);
  b = Math.imul(b + ((head.index / TWO_32) | 0), 0x85ebca77);
  mixedLow = a ^ (a >>> 16);
  mixedHigh = b ^ (b >>> 16);
}

function digestText(high: number, low: number): string {
  return (high >>> 0).toString(16).padStart(8, "0") + (low >>> 0).toString(16).padStart(8, "0");
}
