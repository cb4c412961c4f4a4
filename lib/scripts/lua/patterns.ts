/** Lua's patterns: as lstrlib.c of Lua 5.1 matches them, each step counted. */
import type { Machine } from "./machine.ts";
import type { Value } from "./values.ts";

const CAPTURES_MAX = 32;
/** Of matches within matches. */
const DEPTH_MAX = 150;
const UNFINISHED = -1;
const POSITION = -2;
const NONE = -1;

const PERCENT = 0x25;
const LEFT_BRACKET = 0x5b;
const RIGHT_BRACKET = 0x5d;
const CARET = 0x5e;
const DASH = 0x2d;
const DOT = 0x2e;
const DOLLAR = 0x24;
const OPEN = 0x28;
const CLOSE = 0x29;
const STAR = 0x2a;
const PLUS = 0x2b;
const QUESTION = 0x3f;

export class Matcher {
  readonly #machine: Machine;
  readonly #source: string;
  readonly #pattern: string;
  #starts: number[] = [];
  #lengths: number[] = [];
  #depth = 0;

  constructor(machine: Machine, source: string, pattern: string) {
    this.#machine = machine;
    this.#source = source;
    this.#pattern = pattern;
  }

  get captures(): number {
    return this.#starts.length;
  }

  /** Where the match ends that begins at `at`, by the pattern from `from` on; -1 where there is none. */
  match(at: number, from: number): number {
    this.#starts = [];
    this.#lengths = [];
    this.#depth = 0;
    return this.#match(at, from);
  }

  /** Capture `i`; the whole match where there are none and `i` is 0. */
  capture(i: number, start: number, end: number): Value {
    if (i >= this.captures) {
      if (i === 0) return this.#cut(start, end);
      this.#machine.failHere("invalid capture index");
    }
    const length = this.#lengths[i]!;
    if (length === UNFINISHED) this.#machine.failHere("unfinished capture");
    const from = this.#starts[i]!;
    return length === POSITION ? from + 1 : this.#cut(from, from + length);
  }

  /** All captures, or the whole match where there are none. */
  all(start: number, end: number): Value[] {
    const count = Math.max(1, this.captures);
    const values: Value[] = [];
    for (let i = 0; i < count; i++) values.push(this.capture(i, start, end));
    return values;
  }

  #cut(start: number, end: number): string {
    this.#machine.meter.string(end - start);
    return this.#source.slice(start, end);
  }

  #match(start: number, from: number): number {
    const pattern = this.#pattern;
    if (++this.#depth > DEPTH_MAX) this.#machine.failHere("pattern too complex");
    let at = start;
    let p = from;
    try {
      while (p < pattern.length) {
        this.#machine.meter.step(2);
        const letter = pattern.charCodeAt(p);
        if (letter === OPEN) {
          return pattern.charCodeAt(p + 1) === CLOSE
            ? this.#open(at, p + 2, POSITION)
            : this.#open(at, p + 1, UNFINISHED);
        }
        if (letter === CLOSE) return this.#close(at, p + 1);
        if (letter === DOLLAR && p + 1 === pattern.length) {
          return at === this.#source.length ? at : NONE;
        }
        if (letter === PERCENT) {
          const next = pattern[p + 1] ?? "";
          if (next === "b") {
            at = this.#balance(at, p + 2);
            if (at === NONE) return NONE;
            p += 4;
            continue;
          }
          if (next === "f") {
            p += 2;
            if (pattern.charCodeAt(p) !== LEFT_BRACKET) {
              this.#machine.failHere("missing '[' after '%f' in pattern");
            }
            const end = this.#classEnd(p);
            const before = at === 0 ? 0 : this.#source.charCodeAt(at - 1);
            const here = at < this.#source.length ? this.#source.charCodeAt(at) : 0;
            if (this.#inSet(before, p, end - 1) || !this.#inSet(here, p, end - 1)) return NONE;
            p = end;
            continue;
          }
          if (next >= "0" && next <= "9") {
            at = this.#back(at, Number(next));
            if (at === NONE) return NONE;
            p += 2;
            continue;
          }
        }
        const end = this.#classEnd(p);
        const suffix = pattern.charCodeAt(end);
        if (suffix === QUESTION) {
          if (this.#isOne(at, p, end)) {
            const found = this.#match(at + 1, end + 1);
            if (found !== NONE) return found;
          }
          p = end + 1;
          continue;
        }
        if (suffix === STAR) return this.#most(at, p, end, 0);
        if (suffix === PLUS) return this.#most(at, p, end, 1);
        if (suffix === DASH) return this.#least(at, p, end);
        if (!this.#isOne(at, p, end)) return NONE;
        at++;
        p = end;
      }
      return at;
    } finally {
      this.#depth--;
    }
  }

  #open(at: number, p: number, what: number): number {
    if (this.captures >= CAPTURES_MAX) this.#machine.failHere("too many captures");
    this.#starts.push(at);
    this.#lengths.push(what);
    const found = this.#match(at, p);
    if (found === NONE) {
      this.#starts.pop();
      this.#lengths.pop();
    }
    return found;
  }

  #close(at: number, p: number): number {
    const i = this.#lengths.lastIndexOf(UNFINISHED);
    if (i < 0) this.#machine.failHere("invalid pattern capture");
    this.#lengths[i] = at - this.#starts[i]!;
    const found = this.#match(at, p);
    if (found === NONE) this.#lengths[i] = UNFINISHED;
    return found;
  }

  #most(at: number, p: number, end: number, least: number): number {
    let count = 0;
    while (this.#isOne(at + count, p, end)) {
      count++;
      this.#machine.meter.step(0.25);
    }
    for (; count >= least; count--) {
      const found = this.#match(at + count, end + 1);
      if (found !== NONE) return found;
    }
    return NONE;
  }

  #least(start: number, p: number, end: number): number {
    for (let at = start;; at++) {
      const found = this.#match(at, end + 1);
      if (found !== NONE) return found;
      if (!this.#isOne(at, p, end)) return NONE;
      this.#machine.meter.step(0.25);
    }
  }

  #balance(at: number, p: number): number {
    if (p + 1 >= this.#pattern.length) this.#machine.failHere("unbalanced pattern");
    const source = this.#source;
    const [open, close] = [this.#pattern[p], this.#pattern[p + 1]];
    if (source[at] !== open) return NONE;
    let depth = 1;
    for (let i = at + 1; i < source.length; i++) {
      this.#machine.meter.step(0.25);
      if (source[i] === close) {
        if (--depth === 0) return i + 1;
      } else if (source[i] === open) depth++;
    }
    return NONE;
  }

  #back(at: number, number: number): number {
    const i = number - 1;
    if (i < 0 || i >= this.captures || this.#lengths[i] === UNFINISHED) {
      this.#machine.failHere("invalid capture index");
    }
    const text = this.#cut(this.#starts[i]!, this.#starts[i]! + Math.max(0, this.#lengths[i]!));
    return this.#source.startsWith(text, at) ? at + text.length : NONE;
  }

  /** Where the class that begins at `p` ends. */
  #classEnd(p: number): number {
    const pattern = this.#pattern;
    const letter = pattern.charCodeAt(p);
    if (letter === PERCENT) {
      if (p + 1 >= pattern.length) {
        this.#machine.failHere("malformed pattern (ends with '%')");
      }
      return p + 2;
    }
    if (letter !== LEFT_BRACKET) return p + 1;
    let at = p + 1;
    if (pattern.charCodeAt(at) === CARET) at++;
    do {
      if (at >= pattern.length) this.#machine.failHere("malformed pattern (missing ']')");
      const one = pattern.charCodeAt(at++);
      if (one === PERCENT && at < pattern.length) at++;
    } while (pattern.charCodeAt(at) !== RIGHT_BRACKET || at >= pattern.length);
    return at + 1;
  }

  #isOne(at: number, p: number, end: number): boolean {
    if (at >= this.#source.length) return false;
    const code = this.#source.charCodeAt(at);
    const letter = this.#pattern.charCodeAt(p);
    if (letter === DOT) return true;
    if (letter === PERCENT) return isInClass(code, this.#pattern.charCodeAt(p + 1));
    if (letter === LEFT_BRACKET) return this.#inSet(code, p, end - 1);
    return letter === code;
  }

  /** Whether the letter is in the set whose brackets are at `start` and `end`. */
  #inSet(code: number, start: number, end: number): boolean {
    const pattern = this.#pattern;
    let at = start + 1;
    const isMeant = pattern.charCodeAt(at) !== CARET;
    if (!isMeant) at++;
    this.#machine.meter.step((end - at) / 16);
    for (; at < end; at++) {
      const letter = pattern.charCodeAt(at);
      if (letter === PERCENT) {
        at++;
        if (isInClass(code, pattern.charCodeAt(at))) return isMeant;
      } else if (pattern.charCodeAt(at + 1) === DASH && at + 2 < end) {
        if (letter <= code && code <= pattern.charCodeAt(at + 2)) return isMeant;
        at += 2;
      } else if (letter === code) return isMeant;
    }
    return !isMeant;
  }
}

const CLASSES: Readonly<Record<string, (code: number) => boolean>> = {
  a: isLetter,
  c: (code) => code < 0x20 || code === 0x7f,
  d: (code) => code >= 0x30 && code <= 0x39,
  l: (code) => code >= 0x61 && code <= 0x7a,
  p: (code) => code > 0x20 && code < 0x7f && !isLetter(code) && !(code >= 0x30 && code <= 0x39),
  s: (code) => code === 0x20 || (code >= 0x09 && code <= 0x0d),
  u: (code) => code >= 0x41 && code <= 0x5a,
  w: (code) => isLetter(code) || (code >= 0x30 && code <= 0x39),
  x: (code) => (code >= 0x30 && code <= 0x39) || ((code | 0x20) >= 0x61 && (code | 0x20) <= 0x66),
  z: (code) => code === 0,
};

function isLetter(code: number): boolean {
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x7a;
}

function isInClass(code: number, name: number): boolean {
  const letter = String.fromCharCode(name);
  const test = isLetter(name) ? CLASSES[letter.toLowerCase()] : undefined;
  if (test === undefined) return code === name;
  return test(code) === (letter >= "a");
}
