/** Sockets for tests that look at bytes: every read has a deadline, every write may have one. */

import { Buffer } from "node:buffer";
import { Patience, REPLY_DEADLINE_MS, within } from "./patience.ts";

const encoder = new TextEncoder();

/** Text where every character is one byte, so that any bytes can be compared and printed. */
export function fromBytes(bytes: Uint8Array): string {
  if (bytes.length > SHORT_BYTES) {
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
  }
  let text = "";
  for (let at = 0; at < bytes.length; at++) text += String.fromCharCode(bytes[at]!);
  return text;
}

/** Up to here, one by one is faster. */
const SHORT_BYTES = 8;

/** The bytes of a text as `fromBytes` makes it. */
export function toBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/**
 * Connects to a port of 127.0.0.1. A packet that is dropped on the way is sent again by the system, for
 * two minutes, before it gives up: here it is the deadline that says so.
 */
export async function connectTo(port: number, deadlineMs: number): Promise<Deno.TcpConn> {
  const what = `port ${port} to take or refuse a connection (does something drop the packets?)`;
  const late = new AbortController();
  const connecting = Deno.connect({ hostname: "127.0.0.1", port, signal: late.signal });
  try {
    const connection = await within(deadlineMs, what, connecting);
    connection.setNoDelay(true);
    return connection;
  } catch (error) {
    late.abort();
    await connecting.then((connection) => connection.close(), () => {});
    throw error;
  }
}

/** In place of a first reply, from a server that stops: it has read none of the commands. */
export const TURNED_AWAY = "-ERR this server is stopping: connect to another one";

/** A TCP connection to 127.0.0.1 that is read by exact numbers of bytes, or by lines. */
export class RawSocket {
  readonly #conn: Deno.TcpConn;
  #received = "";
  #isClosed = false;

  private constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
  }

  static async connect(port: number, deadlineMs = REPLY_DEADLINE_MS): Promise<RawSocket> {
    return new RawSocket(await connectTo(port, deadlineMs));
  }

  /** Writes all of it; `deadlineMs` where the other end may refuse to take it. */
  async send(data: string | Uint8Array, deadlineMs = REPLY_DEADLINE_MS): Promise<void> {
    const bytes = typeof data === "string" ? encoder.encode(data) : data;
    await within(deadlineMs, `sending ${bytes.length} bytes`, this.#write(bytes));
  }

  async readExact(count: number, deadlineMs = REPLY_DEADLINE_MS): Promise<string> {
    await this.#fill(() => this.#received.length >= count, `${count} bytes`, deadlineMs);
    return this.#take(count);
  }

  /** Up to and with `end`, however far that is. */
  async readUntil(end: string, deadlineMs = REPLY_DEADLINE_MS): Promise<string> {
    let from = 0;
    const isThere = () => {
      const at = this.#received.indexOf(end, from);
      if (at === -1) from = Math.max(0, this.#received.length - end.length);
      else from = at;
      return at !== -1;
    };
    await this.#fill(isThere, JSON.stringify(end), deadlineMs);
    return this.#take(from + end.length);
  }

  /** The next line, without its end. */
  async readLine(deadlineMs = REPLY_DEADLINE_MS): Promise<string> {
    return (await this.readUntil("\r\n", deadlineMs)).slice(0, -2);
  }

  /** Sends and reads the reply's first line. */
  async ask(data: string | Uint8Array): Promise<string> {
    await this.send(data);
    return await this.readLine();
  }

  /** All that still comes, up to the end of the stream; a reset counts as an end. */
  async readToEnd(deadlineMs = REPLY_DEADLINE_MS): Promise<string> {
    using patience = new Patience(deadlineMs);
    while (await this.#readMore(patience)) { /* on */ }
    return this.#take(this.#received.length);
  }

  closeWrite(): Promise<void> {
    return this.#conn.closeWrite();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#conn.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
  }

  async #fill(isThere: () => boolean, what: string, deadlineMs: number): Promise<void> {
    if (isThere()) return;
    using patience = new Patience(deadlineMs);
    while (!isThere()) {
      if (await this.#readMore(patience)) continue;
      throw new Error(`The server closed, waiting for ${what}; unread: ${this.#tail()}`);
    }
  }

  /** False at the end of the stream. A read that is late closes this end. */
  async #readMore(patience: Patience): Promise<boolean> {
    const buffer = new Uint8Array(65_536);
    const reading = this.#conn.read(buffer).catch((error: Error) => {
      if (error instanceof Deno.errors.ConnectionReset || this.#isClosed) return null;
      throw error;
    });
    let count: number | null;
    try {
      count = await patience.race("a reply", reading);
    } catch (error) {
      this.close();
      await reading;
      throw new Error(`${(error as Error).message}; unread: ${this.#tail()}`);
    }
    if (count === null) return false;
    this.#received += fromBytes(buffer.subarray(0, count));
    return true;
  }

  #take(count: number): string {
    const text = this.#received.slice(0, count);
    this.#received = this.#received.slice(count);
    return text;
  }

  #tail(): string {
    return JSON.stringify(this.#received.slice(-200));
  }
}
