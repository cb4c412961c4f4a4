/**
 * Which connections are told of all keys with which prefixes. Those of a key are found in about one search,
 * whatever others ask for: it is asked with each change that is applied.
 *
 * In their order as strings, what lies between a prefix of a key and that key begins with the prefix, too. So
 * all of a key's prefixes are the last entry that is not behind the key, or prefixes of that one.
 */
import type { Tracked } from "./tracked.ts";

interface Prefix {
  readonly text: string;
  readonly tracked: Set<Tracked>;
  /** The longest other one that this one begins with. */
  shorter: Prefix | null;
}

export class TrackedPrefixes {
  readonly #byText = new Map<string, Prefix>();
  /** In order; null where prefixes came or went since. */
  #sorted: Prefix[] | null = [];
  /** Of all connections, each for every connection. */
  count = 0;

  get isEmpty(): boolean {
    return this.#byText.size === 0;
  }

  add(text: string, one: Tracked): void {
    let prefix = this.#byText.get(text);
    if (prefix === undefined) {
      prefix = { text, tracked: new Set(), shorter: null };
      this.#byText.set(text, prefix);
      this.#sorted = null;
    }
    if (prefix.tracked.has(one)) return;
    prefix.tracked.add(one);
    this.count++;
  }

  remove(text: string, one: Tracked): void {
    const prefix = this.#byText.get(text);
    if (prefix === undefined || !prefix.tracked.delete(one)) return;
    this.count--;
    if (prefix.tracked.size > 0) return;
    this.#byText.delete(text);
    this.#sorted = null;
  }

  /** Those that are told of this key, by each of its prefixes, the shortest first. */
  trackedOf(key: string): Tracked[] {
    const found: Set<Tracked>[] = [];
    for (let one = this.#lastUpTo(key); one !== null; one = one.shorter) {
      if (key.startsWith(one.text)) found.push(one.tracked);
    }
    return found.reverse().flatMap((tracked) => [...tracked]);
  }

  #lastUpTo(key: string): Prefix | null {
    const sorted = this.#sorted ??= this.#sort();
    let [from, to] = [0, sorted.length];
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (sorted[middle]!.text <= key) from = middle + 1;
      else to = middle;
    }
    return sorted[from - 1] ?? null;
  }

  #sort(): Prefix[] {
    const sorted = [...this.#byText.values()].sort((a, b) => a.text < b.text ? -1 : 1);
    let last: Prefix | null = null;
    for (const one of sorted) {
      let shorter = last;
      while (shorter !== null && !one.text.startsWith(shorter.text)) shorter = shorter.shorter;
      one.shorter = shorter;
      last = one;
    }
    return sorted;
  }
}
