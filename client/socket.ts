/**
 * A connection by node:net, or with TLS by node:tls, which Node and Deno both have. Nothing else of the
 * client knows them.
 */
import { connect, type Socket as NetSocket } from "node:net";
import { type Address, parseAddress } from "./address.ts";
import type { TlsOptions } from "./calls.ts";
import { checkPair } from "./tls.ts";

export interface SocketEvents {
  connected(): void;
  received(bytes: Uint8Array): void;
  /** It takes more again, after `write` said that it does not. */
  drained(): void;
  /** Once, whatever ended it: what the runtime said, or null where the server closed it. */
  ended(error: Error | null): void;
}

export class Socket {
  readonly #events: SocketEvents;
  /** Null until node:tls, which most have no use for, is loaded. */
  #socket: NetSocket | null = null;
  #error: Error | null = null;
  #hasEnded = false;

  /** Begins to connect to HOST:PORT. The caller sets the deadline, by `close`. */
  constructor(address: string, events: SocketEvents, tls?: TlsOptions) {
    this.#events = events;
    const place = parseAddress(address);
    if (tls === undefined) {
      this.#use(connect({ host: place.hostname, port: place.port }), "connect");
    } else this.#connectByTls(place, tls);
  }

  /** Sends bytes, which must not change later; false where it wants to be left alone until `drained`. */
  write(bytes: Uint8Array): boolean {
    return this.#socket!.write(bytes);
  }

  /** Takes nothing more from the other end until `resume`. */
  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    this.#socket?.resume();
  }

  /** Ends it at once; no event comes after it. */
  close(): void {
    this.#hasEnded = true;
    this.#socket?.destroy();
  }

  async #connectByTls({ hostname, port }: Address, tls: TlsOptions): Promise<void> {
    try {
      const node = await import("node:tls");
      await checkPair(tls);
      if (this.#hasEnded) return;
      const { serverName: servername, ...files } = tls;
      const named = servername === undefined ? {} : { servername };
      const options = { host: hostname, port, minVersion: "TLSv1.2" as const, ...named, ...files };
      this.#use(node.connect(options), "secureConnect");
    } catch (error) {
      // A certificate or key that is none.
      this.#end(error as Error);
    }
  }

  #use(socket: NetSocket, connected: "connect" | "secureConnect"): void {
    const events = this.#events;
    socket.setNoDelay(true);
    this.#socket = socket;
    socket.on(connected, () => {
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
      this.#error = caught;
    });
    socket.on("end", () => this.#end(this.#error));
    socket.on("close", () => this.#end(this.#error));
  }

  #end(error: Error | null): void {
    if (this.#hasEnded) return;
    this.close();
    this.#events.ended(error);
  }
}
