import { addressText } from "../util/address.ts";
import type { Connection } from "./ports.ts";

/** How an IPv4 address looks to a listener on all addresses of both families. */
export const MAPPED = /^::ffff:(?=[\d.]+$)/;

/** One TCP connection, without Nagle's delay: replies are gathered before they get here. */
export class TcpConnection implements Connection {
  readonly remote: string;
  readonly local: string;
  readonly #conn: Deno.Conn;
  #closed = false;

  constructor(conn: Deno.Conn) {
    this.#conn = conn;
    this.remote = textOf(conn.remoteAddr);
    this.local = textOf(conn.localAddr);
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

function textOf(address: Deno.Addr): string {
  const { hostname, port } = address as Deno.NetAddr;
  return addressText(hostname.replace(MAPPED, ""), port);
}
