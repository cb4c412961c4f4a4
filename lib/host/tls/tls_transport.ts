/** The network port over TLS, by node:tls: the only file that connects by it. */
import { connect, createSecureContext, type TLSSocket } from "node:tls";
import type { DescriptorMargin } from "../descriptors.ts";
import { type Dial, dialFirst } from "../dialing.ts";
import { listenOnAll } from "../listening.ts";
import type { Connection, Listener, Transport } from "../ports.ts";
import type { Resolver } from "../resolver.ts";
import { contextOf, type Credentials } from "./credentials.ts";
import { peerOf } from "./peer_certificate.ts";
import { PlainLinks } from "./plain_links.ts";
import { mayBePlain, refusalWords } from "./refusals.ts";
import { type HandshakeFailure, TlsListener } from "./tls_listener.ts";
import { remoteOf, SocketConnection } from "./socket_connection.ts";

export interface TlsTransportOptions {
  readonly credentials: Credentials;
  readonly margin: DescriptorMargin;
  readonly resolver: Resolver;
  /** Called for each handshake of an accepted connection that came to nothing. */
  readonly onHandshakeFailure: (failure: HandshakeFailure) => void;
  /** Called with the address of a listener that accepted no more, and listens anew. */
  readonly onDeaf?: (address: string) => void;
  /**
   * Where it is given TLS is optional, while it is rolled in or out: whoever speaks none is let in, and
   * connected to by this. Nobody has to prove anything then: whoever can change packets can keep two servers
   * from speaking it.
   */
  readonly dialPlain?: Dial | undefined;
}

export class TlsTransport implements Transport {
  readonly #options: TlsTransportOptions;
  readonly #listeners: TlsListener[] = [];
  readonly #plain: PlainLinks | null;
  #credentials: Credentials;

  constructor(options: TlsTransportOptions) {
    this.#options = options;
    this.#plain = options.dialPlain === undefined ? null : new PlainLinks();
    this.#credentials = options.credentials;
  }

  get credentials(): Credentials {
    return this.#credentials;
  }

  /** Connections that are plain, made and accepted; undefined where none may be. */
  get plainLinks(): number | undefined {
    return this.#plain?.count;
  }

  /**
   * New connections, accepted and made, show and trust these; those that are open stay.
   * @throws {Error} where the runtime can't use them: then nothing has changed.
   */
  use(credentials: Credentials): void {
    createSecureContext(contextOf(credentials));
    for (const listener of this.#listeners) listener.use(credentials);
    this.#credentials = credentials;
  }

  async listen(hostname: string, port: number, spareDescriptors = 0): Promise<Listener[]> {
    const { margin, resolver, onHandshakeFailure, onDeaf = () => {} } = this.#options;
    const hasRoom = () => spareDescriptors === 0 || margin.hasRoom(spareDescriptors);
    const listeners = await listenOnAll(
      hostname,
      port,
      resolver,
      (address, wanted) =>
        TlsListener.open({
          hostname: address,
          port: wanted,
          credentials: this.#credentials,
          onFailure: onHandshakeFailure,
          onDeaf,
          hasRoom,
          plain: this.#plain,
        }),
    );
    this.#listeners.push(...listeners);
    return listeners;
  }

  /**
   * As plain TCP does, handshake included. The other end must show a certificate of the CA; the names in
   * it are for the caller to check. Where TLS is optional it is tried first, and one who speaks none is
   * connected to without; one whose certificate is refused is not.
   */
  connect(
    hostname: string,
    port: number,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<Connection> {
    const { resolver } = this.#options;
    return dialFirst(
      { hostname, port, timeoutMs, signal },
      resolver,
      (address, at, given) => this.#dial(address, at, given),
    );
  }

  async #dial(address: string, port: number, signal: AbortSignal): Promise<Connection> {
    const plain = this.#plain;
    const { dialPlain } = this.#options;
    try {
      return await dial(address, port, signal, () => this.#credentials);
    } catch (error) {
      const { cause } = error as Error;
      const isPlain = cause instanceof Error && mayBePlain(cause);
      if (plain === null || dialPlain === undefined || !isPlain || signal.aborted) throw error;
    }
    return plain.counted(await dialPlain(address, port, signal));
  }
}

function dial(
  host: string,
  port: number,
  signal: AbortSignal,
  credentialsNow: () => Credentials,
): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const socket: TLSSocket = connect({
      ...contextOf(credentialsNow()),
      host,
      port,
      checkServerIdentity: () => undefined,
    });
    const abort = () => fail(new Error("given up"));
    const fail = (error: Error) => {
      signal.removeEventListener("abort", abort);
      socket.destroy();
      reject(error);
    };
    signal.addEventListener("abort", abort);
    const refused = (cause: Error) => fail(new Error(refusalWords(cause), { cause }));
    socket.once("error", refused);
    socket.once("close", () => refused(new Error("ECONNRESET")));
    socket.once("secureConnect", () => {
      const peer = peerOf(socket, credentialsNow());
      if (typeof peer === "string") return fail(new Error(peer));
      signal.removeEventListener("abort", abort);
      socket.removeAllListeners("error").removeAllListeners("close");
      resolve(new SocketConnection(socket, remoteOf(socket), peer.names));
    });
  });
}
