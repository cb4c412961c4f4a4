/** Watches over the death of leaders, with real servers: by the client, the command line, and in lines. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { connect, Refused, Unknown } from "../../client/mod.ts";
import { clusterTest, type Server } from "./harness.ts";
import { eventually } from "./patience.ts";
import { encodeRequest, RedisSocket } from "./redis_socket.ts";

const KEYS = 400;
const KILLS = 2;

function addresses(servers: readonly Server[]): string[] {
  return servers.map(({ clientPort }) => `127.0.0.1:${clientPort}`);
}

/** Whether a server keeps changes, by its own word; false while it only starts. */
async function keepsChanges({ clientPort, id }: Server): Promise<boolean> {
  const connected = await RedisSocket.connect(clientPort).catch((error: Error) => error);
  if (connected instanceof Deno.errors.ConnectionRefused) return false;
  if (connected instanceof Error) throw connected;
  using socket = connected;
  const status = JSON.parse(String(await socket.ask("RAFTKV.STATUS")));
  const own = status.servers.find((one: { id: number }) => one.id === id);
  return own.facts.keepsChanges === true;
}

clusterTest(
  "process: a watch goes on over kills of the leader, on another server, without a gap",
  {},
  async (cluster) => {
    await cluster.startAll();
    await cluster.waitForLeader();
    const servers = addresses(cluster.servers);
    await using client = await connect({ servers, timeoutMs: 60_000 });
    const told: string[] = [];
    const revisions: number[] = [];
    const positions: string[] = [];
    const watching = (async () => {
      for await (const { revision, position, events } of client.text.watch("seq/*")) {
        revisions.push(revision);
        positions.push(position);
        for (const { kind, key, value } of events) {
          told.push(`${kind} ${new TextDecoder().decode(key!)} ${value}`);
        }
        if (told.at(-1) === `set seq/${KEYS - 1} ${KEYS - 1}`) return;
      }
    })();
    // Where the test has failed by then, that is what it says.
    watching.catch(() => {});
    // All keep changes before the first of them goes.
    await client.set("begin", "x");
    await eventually("all to keep changes", async () => {
      const kept = await Promise.all(cluster.servers.map(keepsChanges));
      return kept.every((one) => one);
    });
    for (let i = 0; i < KEYS; i++) {
      await client.set(`seq/${i}`, `${i}`);
      if (i % (KEYS / (KILLS + 1)) !== 100) continue;
      const leader = await cluster.waitForLeader();
      await leader.kill();
      // Nobody watches this one: it finds out that the leader is gone, and may be lost with it.
      await client.set("meanwhile", `${i}`).catch((error: Error) => {
        if (!(error instanceof Unknown)) throw error;
      });
      leader.start();
      await eventually("it to keep changes again", () => keepsChanges(leader));
    }
    await watching;
    assertEquals(told, Array.from({ length: KEYS }, (_, i) => `set seq/${i} ${i}`));
    assert(revisions.every((revision, i) => i === 0 || revision > revisions[i - 1]!));
    // A position of this cluster goes on anywhere; another's is refused.
    for await (const { events } of client.watch("seq/*", { after: positions.at(-2)! })) {
      assertEquals(events.map(({ key }) => new TextDecoder().decode(key!)), [`seq/${KEYS - 1}`]);
      break;
    }
    const other = positions.at(-1)!.replace(/@.*/, `@${"0".repeat(32)}`);
    const refused = await assertRejects(
      () => client.watch("seq/*", { after: other }).next(),
      Refused,
    );
    assertEquals(refused.code, "COMPACTED");
  },
);

clusterTest(
  "process: one that never reads holds up nobody, and is told what it lost",
  { limits: { historyBytes: 65_536 } },
  async (cluster) => {
    await cluster.startAll();
    const leader = await cluster.waitForLeader();
    using slow = await RedisSocket.connect(leader.clientPort);
    assert(Array.isArray(await slow.ask("RAFTKV.WATCH", "*")));
    using writer = await RedisSocket.connect(leader.clientPort);
    const value = "v".repeat(100_000);
    // More than the buffers of both systems take, and all that is kept.
    for (let i = 0; i < 200; i++) assertEquals(await writer.ask("SET", `k${i % 10}`, value), "OK");
    for (let i = 0; i < 2_000; i++) await writer.ask("SET", "small", `${i}`);
    let last = "";
    for (let groups = 0; groups < 5_000 && !last.includes("COMPACTED"); groups++) {
      last = await slow.readRaw();
    }
    assert(last.includes("raftkv.watch") && last.includes("COMPACTED"), last.slice(0, 200));
    assertEquals(await slow.ask("GET", "small"), "1999");
  },
);

/** Of 10,000 watches, by docs/watches.md: their keys, themselves, and what is kept of each of their keys. */
const WATCHES_BYTES = 10_000 * (16 + 400 + 2_048);
const HISTORY_BYTES = 4_194_304;
const OUTPUT_BYTES = 262_144;
/** What a process of this kind holds more or less from one moment to another. */
const SLACK_BYTES = 67_108_864;

clusterTest(
  "process: 10,000 watches, of which one never reads, take what they may",
  { size: 1, deadlineMs: 240_000 },
  async (cluster) => {
    await cluster.startAll();
    const leader = await cluster.waitForLeader();
    using writer = await RedisSocket.connect(leader.clientPort);
    const value = "v".repeat(100_000);
    const writeMuch = async () => {
      for (let i = 0; i < 2_000; i++) {
        assertEquals(await writer.ask("SET", `k${i % 10}`, value), "OK");
      }
    };
    await writeMuch();
    const before = leader.process.residentBytes();
    const sockets: RedisSocket[] = [];
    try {
      for (let i = 0; i < 10; i++) {
        const socket = await RedisSocket.connect(leader.clientPort);
        sockets.push(socket);
        for (let n = 0; n < (i === 0 ? 999 : 1_000); n++) {
          const name = n % 2 === 0 ? `c${i}w${n}` : `c${i}w${n}*`;
          assert(Array.isArray(await socket.ask("RAFTKV.WATCH", name)));
        }
      }
      // Of everything: it is told 200 MB, and takes none of it.
      assert(Array.isArray(await sockets[0]!.ask("RAFTKV.WATCH", "*")));
      await writeMuch();
      const after = leader.process.residentBytes();
      if (before === null || after === null) return;
      const grown = after - before;
      const most = WATCHES_BYTES + HISTORY_BYTES + OUTPUT_BYTES + value.length + SLACK_BYTES;
      assert(grown < most, `memory grew by ${grown} bytes`);
      // Another one of them is told what it is for.
      await writer.write(encodeRequest(["SET", "c9w0", "x"]));
      assert((await sockets[9]!.readRaw()).includes("c9w0"));
    } finally {
      for (const socket of sockets) socket.close();
    }
  },
);
