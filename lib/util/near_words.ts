/** Which word was meant: keys of the cluster file, commands. */

/** Longer words are nobody's typo; comparing takes the product of both lengths. */
const TYPO_LENGTH_MAX = 64;
const PREFIX_LENGTH_MIN = 4;

/** The same but for letter case and separators, or for one or two letters; or the first part of it. */
export function isNear(key: string, known: string): boolean {
  if (key.length > TYPO_LENGTH_MAX) return false;
  const [a, b] = [key, known].map((name) => name.toLowerCase().replace(/[^a-z0-9]/g, ""));
  if (a!.length >= PREFIX_LENGTH_MIN && b!.startsWith(a!)) return true;
  const lettersMax = known.length > 5 ? 2 : 1;
  return distance(a!, b!) <= lettersMax;
}

/** How many letters have to be changed, added or left out to make `b` of `a` (Levenshtein). */
function distance(a: string, b: string): number {
  let before = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const now = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = before[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      now.push(Math.min(changed, before[j]! + 1, now[j - 1]! + 1));
    }
    before = now;
  }
  return before[b.length]!;
}
