/**
 * One key against one pattern, with nothing compiled and nothing kept: users may have a thousand patterns
 * each, and what `Glob` (kv/commands/glob.ts) makes of one takes a kilobyte. Both mean the same by a pattern,
 * but that an empty one matches no key here. Takes at most the key's bytes times the pattern's.
 */

const STAR = 0x2a;
const QUESTION = 0x3f;
const OPEN = 0x5b;
const CLOSE = 0x5d;
const CARET = 0x5e;
const BACKSLASH = 0x5c;
const DASH = 0x2d;

/** What one comparison counts as. */
const STEP = 4;

/** How often a byte was compared with a part of a pattern, ever. */
let steps = 0;

/** What matching has taken so far, in steps of about a nanosecond: the difference of two counts. */
export function patternSteps(): number {
  return steps;
}

/** Whether the pattern `pattern[from, end)` matches all of `text[textFrom, textEnd)`. */
export function matchesPattern(
  pattern: Uint8Array,
  from: number,
  end: number,
  text: Uint8Array,
  textFrom: number,
  textEnd: number,
): boolean {
  let token = from;
  let at = textFrom;
  // After the last star that was met: where a mismatch goes back to, one byte later each time.
  let afterStar = -1;
  let retryAt = 0;
  while (at < textEnd) {
    steps += STEP;
    if (token < end) {
      if (pattern[token] === STAR) {
        afterStar = ++token;
        retryAt = at;
        continue;
      }
      const next = tokenEnd(pattern, token, end);
      if (takes(pattern, token, next, end, text[at]!)) {
        token = next;
        at++;
        continue;
      }
    }
    if (afterStar < 0) return false;
    token = afterStar;
    at = ++retryAt;
  }
  while (token < end && pattern[token] === STAR) token++;
  return token === end;
}

/** How many bytes from `from` on stand for themselves. */
export function literalPrefix(pattern: Uint8Array, from: number, end: number): number {
  let at = from;
  for (; at < end; at++) {
    const byte = pattern[at];
    if (byte === STAR || byte === QUESTION || byte === OPEN || byte === BACKSLASH) break;
  }
  return at - from;
}

/** Where the token that begins at `at` ends. A set without its closing bracket goes to the end. */
function tokenEnd(pattern: Uint8Array, at: number, end: number): number {
  if (pattern[at] === BACKSLASH && at + 1 < end) return at + 2;
  if (pattern[at] !== OPEN) return at + 1;
  at++;
  if (at < end && pattern[at] === CARET) at++;
  while (at < end && pattern[at] !== CLOSE) at = memberEnd(pattern, at, end);
  return Math.min(at + 1, end);
}

/** Where the member of a set that begins at `at` ends. */
function memberEnd(pattern: Uint8Array, at: number, end: number): number {
  const left = end - at;
  if (pattern[at] === BACKSLASH && left > 1) return at + 2;
  return left > 2 && pattern[at + 1] === DASH ? at + 3 : at + 1;
}

/** Whether the token `pattern[at, next)`, which is no star, takes `byte`. */
function takes(
  pattern: Uint8Array,
  at: number,
  next: number,
  end: number,
  byte: number,
): boolean {
  const first = pattern[at];
  if (first === QUESTION) return true;
  if (first !== OPEN) return pattern[next - 1] === byte;
  at++;
  const isNegated = at < end && pattern[at] === CARET;
  if (isNegated) at++;
  let isMember = false;
  while (at < end && pattern[at] !== CLOSE) {
    const memberEndAt = memberEnd(pattern, at, end);
    const length = memberEndAt - at;
    const low = pattern[length === 2 ? at + 1 : at]!;
    const high = pattern[memberEndAt - 1]!;
    if (low <= high ? byte >= low && byte <= high : byte >= high && byte <= low) isMember = true;
    at = memberEndAt;
  }
  return isMember !== isNegated;
}
