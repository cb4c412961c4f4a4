/** Which word was meant: keys of the cluster file, commands, flags. */

/** Longer words are nobody's typo; comparing takes the product of both lengths. */
const TYPO_LENGTH_MAX = 64;
const PREFIX_LENGTH_MIN = 3;

/** The one among `known` that was most likely meant; null where none looks like it. */
export function nearest(word: string, known: readonly string[]): string | null {
  let found: string | null = null;
  let least = Infinity;
  for (const one of known) {
    const apart = lettersApart(word, one);
    if (apart < least) [found, least] = [one, apart];
  }
  return found;
}

/**
 * The same but for letter case and separators, or for so few letters as one slips over: none of two, one
 * of up to five, two of more. Or the first part of it.
 */
export function isNear(word: string, known: string): boolean {
  return lettersApart(word, known) < Infinity;
}

/** Infinity where it is another word; that a part is missing at the end counts less than a wrong letter. */
function lettersApart(word: string, known: string): number {
  if (word.length > TYPO_LENGTH_MAX) return Infinity;
  const [a, b] = [word, known].map((name) => name.toLowerCase().replace(/[^a-z0-9]/g, ""));
  if (a === b) return 0;
  if (a!.length >= PREFIX_LENGTH_MIN && b!.startsWith(a!)) return 0.5;
  const lettersMax = b!.length > 5 ? 2 : b!.length > 2 ? 1 : 0;
  const apart = distance(a!, b!);
  return apart <= lettersMax ? apart : Infinity;
}

/**
 * How many letters have to be changed, added, left out or exchanged with the next one to make `b` of `a`
 * (Damerau and Levenshtein, each letter moved once).
 */
function distance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const [before, now] = [rows[i - 1]!, [i]];
    for (let j = 1; j <= b.length; j++) {
      const changed = before[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      let least = Math.min(changed, before[j]! + 1, now[j - 1]! + 1);
      const isExchange = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isExchange) least = Math.min(least, rows[i - 2]![j - 2]! + 1);
      now.push(least);
    }
    rows.push(now);
  }
  return rows[a.length]![b.length]!;
}
