/**
 * A client of the line protocol for one request at a time, with a deadline for each. A request that
 * missed its deadline leaves its connection useless (the reply may still come), so it is closed.
 */

import { ByteSource } from "./byte_source.ts";

export interface Address {
  readonly hostname: string;
  readonly port: number;
  /** Where it speaks TLS: its CA's certificate, in PEM. */
  readonly ca?: string;
  /** Where it has users: as which one. */
  readonly login?: { readonly user: string; readonly password: string };
}

/** One reply: its first line, and the value where it is a VALUE. */
export interface Reply {
  readonly line: string;
  readonly value: Uint8Array | null;
}

/** No whole reply came in time. */
class DeadlineError extends Error {
  override readonly name = "DeadlineError";
}

const encoder = new TextEncoder();
const READ_BYTES = 65_536;
const CRLF = encoder.encode("\r\n");

export function formatAddress(address: Address): string {
  return `${address.hostname}:${address.port}`;
}

/** Writes all of `bytes`: a connection's own write may take less than it was given. */
export async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  let written = await conn.write(bytes);
  while (written < bytes.length) written += await conn.write(bytes.subarray(written));
}

/** Rejects with `DeadlineError` unless `work` is done within `timeoutMs`; `giveUp` ends the work. */
async function withDeadline<T>(
  work: Promise<T>,
  timeoutMs: number,
  what: { readonly doing: string; readonly giveUp: () => void },
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new DeadlineError(`${what.doing}: no answer within ${timeoutMs} ms`));
      what.giveUp();
    }, timeoutMs);
  });
  // Whichever loses the race still settles later; nobody else hears of it.
  work.catch(() => {});
  try {
    return await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

export async function connectWithin(address: Address, timeoutMs: number): Promise<Deno.TcpConn> {
  const abort = new AbortController();
  const conn = await withDeadline(
    Deno.connect({ ...address, signal: abort.signal }),
    timeoutMs,
    { doing: `Connecting to ${formatAddress(address)}`, giveUp: () => abort.abort() },
  );
  conn.setNoDelay(true);
  return conn;
}

/** The same by TLS where the address has it, and authenticated where it has users. */
export async function enterWithin(address: Address, timeoutMs: number): Promise<Deno.Conn> {
  const { hostname, port, ca, login } = address;
  const plain = await connectWithin({ hostname, port }, timeoutMs);
  const doing = `Entering ${formatAddress(address)}`;
  const enter = async () => {
    const conn = ca === undefined ? plain : await Deno.startTls(plain, { hostname, caCerts: [ca] });
    if (login !== undefined) await authenticate(conn, login);
    return conn;
  };
  const giveUp = () => {
    try {
      plain.close();
    } catch {
      // The runtime closed it after an error, or TLS has it.
    }
  };
  try {
    return await withDeadline(enter(), timeoutMs, { doing, giveUp });
  } catch (error) {
    giveUp();
    throw error;
  }
}

async function authenticate(
  conn: Deno.Conn,
  { user, password }: NonNullable<Address["login"]>,
): Promise<void> {
  const bytes = encoder.encode(password).length;
  await writeAll(conn, encoder.encode(`auth ${user} ${bytes}\r\n${password}\r\n`));
  const line = await new ByteSource(conn, "AUTH", READ_BYTES).line();
  if (line !== "OK") throw new Error(`The server answered ${line} to user ${user}`);
}

export class LineClient {
  readonly address: Address;
  readonly #conn: Deno.Conn;
  readonly #source: ByteSource;
  #closed = false;

  private constructor(address: Address, conn: Deno.Conn) {
    this.address = address;
    this.#conn = conn;
    this.#source = new ByteSource(conn, formatAddress(address), READ_BYTES);
  }

  static async connect(address: Address, timeoutMs: number): Promise<LineClient> {
    return new LineClient(address, await enterWithin(address, timeoutMs));
  }

  /** Over a connection that is there already. */
  static on(address: Address, conn: Deno.TcpConn): LineClient {
    return new LineClient(address, conn);
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** `set` for ever. Rejects where the connection failed or the deadline passed. */
  set(key: string, value: Uint8Array, timeoutMs: number): Promise<Reply> {
    const head = encoder.encode(`set ${key} 0 ${value.length}\r\n`);
    const request = new Uint8Array(head.length + value.length + 2);
    request.set(head);
    request.set(value, head.length);
    request.set(CRLF, head.length + value.length);
    return this.#request(request, timeoutMs);
  }

  get(key: string, timeoutMs: number): Promise<Reply> {
    return this.#request(encoder.encode(`get ${key}\r\n`), timeoutMs);
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

  async #request(request: Uint8Array, timeoutMs: number): Promise<Reply> {
    try {
      return await withDeadline(this.#exchange(request), timeoutMs, {
        doing: `A request to ${formatAddress(this.address)}`,
        giveUp: () => this.close(),
      });
    } catch (error) {
      this.close();
      throw error;
    }
  }

  async #exchange(request: Uint8Array): Promise<Reply> {
    const writing = writeAll(this.#conn, request);
    writing.catch(() => {});
    const line = await this.#source.line();
    let value: Uint8Array | null = null;
    if (line.startsWith("VALUE ")) {
      const bytes = Number(line.slice(line.lastIndexOf(" ") + 1));
      value = (await this.#source.bytesAndLineEnd(bytes)).slice();
    }
    await writing;
    return { line, value };
  }
}

/** The address in `ERR_REDIRECT <host> <port>`, or null for any other line. */
export function parseRedirect(line: string): Address | null {
  const [word, hostname, port] = line.split(" ");
  if (word !== "ERR_REDIRECT" || hostname === undefined || port === undefined) return null;
  return { hostname, port: Number(port) };
}
