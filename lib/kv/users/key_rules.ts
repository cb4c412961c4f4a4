/** The patterns of keys that a user may use, laid out so that asking costs little: each key asks. */
import { Access } from "./command_numbers.ts";
import { literalPrefix, matchesPattern } from "./match_pattern.ts";

export interface KeyPattern {
  readonly pattern: Uint8Array;
  /** What one may do with keys that it matches; never `none`. */
  readonly access: Access;
}

/** What follows a pattern's literal beginning. */
const Rest = { nothing: 0, anything: 1, tokens: 2 } as const;

const STAR = 0x2a;

/** To look at one pattern's beginning. */
const PATTERN_STEPS = 4;

/** Whether one pattern gives all of `access` to every key that begins with `prefix`. */
export function opensPrefix(
  { allKeys, keys }: { readonly allKeys: boolean; readonly keys: readonly KeyPattern[] },
  access: Access,
  prefix: Uint8Array,
): boolean {
  return allKeys || keys.some(({ pattern, access: given }) => {
    if ((given & access) !== access) return false;
    const literalBytes = literalPrefix(pattern, 0, pattern.length);
    const isOpen = literalBytes < pattern.length &&
      pattern.subarray(literalBytes).every((byte) => byte === STAR);
    return isOpen && literalBytes <= prefix.length &&
      pattern.subarray(0, literalBytes).every((byte, i) => byte === prefix[i]);
  });
}

export class KeyRules {
  readonly #allKeys: boolean;
  readonly #count: number;
  /** All patterns, end to end. */
  readonly #bytes: Uint8Array;
  readonly #starts: Int32Array;
  readonly #prefixEnds: Int32Array;
  readonly #ends: Int32Array;
  readonly #rests: Uint8Array;
  readonly #access: Uint8Array;
  /** So many bytes, literal ones, all patterns begin with. */
  readonly #commonBytes: number;
  /** Of what follows literal beginnings and is to be matched, in all patterns. */
  readonly #tokenBytes: number;
  /** The pattern that matched last is tried first. */
  #last = 0;

  constructor(allKeys: boolean, patterns: readonly KeyPattern[]) {
    const count = patterns.length;
    this.#allKeys = allKeys;
    this.#count = count;
    this.#bytes = new Uint8Array(patterns.reduce((sum, { pattern }) => sum + pattern.length, 0));
    this.#starts = new Int32Array(count);
    this.#prefixEnds = new Int32Array(count);
    this.#ends = new Int32Array(count);
    this.#rests = new Uint8Array(count);
    this.#access = new Uint8Array(count);
    let at = 0;
    for (const [i, { pattern, access }] of patterns.entries()) {
      this.#bytes.set(pattern, at);
      const prefixBytes = literalPrefix(pattern, 0, pattern.length);
      this.#starts[i] = at;
      this.#prefixEnds[i] = at + prefixBytes;
      this.#rests[i] = prefixBytes === pattern.length
        ? Rest.nothing
        : pattern.subarray(prefixBytes).every((byte) => byte === STAR)
        ? Rest.anything
        : Rest.tokens;
      this.#access[i] = access;
      at += pattern.length;
      this.#ends[i] = at;
    }
    this.#commonBytes = this.#countCommon();
    this.#tokenBytes = patterns.reduce((sum, _, i) => sum + this.#tokenBytesOf(i), 0);
  }

  /** Every key is open to `access`: keys need not be looked at. */
  opensAll(access: Access): boolean {
    if (this.#allKeys) return true;
    for (let i = 0; i < this.#count; i++) {
      const isAny = this.#rests[i] === Rest.anything && this.#prefixEnds[i] === this.#starts[i];
      if (isAny && (this.#access[i]! & access) === access) return true;
    }
    return false;
  }

  /** About how many nanoseconds it takes at most to ask for a key of so many bytes. */
  stepsMaxOf(length: number): number {
    return PATTERN_STEPS * this.#count + length * this.#tokenBytes;
  }

  /** The same for one key: patterns that begin in another way are not matched. */
  stepsOf(bytes: Uint8Array, start: number, length: number): number {
    let steps = PATTERN_STEPS * this.#count;
    if (this.#tokenBytes === 0) return steps;
    for (let i = 0; i < this.#count; i++) {
      if (this.#rests[i] !== Rest.tokens) continue;
      const from = this.#starts[i]!;
      const prefixBytes = this.#prefixEnds[i]! - from;
      let same = 0;
      while (same < prefixBytes && this.#bytes[from + same] === bytes[start + same]) same++;
      if (same === prefixBytes) steps += Math.max(0, length - same) * this.#tokenBytesOf(i);
    }
    return steps;
  }

  #tokenBytesOf(i: number): number {
    return this.#rests[i] === Rest.tokens ? this.#ends[i]! - this.#prefixEnds[i]! : 0;
  }

  /** Whether one pattern matches the key `bytes[start, start + length)` and gives all of `access`. */
  opens(access: Access, bytes: Uint8Array, start: number, length: number): boolean {
    if (this.#allKeys) return true;
    if (this.#count === 0 || !this.#hasCommon(bytes, start, length)) return false;
    const last = this.#last;
    if (this.#matches(last, access, bytes, start, length)) return true;
    for (let i = 0; i < this.#count; i++) {
      if (i === last || !this.#matches(i, access, bytes, start, length)) continue;
      this.#last = i;
      return true;
    }
    return false;
  }

  /** Whether the key begins with what all patterns begin with. */
  #hasCommon(bytes: Uint8Array, start: number, length: number): boolean {
    const common = this.#commonBytes;
    if (length < common) return false;
    const patterns = this.#bytes;
    for (let i = 0; i < common; i++) if (patterns[i] !== bytes[start + i]) return false;
    return true;
  }

  #matches(i: number, access: Access, bytes: Uint8Array, start: number, length: number): boolean {
    if ((this.#access[i]! & access) !== access) return false;
    const patterns = this.#bytes;
    const from = this.#starts[i]!;
    const prefixBytes = this.#prefixEnds[i]! - from;
    if (length < prefixBytes) return false;
    for (let k = this.#commonBytes; k < prefixBytes; k++) {
      if (patterns[from + k] !== bytes[start + k]) return false;
    }
    const rest = this.#rests[i];
    if (rest === Rest.anything) return true;
    if (rest === Rest.nothing) return length === prefixBytes;
    return matchesPattern(
      patterns,
      from + prefixBytes,
      this.#ends[i]!,
      bytes,
      start + prefixBytes,
      start + length,
    );
  }

  #countCommon(): number {
    if (this.#count === 0) return 0;
    let common = this.#prefixEnds[0]! - this.#starts[0]!;
    for (let i = 1; i < this.#count; i++) {
      const prefixBytes = this.#prefixEnds[i]! - this.#starts[i]!;
      let same = 0;
      const most = Math.min(common, prefixBytes);
      while (same < most && this.#bytes[this.#starts[i]! + same] === this.#bytes[same]) same++;
      common = same;
    }
    return common;
  }
}
