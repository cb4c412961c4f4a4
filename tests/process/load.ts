/** Clients that write all the time, and what they were told. */
import { assertEquals, assertMatch } from "@std/assert";
import type { Cluster, Server } from "./harness.ts";
import { eventually } from "./patience.ts";

/** Every key is written once, so that what was acknowledged can be read back exactly. */
export class Load {
  readonly acknowledged = new Map<string, string>();
  readonly #workers: Promise<unknown>;
  #failure: Error | null = null;
  #isOver = false;

  constructor(cluster: Cluster, name: string, workers = 8) {
    this.#workers = Promise.all(
      Array.from({ length: workers }, (_, i) => this.#run(cluster, `${name}-${i}`)),
    ).catch((error) => this.#failure = error);
    // A test that fails leaves its writers: they must not run on in the next one.
    cluster.beforeStop.push(() => {
      this.#isOver = true;
      return this.#workers;
    });
  }

  /** Waits until `count` more writes are acknowledged. */
  async more(count: number): Promise<void> {
    const goal = this.acknowledged.size + count;
    await eventually(`${count} more writes`, () => {
      if (this.#failure !== null) throw this.#failure;
      return this.acknowledged.size >= goal;
    }, 30_000);
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await this.#workers;
    if (this.#failure !== null) throw this.#failure;
  }

  async #run(cluster: Cluster, name: string): Promise<void> {
    using client = cluster.client();
    for (let n = 0; !this.#isOver; n++) {
      const key = `${name}-${n}`;
      const value = `value of ${key}`;
      const outcome = await client.set(key, value);
      if (outcome === "unknown") continue;
      assertMatch(outcome, /^OK \d+$/);
      this.acknowledged.set(key, value);
    }
  }
}

/** Reads all of it back from `server`, which has to lead, in one pipeline per 500 keys. */
export async function assertHolds(
  server: Server,
  contents: ReadonlyMap<string, string>,
): Promise<void> {
  using socket = await server.connect();
  const entries = [...contents];
  for (let from = 0; from < entries.length; from += 500) {
    const some = entries.slice(from, from + 500);
    await socket.send(some.map(([key]) => `get ${key}\r\n`).join(""));
    for (const [key, value] of some) {
      assertEquals(await socket.readLine(), `VALUE ${value.length}`, `${key} is there`);
      assertEquals(await socket.readExact(value.length + 2), `${value}\r\n`, key);
    }
  }
}
