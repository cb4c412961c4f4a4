/**
 * What some connections watch: one key, or all keys with one prefix. All watches of the same share it, and
 * with it the places of the changes that concern them: a watch itself is little more than a position.
 */
import { ChangeKind } from "../../kv/commands/changes.ts";
import type { History } from "./history.ts";

/** So many places of changes are kept at most; a watch that is further behind looks through the history. */
const PLACES_MAX = 256;
const PLACES_MIN = 4;
/** So much of the history is looked through at a time. */
const LOOK_BYTES = 262_144;

/** What `nextFor` says where it is no position: nothing, something that is gone, and look again. */
export const NOTHING = -1;
export const LOST = -2;
export const AGAIN = -3;

/** A watch, as its topic sees it. */
export interface TopicWatch {
  /** Something has come. */
  wake(): void;
}

export class Topic {
  readonly key: Uint8Array;
  readonly isPrefix: boolean;
  /** Of `key`, as topic_index.ts makes it. */
  readonly hash: number;
  /** The next topic in the same bucket of that index. */
  nextInBucket: Topic | null = null;
  readonly watches = new Set<TopicWatch>();
  /** It has something for its watches, and is in the list of those that have. */
  isDue = false;
  /** Where a look that found nothing so far got to. */
  lookedTo = 0;
  /** Every change of it from here on is in `#places`. */
  #coveredFrom: number;
  /** Positions of its last changes, in a ring. */
  #places = new Float64Array(PLACES_MIN);
  #first = 0;
  #count = 0;

  constructor(key: Uint8Array, isPrefix: boolean, hash: number, history: History) {
    this.key = key;
    this.isPrefix = isPrefix;
    this.hash = hash;
    this.#coveredFrom = history.end;
  }

  /** The change at `position` is one of it. */
  note(position: number): void {
    const places = this.#places;
    if (this.#count === places.length && !this.#grow()) {
      this.#coveredFrom = places[this.#first]! + 1;
      this.#first = (this.#first + 1) % places.length;
      this.#count--;
    }
    this.#places[(this.#first + this.#count++) % this.#places.length] = position;
  }

  /** The history begins anew. */
  restart(history: History): void {
    this.#coveredFrom = history.end;
    this.#count = 0;
  }

  /**
   * For a watch that was told all up to the entry `revision`, which is before `position`: the position of the
   * first change of it at `position` or after, NOTHING where there is none, LOST where it
   * is gone, or may be. AGAIN: it looked for a while and got to `lookedTo`.
   */
  nextFor(position: number, revision: number, history: History): number {
    if (position < this.#coveredFrom) {
      if (position < history.start && history.compacted > revision) return LOST;
      const found = this.#look(Math.max(position, history.start), history);
      if (found !== NOTHING) return found;
    }
    const place = this.#placeFrom(position);
    if (place === this.#count) return NOTHING;
    const found = this.#placeAt(place);
    return found < history.start ? LOST : found;
  }

  /**
   * Looks at the next change of it after the one that is looked at, where that is of the entry `revision`
   * too, and returns its position, else NOTHING.
   */
  nextInEntry(revision: number, history: History): number {
    let at = history.next;
    while (at < history.end) {
      if (at >= this.#coveredFrom) {
        const place = this.#placeFrom(at);
        if (place === this.#count) return NOTHING;
        at = this.#placeAt(place);
      }
      history.seek(at);
      if (history.revision !== revision) return NOTHING;
      if (this.#isOf(history)) return at;
      at = history.next;
    }
    return NOTHING;
  }

  #isOf(change: History): boolean {
    if (change.kind === ChangeKind.flush) return true;
    return this.matches(change.bytes, change.keyAt, change.keyLength);
  }

  /** True where the key `bytes[start, start + length)` is of it. */
  matches(bytes: Uint8Array, start: number, length: number): boolean {
    const { key } = this;
    if (this.isPrefix ? length < key.length : length !== key.length) return false;
    for (let i = 0; i < key.length; i++) if (bytes[start + i] !== key[i]) return false;
    return true;
  }

  /** Looks through the history itself, up to where the places begin. */
  #look(position: number, history: History): number {
    const end = Math.min(this.#coveredFrom, history.end);
    const pause = position + LOOK_BYTES;
    for (let at = position; at < end; at = history.next) {
      if (at >= pause) {
        this.lookedTo = at;
        return AGAIN;
      }
      history.seek(at);
      if (this.#isOf(history)) return at;
    }
    return NOTHING;
  }

  /** The first of its places that is at `position` or after. */
  #placeFrom(position: number): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#placeAt(middle) < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #placeAt(place: number): number {
    return this.#places[(this.#first + place) % this.#places.length]!;
  }

  #grow(): boolean {
    const places = this.#places;
    if (places.length === PLACES_MAX) return false;
    const grown = new Float64Array(places.length * 2);
    for (let i = 0; i < this.#count; i++) grown[i] = this.#placeAt(i);
    this.#places = grown;
    this.#first = 0;
    return true;
  }
}
