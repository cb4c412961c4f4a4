/**
 * Patterns of keys, as the shell has them: `*` any bytes, `?` one byte, `[a-c]` and `[^a-c]` one byte
 * of a set, `\` takes the next byte as it is. Bytes, not characters; case counts.
 *
 * A pattern is compiled once, into a nondeterministic automaton. State i means that the first i tokens
 * (stars do not count) have matched the bytes so far. A byte advances each state whose token matches it;
 * a state with a star before its token also stays. So each byte of a key is looked at once, and costs as
 * many words as the states fill, whatever the pattern is: there is no backtracking.
 */

const STAR = 0x2a;
const QUESTION = 0x3f;
const OPEN = 0x5b;
const CLOSE = 0x5d;
const CARET = 0x5e;
const BACKSLASH = 0x5c;
const DASH = 0x2d;

/** The longest pattern: no word of a key costs more than 129 words of work. */
export const PATTERN_BYTES_MAX = 4_096;

const BYTES = 256;
const WORD_BITS = 32;

/** Matches many keys against one pattern and counts what that took: patterns come from outside. */
export class Glob {
  /** Words of work so far, the compiling included; the caller stops where they are too many. */
  steps = 0;
  readonly #matchesAll: boolean;
  /** How many words hold a bit for each state. */
  #words = 0;
  #tokens = 0;
  /** By byte: of which tokens it is taken. */
  #takenBy: Int32Array = NOTHING;
  /** States that stay whatever comes: a star stands there. */
  #stays: Int32Array = NOTHING;
  #states: Int32Array = NOTHING;
  readonly #bytes: Uint8Array;
  readonly #end: number;

  /**
   * The pattern `bytes[start, end)`, of at most `PATTERN_BYTES_MAX`; an empty one matches every key.
   */
  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#end = end;
    this.#matchesAll = start === end;
    if (!this.#matchesAll) this.#compile(start);
    // The client's bytes are not kept.
    this.#bytes = NO_BYTES;
  }

  /** True where a byte costs more than one word. */
  get isLong(): boolean {
    return this.#words > 1;
  }

  matches(text: Uint8Array, textStart: number, textLength: number): boolean {
    if (this.#matchesAll) return true;
    return this.#words === 1
      ? this.#matchesShort(text, textStart, textStart + textLength)
      : this.#matchesLong(text, textStart, textStart + textLength);
  }

  /** Patterns of up to 31 tokens, which is most: one word holds all states. */
  #matchesShort(text: Uint8Array, start: number, end: number): boolean {
    const takenBy = this.#takenBy;
    const stays = this.#stays[0]!;
    const last = 1 << this.#tokens;
    let states = 1;
    let at = start;
    for (; at < end && states !== 0; at++) {
      states = ((states & takenBy[text[at]!]!) << 1) | (states & stays);
    }
    this.steps += at - start + 1;
    return (states & last) !== 0;
  }

  #matchesLong(text: Uint8Array, start: number, end: number): boolean {
    const takenBy = this.#takenBy;
    const stays = this.#stays;
    const states = this.#states;
    const words = this.#words;
    states.fill(0);
    states[0] = 1;
    let at = start;
    for (let isAny = true; at < end && isAny; at++) {
      const row = text[at]! * words;
      let carry = 0;
      isAny = false;
      for (let word = 0; word < words; word++) {
        const old = states[word]!;
        const moved = old & takenBy[row + word]!;
        const next = (moved << 1) | carry | (old & stays[word]!);
        carry = moved >>> (WORD_BITS - 1);
        states[word] = next;
        if (next !== 0) isAny = true;
      }
    }
    this.steps += (at - start + 1) * words;
    return (states[this.#tokens >>> 5]! & (1 << (this.#tokens & 31))) !== 0;
  }

  #compile(start: number): void {
    let tokens = 0;
    for (let at = start; at < this.#end; at = this.#tokenEnd(at)) {
      if (this.#bytes[at] !== STAR) tokens++;
    }
    const words = (tokens >>> 5) + 1;
    this.#tokens = tokens;
    this.#words = words;
    this.#takenBy = new Int32Array(BYTES * words);
    this.#stays = new Int32Array(words);
    this.steps = BYTES * words;
    if (words > 1) this.#states = new Int32Array(words);
    let token = 0;
    for (let at = start; at < this.#end;) {
      if (this.#bytes[at] === STAR) {
        this.#stays[token >>> 5]! |= 1 << (token & 31);
        at++;
      } else at = this.#addToken(at, token++);
    }
  }

  /** Where the token that begins at `at` ends. A set without its closing bracket goes to the end. */
  #tokenEnd(at: number): number {
    const bytes = this.#bytes;
    const end = this.#end;
    if (bytes[at] === BACKSLASH && at + 1 < end) return at + 2;
    if (bytes[at] !== OPEN) return at + 1;
    at++;
    if (bytes[at] === CARET && at < end) at++;
    while (at < end && bytes[at] !== CLOSE) at = this.#memberEnd(at);
    return Math.min(at + 1, end);
  }

  /** Where the member of a set that begins at `at` ends. */
  #memberEnd(at: number): number {
    const left = this.#end - at;
    if (this.#bytes[at] === BACKSLASH && left > 1) return at + 2;
    return this.#bytes[at + 1] === DASH && left > 2 ? at + 3 : at + 1;
  }

  /** Says which bytes the token at `at` takes; returns where it ends. */
  #addToken(at: number, token: number): number {
    const bytes = this.#bytes;
    const first = bytes[at]!;
    const tokenEnd = this.#tokenEnd(at);
    if (first === QUESTION) this.#take(0, BYTES - 1, token);
    else if (first === OPEN) this.#addSet(at + 1, token);
    else {
      const byte = bytes[tokenEnd - 1]!;
      this.#take(byte, byte, token);
    }
    return tokenEnd;
  }

  #addSet(from: number, token: number): void {
    const bytes = this.#bytes;
    const isNegated = from < this.#end && bytes[from] === CARET;
    let at = isNegated ? from + 1 : from;
    while (at < this.#end && bytes[at] !== CLOSE) {
      const memberEnd = this.#memberEnd(at);
      const length = memberEnd - at;
      const low = bytes[length === 2 ? at + 1 : at]!;
      const high = bytes[memberEnd - 1]!;
      this.#take(Math.min(low, high), Math.max(low, high), token);
      at = memberEnd;
    }
    if (!isNegated) return;
    this.steps += BYTES;
    const place = token >>> 5;
    const bit = 1 << (token & 31);
    for (let byte = 0; byte < BYTES; byte++) this.#takenBy[byte * this.#words + place]! ^= bit;
  }

  #take(low: number, high: number, token: number): void {
    const place = token >>> 5;
    const bit = 1 << (token & 31);
    this.steps += high - low + 1;
    for (let byte = low; byte <= high; byte++) {
      this.#takenBy[byte * this.#words + place]! |= bit;
    }
  }
}

const NOTHING = new Int32Array(0);
const NO_BYTES = new Uint8Array(0);
