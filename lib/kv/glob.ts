/**
 * Patterns of keys, as the shell has them: `*` any bytes, `?` one byte, `[a-c]` and `[^a-c]` one byte
 * of a set, `\` takes the next byte as it is. Bytes, not characters; case counts.
 */

const STAR = 0x2a;
const QUESTION = 0x3f;
const OPEN = 0x5b;
const CLOSE = 0x5d;
const CARET = 0x5e;
const BACKSLASH = 0x5c;
const DASH = 0x2d;

/** Matches many keys against one pattern and counts what that took: patterns come from outside. */
export class Glob {
  /** Steps taken since the beginning; the caller stops where they are too many. */
  steps = 0;
  readonly #bytes: Uint8Array;
  readonly #start: number;
  readonly #end: number;
  /** Behind the set that `#matchesSet` looked at. */
  #behindSet = 0;

  /** The pattern `bytes[start, end)`; an empty one matches every key. */
  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
  }

  matches(text: Uint8Array, textStart: number, textLength: number): boolean {
    if (this.#start === this.#end) return true;
    const textEnd = textStart + textLength;
    let at = this.#start;
    let here = textStart;
    // Behind the last star seen, and the text that it has taken so far: only that one can be retried.
    let starBehind = -1;
    let starText = 0;
    while (true) {
      this.steps++;
      if (at < this.#end && this.#bytes[at] === STAR) {
        starBehind = ++at;
        starText = here;
        continue;
      }
      if (here === textEnd) return at === this.#end;
      const next = at < this.#end ? this.#one(at, text[here]!) : -1;
      if (next >= 0) {
        at = next;
        here++;
        continue;
      }
      if (starBehind < 0) return false;
      at = starBehind;
      here = ++starText;
      if (here > textEnd) return false;
    }
  }

  /** Where the pattern goes on, if what stands at `at` takes `byte`; else -1. */
  #one(at: number, byte: number): number {
    const pattern = this.#bytes;
    switch (pattern[at]) {
      case QUESTION:
        return at + 1;
      case OPEN:
        return this.#matchesSet(at + 1, byte) ? this.#behindSet : -1;
      case BACKSLASH:
        if (at + 1 < this.#end) return pattern[at + 1] === byte ? at + 2 : -1;
        return byte === BACKSLASH ? at + 1 : -1;
      default:
        return pattern[at] === byte ? at + 1 : -1;
    }
  }

  /** A set without its closing bracket goes to the pattern's end. */
  #matchesSet(from: number, byte: number): boolean {
    const pattern = this.#bytes;
    const end = this.#end;
    let at = from;
    const isNegated = at < end && pattern[at] === CARET;
    if (isNegated) at++;
    let isIn = false;
    for (; at < end && pattern[at] !== CLOSE; at++) {
      this.steps++;
      if (pattern[at] === BACKSLASH && at + 1 < end) {
        at++;
        if (pattern[at] === byte) isIn = true;
      } else if (at + 2 < end && pattern[at + 1] === DASH) {
        const low = Math.min(pattern[at]!, pattern[at + 2]!);
        const high = Math.max(pattern[at]!, pattern[at + 2]!);
        if (byte >= low && byte <= high) isIn = true;
        at += 2;
      } else if (pattern[at] === byte) isIn = true;
    }
    this.#behindSet = Math.min(at + 1, end);
    return isIn !== isNegated;
  }
}
