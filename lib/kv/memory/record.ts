/**
 * One record in a slab: head, key, value. Numbers are as wide as they have to be, and the first
 * byte says how wide, so that a small record's head has 11 bytes (15 with a deadline):
 *
 *   u8   shape: bits 0-1 width of the version (1, 2, 4, 7), bits 2-3 of the index (3, 4, 5, 7),
 *        bits 4-5 of the value's length (1, 2, 3, 4), bit 6 of the key's length (1, 2),
 *        bit 7 set where the key has a deadline
 *   u32  checksum of key and value together
 *   ...  key's length, value's length, version, index of the last change, all big-endian
 *   u32  only with a deadline: the place in the expiry heap, which holds the deadline itself
 *   ...  key, value
 */
import { readU32, writeU32 } from "../../util/bytes.ts";

const VERSION_WIDTHS = [1, 2, 4, 7] as const;
const INDEX_WIDTHS = [3, 4, 5, 7] as const;
const HAS_DEADLINE = 0x80;
const LENGTHS_AT = 5;

/** By shape: where the fields of a record begin, counted from its first byte. */
const VALUE_LENGTH_AT = new Uint8Array(256);
const VERSION_AT = new Uint8Array(256);
const INDEX_AT = new Uint8Array(256);
const HEAP_PLACE_AT = new Uint8Array(256);
const KEY_AT = new Uint8Array(256);
for (let shape = 0; shape < 256; shape++) {
  VALUE_LENGTH_AT[shape] = LENGTHS_AT + keyLengthWidth(shape);
  VERSION_AT[shape] = VALUE_LENGTH_AT[shape]! + valueLengthWidth(shape);
  INDEX_AT[shape] = VERSION_AT[shape]! + VERSION_WIDTHS[shape & 3]!;
  HEAP_PLACE_AT[shape] = INDEX_AT[shape]! + INDEX_WIDTHS[(shape >>> 2) & 3]!;
  KEY_AT[shape] = HEAP_PLACE_AT[shape]! + (shape & HAS_DEADLINE ? 4 : 0);
}

/** A record's head, decoded into an object that is used again and again. */
export class RecordHead {
  /** Of key and value together; signed 32 bits. */
  checksum = 0;
  keyLength = 0;
  valueLength = 0;
  version = 0;
  /** The log index of the last change. */
  index = 0;
  hasDeadline = false;
  /** Bytes before the key. */
  keyAt = 0;

  /** Head, key and value. */
  get recordBytes(): number {
    return this.keyAt + this.keyLength + this.valueLength;
  }

  /** Reads the head of the record at `bytes[at]`. */
  read(bytes: Uint8Array, at: number): void {
    const shape = bytes[at]!;
    this.checksum = (bytes[at + 1]! << 24) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 8) |
      bytes[at + 4]!;
    this.keyLength = readNumber(bytes, at + LENGTHS_AT, keyLengthWidth(shape));
    this.valueLength = readNumber(bytes, at + VALUE_LENGTH_AT[shape]!, valueLengthWidth(shape));
    this.version = readNumber(bytes, at + VERSION_AT[shape]!, VERSION_WIDTHS[shape & 3]!);
    this.index = readNumber(bytes, at + INDEX_AT[shape]!, INDEX_WIDTHS[(shape >>> 2) & 3]!);
    this.hasDeadline = (shape & HAS_DEADLINE) !== 0;
    this.keyAt = KEY_AT[shape]!;
  }

  /** Sets the fields that a write decides and works out the head's width. */
  prepare(
    keyLength: number,
    valueLength: number,
    version: number,
    index: number,
    hasDeadline: boolean,
  ): void {
    this.keyLength = keyLength;
    this.valueLength = valueLength;
    this.version = version;
    this.index = index;
    this.hasDeadline = hasDeadline;
    this.keyAt = KEY_AT[shapeOf(this)]!;
  }

  /** Writes the head at `bytes[at]`; the place in the heap is written by the heap. */
  write(bytes: Uint8Array, at: number): void {
    const shape = shapeOf(this);
    bytes[at] = shape;
    writeU32(bytes, at + 1, this.checksum);
    writeNumber(bytes, at + LENGTHS_AT, keyLengthWidth(shape), this.keyLength);
    writeNumber(bytes, at + VALUE_LENGTH_AT[shape]!, valueLengthWidth(shape), this.valueLength);
    writeNumber(bytes, at + VERSION_AT[shape]!, VERSION_WIDTHS[shape & 3]!, this.version);
    writeNumber(bytes, at + INDEX_AT[shape]!, INDEX_WIDTHS[(shape >>> 2) & 3]!, this.index);
  }
}

/** Where the key of the record at `bytes[at]` begins. */
export function recordKeyStart(bytes: Uint8Array, at: number): number {
  return at + KEY_AT[bytes[at]!]!;
}

export function recordKeyLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at + LENGTHS_AT]!;
  return keyLengthWidth(bytes[at]!) === 1 ? first : (first << 8) | bytes[at + LENGTHS_AT + 1]!;
}

export function recordHasDeadline(bytes: Uint8Array, at: number): boolean {
  return (bytes[at]! & HAS_DEADLINE) !== 0;
}

/** The place in the expiry heap of a record that has a deadline. */
export function recordHeapPlace(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + HEAP_PLACE_AT[bytes[at]!]!);
}

export function setRecordHeapPlace(bytes: Uint8Array, at: number, place: number): void {
  writeU32(bytes, at + HEAP_PLACE_AT[bytes[at]!]!, place);
}

/**
 * The order of two keys, byte by byte as unsigned numbers, a prefix first: negative, 0 or positive.
 */
export function compareKeys(
  a: Uint8Array,
  aStart: number,
  aLength: number,
  b: Uint8Array,
  bStart: number,
  bLength: number,
): number {
  const common = Math.min(aLength, bLength);
  for (let i = 0; i < common; i++) {
    const difference = a[aStart + i]! - b[bStart + i]!;
    if (difference !== 0) return difference;
  }
  return aLength - bLength;
}

function keyLengthWidth(shape: number): number {
  return 1 + ((shape >>> 6) & 1);
}

function valueLengthWidth(shape: number): number {
  return 1 + ((shape >>> 4) & 3);
}

function shapeOf(head: RecordHead): number {
  const { version, index, valueLength } = head;
  const versionCode = version < 0x100
    ? 0
    : version < 0x1_0000
    ? 1
    : version < 0x1_0000_0000
    ? 2
    : 3;
  const indexCode = index < 0x100_0000
    ? 0
    : index < 0x1_0000_0000
    ? 1
    : index < 0x100_0000_0000
    ? 2
    : 3;
  const valueCode = valueLength < 0x100
    ? 0
    : valueLength < 0x1_0000
    ? 1
    : valueLength < 0x100_0000
    ? 2
    : 3;
  return versionCode | (indexCode << 2) | (valueCode << 4) | (head.keyLength < 0x100 ? 0 : 0x40) |
    (head.hasDeadline ? HAS_DEADLINE : 0);
}

function readNumber(bytes: Uint8Array, at: number, width: number): number {
  let value = bytes[at]!;
  for (let i = 1; i < width; i++) value = value * 256 + bytes[at + i]!;
  return value;
}

function writeNumber(bytes: Uint8Array, at: number, width: number, value: number): void {
  let rest = value;
  for (let i = width - 1; i > 0; i--) {
    bytes[at + i] = rest;
    rest = rest < 0x8000_0000 ? rest >>> 8 : Math.floor(rest / 256);
  }
  bytes[at] = rest;
}
