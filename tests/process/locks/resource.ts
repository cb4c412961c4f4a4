/** What a lock protects: it takes a write unless it has seen a greater token, and notes who wrote with which. */

export interface Seen {
  /** Writes that it took, and those that it refused for their token. */
  taken: number;
  refused: number;
  /** Those where the refusal came so soon after its holder asked that it surely held the lock: two did. */
  refusedInTime: number;
  /** What must never be: a token of two, or a write with a smaller one than the one before. */
  faults: string[];
}

export class Resource {
  readonly seen: Seen = { taken: 0, refused: 0, refusedInTime: 0, faults: [] };
  /** Whose the greatest token was that it has seen. */
  holder = "";
  /** How many tokens it has seen. */
  takings = 0;
  #greatest = 0;
  /** Of writes that were taken, in their order. */
  #last = 0;
  readonly #owners = new Map<number, string>();
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #connections = new Set<Deno.Conn>();
  readonly #serving: Promise<void>;

  readonly #sureMs: number;

  /** `sureMs`: for so long after a holder's `isHeld` the cluster surely has not ended its lock. */
  constructor(sureMs: number) {
    this.#sureMs = sureMs;
    this.#serving = this.#serve();
  }

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  async close(): Promise<void> {
    this.#listener.close();
    for (const connection of this.#connections) {
      try {
        connection.close();
      } catch {
        // It has ended.
      }
    }
    await this.#serving;
  }

  async #serve(): Promise<void> {
    const all: Promise<void>[] = [];
    for await (const connection of this.#listener) all.push(this.#answer(connection));
    await Promise.all(all);
  }

  async #answer(connection: Deno.Conn): Promise<void> {
    this.#connections.add(connection);
    const bytes = new Uint8Array(4_096);
    const encoder = new TextEncoder();
    let text = "";
    try {
      for (;;) {
        const read = await connection.read(bytes);
        if (read === null) return;
        text += new TextDecoder().decode(bytes.subarray(0, read));
        const lines = text.split("\n");
        text = lines.pop()!;
        for (const line of lines) {
          await connection.write(encoder.encode(this.#take(line) ? "ok\n" : "old\n"));
        }
      }
    } catch {
      // Its holder was killed, or all is over.
    } finally {
      this.#connections.delete(connection);
      try {
        connection.close();
      } catch {
        // It was closed.
      }
    }
  }

  #take(line: string): boolean {
    const [name = "", token = "", word, ms] = line.split(" ");
    if (word === undefined) return this.#write(name, Number(token));
    if (Number(ms) < this.#sureMs) this.seen.refusedInTime++;
    return true;
  }

  /** The rule of all that a lock protects: a smaller token than the greatest is refused. */
  #write(name: string, token: number): boolean {
    const { seen } = this;
    const owner = this.#owners.get(token);
    if (owner === undefined) {
      this.#owners.set(token, name);
      this.takings++;
    } else if (owner !== name) {
      seen.faults.push(`${owner} and ${name} both have the token ${token}`);
    }
    if (token < this.#greatest) {
      seen.refused++;
      return false;
    }
    this.#greatest = token;
    this.holder = name;
    if (token < this.#last) seen.faults.push(`${token} was taken after ${this.#last}`);
    this.#last = token;
    seen.taken++;
    return true;
  }
}
