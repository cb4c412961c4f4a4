/**
 * A TCP proxy for links between servers, each of which can be cut without a word: while it is cut, no byte,
 * no end of a stream and no new connection gets through, in either direction, and nobody hears of it. Once
 * healed, what was held arrives late, as it does when TCP sends lost packets again. A link can also be slow:
 * every byte arrives so much later, in its order, in either direction.
 *
 * Servers tell each other through the log where they are, so a proxy has to stand at the address that is
 * told, and all others come to it there: which link a connection belongs to shows in its first frame.
 *
 * What differs from packets dropped by the kernel: a connection made while the link is cut is accepted
 * by the proxy's own socket (it then stays silent), and no retransmission timer delays the healing.
 */
import { FrameDecoder } from "../lib/wire/rpc/frame_decoder.ts";
import { HELLO_BYTES_MAX } from "../lib/wire/rpc/rpc_types.ts";
import { pauseMs } from "./find_leader.ts";
import { type Address, writeAll } from "./line_client.ts";

const READ_BYTES = 65_536;
/** Chunks on their way through a slow link; beyond, nothing more is read. */
const DELAYED_CHUNKS_MAX = 4_096;
/** Who it is of whom the first frame says nothing. */
const NOBODY = 0;

/** What all connections of one server to another one have in common. */
export class Link {
  /** How much later bytes arrive, in each direction. */
  readonly delayMs: number;
  /** What came through, in both directions. */
  passedBytes = 0;
  /** Pending while the link is cut. */
  #healed: Promise<void> | null = null;
  #heal: () => void = () => {};

  constructor(delayMs = 0) {
    this.delayMs = delayMs;
  }

  get isCut(): boolean {
    return this.#healed !== null;
  }

  /** From now on nothing gets through. */
  cut(): void {
    if (this.#healed !== null) return;
    this.#healed = new Promise((resolve) => this.#heal = resolve);
  }

  /** Lets through what was held, and all that follows. */
  heal(): void {
    this.#healed = null;
    this.#heal();
  }

  /** Returns once the link is whole; cuts may follow each other while somebody waits. */
  async passable(): Promise<void> {
    while (this.#healed !== null) await this.#healed;
  }

  async pass(to: Deno.Conn, bytes: Uint8Array): Promise<void> {
    await this.passable();
    this.passedBytes += bytes.length;
    await writeAll(to, bytes);
  }
}

export interface LinkProxyOptions {
  /** Where the links lead. */
  readonly target: Address;
  /** The port to listen on; any free one unless given. */
  readonly port?: number;
  /** The link of all connections; or that of those of the server with this id. */
  readonly link: Link | ((from: number) => Link);
}

export class LinkProxy {
  readonly #listener: Deno.TcpListener;
  readonly #target: Address;
  readonly #link: LinkProxyOptions["link"];
  readonly #used = new Set<Link>();
  readonly #open = new Set<Deno.Conn>();
  #closed = false;

  constructor(options: LinkProxyOptions) {
    this.#target = options.target;
    this.#link = options.link;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: options.port ?? 0 });
    this.#accept();
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#listener.close();
    for (const conn of this.#open) tryClose(conn);
    for (const link of this.#used) link.heal();
  }

  async #accept(): Promise<void> {
    while (!this.#closed) {
      try {
        this.#join(await this.#listener.accept());
      } catch {
        // Closed, or the connection was gone before it could be accepted.
      }
    }
  }

  async #join(near: Deno.TcpConn): Promise<void> {
    this.#open.add(near);
    let far: Deno.TcpConn | null = null;
    let link: Link | null = null;
    try {
      const given = this.#link;
      const first = typeof given === "function" ? await readFirst(near) : null;
      link = typeof given === "function" ? given(first!.from) : given;
      this.#used.add(link);
      await link.passable();
      if (this.#closed) throw new Error("The proxy is closed");
      const { hostname, port } = this.#target;
      far = await Deno.connect({ hostname, port });
      near.setNoDelay(true);
      far.setNoDelay(true);
      this.#open.add(far);
      if (first !== null) await link.pass(far, first.bytes);
      if (!this.#closed) await Promise.all([pump(link, near, far), pump(link, far, near)]);
    } catch {
      // The target can't be reached or a connection broke: both ends find out below.
    }
    await link?.passable();
    for (const conn of [near, far]) {
      if (conn === null) continue;
      this.#open.delete(conn);
      tryClose(conn);
    }
  }
}

/** What a server says first on a connection, and who it is; nobody where that is no hello. */
async function readFirst(conn: Deno.Conn): Promise<{ from: number; bytes: Uint8Array }> {
  const decoder = new FrameDecoder(HELLO_BYTES_MAX);
  const buffer = new Uint8Array(READ_BYTES);
  let length = 0;
  while (length < buffer.length) {
    const count = await conn.read(buffer.subarray(length));
    if (count === null) break;
    decoder.push(buffer.slice(length, length + count));
    length += count;
    let frame: ReturnType<FrameDecoder["next"]>;
    try {
      frame = decoder.next();
    } catch {
      break; // nothing of a server's: it goes through as it comes
    }
    if (frame === null) continue;
    const from = frame.type === "hello" ? frame.hello.from : NOBODY;
    return { from, bytes: buffer.subarray(0, length) };
  }
  return { from: NOBODY, bytes: buffer.subarray(0, length) };
}

async function pump(link: Link, from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
  if (link.delayMs > 0) return await pumpLate(link, from, to);
  const buffer = new Uint8Array(READ_BYTES);
  for (;;) {
    const count = await from.read(buffer);
    await link.passable();
    if (count === null) return await to.closeWrite();
    await link.pass(to, buffer.subarray(0, count));
  }
}

/** Each chunk is written once its time has come and the one before it is through. */
async function pumpLate(link: Link, from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(READ_BYTES);
  let before = Promise.resolve();
  let under = 0;
  for (;;) {
    const count = await from.read(buffer);
    const chunk = buffer.slice(0, count ?? 0);
    const due = pauseMs(link.delayMs);
    under++;
    before = before.then(async () => {
      await due;
      await link.passable();
      if (count === null) await to.closeWrite();
      else await link.pass(to, chunk);
      under--;
    });
    if (count === null || under > DELAYED_CHUNKS_MAX) await before;
    if (count === null) return;
    before.catch(() => tryClose(from));
  }
}

function tryClose(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch {
    // Closed by the runtime after an error.
  }
}
