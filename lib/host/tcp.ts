/**
 * The network port over TCP: the only file that calls Deno.listen and Deno.connect.
 */
import { DescriptorMargin } from "./descriptors.ts";
import type { Connection, Listener, Transport } from "./ports.ts";
import { TcpConnection } from "./tcp_connection.ts";
import { type OnAcceptFailure, TcpListener } from "./tcp_listener.ts";

/**
 * TCP over Deno. `onAcceptFailure` hears why connections can't be accepted; `countFree` tells how many
 * descriptors are free, at most as many as it is asked for.
 */
export class TcpTransport implements Transport {
  readonly #onAcceptFailure: OnAcceptFailure;
  readonly #margin: DescriptorMargin;

  constructor(
    onAcceptFailure: OnAcceptFailure = () => {},
    countFree: (atMost: number) => number = (atMost) => atMost,
  ) {
    this.#onAcceptFailure = onAcceptFailure;
    this.#margin = new DescriptorMargin(countFree);
  }

  /** @throws {Error} where the port can't be had: one sentence with port and address. */
  listen(hostname: string, port: number, spareDescriptors = 0): Listener {
    const hasRoom = () => spareDescriptors === 0 || this.#margin.hasRoom(spareDescriptors);
    try {
      return new TcpListener(Deno.listen({ hostname, port }), this.#onAcceptFailure, hasRoom);
    } catch (error) {
      throw new Error(listenRefusal(hostname, port, error as Error), { cause: error });
    }
  }

  /** @throws {Error} where no connection was made within `timeoutMs`: one sentence. */
  async connect(hostname: string, port: number, timeoutMs: number): Promise<Connection> {
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), timeoutMs);
    try {
      const conn = await Deno.connect({ hostname, port, signal: deadline.signal });
      if (!isToItself(conn)) return new TcpConnection(conn);
      conn.close();
      throw new Error("nobody listens there: the connection was made to itself");
    } catch (error) {
      const why = deadline.signal.aborted
        ? `no answer within ${timeoutMs} ms`
        : (error as Error).message;
      throw new Error(`Cannot connect to ${hostname} port ${port}: ${why}`, { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }
}

/**
 * Whoever dials a port that nobody listens on may be given that very port for this end, where it lies
 * in the system's range for outgoing connections; TCP then connects it to itself.
 */
function isToItself({ localAddr, remoteAddr }: Deno.TcpConn): boolean {
  return localAddr.port === remoteAddr.port && localAddr.hostname === remoteAddr.hostname;
}

function listenRefusal(hostname: string, port: number, error: Error): string {
  if (error instanceof Deno.errors.AddrInUse) {
    return `Port ${port} on ${hostname} is in use: stop what listens there, or give this server ` +
      "another port in the cluster file";
  }
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return `Cannot listen on port ${port} of ${hostname}: this machine does not have that address`;
  }
  return `Cannot listen on port ${port} of ${hostname}: ${error.message}`;
}
