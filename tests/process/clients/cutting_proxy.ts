/**
 * Stands between a client and one server, and cuts the connection of the first INCR after the server
 * has answered it and before the client has the answer: the moment at which nobody but the server
 * knows that it was done.
 */
import { freePorts } from "../../../bench/free_ports.ts";
import { fromBytes, toBytes } from "../socket.ts";

export class CuttingProxy {
  readonly port: number;
  readonly #serverPort: number;
  readonly #listener: Deno.TcpListener;
  readonly #open = new Set<Deno.TcpConn>();
  readonly #work: Promise<void>[] = [];
  /** How many connections were cut: 1 once an INCR has come by. */
  cuts = 0;

  constructor(serverPort: number) {
    this.#serverPort = serverPort;
    this.port = freePorts(1)[0]!;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: this.port });
    this.#work.push(this.#accept());
  }

  async close(): Promise<void> {
    this.#listener.close();
    for (const connection of this.#open) this.#end(connection);
    await Promise.all(this.#work);
  }

  async #accept(): Promise<void> {
    try {
      for await (const client of this.#listener) this.#work.push(this.#join(client));
    } catch {
      // It is closed.
    }
  }

  async #join(client: Deno.TcpConn): Promise<void> {
    const server = await Deno.connect({ hostname: "127.0.0.1", port: this.#serverPort });
    this.#open.add(client).add(server);
    const state = { cutsAtAnswer: false };
    const pump = async (from: Deno.TcpConn, to: Deno.TcpConn, pass: (text: string) => string) => {
      try {
        const buffer = new Uint8Array(65_536);
        for (let read; (read = await from.read(buffer)) !== null;) {
          const bytes = toBytes(pass(fromBytes(buffer.subarray(0, read))));
          for (let at = 0; at < bytes.length;) at += await to.write(bytes.subarray(at));
        }
      } catch {
        // One of the two is closed.
      }
      this.#end(client);
      this.#end(server);
    };
    await Promise.all([
      pump(client, server, (text) => {
        if (this.cuts === 0 && /INCR\r\n/i.test(text)) state.cutsAtAnswer = true;
        return text;
      }),
      pump(server, client, (text) => {
        if (state.cutsAtAnswer) {
          this.cuts++;
          throw new Error("cut");
        }
        // The server gives its own address to a cluster's clients: theirs is this one's.
        return text.replaceAll(`${this.#serverPort}`, `${this.port}`);
      }),
    ]);
  }

  #end(connection: Deno.TcpConn): void {
    this.#open.delete(connection);
    try {
      connection.close();
    } catch {
      // It is closed.
    }
  }
}
