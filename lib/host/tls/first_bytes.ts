/**
 * What a connection begins with, read before TLS has it: one that stands still costs a socket then, and no
 * TLS, which is far more; and those without TLS are told apart.
 */
import type { Socket } from "node:net";

/** The type of a record that carries a handshake, and the first byte of all its versions. */
const HANDSHAKE = 0x16;
const MAJOR_VERSION = 3;
/** Of a record: type, version and length (RFC 8446, 5.1). */
const HEAD_BYTES = 5;
/** So much follows it at most: whoever announces more is refused by TLS. */
const RECORD_BYTES_MAX = 16_384;

/**
 * Whether a connection begins with TLS; null where there are too few bytes to tell. A frame between servers
 * begins with its length, the lowest byte first: one that looked like this would have more than 65,000 bytes,
 * and nobody sends such a one first.
 */
function beginsTls(first: Uint8Array): boolean | null {
  const [type = HANDSHAKE, major = MAJOR_VERSION, minor] = first;
  if (type !== HANDSHAKE || major !== MAJOR_VERSION) return false;
  return minor === undefined ? null : minor >= 1 && minor <= 4;
}

/** Whether the first record, the ClientHello or where that begins, is there as a whole. */
function isWhole(first: Uint8Array): boolean {
  if (first.length < HEAD_BYTES) return false;
  const bytes = first[3]! << 8 | first[4]!;
  return bytes > RECORD_BYTES_MAX || first.length >= HEAD_BYTES + bytes;
}

/** Exactly one of them is called, once. */
export interface FirstBytes {
  /** It begins with a whole record of TLS, which is to be read from it again. */
  readonly onTls: () => void;
  /** It begins with something else: `first` was read of it. */
  readonly onPlain: (first: Uint8Array) => void;
  /** It ended before that could be told, or was ended. */
  readonly onLeft: () => void;
}

/**
 * Reads what a connection that was just accepted begins with. One that says nothing, or not all of it, is
 * held until whoever listens ends it.
 */
export function readFirstBytes(socket: Socket, { onTls, onPlain, onLeft }: FirstBytes): void {
  let first = new Uint8Array(0);
  const look = () => {
    const chunk = socket.read() as Uint8Array | null;
    if (chunk === null) return;
    first = joined(first, chunk);
    const isTls = beginsTls(first);
    if (isTls === null || isTls && !isWhole(first)) return;
    socket.off("readable", look);
    socket.off("end", leave);
    socket.off("close", onLeft);
    if (!isTls) return onPlain(first);
    socket.unshift(first);
    onTls();
  };
  const leave = () => socket.destroy();
  // An error is seen by its being closed.
  socket.on("error", () => {});
  socket.on("readable", look);
  socket.on("end", leave);
  socket.on("close", onLeft);
}

function joined(before: Uint8Array, after: Uint8Array): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(before.length + after.length);
  all.set(before);
  all.set(after, before.length);
  return all;
}
