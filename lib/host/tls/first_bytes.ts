/** Connections with TLS and without: told apart by their first bytes, and handed on with them. */
import type { Socket } from "node:net";
import type { Server } from "node:tls";

/** The type of a record that carries a handshake, and the first byte of all its versions. */
const HANDSHAKE = 0x16;
const MAJOR_VERSION = 3;

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

/** A plain connection, and what was read of it. */
export type OnPlain = (socket: Socket, first: Uint8Array) => void;

/**
 * Hands a connection that was just accepted to `secure`, which does not listen itself, or to `onPlain`. One
 * that says nothing is held until whoever listens ends it.
 */
export function sortByFirstBytes(socket: Socket, secure: Server, onPlain: OnPlain): void {
  let first = new Uint8Array(0);
  const look = () => {
    const chunk = socket.read() as Uint8Array | null;
    if (chunk === null) return;
    first = joined(first, chunk);
    const isTls = beginsTls(first);
    if (isTls === null) return;
    socket.off("readable", look);
    socket.off("end", leave);
    if (!isTls) return onPlain(socket, first);
    socket.unshift(first);
    secure.emit("connection", socket);
  };
  const leave = () => socket.destroy();
  // Its end is seen by its being closed.
  socket.on("error", () => {});
  socket.on("readable", look);
  socket.on("end", leave);
}

function joined(before: Uint8Array, after: Uint8Array): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(before.length + after.length);
  all.set(before);
  all.set(after, before.length);
  return all;
}
