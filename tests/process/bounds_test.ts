/** limits.perAddress and CLIENT KILL on real sockets: by counts, and what a client is told. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { connect, type Socket } from "node:net";
import { eventually } from "./patience.ts";
import { clusterTest } from "./harness.ts";
import { RedisSocket } from "./redis_socket.ts";

/** A connection from an address of this machine's own network. */
class From {
  text = "";
  readonly #socket: Socket;
  readonly ended: Promise<void>;

  constructor(localAddress: string, port: number) {
    this.#socket = connect({ host: "127.0.0.1", port, localAddress });
    this.#socket.on("data", (bytes) => this.text += bytes);
    this.#socket.on("error", () => {});
    this.ended = new Promise((resolve) => this.#socket.on("close", () => resolve()));
  }

  send(text: string): void {
    this.#socket.write(text);
  }

  count(reply: string): number {
    return this.text.split(`${reply}\r\n`).length - 1;
  }

  async ask(text: string): Promise<string> {
    this.text = "";
    this.send(text);
    await eventually("a reply", () => Promise.resolve(this.text.endsWith("\r\n")));
    return this.text;
  }

  /** Nothing is read any more. */
  pause(): void {
    this.#socket.pause();
  }

  close(): void {
    this.#socket.destroy();
  }
}

clusterTest(
  "process: a greedy address can't starve a modest one, and is told where it goes too far",
  {
    size: 1,
    limits: { perAddress: { connectionsMax: 3, commandsPerSecond: 50, bytesPerSecond: 0 } },
  },
  async (cluster) => {
    await cluster.startAll();
    const port = cluster.server(1).clientPort;
    const startMs = performance.now();
    const greedy = [1, 2, 3].map(() => new From("127.0.0.2", port));
    const modest = new From("127.0.0.3", port);
    try {
      for (const one of greedy) one.send("get a\r\n".repeat(3_000));
      const fourth = new From("127.0.0.2", port);
      fourth.send("get a\r\n".repeat(10));
      await fourth.ended;
      assertMatch(
        fourth.text,
        /^-ERR max number of clients .*perAddress\.connectionsMax is 3\r\n$/,
      );
      for (let at = 0; at < 20; at++) {
        assertEquals(await modest.ask("get a\r\n"), "ERR_NOT_FOUND\r\n");
      }
      const seconds = (performance.now() - startMs) / 1_000;
      const done = greedy.reduce((sum, one) => sum + one.count("ERR_NOT_FOUND"), 0);
      assert(done <= 50 * (seconds + 1) + 1, `${done} in ${seconds} s`);
      assert(done >= 50, `${done}: it gets its part`);
    } finally {
      for (const one of [...greedy, modest]) one.close();
    }
  },
);

clusterTest("process: CLIENT KILL ends a connection that takes nothing of its replies, at once", {
  size: 1,
}, async (cluster) => {
  await cluster.startAll();
  const port = cluster.server(1).clientPort;
  using admin = await RedisSocket.connect(port);
  const deaf = new From("127.0.0.2", port);
  try {
    await deaf.ask(`set big 0 1000000\r\n${"b".repeat(1_000_000)}\r\n`);
    deaf.pause();
    deaf.send("get big\r\n".repeat(100));
    const line = async () =>
      String(await admin.ask("CLIENT", "LIST")).split("\n").find((one) =>
        / addr=127\.0\.0\.2:/.test(one)
      );
    await eventually("replies to wait", async () => / obl=[1-9]\d{5}/.test(await line() ?? ""));
    const address = / addr=(\S+)/.exec(await line() ?? "")![1]!;
    assertEquals(await admin.ask("CLIENT", "KILL", "ADDR", address), 1);
    // Long before writeTimeoutMs, which is 30 s.
    await eventually("it to be gone", async () => await line() === undefined);
  } finally {
    deaf.close();
  }
});
