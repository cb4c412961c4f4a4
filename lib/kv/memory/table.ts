/**
 * The table: from the hash of a key to the reference of its record, in the order of the hashes.
 *
 * Extendible hashing (Fagin and others, 1979) on the hash's leading bits: a directory of 2^depth
 * places points to groups. A group shares its part of the hash space evenly among 1 to 16 pages, and
 * a page is a dense, sorted array of 256 hashes and, after them, 256 references. So
 * - growing concerns one group of at most 4,096 entries at a time: the pause does not depend on size,
 *   and a group grows by a page, not by doubling: pages are four fifths full or better;
 * - a hash's place within its page is guessed from its value: a search looks at few entries;
 * - walking along the pages is walking in the order of hashes.
 * Entries of equal hash lie side by side in one page; the caller keeps them in the order of keys.
 */
import { assert } from "../../util/assert.ts";

export const PAGE_SLOTS = 256;
const PAGE_WORDS = 2 * PAGE_SLOTS;
const GROUP_PAGES_MAX = 16;
/** Pages come from the engine in blocks of this many. */
const BLOCK_PAGES = 128;
const DEPTH_MAX = 30;
const TWO_32 = 0x1_0000_0000;
/** Pages are filled this far where their number is free to choose. */
const FILL_SLOTS = 232;
/** A group gives up a page where the others would hold no more than this. */
const SHRINK_SLOTS = 150;

export class Table {
  length = 0;

  /** Where `seek` or `next` stands: `words[at]` is a hash, `words[at + PAGE_SLOTS]` its reference. */
  words: Int32Array = new Int32Array(0);
  at = 0;
  /** End of the entries of this page, in `words`. */
  end = 0;
  #group = 0;
  #page = 0;
  #pageStart = 0;

  #depth = 1;
  #directory = new Int32Array(2);
  #groups = 1;
  /** By group: its depth, its number of pages, its number of entries, its pages. */
  #groupDepths = new Uint8Array(4);
  #groupPages = new Uint8Array(4);
  #groupSizes = new Int32Array(4);
  #pages = new Int32Array(4 * GROUP_PAGES_MAX);
  /** By page: its number of entries. */
  #pageSizes = new Uint16Array(BLOCK_PAGES);
  readonly #blocks: Int32Array[] = [];
  #pagesMade = 0;
  readonly #freePages: number[] = [];
  /** One group's entries on their way to other pages: hashes, then references. */
  readonly #moving = new Int32Array(2 * GROUP_PAGES_MAX * PAGE_SLOTS);

  /** `keysHint`: for how many keys the table has room when it is made. */
  constructor(keysHint = 0) {
    this.#groupPages[0] = 1;
    this.#pages[0] = this.#takePage();
    while ((FILL_SLOTS * GROUP_PAGES_MAX) << (this.#depth - 1) < keysHint && this.#depth < 16) {
      for (let group = this.#groups - 1; group >= 0; group--) this.#split(group);
    }
  }

  /** Stands at the first entry of the hash's page that is not below `hash`; maybe at the end. */
  seek(hash: number): void {
    let at = this.#guess(hash);
    const words = this.words;
    if (at < this.end && words[at]! < hash) {
      do at++; while (at < this.end && words[at]! < hash);
    } else {
      while (at > this.#pageStart && words[at - 1]! >= hash) at--;
    }
    this.at = at;
  }

  /** Reads where the hash's entry is likely to be, and says what is there: see prefetch.ts. */
  peek(hash: number): number {
    const at = this.#guess(hash);
    return this.words[at]! ^ this.words[at + PAGE_SLOTS]!;
  }

  /** The first reference under exactly this hash; null where there is none. */
  refOf(hash: number): number | null {
    this.seek(hash);
    const { words, at, end } = this;
    return at < end && words[at] === hash ? words[at + PAGE_SLOTS]! : null;
  }

  /** Enters the hash's page; returns where its entry would be if hashes were spread evenly. */
  #guess(hash: number): number {
    const position = (hash ^ 0x80000000) >>> 0;
    const group = this.#directory[position >>> (32 - this.#depth)]!;
    const rest = (position << this.#groupDepths[group]!) >>> 0;
    const share = rest * this.#groupPages[group]! / TWO_32;
    const inGroup = share | 0;
    this.#enter(group, inGroup);
    const size = this.end - this.#pageStart;
    return this.#pageStart + ((share - inGroup) * size | 0);
  }

  /** Stands at the first entry that is not below `hash`, on whichever page; false where there is none. */
  next(hash: number): boolean {
    this.seek(hash);
    let directoryAt = ((hash ^ 0x80000000) >>> (32 - this.#depth)) >>> 0;
    let inGroup = this.#pageInGroup();
    while (this.at === this.end) {
      if (++inGroup === this.#groupPages[this.#group]) {
        // The next group comes after all the directory's places that point to this one.
        const places = 1 << (this.#depth - this.#groupDepths[this.#group]!);
        directoryAt = (directoryAt & -places) + places;
        if (directoryAt === this.#directory.length) return false;
        this.#group = this.#directory[directoryAt]!;
        inGroup = 0;
      }
      this.#enter(this.#group, inGroup);
      this.at = this.#pageStart;
    }
    return true;
  }

  /** Stands at the entry of exactly this hash and reference, which must be there. */
  seekRef(hash: number, ref: number): void {
    this.seek(hash);
    const words = this.words;
    while (this.at < this.end && words[this.at + PAGE_SLOTS] !== ref) this.at++;
    assert(this.at < this.end && words[this.at] === hash, "A record is missing from the table");
  }

  /** True where the page that we stand in has no room: `grow`, then seek again. */
  isFull(): boolean {
    return this.end - this.#pageStart === PAGE_SLOTS;
  }

  /** Puts an entry in where we stand. */
  insertHere(hash: number, ref: number): void {
    const { words, at, end } = this;
    // A snapshot's records come in the order of hashes: always at the end.
    if (at < end) {
      words.copyWithin(at + 1, at, end);
      words.copyWithin(at + 1 + PAGE_SLOTS, at + PAGE_SLOTS, end + PAGE_SLOTS);
    }
    words[at] = hash;
    words[at + PAGE_SLOTS] = ref;
    this.end = end + 1;
    this.#pageSizes[this.#page] = this.end - this.#pageStart;
    this.#groupSizes[this.#group] = this.#groupSizes[this.#group]! + 1;
    this.length++;
  }

  /** Takes out the entry where we stand. */
  removeHere(): void {
    const { words, at, end } = this;
    words.copyWithin(at, at + 1, end);
    words.copyWithin(at + PAGE_SLOTS, at + 1 + PAGE_SLOTS, end + PAGE_SLOTS);
    this.end = end - 1;
    this.#pageSizes[this.#page] = this.end - this.#pageStart;
    const size = this.#groupSizes[this.#group]! - 1;
    this.#groupSizes[this.#group] = size;
    this.length--;
    const pages = this.#groupPages[this.#group]!;
    if (pages > 1 && size < (pages - 1) * SHRINK_SLOTS) {
      const count = this.#gather(this.#group);
      if (this.#fits(0, count, this.#groupDepths[this.#group]!, pages - 1)) {
        this.#distribute(this.#group, 0, count, pages - 1);
      }
    }
  }

  /** The entry where we stand now has its record at `ref`. */
  setRefHere(ref: number): void {
    this.words[this.at + PAGE_SLOTS] = ref;
  }

  /** Makes room in the group that we stand in. The position is gone afterwards. */
  grow(): void {
    const group = this.#group;
    const depth = this.#groupDepths[group]!;
    const count = this.#gather(group);
    for (let pages = this.#groupPages[group]! + 1; pages <= GROUP_PAGES_MAX; pages++) {
      if (this.#fits(0, count, depth, pages)) {
        this.#distribute(group, 0, count, pages);
        return;
      }
    }
    this.#split(group);
  }

  /** Bytes of all typed arrays. */
  heldBytes(): number {
    return this.#blocks.length * BLOCK_PAGES * PAGE_WORDS * 4 + this.#directory.byteLength +
      this.#groupDepths.byteLength + this.#groupPages.byteLength + this.#groupSizes.byteLength +
      this.#pages.byteLength + this.#pageSizes.byteLength + this.#moving.byteLength;
  }

  #enter(group: number, inGroup: number): void {
    const page = this.#pages[group * GROUP_PAGES_MAX + inGroup]!;
    this.#group = group;
    this.#page = page;
    this.words = this.#blocks[page >>> 7]!;
    this.#pageStart = (page & (BLOCK_PAGES - 1)) * PAGE_WORDS;
    this.end = this.#pageStart + this.#pageSizes[page]!;
  }

  #pageInGroup(): number {
    const first = this.#group * GROUP_PAGES_MAX;
    let inGroup = 0;
    while (this.#pages[first + inGroup] !== this.#page) inGroup++;
    return inGroup;
  }

  /** Copies a group's entries to `#moving`, in order; returns how many there are. */
  #gather(group: number): number {
    const half = this.#moving.length / 2;
    let count = 0;
    for (let i = 0; i < this.#groupPages[group]!; i++) {
      this.#enter(group, i);
      const { words, end } = this;
      for (let at = this.#pageStart; at < end; at++, count++) {
        this.#moving[count] = words[at]!;
        this.#moving[half + count] = words[at + PAGE_SLOTS]!;
      }
    }
    return count;
  }

  /** True where the moving entries [start, end) leave no page of `pages` overfull. */
  #fits(start: number, end: number, depth: number, pages: number): boolean {
    if (end - start > pages * PAGE_SLOTS) return false;
    let page = 0;
    let pageStart = start;
    for (let i = start; i < end; i++) {
      const here = pageOf(this.#moving[i]!, depth, pages);
      if (here !== page) {
        page = here;
        pageStart = i;
      } else if (i - pageStart >= PAGE_SLOTS) return false;
    }
    return true;
  }

  /** Gives a group `pages` pages with the moving entries [start, end), which fit. */
  #distribute(group: number, start: number, end: number, pages: number): void {
    const half = this.#moving.length / 2;
    const depth = this.#groupDepths[group]!;
    const first = group * GROUP_PAGES_MAX;
    for (let i = this.#groupPages[group]!; i < pages; i++) {
      this.#pages[first + i] = this.#takePage();
    }
    for (let i = pages; i < this.#groupPages[group]!; i++) {
      this.#freePages.push(this.#pages[first + i]!);
    }
    this.#groupPages[group] = pages;
    this.#groupSizes[group] = end - start;
    let from = start;
    for (let i = 0; i < pages; i++) {
      this.#enter(group, i);
      const words = this.words;
      let at = this.#pageStart;
      for (; from < end && pageOf(this.#moving[from]!, depth, pages) === i; from++, at++) {
        words[at] = this.#moving[from]!;
        words[at + PAGE_SLOTS] = this.#moving[half + from]!;
      }
      this.#pageSizes[this.#page] = at - this.#pageStart;
    }
  }

  /** Splits a group into two of one bit more. */
  #split(group: number): void {
    const depth = this.#groupDepths[group]! + 1;
    assert(depth <= DEPTH_MAX, "Too many keys have the same hash: the hash seed is not secret");
    if (depth > this.#depth) this.#doubleDirectory();
    const count = this.#gather(group);
    const other = this.#addGroup(depth);
    let middle = 0;
    while (middle < count && (toPlace(this.#moving[middle]!, depth) & 1) === 0) middle++;
    this.#groupDepths[group] = depth;
    this.#distribute(group, 0, middle, this.#pagesFor(0, middle, depth));
    this.#distribute(other, middle, count, this.#pagesFor(middle, count, depth));
    const places = 1 << (this.#depth - depth);
    const start = count === 0
      ? this.#directory.indexOf(group) + places
      : (toPlace(this.#moving[0]!, depth) | 1) * places;
    for (let i = start; i < start + places; i++) this.#directory[i] = other;
  }

  #pagesFor(start: number, end: number, depth: number): number {
    let pages = Math.max(1, Math.ceil((end - start) / FILL_SLOTS));
    while (pages < GROUP_PAGES_MAX && !this.#fits(start, end, depth, pages)) pages++;
    return pages;
  }

  #doubleDirectory(): void {
    const old = this.#directory;
    const grown = new Int32Array(old.length * 2);
    for (let i = 0; i < old.length; i++) grown[2 * i] = grown[2 * i + 1] = old[i]!;
    this.#directory = grown;
    this.#depth++;
  }

  #addGroup(depth: number): number {
    const group = this.#groups++;
    if (group === this.#groupDepths.length) {
      this.#groupDepths = grownBytes(this.#groupDepths);
      this.#groupPages = grownBytes(this.#groupPages);
      this.#groupSizes = grownWords(this.#groupSizes);
      this.#pages = grownWords(this.#pages);
    }
    this.#groupDepths[group] = depth;
    return group;
  }

  #takePage(): number {
    const free = this.#freePages.pop();
    if (free !== undefined) return free;
    const page = this.#pagesMade++;
    if (page === this.#blocks.length * BLOCK_PAGES) {
      this.#blocks.push(new Int32Array(BLOCK_PAGES * PAGE_WORDS));
    }
    if (page === this.#pageSizes.length) {
      const grown = new Uint16Array(page * 2);
      grown.set(this.#pageSizes);
      this.#pageSizes = grown;
    }
    return page;
  }
}

/** The hash's leading `depth` bits (at least one) as a number. */
function toPlace(hash: number, depth: number): number {
  return (hash ^ 0x80000000) >>> (32 - depth);
}

/** Which of a group's `pages` pages a hash belongs to. */
function pageOf(hash: number, depth: number, pages: number): number {
  return (((hash ^ 0x80000000) << depth) >>> 0) * pages / TWO_32 | 0;
}

function grownBytes(old: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const grown = new Uint8Array(old.length * 2);
  grown.set(old);
  return grown;
}

function grownWords(old: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const grown = new Int32Array(old.length * 2);
  grown.set(old);
  return grown;
}
