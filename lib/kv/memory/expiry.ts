/**
 * The keys that expire, in the order of deadline and key: a 4-ary heap in typed arrays. Each entry
 * is a deadline and a reference; each record knows its entry's place, so any key can be taken out.
 * The order is total (ties are broken by the key's bytes), so what comes first does not depend on
 * the history of the heap. Chunks of fixed size: growth copies nothing.
 */
import { compareKeys, recordKeyLength, recordKeyStart, setRecordHeapPlace } from "./record.ts";
import type { Slabs } from "./slabs.ts";

const CHUNK_SHIFT = 12;
const CHUNK_ENTRIES = 1 << CHUNK_SHIFT;
const CHUNK_MASK = CHUNK_ENTRIES - 1;
const ENTRY_BYTES = 12;
/** How many due entries `nextDeadlineMs` looks below before it settles for a lower bound. */
const LOOKED_AT_MAX = 512;

export class ExpiryHeap {
  length = 0;
  readonly #slabs: Slabs;
  readonly #deadlines: Float64Array[] = [];
  readonly #refs: Int32Array[] = [];

  constructor(slabs: Slabs) {
    this.#slabs = slabs;
  }

  deadlineAt(place: number): number {
    return this.#deadlines[place >>> CHUNK_SHIFT]![place & CHUNK_MASK]!;
  }

  refAt(place: number): number {
    return this.#refs[place >>> CHUNK_SHIFT]![place & CHUNK_MASK]!;
  }

  /** Tells of a record that moved to `ref`; it keeps its place. */
  moved(place: number, ref: number): void {
    this.#refs[place >>> CHUNK_SHIFT]![place & CHUNK_MASK] = ref;
  }

  /** Adds the record at `ref`, whose key is written already, and writes its place into it. */
  add(ref: number, deadlineMs: number): void {
    const place = this.length++;
    if (place >>> CHUNK_SHIFT === this.#deadlines.length) {
      this.#deadlines.push(new Float64Array(CHUNK_ENTRIES));
      this.#refs.push(new Int32Array(CHUNK_ENTRIES));
    }
    this.#up(place, ref, deadlineMs);
  }

  /** Gives the entry at `place` another deadline; `ref` is where its record is now. */
  change(place: number, ref: number, deadlineMs: number): void {
    if (deadlineMs < this.deadlineAt(place)) this.#up(place, ref, deadlineMs);
    else this.#down(place, ref, deadlineMs);
  }

  /** Takes the entry at `place` out. */
  remove(place: number): void {
    const last = --this.length;
    const ref = this.refAt(last);
    const deadlineMs = this.deadlineAt(last);
    if (place !== last) {
      if (place > 0 && this.#before(deadlineMs, ref, (place - 1) >>> 2)) {
        this.#up(place, ref, deadlineMs);
      } else {
        this.#down(place, ref, deadlineMs);
      }
    }
    // One empty chunk stays, so that a heap at a chunk's edge does not allocate again and again.
    if ((last >>> CHUNK_SHIFT) + 2 < this.#deadlines.length) {
      this.#deadlines.pop();
      this.#refs.pop();
    }
  }

  /**
   * The earliest deadline later than `clockMs`, or Infinity. With very many due entries before
   * it: a lower bound, the next millisecond, which is safe.
   */
  nextDeadlineMs(clockMs: number): number {
    if (this.length === 0) return Infinity;
    const first = this.deadlineAt(0);
    if (first > clockMs) return first;
    let earliest = Infinity;
    // Below an entry that is not due nothing is earlier, so it looks only below due ones.
    const waiting = [0];
    for (let looked = 0; waiting.length > 0; looked++) {
      if (looked === LOOKED_AT_MAX) return clockMs + 1;
      const place = waiting.pop()!;
      if (place >= this.length) continue;
      const deadlineMs = this.deadlineAt(place);
      if (deadlineMs > clockMs) {
        if (deadlineMs < earliest) earliest = deadlineMs;
      } else {
        for (let child = 1; child <= 4; child++) waiting.push(4 * place + child);
      }
    }
    return earliest;
  }

  heldBytes(): number {
    return this.#deadlines.length * CHUNK_ENTRIES * ENTRY_BYTES;
  }

  #up(from: number, ref: number, deadlineMs: number): void {
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >>> 2;
      if (!this.#before(deadlineMs, ref, parent)) break;
      this.#put(place, this.refAt(parent), this.deadlineAt(parent));
      place = parent;
    }
    this.#put(place, ref, deadlineMs);
  }

  #down(from: number, ref: number, deadlineMs: number): void {
    let place = from;
    while (true) {
      const firstChild = 4 * place + 1;
      if (firstChild >= this.length) break;
      const end = Math.min(firstChild + 4, this.length);
      let best = firstChild;
      for (let child = firstChild + 1; child < end; child++) {
        if (this.#before(this.deadlineAt(child), this.refAt(child), best)) best = child;
      }
      if (this.#before(deadlineMs, ref, best)) break;
      this.#put(place, this.refAt(best), this.deadlineAt(best));
      place = best;
    }
    this.#put(place, ref, deadlineMs);
  }

  #put(place: number, ref: number, deadlineMs: number): void {
    this.#deadlines[place >>> CHUNK_SHIFT]![place & CHUNK_MASK] = deadlineMs;
    this.#refs[place >>> CHUNK_SHIFT]![place & CHUNK_MASK] = ref;
    setRecordHeapPlace(this.#slabs.bytesOf(ref), this.#slabs.offsetOf(ref), place);
  }

  /** True where the given entry comes before the one at `place`. */
  #before(deadlineMs: number, ref: number, place: number): boolean {
    const other = this.deadlineAt(place);
    if (deadlineMs !== other) return deadlineMs < other;
    const otherRef = this.refAt(place);
    const bytes = this.#slabs.bytesOf(ref);
    const at = this.#slabs.offsetOf(ref);
    const otherBytes = this.#slabs.bytesOf(otherRef);
    const otherAt = this.#slabs.offsetOf(otherRef);
    return compareKeys(
      bytes,
      recordKeyStart(bytes, at),
      recordKeyLength(bytes, at),
      otherBytes,
      recordKeyStart(otherBytes, otherAt),
      recordKeyLength(otherBytes, otherAt),
    ) < 0;
  }
}
