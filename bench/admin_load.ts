/** Those who look at a server through its admin port: open pages, and a scraper. */

/** The admin port is by default so far above the client port. */
export const ADMIN_DISTANCE = 100;

/** Streams that are read and thrown away. */
export class Streams {
  bytes = 0;
  readonly #open: { readonly socket: Deno.Conn; readonly ended: Promise<void> }[] = [];

  async add(port: number): Promise<void> {
    const socket = await Deno.connect({ hostname: "127.0.0.1", port });
    const request = `GET /events HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`;
    await socket.write(new TextEncoder().encode(request));
    this.#open.push({ socket, ended: this.#read(socket) });
  }

  async close(): Promise<void> {
    for (const { socket } of this.#open) socket.close();
    await Promise.all(this.#open.map(({ ended }) => ended));
  }

  async #read(socket: Deno.Conn): Promise<void> {
    const buffer = new Uint8Array(65_536);
    try {
      for (let n = await socket.read(buffer); n !== null; n = await socket.read(buffer)) {
        this.bytes += n;
      }
    } catch (error) {
      // Closed here.
      const isOwn = error instanceof Deno.errors.BadResource ||
        error instanceof Deno.errors.Interrupted;
      if (!isOwn) throw error;
    }
  }
}

/** A Prometheus: asks each of `ports` for its metrics every second, until it is stopped. */
export class Scraper {
  pages = 0;
  bytes = 0;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #running = new Set<Promise<void>>();

  constructor(ports: readonly number[]) {
    this.#timer = setInterval(() => ports.forEach((port) => this.#begin(port)), 1_000);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#running);
  }

  #begin(port: number): void {
    const running = scrape(port).then((bytes) => {
      this.pages++;
      this.bytes += bytes;
    }).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }
}

/** One page of metrics; returns how long it is. */
export async function scrape(port: number): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  if (!response.ok) throw new Error(`/metrics: ${response.status} ${await response.text()}`);
  return (await response.bytes()).length;
}
