/** A TCP connection by node:net, which Node and Deno both have. Nothing else of the client knows it. */
import { connect, type Socket as NetSocket } from "node:net";
import { parseAddress } from "./address.ts";

export interface SocketEvents {
  connected(): void;
  received(bytes: Uint8Array): void;
  /** It takes more again, after `write` said that it does not. */
  drained(): void;
  /** Once, whatever ended it: what the runtime said, or null where the server closed it. */
  ended(error: Error | null): void;
}

export class Socket {
  readonly #socket: NetSocket;
  #hasEnded = false;

  /** Begins to connect to HOST:PORT. The caller sets the deadline, by `close`. */
  constructor(address: string, events: SocketEvents) {
    const { hostname, port } = parseAddress(address);
    const socket = connect({ host: hostname, port });
    socket.setNoDelay(true);
    this.#socket = socket;
    let error: Error | null = null;
    socket.on("connect", () => {
      if (!this.#hasEnded) events.connected();
    });
    socket.on("data", (chunk: Uint8Array) => {
      if (this.#hasEnded) return;
      // Node's own kind of it slices otherwise than every other.
      events.received(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    });
    socket.on("drain", () => {
      if (!this.#hasEnded) events.drained();
    });
    socket.on("error", (caught: Error) => {
      error = caught;
    });
    socket.on("end", () => this.#end(events, null));
    socket.on("close", () => this.#end(events, error));
  }

  /** Sends bytes, which must not change later; false where it wants to be left alone until `drained`. */
  write(bytes: Uint8Array): boolean {
    return this.#socket.write(bytes);
  }

  /** Ends it at once; no event comes after it. */
  close(): void {
    this.#hasEnded = true;
    this.#socket.destroy();
  }

  #end(events: SocketEvents, error: Error | null): void {
    if (this.#hasEnded) return;
    this.close();
    events.ended(error);
  }
}
