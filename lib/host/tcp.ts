/**
 * The network port over TCP: the only file that calls Deno.listen and Deno.connect.
 */
import { DescriptorMargin } from "./descriptors.ts";
import type { Connection, Listener, Transport } from "./ports.ts";
import { Resolver } from "./resolver.ts";
import { TcpConnection } from "./tcp_connection.ts";
import { type OnAcceptFailure, TcpListener } from "./tcp_listener.ts";

/** How long a server waits for the addresses of the name that it is to listen on. */
const LISTEN_RESOLVE_MS = 5_000;
/** What the name of the machine itself stands for, whatever its hosts file lists. */
const LOOPBACK = ["127.0.0.1", "::1"];

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
  readonly #margin: DescriptorMargin;
  readonly #resolver: Resolver;

  constructor(options: TcpOptions = {}) {
    this.#onAcceptFailure = options.onAcceptFailure;
    this.#margin = new DescriptorMargin(options.countFree ?? ((atMost) => atMost));
    this.#resolver = options.resolver ?? new Resolver();
  }

  /**
   * Listens on every address of `hostname` that this machine has, and on each of them or on none.
   * @throws {Error} where the port can't be had: one sentence with port and address.
   */
  async listen(hostname: string, port: number, spareDescriptors = 0): Promise<Listener[]> {
    const hasRoom = () => spareDescriptors === 0 || this.#margin.hasRoom(spareDescriptors);
    const listeners: TcpListener[] = [];
    let notHere: unknown;
    try {
      for (const address of await this.#addressesToListenOn(hostname)) {
        // A port that the system chose is the same on all of them.
        const wanted = listeners[0]?.port ?? port;
        try {
          const acceptor = Deno.listen({ hostname: address, port: wanted });
          listeners.push(new TcpListener(acceptor, this.#onAcceptFailure, hasRoom));
        } catch (error) {
          if (!isNotHere(error)) throw error;
          notHere = error;
        }
      }
      if (listeners.length === 0) throw notHere;
      return listeners;
    } catch (error) {
      for (const listener of listeners) listener.close();
      throw new Error(listenRefusal(hostname, port, error as Error), { cause: error });
    }
  }

  async #addressesToListenOn(hostname: string): Promise<string[]> {
    const isLocal = hostname.toLowerCase() === "localhost";
    const found = isLocal
      ? await this.#resolver.resolve(hostname, LISTEN_RESOLVE_MS).catch(() => [])
      : await this.#resolver.resolve(hostname, LISTEN_RESOLVE_MS);
    return isLocal ? [...new Set([...LOOPBACK, ...found])] : found;
  }

  /**
   * Connects to the first address of `hostname` that answers; each gets its share of the time.
   * @throws {Error} where no connection was made within `timeoutMs`, or `signal` came: one sentence.
   */
  async connect(
    hostname: string,
    port: number,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<Connection> {
    const untilMs = performance.now() + timeoutMs;
    let first: unknown = null;
    try {
      const addresses = await this.#resolver.resolve(hostname, timeoutMs, signal);
      for (const [at, address] of addresses.entries()) {
        const shareMs = (untilMs - performance.now()) / (addresses.length - at);
        try {
          return await dial(address, port, shareMs, signal);
        } catch (error) {
          first ??= error;
        }
      }
      throw first;
    } catch (error) {
      const why = error instanceof NoAnswer
        ? `no answer within ${timeoutMs} ms`
        : (error as Error).message;
      throw new Error(`Cannot connect to ${hostname} port ${port}: ${why}`, { cause: error });
    }
  }
}

class NoAnswer extends Error {}

/** One try at one address. Deno.connect knows no deadline but a signal. */
async function dial(
  hostname: string,
  port: number,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<Connection> {
  const deadline = new AbortController();
  const abort = () => deadline.abort();
  const timer = setTimeout(abort, timeoutMs);
  signal?.addEventListener("abort", abort);
  try {
    if (signal?.aborted) throw new Error("given up");
    const conn = await Deno.connect({ hostname, port, signal: deadline.signal });
    if (!isToItself(conn)) return new TcpConnection(conn);
    conn.close();
    throw new Error("nobody listens there: the connection was made to itself");
  } catch (error) {
    if (signal?.aborted) throw new Error("given up", { cause: error });
    if (deadline.signal.aborted) throw new NoAnswer("no answer", { cause: error });
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

/** The address is another machine's, or its family is switched off here. */
function isNotHere(error: unknown): boolean {
  return error instanceof Deno.errors.AddrNotAvailable ||
    (error instanceof Error && "code" in error && error.code === "EAFNOSUPPORT");
}

/**
 * A connection to a port that nobody listens on may get that very port as its own, if the port is in the
 * system's range for outgoing connections; TCP then connects it to itself.
 */
function isToItself({ localAddr, remoteAddr }: Deno.TcpConn): boolean {
  return localAddr.port === remoteAddr.port && localAddr.hostname === remoteAddr.hostname;
}

function listenRefusal(hostname: string, port: number, error: Error): string {
  if (error instanceof Deno.errors.AddrInUse) {
    return `Port ${port} on ${hostname} is in use: stop what listens there, or give this server ` +
      "another port in the cluster file";
  }
  const what = `Cannot listen on port ${port} of ${hostname}`;
  if (isNotHere(error)) {
    return `${what}: this machine does not have that address. Where others connect to an ` +
      "address that is none of its own, clientListen and logListen in the cluster file say where " +
      "it listens";
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return `${what}: ports below 1024 are for root, or need CAP_NET_BIND_SERVICE. Give this ` +
      "server a higher port in the cluster file";
  }
  return `${what}: ${error.message}`;
}
