/** The Redis protocol under faults: transactions over kills of the leader, and noise on the port. */
import { assert, assertEquals } from "@std/assert";
import { type Cluster, clusterTest } from "./harness.ts";
import { encodeRequest, RedisSocket, type Reply } from "./redis_socket.ts";
import { eventually, sleep } from "./patience.ts";
import { fromBytes, toBytes } from "./socket.ts";

const ACCOUNTS = ["a", "b", "c", "d"];
const START_BALANCE = 100;
const CLIENTS = 6;
const KILLS = 2;
const TRANSFERS_BETWEEN_KILLS = 60;

/** A client that follows the leader by itself and gives up on what it can't know. */
class Follower {
  readonly #cluster: Cluster;
  #socket: RedisSocket | null = null;
  #next = 0;

  constructor(cluster: Cluster, first: number) {
    this.#cluster = cluster;
    this.#next = first;
  }

  /** The replies to commands sent one by one; null where the connection broke or nobody leads. */
  async ask(...commands: string[][]): Promise<Reply[] | null> {
    try {
      const socket = await this.#connect();
      const replies: Reply[] = [];
      for (const command of commands) replies.push(await socket.ask(...command));
      const moved = replies.find((reply) => reply instanceof Error) as Error | undefined;
      if (moved === undefined) return replies;
      const port = /^MOVED \d+ [^:]+:(\d+)$/.exec(moved.message)?.[1];
      this.close();
      if (port === undefined) return null;
      this.#socket = await RedisSocket.connect(Number(port));
    } catch {
      this.close();
    }
    return null;
  }

  close(): void {
    this.#socket?.close();
    this.#socket = null;
  }

  async #connect(): Promise<RedisSocket> {
    if (this.#socket !== null) return this.#socket;
    const { servers } = this.#cluster;
    this.#next = (this.#next + 1) % servers.length;
    return this.#socket = await RedisSocket.connect(servers[this.#next]!.clientPort);
  }
}

function sumOf(reply: Reply | undefined): number {
  return (reply as readonly string[]).reduce((sum, balance) => sum + Number(balance), 0);
}

clusterTest(
  "transactions are atomic and isolated over kills of the leader",
  {},
  async (cluster) => {
    await cluster.startAll();
    const total = ACCOUNTS.length * START_BALANCE;
    const first = new Follower(cluster, 0);
    await eventually("the accounts", async () => {
      const balances = ACCOUNTS.flatMap((account) => [account, `${START_BALANCE}`]);
      return await first.ask(["MSET", ...balances]) !== null;
    });
    let transfers = 0;
    let aborted = 0;
    let isOver = false;
    const sums = new Set<number>();

    const transferForAWhile = async (seed: number) => {
      const client = new Follower(cluster, seed);
      for (let i = seed; !isOver; i++) {
        const [from, to] = [ACCOUNTS[i % 4]!, ACCOUNTS[(i + 1 + seed % 3) % 4]!];
        const seen = await client.ask(["WATCH", from, to], ["MGET", from, to]);
        if (seen === null) {
          await sleep(20);
          continue;
        }
        const [source, target] = (seen[1] as string[]).map(Number);
        const done = await client.ask(
          ["MULTI"],
          ["SET", from, `${source! - 1}`],
          ["SET", to, `${target! + 1}`],
          ["INCR", "transfers"],
          ["MGET", ...ACCOUNTS],
          ["EXEC"],
        );
        const result = done?.at(-1);
        if (result === null) aborted++;
        else if (result !== undefined) {
          transfers++;
          sums.add(sumOf((result as Reply[])[3]));
        }
        const all = await client.ask(["MGET", ...ACCOUNTS]);
        if (all !== null) sums.add(sumOf(all[0]));
      }
      client.close();
    };
    const clients = Array.from({ length: CLIENTS }, (_, i) => transferForAWhile(i));
    try {
      for (let kill = 0; kill < KILLS; kill++) {
        const before = transfers;
        await eventually("transfers", () => transfers >= before + TRANSFERS_BETWEEN_KILLS);
        const leader = await cluster.waitForLeader();
        await leader.restart();
      }
      const before = transfers;
      await eventually("transfers", () => transfers >= before + TRANSFERS_BETWEEN_KILLS);
    } finally {
      isOver = true;
      await Promise.all(clients);
    }
    await eventually("the end", async () => {
      const last = await first.ask(["GET", "transfers"], ["MGET", ...ACCOUNTS]);
      if (last === null) return false;
      sums.add(sumOf(last[1]));
      assert(Number(last[0]) >= transfers, `${last[0]} transfers, ${transfers} were acknowledged`);
      return true;
    });
    first.close();
    assertEquals([...sums], [total], "Somebody saw half a transfer, or one was lost");
    assert(aborted > 0, "No two transfers ever met: the test shows nothing");
  },
);

clusterTest("noise on the port harms nobody", { size: 1 }, async (cluster) => {
  await cluster.startAll();
  const { clientPort } = cluster.servers[0]!;
  const { pid } = cluster.servers[0]!.process;
  const capture = [
    ["SET", "k", "v", "EX", "100"],
    ["MULTI"],
    ["INCR", "n"],
    ["EXEC"],
    ["MGET", "k", "n"],
    ["HELLO", "3"],
  ].map((command) => fromBytes(encodeRequest(command))).join("");
  let seed = 12345;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor(seed / 2 ** 32 * below);
  };
  using honest = await RedisSocket.connect(clientPort);
  await honest.ask("SET", "honest", "0");
  for (let round = 0; round < 150; round++) {
    const noise = new Uint8Array(200);
    for (let i = 0; i < noise.length; i++) noise[i] = random(256);
    const cut = random(capture.length);
    const bytes = [
      toBytes("*" + fromBytes(noise)),
      toBytes(capture.slice(0, cut) + String.fromCharCode(random(256)) + capture.slice(cut + 1)),
      toBytes(capture.slice(cut)),
      toBytes(`*1000000\r\n$3\r\nGET\r\n${"$1\r\nk\r\n".repeat(200)}`),
      toBytes(`*2\r\n$3\r\nGET\r\n$536870912\r\n${"x".repeat(20_000)}`),
    ][round % 5]!;
    using socket = await RedisSocket.connect(clientPort);
    await socket.write(bytes).catch(() => {});
    if (round % 10 === 0) assertEquals(await honest.ask("INCR", "honest"), round / 10 + 1);
  }
  assertEquals(await honest.ask("PING"), "PONG");
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const kilobytes = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]);
  assert(kilobytes < 500_000, `The server holds ${kilobytes} kB`);
});
