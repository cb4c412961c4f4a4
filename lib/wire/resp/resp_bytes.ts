/** The parts that replies of the Redis protocol are made of. */
import type { ByteWriter } from "../../util/bytes.ts";
import { writeDecimal } from "../decimal.ts";

const encoder = new TextEncoder();
const NULL_BULK = encoder.encode("$-1\r\n");
const NULL = encoder.encode("_\r\n");

const COLON = 0x3a;
const DOLLAR = 0x24;
const STAR = 0x2a;
const PERCENT = 0x25;
const EQUALS = 0x3d;
const CR = 0x0d;
const LF = 0x0a;
const MINUS = 0x2d;
const LINE_END_BYTES = 2;

export function writeInteger(out: ByteWriter, value: number): void {
  out.reserve(24);
  out.bytes[out.length++] = COLON;
  if (value < 0) out.bytes[out.length++] = MINUS;
  writeDecimal(out, Math.abs(value));
  lineEnd(out);
}

export function writeArray(out: ByteWriter, length: number): void {
  writeHead(out, STAR, length);
}

/** A map of `pairs` keys and values: in version 2 an array of both. */
export function writeMap(out: ByteWriter, pairs: number, isResp3: boolean): void {
  writeHead(out, isResp3 ? PERCENT : STAR, isResp3 ? pairs : 2 * pairs);
}

export function writeBulk(
  out: ByteWriter,
  source: Uint8Array,
  start: number,
  length: number,
): void {
  writeHead(out, DOLLAR, length);
  if (length > 48) {
    // With its line end: a buffer that a long one fills would be copied for that, to one twice as long.
    out.reserve(length + LINE_END_BYTES);
    out.slice(source, start, start + length);
  } else {
    out.reserve(length);
    const into = out.bytes;
    let at = out.length;
    for (let i = start; i < start + length; i++) into[at++] = source[i]!;
    out.length = at;
  }
  lineEnd(out);
}

/** A bulk string of `length` bytes comes next. */
export function writeBulkHead(out: ByteWriter, length: number): void {
  writeHead(out, DOLLAR, length);
}

export function writeText(out: ByteWriter, text: string): void {
  const bytes = encoder.encode(text);
  writeBulk(out, bytes, 0, bytes.length);
}

/** A text for people: version 3 marks it as one. */
export function writeProse(out: ByteWriter, text: string, isResp3: boolean): void {
  if (!isResp3) return writeText(out, text);
  const bytes = encoder.encode(`txt:${text}`);
  writeHead(out, EQUALS, bytes.length);
  out.raw(bytes);
  lineEnd(out);
}

export function writeNull(out: ByteWriter, isResp3: boolean): void {
  out.raw(isResp3 ? NULL : NULL_BULK);
}

/** A whole line: a simple string or an error, its first byte included. */
export function writeLine(out: ByteWriter, line: string): void {
  out.raw(encoder.encode(`${line}\r\n`));
}

function writeHead(out: ByteWriter, type: number, length: number): void {
  out.reserve(24);
  out.bytes[out.length++] = type;
  writeDecimal(out, length);
  lineEnd(out);
}

export function lineEnd(out: ByteWriter): void {
  out.reserve(LINE_END_BYTES);
  out.bytes[out.length++] = CR;
  out.bytes[out.length++] = LF;
}
