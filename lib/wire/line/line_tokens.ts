/** The tokens of the line protocol, compared as bytes: verbs, keys, `noreply`, and what is HTTP. */
import { Op } from "../../kv/commands/command.ts";

const A = 0x61;
const C = 0x63;
const D = 0x64;
const E = 0x65;
const G = 0x67;
const L = 0x6c;
const M = 0x6d;
const S = 0x73;
const T = 0x74;
const SPACE = 0x20;
const LF = 0x0a;
const CR = 0x0d;
const DELETE = 0x7f;
const NOREPLY = new TextEncoder().encode("noreply");
const HTTP = new TextEncoder().encode(" HTTP/");

/** The operation that the verb `bytes[start, end)` names, or 0. Lower case only. */
export function verbAt(bytes: Uint8Array, start: number, end: number): Op | 0 {
  const first = bytes[start];
  const second = bytes[start + 1];
  const third = bytes[start + 2];
  switch (end - start) {
    case 3:
      if (third === T && second === E) return first === G ? Op.get : first === S ? Op.set : 0;
      return first === C && second === A && third === S ? Op.cas : 0;
    case 4:
      return first === G && second === E && third === T && bytes[start + 3] === M ? Op.getm : 0;
    case 6:
      return first === D && second === E && third === L && bytes[start + 3] === E &&
          bytes[start + 4] === T && bytes[start + 5] === E
        ? Op.delete
        : 0;
    default:
      return 0;
  }
}

/** True for 1 to `keyBytesMax` bytes of 0x21–0x7E and 0x80–0xFF. */
export function isLegalKey(
  bytes: Uint8Array,
  start: number,
  end: number,
  keyBytesMax: number,
): boolean {
  if (end === start || end - start > keyBytesMax) return false;
  for (let i = start; i < end; i++) {
    if (bytes[i]! <= SPACE || bytes[i] === DELETE) return false;
  }
  return true;
}

export function isNoreply(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== NOREPLY.length) return false;
  for (let i = 0; i < NOREPLY.length; i++) {
    if (bytes[start + i] !== NOREPLY[i]) return false;
  }
  return true;
}

/**
 * True for a line like `GET / HTTP/1.1`: a method in capitals, a space, and a version at the end. A
 * browser or a fooled server sends it, never a client of ours, and its body could hold commands.
 */
export function looksLikeHttp(bytes: Uint8Array, start: number, lineEnd: number): boolean {
  if (!beginsLikeHttp(bytes, start, lineEnd)) return false;
  const versionAt = lineEnd - 3;
  const nameAt = versionAt - HTTP.length;
  if (nameAt <= start) return false;
  for (let i = 0; i < HTTP.length; i++) {
    if (bytes[nameAt + i] !== HTTP[i]) return false;
  }
  return isDigit(bytes[versionAt]!) && bytes[versionAt + 1] === 0x2e &&
    isDigit(bytes[versionAt + 2]!);
}

/** True for the first byte of a TLS handshake: whoever sends it waits for an answer in TLS. */
export function beginsLikeTls(bytes: Uint8Array, start: number): boolean {
  return bytes[start] === 0x16;
}

/** True where a word in capitals (hyphens count) and a space come first. */
export function beginsLikeHttp(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  while (at < end && isCapital(bytes[at]!)) at++;
  return at > start && at < end && bytes[at] === SPACE;
}

/**
 * Where what follows a value begins that ends at `end`, past its line end; `end` itself where no line end
 * follows it. Where bytes are missing, before `inputEnd`: how many there have to be, as a negative number.
 */
export function valueEnd(bytes: Uint8Array, end: number, inputEnd: number): number {
  if (inputEnd <= end) return -(end + 1);
  if (bytes[end] === LF) return end + 1;
  if (bytes[end] !== CR) return end;
  if (inputEnd === end + 1) return -(end + 2);
  return bytes[end + 1] === LF ? end + 2 : end;
}

function isCapital(byte: number): boolean {
  return (byte >= 0x41 && byte <= 0x5a) || byte === 0x2d;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}
