/**
 * The network port over TCP: the only file that calls Deno.listen and Deno.connect.
 *
 * The runtime's own iterator over a listener ends with the first error, such as running out of file
 * descriptors; the one here pauses and goes on.
 */
import { DescriptorMargin } from "./descriptors.ts";
import type { Connection, Listener, Transport } from "./ports.ts";

/** Who wants to know that a listener could not accept; called at most once a second per listener. */
export type AcceptFailure = (address: string, error: Error) => void;

/** How long a listener pauses after an error that is not its end. */
export const ACCEPT_PAUSE_MS = 100;
const ACCEPT_REPORT_INTERVAL_MS = 1_000;

/** What this file needs of Deno's listener; a test can bring its own. */
export interface Acceptor {
  readonly addr: Deno.Addr;
  accept(): Promise<Deno.Conn>;
  close(): void;
}

/**
 * TCP over Deno. `onAcceptFailure` hears why connections can't be accepted; `countFree` tells how many
 * descriptors are free, at most as many as it is asked for.
 */
export class TcpTransport implements Transport {
  readonly #onAcceptFailure: AcceptFailure;
  readonly #margin: DescriptorMargin;

  constructor(
    onAcceptFailure: AcceptFailure = () => {},
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

/** A listening socket; its iterator ends with `close()` and with nothing else. */
export class TcpListener implements Listener {
  readonly port: number;
  readonly #address: string;
  readonly #acceptor: Acceptor;
  readonly #onFailure: AcceptFailure;
  readonly hasRoom: () => boolean;
  #closed = false;
  #reportedAtMs = -Infinity;
  #pause: { timer: ReturnType<typeof setTimeout>; end: () => void } | null = null;

  constructor(
    acceptor: Acceptor,
    onFailure: AcceptFailure,
    hasRoom: () => boolean = () => true,
  ) {
    this.#acceptor = acceptor;
    this.#onFailure = onFailure;
    this.hasRoom = hasRoom;
    const { hostname, port } = acceptor.addr as Deno.NetAddr;
    this.port = port;
    this.#address = `${hostname}:${port}`;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Connection> {
    while (!this.#closed) {
      let accepted: TcpConnection;
      try {
        accepted = new TcpConnection(await this.#acceptor.accept());
      } catch (error) {
        if (this.#closed) return;
        this.#report(error as Error);
        await this.#rest();
        continue;
      }
      yield accepted;
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#acceptor.close();
    if (this.#pause !== null) {
      clearTimeout(this.#pause.timer);
      this.#pause.end();
    }
  }

  #report(error: Error): void {
    const nowMs = performance.now();
    if (nowMs - this.#reportedAtMs < ACCEPT_REPORT_INTERVAL_MS) return;
    this.#reportedAtMs = nowMs;
    this.#onFailure(this.#address, error);
  }

  #rest(): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        this.#pause = null;
        resolve();
      };
      this.#pause = { timer: setTimeout(end, ACCEPT_PAUSE_MS), end };
    });
  }
}

/** One TCP connection, without Nagle's delay: replies are gathered before they get here. */
export class TcpConnection implements Connection {
  readonly remote: string;
  readonly #conn: Deno.Conn;
  #closed = false;

  constructor(conn: Deno.Conn) {
    this.#conn = conn;
    const { hostname, port } = conn.remoteAddr as Deno.NetAddr;
    this.remote = `${hostname}:${port}`;
    const tcp = conn as Partial<Deno.TcpConn>;
    try {
      tcp.setNoDelay?.(true);
      // Finds out about clients whose machine is gone without a word.
      tcp.setKeepAlive?.(true);
    } catch {
      // The other end has closed already: the first read will say so.
    }
  }

  read(into: Uint8Array): Promise<number | null> {
    return this.#conn.read(into);
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.#conn.write(bytes);
  }

  closeWrite(): Promise<void> {
    return this.#conn.closeWrite();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      this.#conn.close();
    } catch {
      // Closed by the runtime after an error.
    }
  }
}
