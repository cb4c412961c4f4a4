/**
 * A TCP proxy for one directed link between two servers, which can be cut without a word: while it is
 * cut, no byte, no end of a stream and no new connection gets through, in either direction, and nobody
 * hears of it. Once healed, what was held arrives late, as it does when TCP sends lost packets again.
 * It can also be slow: every byte arrives so much later, in its order, in either direction.
 *
 * What differs from packets dropped by the kernel: a connection made while the link is cut is accepted
 * by the proxy's own socket (it then stays silent), and no retransmission timer delays the healing.
 */
import { pauseMs } from "./find_leader.ts";
import { writeAll } from "./line_client.ts";

const READ_BYTES = 65_536;
/** Chunks on their way through a slow link; beyond, nothing more is read. */
const DELAYED_CHUNKS_MAX = 4_096;

export interface LinkProxyOptions {
  /** Where the link leads. */
  readonly target: { readonly hostname: string; readonly port: number };
  /** The port to listen on; any free one unless given. */
  readonly port?: number;
  /** How much later bytes arrive, in each direction; not at all unless given. */
  readonly delayMs?: number;
}

export class LinkProxy {
  readonly #listener: Deno.TcpListener;
  readonly #target: LinkProxyOptions["target"];
  readonly #delayMs: number;
  readonly #open = new Set<Deno.Conn>();
  /** Pending while the link is cut. */
  #healed: Promise<void> | null = null;
  #heal: () => void = () => {};
  #closed = false;

  constructor(options: LinkProxyOptions) {
    this.#target = options.target;
    this.#delayMs = options.delayMs ?? 0;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: options.port ?? 0 });
    this.#accept();
  }

  get port(): number {
    return this.#listener.addr.port;
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

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#listener.close();
    for (const conn of this.#open) tryClose(conn);
    this.heal();
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
    try {
      await this.#passable();
      far = await Deno.connect(this.#target);
      near.setNoDelay(true);
      far.setNoDelay(true);
      this.#open.add(far);
      if (!this.#closed) await Promise.all([this.#pump(near, far), this.#pump(far, near)]);
    } catch {
      // The target can't be reached or a connection broke: both ends find out below.
    }
    await this.#passable();
    for (const conn of [near, far]) {
      if (conn === null) continue;
      this.#open.delete(conn);
      tryClose(conn);
    }
  }

  async #pump(from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
    if (this.#delayMs > 0) return await this.#pumpLate(from, to);
    const buffer = new Uint8Array(READ_BYTES);
    for (;;) {
      const count = await from.read(buffer);
      await this.#passable();
      if (count === null) return await to.closeWrite();
      await writeAll(to, buffer.subarray(0, count));
    }
  }

  /** Each chunk is written once its time has come and the one before it is through. */
  async #pumpLate(from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
    const buffer = new Uint8Array(READ_BYTES);
    let before = Promise.resolve();
    let under = 0;
    for (;;) {
      const count = await from.read(buffer);
      const chunk = buffer.slice(0, count ?? 0);
      const due = pauseMs(this.#delayMs);
      under++;
      before = before.then(async () => {
        await due;
        await this.#passable();
        if (count === null) await to.closeWrite();
        else await writeAll(to, chunk);
        under--;
      });
      if (count === null || under > DELAYED_CHUNKS_MAX) await before;
      if (count === null) return;
      before.catch(() => tryClose(from));
    }
  }

  /** Returns once the link is whole; cuts may follow each other while somebody waits. */
  async #passable(): Promise<void> {
    while (this.#healed !== null) await this.#healed;
  }
}

function tryClose(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch {
    // Closed by the runtime after an error.
  }
}
