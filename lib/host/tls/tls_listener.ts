/**
 * Accepting TLS connections by node:tls, and plain ones where TLS is optional. Handshakes take place beside
 * each other, off the accept loop: a connection comes out of the iterator once its handshake is done.
 */
import { createServer, type Server, type TLSSocket } from "node:tls";
import {
  type AddressInfo,
  createServer as createPlainServer,
  type Server as PlainServer,
  type Socket,
} from "node:net";
import { addressText } from "../../util/address.ts";
import type { Connection, Listener } from "../ports.ts";
import { contextOf, type Credentials } from "./credentials.ts";
import { readFirstBytes } from "./first_bytes.ts";
import { HalfOpen } from "./half_open.ts";
import { Hearing } from "./hearing.ts";
import { peerOf } from "./peer_certificate.ts";
import type { PlainLinks } from "./plain_links.ts";
import { refusalWords } from "./refusals.ts";
import { remoteOf, SocketConnection } from "./socket_connection.ts";

/** So many handshakes are under way at most, */
const HALF_OPEN_MAX = 256;
/** and each for so long. */
const HANDSHAKE_MAX_MS = 5_000;
const SWEEP_MS = 500;
/** Connections that are done and not taken yet: the accept loop takes them at once. */
const READY_MAX = 1_024;

/** A handshake that came to nothing. */
export interface HandshakeFailure {
  /** Where it listens. */
  readonly address: string;
  readonly remote: string;
  readonly reason: string;
}

export interface TlsListenerOptions {
  readonly hostname: string;
  readonly port: number;
  readonly credentials: Credentials;
  readonly onFailure: (failure: HandshakeFailure) => void;
  /** Called with where it listens, where it accepts no more and listens anew. */
  readonly onDeaf: (address: string) => void;
  readonly hasRoom: () => boolean;
  /** Plain connections are taken, and counted here; null: TLS alone. */
  readonly plain: PlainLinks | null;
}

const BACKLOG = 511;
/**
 * `HalfOpen` sees to the time. The runtime's own timer holds a socket until it is due, also one that has
 * ended (Deno 2.9.6): thousands of them, under a flood. None is set below zero; at zero it is two minutes.
 */
const NO_TIMER = -1;

/** What shakes hands, and what listens. */
interface Servers {
  readonly secure: Server;
  readonly listening: PlainServer;
}

function serversOf(credentials: Credentials): Servers {
  return {
    secure: createServer({ ...contextOf(credentials), handshakeTimeout: NO_TIMER }),
    listening: createPlainServer({ allowHalfOpen: true }),
  };
}

export class TlsListener implements Listener {
  readonly port: number;
  readonly address: string;
  readonly hasRoom: () => boolean;
  #servers: Servers;
  readonly #plain: PlainLinks | null;
  readonly #hostname: string;
  readonly #onDeaf: (address: string) => void;
  readonly #hearing: Hearing;
  /** Connections by which it was tried whether this one hears. */
  readonly #trials = new WeakSet<Socket>();
  /** From where the last one is to come; empty once it has. */
  #expected = "";
  readonly #onFailure: (failure: HandshakeFailure) => void;
  readonly #halfOpen = new HalfOpen(HALF_OPEN_MAX, HANDSHAKE_MAX_MS);
  /** The sockets below those that shake hands, by the other end's address. */
  readonly #raw = new Map<string, Socket>();
  readonly #ready: Connection[] = [];
  #credentials: Credentials;
  #closed = false;
  #wake: () => void = () => {};
  #sweep: ReturnType<typeof setInterval> | null = null;

  private constructor(servers: Servers, options: TlsListenerOptions) {
    this.#servers = servers;
    this.#plain = options.plain;
    this.#credentials = options.credentials;
    this.#onFailure = options.onFailure;
    this.#onDeaf = options.onDeaf;
    this.hasRoom = options.hasRoom;
    this.#hostname = options.hostname;
    const { address, port } = servers.listening.address() as AddressInfo;
    this.port = port;
    this.address = addressText(address, port);
    this.#serve(servers);
    this.#hearing = new Hearing(
      address,
      port,
      (remote) => this.#tried(remote),
      () => this.#listenAnew(),
    );
  }

  #serve({ secure, listening }: Servers): void {
    listening.on("connection", (socket: Socket) => {
      const remote = remoteOf(socket);
      this.#accepted(socket, remote);
      const shakeHands = () => secure.emit("connection", socket);
      readFirstBytes(socket, {
        onTls: shakeHands,
        onPlain: (first) => this.#plainCame(socket, first, shakeHands),
        onLeft: () => this.#left(socket, remote),
      });
    });
    secure.on("secureConnection", (socket: TLSSocket) => this.#secured(socket));
    secure.on("tlsClientError", (error: Error, socket: TLSSocket) => this.#failed(error, socket));
  }

  /** Connections that are open stay; those that nobody has accepted are lost. */
  #listenAnew(): void {
    this.#onDeaf(this.address);
    this.#servers.listening.close();
    this.#servers = serversOf(this.#credentials);
    this.#serve(this.#servers);
    const { listening } = this.#servers;
    // What goes wrong now is seen at the next look, and tried again.
    listening.on("error", () => {});
    listening.listen({ host: this.#hostname, port: this.port, backlog: BACKLOG });
  }

  /** @throws {Error} of node:net where the port can't be had. */
  static open(options: TlsListenerOptions): Promise<TlsListener> {
    const { hostname, port, credentials } = options;
    const servers = serversOf(credentials);
    const server = servers.listening;
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host: hostname, port, backlog: BACKLOG }, () => {
        server.off("error", reject);
        server.on("error", () => {/* of one connection, which ends by itself */});
        resolve(new TlsListener(servers, options));
      });
    });
  }

  /** New connections are made with these. @throws {Error} where they can't be used: then nothing changes. */
  use(credentials: Credentials): void {
    this.#servers.secure.setSecureContext(contextOf(credentials));
    this.#credentials = credentials;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Connection> {
    while (true) {
      const ready = this.#ready.shift();
      if (ready !== undefined) yield ready;
      else if (this.#closed) return;
      else await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#hearing.stop();
    this.#servers.listening.close();
    this.#halfOpen.clear();
    for (const connection of this.#ready) connection.close();
    this.#ready.length = 0;
    this.#rest();
    this.#wake();
  }

  #accepted(socket: Socket, remote: string): void {
    this.#hearing.heard();
    // Handshakes must not take what files need: then two give way to each that comes, so there are fewer
    // and fewer of them, and whoever serves this one says why it is turned away.
    if (!this.hasRoom()) {
      for (let i = 0; i < 2 && this.#halfOpen.size > 0; i++) this.#halfOpen.evict();
    }
    this.#raw.set(remote, socket);
    if (remote === this.#expected) this.#tried(remote);
    socket.once("close", () => this.#forget(remote, socket));
    this.#halfOpen.add(socket, performance.now());
    this.#sweep ??= setInterval(() => {
      this.#halfOpen.expire(performance.now());
      if (this.#halfOpen.size === 0) this.#rest();
    }, SWEEP_MS);
  }

  /** The connection from there is a trial, of which nobody is told. */
  #tried(remote: string): void {
    this.#expected = remote;
    const socket = this.#raw.get(remote);
    if (socket === undefined) return;
    this.#expected = "";
    this.#trials.add(socket);
    socket.destroy();
  }

  /** No handshake is under way. */
  #rest(): void {
    if (this.#sweep !== null) clearInterval(this.#sweep);
    this.#sweep = null;
  }

  #forget(remote: string, socket: Socket): void {
    this.#halfOpen.delete(socket);
    if (this.#raw.get(remote) === socket) this.#raw.delete(remote);
  }

  #secured(socket: TLSSocket): void {
    const remote = remoteOf(socket);
    const raw = this.#raw.get(remote);
    if (raw !== undefined) this.#forget(remote, raw);
    const peer = this.#credentials.requestCert ? peerOf(socket, this.#credentials) : null;
    if (this.#closed || this.#ready.length >= READY_MAX || typeof peer === "string") {
      socket.destroy();
      if (typeof peer === "string") this.#refuse(remote, peer);
      return;
    }
    this.#ready.push(new SocketConnection(socket, remote, peer?.names));
    this.#wake();
  }

  #plainCame(socket: Socket, first: Uint8Array, shakeHands: () => void): void {
    const plain = this.#plain;
    if (plain === null) {
      // TLS has the words for it.
      socket.unshift(first);
      return shakeHands();
    }
    const remote = remoteOf(socket);
    this.#forget(remote, socket);
    if (this.#closed || this.#ready.length >= READY_MAX) return void socket.destroy();
    this.#ready.push(plain.counted(new SocketConnection(socket, remote, undefined, first)));
    this.#wake();
  }

  /** It has said too little to be known for TLS or not. */
  #left(socket: Socket, remote: string): void {
    if (this.#plain !== null || this.#trials.has(socket)) return;
    this.#refuse(remote, refusalWords(new Error("ECONNRESET")));
  }

  #failed(error: Error, socket: TLSSocket): void {
    // By now it knows its own end no more; the socket below it does.
    const { _parent: below } = socket as { _parent?: Socket };
    if (below !== undefined && this.#trials.has(below)) return void socket.destroy();
    const remote = remoteOf(below ?? socket);
    const { authorizationError } = socket;
    const verdict = authorizationError ? new Error(`${authorizationError}`) : error;
    socket.destroy();
    this.#refuse(remote, refusalWords(verdict));
  }

  #refuse(remote: string, reason: string): void {
    this.#onFailure({ address: this.address, remote, reason });
  }
}
