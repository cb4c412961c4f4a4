/**
 * One TLS connection whose handshake is done, by node:tls, or a plain one that came to a port where TLS is
 * optional, by node:net; without Nagle's delay.
 */
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { addressText } from "../../util/address.ts";
import type { Connection } from "../ports.ts";
import { MAPPED } from "../tcp_connection.ts";

/** So much is held for a reader that does not come; then the socket rests. */
const HELD_BYTES_MAX = 65_536;
/**
 * One write takes so much, a TLS record: the runtime says of a write that all of it was taken, and not how
 * far it is, and whoever takes a little from time to time is alive.
 */
const WRITTEN_BYTES_MAX = 16_384;
/** Where it can't be made to rest, it is ended at this. */
const UNREAD_BYTES_MAX = 4 * 1_048_576;

const NOTHING = new Uint8Array(0);

/** The TCP handle of a socket, or below a TLS socket. */
interface Flow {
  readStop(): void;
  readStart(): void;
}

/**
 * What node:net itself calls to stop reading. The `pause()` of a TLS socket keeps back what has arrived,
 * and goes on reading without a bound (Deno 2.9.6): whoever sends fast would fill the memory.
 */
function flowOf(socket: Socket): Flow | null {
  const { _handle } = socket as unknown as {
    _handle?: Partial<Flow> & { _parent?: Partial<Flow> } | null;
  };
  const below = "getPeerCertificate" in socket ? _handle?._parent : _handle;
  return typeof below?.readStop === "function" && typeof below.readStart === "function"
    ? below as Flow
    : null;
}

interface Reader {
  readonly into: Uint8Array;
  resolve(count: number | null): void;
  reject(error: Error): void;
}

interface Writer {
  resolve(count: number): void;
  reject(error: Error): void;
}

/** Where it is connected to, for logs. */
export function remoteOf(
  { remoteAddress, remotePort }: Pick<TLSSocket, "remoteAddress" | "remotePort">,
): string {
  return textOf(remoteAddress, remotePort);
}

function textOf(address = "unknown", port = 0): string {
  return addressText(address.replace(MAPPED, ""), port);
}

export class SocketConnection implements Connection {
  readonly remote: string;
  readonly local: string;
  readonly peerNames: readonly string[] | undefined;
  readonly #socket: Socket;
  /** Came in and was not read yet; of the first piece, what is left begins at `#offset`. */
  readonly #held: Uint8Array[] = [];
  #offset = 0;
  #heldBytes = 0;
  #hasEnded = false;
  #error: Error | null = null;
  #reader: Reader | null = null;
  #writer: Writer | null = null;

  /**
   * `peerNames`: of the other end's certificate, where that was asked for and checked. `first`: what was
   * read of it already.
   */
  constructor(
    socket: Socket,
    remote: string,
    peerNames?: readonly string[],
    first: Uint8Array = NOTHING,
  ) {
    this.#socket = socket;
    this.remote = remote;
    const { localAddress, localPort } = socket;
    this.local = textOf(localAddress, localPort);
    this.peerNames = peerNames;
    if (first.length > 0) {
      this.#held.push(first);
      this.#heldBytes = first.length;
    }
    socket.setNoDelay(true);
    socket.setKeepAlive(true);
    socket.on("data", (bytes: Uint8Array) => this.#received(bytes));
    socket.on("end", () => this.#end(null));
    socket.on("error", (error: Error) => this.#end(error));
    socket.on("close", () => this.#end(null));
  }

  read(into: Uint8Array): Promise<number | null> {
    if (this.#held.length > 0) return Promise.resolve(this.#take(into));
    if (this.#error !== null) return Promise.reject(this.#error);
    if (this.#hasEnded) return Promise.resolve(null);
    return new Promise((resolve, reject) => this.#reader = { into, resolve, reject });
  }

  write(bytes: Uint8Array): Promise<number> {
    if (this.#error !== null) return Promise.reject(this.#error);
    const piece = bytes.length <= WRITTEN_BYTES_MAX ? bytes : bytes.subarray(0, WRITTEN_BYTES_MAX);
    return new Promise((resolve, reject) => {
      this.#writer = { resolve, reject };
      this.#socket.write(piece, (error) => {
        this.#writer = null;
        if (error) reject(error);
        else resolve(piece.length);
      });
    });
  }

  closeWrite(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#socket.destroyed) return resolve();
      this.#socket.once("close", resolve);
      this.#socket.end(() => resolve());
    });
  }

  close(): void {
    this.#error ??= new Error("it was closed");
    this.#held.length = 0;
    this.#socket.destroy();
    this.#settle();
  }

  #received(bytes: Uint8Array): void {
    if (this.#error !== null) return;
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    const reader = this.#reader;
    if (reader !== null) {
      this.#reader = null;
      reader.resolve(this.#take(reader.into));
    }
    if (this.#heldBytes > HELD_BYTES_MAX) this.#rest();
  }

  /** As much as there is and fits. */
  #take(into: Uint8Array): number {
    let count = 0;
    while (count < into.length && this.#held.length > 0) {
      const first = this.#held[0]!;
      const part = first.subarray(this.#offset, this.#offset + into.length - count);
      into.set(part, count);
      count += part.length;
      this.#offset += part.length;
      if (this.#offset < first.length) break;
      this.#held.shift();
      this.#offset = 0;
    }
    const wasFull = this.#heldBytes > HELD_BYTES_MAX;
    this.#heldBytes -= count;
    if (wasFull && this.#heldBytes <= HELD_BYTES_MAX) this.#continue();
    return count;
  }

  #rest(): void {
    const flow = flowOf(this.#socket);
    if (flow !== null) {
      this.#socket.pause();
      flow.readStop();
    } else if (this.#heldBytes > UNREAD_BYTES_MAX) {
      this.#socket.destroy(new Error("it sends more than is taken"));
    }
  }

  #continue(): void {
    if (this.#socket.destroyed || !this.#socket.isPaused()) return;
    this.#socket.resume();
    flowOf(this.#socket)?.readStart();
  }

  #end(error: Error | null): void {
    this.#hasEnded = true;
    this.#error ??= error;
    this.#settle();
  }

  /** Nothing more comes: whoever waits is told. */
  #settle(): void {
    const reader = this.#reader;
    this.#reader = null;
    if (this.#error === null) reader?.resolve(null);
    else reader?.reject(this.#error);
    if (!this.#socket.destroyed) return;
    const writer = this.#writer;
    this.#writer = null;
    writer?.reject(this.#error ?? new Error("the other end closed the connection"));
  }
}
