/**
 * The network port over TCP: the only file that calls Deno.listen and Deno.connect.
 */
import { DescriptorMargin } from "./descriptors.ts";
import { dialFirst } from "./dialing.ts";
import { listenOnAll } from "./listening.ts";
import type { Connection, Listener, Transport } from "./ports.ts";
import { Resolver } from "./resolver.ts";
import { TcpConnection } from "./tcp_connection.ts";
import { type OnAcceptFailure, TcpListener } from "./tcp_listener.ts";

export interface TcpOptions {
  /** Called with the reason when connections can't be accepted. */
  readonly onAcceptFailure?: OnAcceptFailure;
  /** How many descriptors are free, at most as many as it is asked for. */
  readonly countFree?: (atMost: number) => number;
  readonly resolver?: Resolver;
}

/** TCP over Deno. */
export class TcpTransport implements Transport {
  readonly #onAcceptFailure: OnAcceptFailure | undefined;
  /** For other transports of the process: descriptors, and names that are being looked up, are the same. */
  readonly margin: DescriptorMargin;
  readonly resolver: Resolver;

  constructor(options: TcpOptions = {}) {
    this.#onAcceptFailure = options.onAcceptFailure;
    this.margin = new DescriptorMargin(options.countFree ?? ((atMost) => atMost));
    this.resolver = options.resolver ?? new Resolver();
  }

  /**
   * Listens on every address of `hostname` that this machine has, and on each of them or on none.
   * @throws {Error} where the port can't be had: one sentence with port and address.
   */
  listen(hostname: string, port: number, spareDescriptors = 0): Promise<Listener[]> {
    const hasRoom = () => spareDescriptors === 0 || this.margin.hasRoom(spareDescriptors);
    return listenOnAll(hostname, port, this.resolver, (address, wanted) => {
      const acceptor = Deno.listen({ hostname: address, port: wanted });
      return new TcpListener(acceptor, this.#onAcceptFailure, hasRoom);
    });
  }

  /**
   * Connects to the first address of `hostname` that answers; each gets its share of the time.
   * @throws {Error} where no connection was made within `timeoutMs`, or `signal` came: one sentence.
   */
  connect(
    hostname: string,
    port: number,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<Connection> {
    return dialFirst({ hostname, port, timeoutMs, signal }, this.resolver, dialTcp);
  }
}

/** One try at one address. Deno.connect knows no deadline but a signal. */
export async function dialTcp(
  hostname: string,
  port: number,
  signal: AbortSignal,
): Promise<Connection> {
  const conn = await Deno.connect({ hostname, port, signal });
  if (!isToItself(conn)) return new TcpConnection(conn);
  conn.close();
  throw new Error("nobody listens there: the connection was made to itself");
}

/**
 * A connection to a port that nobody listens on may get that very port as its own, if the port is in the
 * system's range for outgoing connections; TCP then connects it to itself.
 */
function isToItself({ localAddr, remoteAddr }: Deno.TcpConn): boolean {
  return localAddr.port === remoteAddr.port && localAddr.hostname === remoteAddr.hostname;
}
