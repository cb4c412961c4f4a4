/**
 * Where the records lie: slabs of 1 MiB outside the collector's heap, cut into pages, each page
 * into slots of one size class.
 *
 * The slots of a class are dense: pages 0 .. n-1 are full and page n is filled from its start. A
 * slot that becomes free takes in the class's last record at once. So each release moves one record
 * at most, there are never holes to collect, and what is unused is the rounding up to a class and
 * one page of each class in use. Whoever holds references to records mends the one that moved.
 *
 * A reference is 32 bits, signed because the engine keeps those unboxed: the number of a page over all
 * slabs (24 GiB) and that of a slot in it, or, with both top bits set, the number of a large buffer.
 */
import { assert } from "../../util/assert.ts";
import { freeNow } from "../../util/free_now.ts";
import { LargeBuffers } from "./large_buffers.ts";
import { CLASS_BYTES, CLASS_COUNT, LARGE_CLASS, sizeClass } from "./size_classes.ts";

/** No record: the one reference that is never given out. */
export const NO_REF = -1;

const SLAB_BYTES = 1024 * 1024;
const SLAB_SHIFT = 17;
const SLABS_MAX = 3 << 13;
const LARGE_TAG = 0xc000_0000 | 0;
const LARGE_NUMBER_MASK = 0x3fff_ffff;

/** Slots up to this size lie in pages of a sixteenth of a slab, larger ones in whole slabs. */
const SMALL_SLOT_BYTES_MAX = 4096;
const PAGES_PER_SLAB = 16;
const PAGE_BYTES_SHIFT = 16;
const PAGE_BYTES = 1 << PAGE_BYTES_SHIFT;
/** Of a reference, the bits before the slot's number. */
const PAGE_SHIFT = 13;
const PAGE_SLOTS_MAX = 1 << PAGE_SHIFT;
const SLOT_MASK = PAGE_SLOTS_MAX - 1;
const ALL_PAGES_FREE = 0xffff;

/** Empty slabs that are kept, so that a store at a slab's edge does not allocate again and again. */
const SPARE_SLABS_MAX = 2;
/** Up to this size, copying word by word beats making two views. */
const WORD_COPY_BYTES_MAX = 512;

export class Slabs {
  readonly large: LargeBuffers = new LargeBuffers();
  readonly #slabs: Uint8Array[] = [];
  /** The same memory in words, to move slots without making views. */
  readonly #words: Int32Array[] = [];
  /** One bit for each free page, by slab. */
  readonly #freePages: number[] = [];
  /** No slab below this one has a free page. */
  #lowestFreeSlab = 0;
  /** By page, or by a slab's first one: the bytes of each of its slots. */
  #slotBytes: Uint16Array = new Uint16Array(16 * PAGES_PER_SLAB);
  readonly #freeNumbers: number[] = [];
  readonly #spares: Uint8Array[] = [];
  /** By class: its pages in order, and how many slots of the last one are taken. */
  readonly #pages: number[][] = [];
  readonly #slotsUsed: Int32Array = new Int32Array(CLASS_COUNT);

  constructor() {
    for (let i = 0; i < CLASS_COUNT; i++) this.#pages.push([]);
  }

  /** The memory that holds the record; it begins at `offsetOf(ref)`. */
  bytesOf(ref: number): Uint8Array {
    if (isLarge(ref)) return this.large.buffers[ref & LARGE_NUMBER_MASK]!;
    return this.#slabs[ref >>> SLAB_SHIFT]!;
  }

  offsetOf(ref: number): number {
    if (isLarge(ref)) return 0;
    const page = ref >>> PAGE_SHIFT;
    return ((page & (PAGES_PER_SLAB - 1)) << PAGE_BYTES_SHIFT) +
      (ref & SLOT_MASK) * this.#slotBytes[page]!;
  }

  /** True where a record of `newBytes` may take the place of the one of `oldBytes` at `ref`. */
  fitsInPlace(ref: number, oldBytes: number, newBytes: number): boolean {
    if (!isLarge(ref)) return sizeClass(oldBytes) === sizeClass(newBytes);
    const capacity = this.bytesOf(ref).length;
    return newBytes <= capacity && newBytes > capacity - capacity / 8 &&
      sizeClass(newBytes) === LARGE_CLASS;
  }

  /** Room for a record of `recordBytes`; its contents are undefined. */
  take(recordBytes: number): number {
    const slotClass = sizeClass(recordBytes);
    if (slotClass === LARGE_CLASS) return this.large.take(recordBytes) | LARGE_TAG;
    const pages = this.#pages[slotClass]!;
    const slotBytes = CLASS_BYTES[slotClass]!;
    if (pages.length === 0 || this.#slotsUsed[slotClass] === slotsPerPage(slotBytes)) {
      const page = slotBytes <= SMALL_SLOT_BYTES_MAX ? this.#takePage() : this.#takeSlab();
      this.#slotBytes[page >>> PAGE_SHIFT] = slotBytes;
      pages.push(page);
      this.#slotsUsed[slotClass] = 0;
    }
    const slot = this.#slotsUsed[slotClass]!;
    this.#slotsUsed[slotClass] = slot + 1;
    return pages[pages.length - 1]! | slot;
  }

  /**
   * Gives up the place of a record of `recordBytes`. Another record may have moved into it: returns
   * the reference that that one had before, or `NO_REF` where none moved.
   */
  release(ref: number, recordBytes: number): number {
    if (isLarge(ref)) {
      this.large.release(ref & LARGE_NUMBER_MASK);
      return NO_REF;
    }
    const slotClass = sizeClass(recordBytes);
    const slotBytes = CLASS_BYTES[slotClass]!;
    const pages = this.#pages[slotClass]!;
    const page = pages[pages.length - 1]!;
    const slot = this.#slotsUsed[slotClass]! - 1;
    const last = page | slot;
    if (last !== ref) this.#copySlot(last, ref, slotBytes);
    this.#slotsUsed[slotClass] = slot;
    if (slot === 0) {
      pages.pop();
      if (pages.length > 0) this.#slotsUsed[slotClass] = slotsPerPage(slotBytes);
      if (slotBytes <= SMALL_SLOT_BYTES_MAX) this.#releasePage(page);
      else this.#releaseSlab(page >>> SLAB_SHIFT);
    }
    return last === ref ? NO_REF : last;
  }

  /** Bytes of all slabs and large buffers, spare ones included, and of what is kept about them. */
  heldBytes(): number {
    const slabs = this.#slabs.length - this.#freeNumbers.length + this.#spares.length;
    return slabs * SLAB_BYTES + this.#slotBytes.byteLength + this.large.usedBytes +
      this.large.spareBytes;
  }

  /** Bytes of the slots and large buffers that records take. */
  usedBytes(): number {
    let total = this.large.usedBytes;
    for (let i = 0; i < CLASS_COUNT; i++) {
      const fullPages = Math.max(0, this.#pages[i]!.length - 1);
      const slots = fullPages * slotsPerPage(CLASS_BYTES[i]!) + this.#slotsUsed[i]!;
      total += slots * CLASS_BYTES[i]!;
    }
    return total;
  }

  /** A free page: the reference of its first slot. */
  #takePage(): number {
    let slab = this.#lowestFreeSlab;
    while (slab < this.#freePages.length && this.#freePages[slab] === 0) slab++;
    if (slab === this.#freePages.length) {
      slab = this.#addSlab();
      this.#freePages[slab] = ALL_PAGES_FREE;
    }
    this.#lowestFreeSlab = slab;
    const free = this.#freePages[slab]!;
    const page = 31 - Math.clz32(free & -free);
    this.#freePages[slab] = free & (free - 1);
    return ((slab << SLAB_SHIFT) + (page << PAGE_SHIFT)) | 0;
  }

  #releasePage(first: number): void {
    const slab = first >>> SLAB_SHIFT;
    const page = (first >>> PAGE_SHIFT) & (PAGES_PER_SLAB - 1);
    const free = this.#freePages[slab]! | (1 << page);
    this.#freePages[slab] = free;
    if (free === ALL_PAGES_FREE) this.#releaseSlab(slab);
    else if (slab < this.#lowestFreeSlab) this.#lowestFreeSlab = slab;
  }

  /** A whole slab: the reference of its first slot. */
  #takeSlab(): number {
    return (this.#addSlab() << SLAB_SHIFT) | 0;
  }

  #addSlab(): number {
    const slab = this.#freeNumbers.pop() ?? this.#slabs.length;
    assert(
      slab < SLABS_MAX,
      "The store is full: its records take 24 GiB; delete keys or add memory",
    );
    const bytes = this.#spares.pop() ?? new Uint8Array(SLAB_BYTES);
    this.#slabs[slab] = bytes;
    this.#words[slab] = new Int32Array(bytes.buffer);
    this.#freePages[slab] = 0;
    const pages = (slab + 1) * PAGES_PER_SLAB;
    if (pages > this.#slotBytes.length) {
      const grown = new Uint16Array(pages * 2);
      grown.set(this.#slotBytes);
      this.#slotBytes = grown;
    }
    return slab;
  }

  #releaseSlab(slab: number): void {
    const bytes = this.#slabs[slab]!;
    this.#slabs[slab] = NO_BYTES;
    this.#words[slab] = NO_WORDS;
    if (this.#spares.length < SPARE_SLABS_MAX) this.#spares.push(bytes);
    else freeNow(bytes);
    this.#freePages[slab] = 0;
    this.#freeNumbers.push(slab);
  }

  #copySlot(from: number, to: number, slotBytes: number): void {
    if (slotBytes > WORD_COPY_BYTES_MAX) {
      const start = this.offsetOf(from);
      const source = this.bytesOf(from).subarray(start, start + slotBytes);
      this.bytesOf(to).set(source, this.offsetOf(to));
      return;
    }
    const source = this.#words[from >>> SLAB_SHIFT]!;
    const target = this.#words[to >>> SLAB_SHIFT]!;
    let fromWord = this.offsetOf(from) >>> 2;
    let toWord = this.offsetOf(to) >>> 2;
    const end = toWord + slotBytes / 4;
    while (toWord < end) target[toWord++] = source[fromWord++]!;
  }
}

function isLarge(ref: number): boolean {
  return (ref >>> 30) === 3;
}

function slotsPerPage(slotBytes: number): number {
  const pageBytes = slotBytes <= SMALL_SLOT_BYTES_MAX ? PAGE_BYTES : SLAB_BYTES;
  return Math.min(PAGE_SLOTS_MAX, Math.floor(pageBytes / slotBytes));
}

const NO_BYTES = new Uint8Array(0);
const NO_WORDS = new Int32Array(0);
