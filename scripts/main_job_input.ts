/** What the main job stores: the files of a checkout, and the words of its licence with their counts. */

/** The longest key, and the longest value where nobody configured another. */
const KEY_BYTES_MAX = 250;
const VALUE_BYTES_MAX = 1_048_576;

const encoder = new TextEncoder();

export interface Pair {
  readonly key: string;
  readonly value: Uint8Array;
}

/**
 * `name` as a key: bytes that no key may hold, and `%`, as `%XX`; where that is too long, a digest of
 * the name stands for its end.
 */
export async function keyOf(name: string): Promise<string> {
  const escaped = name.replace(
    /[ %]|\p{Cc}/gu,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
  );
  if (encoder.encode(escaped).length <= KEY_BYTES_MAX) return escaped;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode(name)));
  const hex = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  // ASCII alone, so that cutting can't break a character.
  return escaped.replace(/[^\x21-\x7e]/g, "_").slice(0, KEY_BYTES_MAX - hex.length - 1) + "%" + hex;
}

/** A file as one pair; as several, with `#1`, `#2`... behind the key, where it is too long for one. */
export async function filePairs(path: string, contents: Uint8Array): Promise<Pair[]> {
  const pairs: Pair[] = [];
  for (let at = 0, part = 0; part === 0 || at < contents.length; at += VALUE_BYTES_MAX, part++) {
    const name = part === 0 ? `file:${path}` : `file:${path}#${part}`;
    pairs.push({ key: await keyOf(name), value: contents.subarray(at, at + VALUE_BYTES_MAX) });
  }
  return pairs;
}

/** Each word of `text`, in lower case, with how often it is there. */
export async function wordPairs(text: string): Promise<Pair[]> {
  const counts = new Map<string, number>();
  for (const word of text.toLowerCase().match(/[\p{L}\p{N}'-]+/gu) ?? []) {
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  const pairs: Pair[] = [];
  for (const [word, count] of counts) {
    pairs.push({ key: await keyOf(`word:${word}`), value: encoder.encode(String(count)) });
  }
  return pairs;
}
