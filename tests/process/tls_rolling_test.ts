/** TLS on the log port of a cluster that runs: rolled in and out a server at a time, under load. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { TestCa } from "../../bench/test_ca.ts";
import { type Client, connect, NotDone, Unknown } from "../../client/mod.ts";
import { ByteWriter } from "../../lib/util/bytes.ts";
import { encodeHello, NO_FEATURES } from "../../lib/wire/rpc/rpc.ts";
import { ask as askAdmin, statusOf } from "./admin_client.ts";
import { type Cluster, clusterTest, type Server } from "./harness.ts";
import { assertHolds, Load } from "./load.ts";
import { eventually } from "./patience.ts";
import { needsTls } from "./needs_tls.ts";
import { needsProgram, unmet } from "./requirements.ts";

const FILES = { cert: "server-{id}.pem", key: "server-{id}.key", ca: "ca.pem" };
const WARNING = "tls.log.optional: servers without TLS are let in and connected to as well";
const WRITES = 150;
const WAIT_MS = 30_000;
const notRun = unmet(needsTls(), needsProgram("openssl", "version"));

/** One caller that increments a counter, again and again. */
class Counter {
  acknowledged = 0;
  unknown = 0;
  /** What is wrong with what it was told. */
  readonly faults: string[] = [];
  readonly #running: Promise<void>;
  #isOver = false;

  constructor(client: Client) {
    this.#running = this.#run(client);
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await this.#running;
  }

  async #run(client: Client): Promise<void> {
    let last = 0n;
    while (!this.#isOver) {
      try {
        const sum = await client.incr("counter");
        this.acknowledged++;
        // Of its own increments none is in flight: each is after the one before, and what is unknown
        // may have come between.
        if (sum <= last) this.faults.push(`${sum} after ${last}`);
        last = sum;
      } catch (error) {
        if (error instanceof Unknown) this.unknown++;
        else if (!(error instanceof NotDone)) this.faults.push(String(error));
      }
    }
  }
}

interface Rolling {
  readonly cluster: Cluster;
  readonly load: Load;
}

/** Restarts all servers with what the cluster file says by now, each once the one before takes part. */
async function roll({ cluster, load }: Rolling, log: object | null): Promise<void> {
  cluster.writeConfig(log === null ? {} : { tls: { log } });
  for (const server of cluster.servers) {
    await again(server);
    await load.more(WRITES);
    await eventually(`server ${server.id} to have caught up`, async () => {
      const { leaderId, servers } = await statusOf(server);
      const followers = servers.find(({ id }) => id === leaderId)?.facts?.followers ?? [];
      return followers.length === 2 &&
        followers.every(({ mode, lagEntries }) => mode === "replicate" && lagEntries !== null);
    }, WAIT_MS);
  }
}

async function again(server: Server): Promise<void> {
  assertEquals((await server.terminate()).code, 0, server.process.error);
  server.start();
  await server.process.logged("Serving", WAIT_MS);
}

async function plainLinks(server: Server): Promise<number | null> {
  const { body } = await askAdmin(server, "/metrics");
  const count = /^raftkv_tls_plain_links (\d+)$/m.exec(body)?.[1];
  return count === undefined ? null : Number(count);
}

async function untilPlain(servers: readonly Server[], wanted: number | null): Promise<void> {
  await eventually(`${wanted} plain connections on each server`, async () => {
    const counts = await Promise.all(servers.map(plainLinks));
    return counts.every((count) => count === wanted);
  }, WAIT_MS);
}

/** Says hello without TLS, as server 3; true where it is answered by a frame. */
async function isHeardPlain({ logPort }: Server): Promise<boolean> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port: logPort });
  const out = new ByteWriter();
  const about = { clusterId: "0".repeat(32), from: 3, to: 1, incarnation: "0".repeat(16) };
  encodeHello(out, { protocolVersion: 2, features: NO_FEATURES, ...about });
  await connection.write(out.copy());
  const buffer = new Uint8Array(4_096);
  const count = await connection.read(buffer).catch(() => null);
  // An alert of TLS is one of type 21.
  return count !== null && buffer[0] !== 21;
}

clusterTest(
  "tls: it is rolled onto the log port a server at a time under load, and out again",
  { notRun, deadlineMs: 900_000 },
  async (cluster) => {
    const ca = new TestCa(cluster.directory);
    for (const { id } of cluster.servers) {
      ca.issue(`server-${id}`, { dns: [`raftkv-server-${id}`] });
    }
    await cluster.startAll();
    const servers = cluster.servers.map(({ clientPort }) => `127.0.0.1:${clientPort}`);
    await using client = await connect({ servers, timeoutMs: WAIT_MS });
    const load = new Load(cluster, "load", 4);
    const counter = new Counter(client);
    cluster.beforeStop.push(() => counter.end());
    const rolling = { cluster, load };
    const [first] = cluster.servers as [Server];

    await roll(rolling, { ...FILES, optional: true });
    for (const { process } of cluster.servers) assert(process.error.includes(WARNING));
    await untilPlain(cluster.servers, 0);
    assert(await isHeardPlain(first), "whoever is plain is let in");
    const { problems } = (await statusOf(first)).servers[0]!.facts!;
    // A busy machine may have a slow disk as well.
    const optional = problems.filter(({ kind }) => kind === "tlsOptional");
    assertEquals(optional.length, 1, JSON.stringify(problems));
    assertMatch(optional[0]!.text, /none is plain now/);

    await roll(rolling, FILES);
    await untilPlain(cluster.servers, null);
    assertEquals(await isHeardPlain(first), false);
    for (const { process } of cluster.servers) assert(!process.error.includes(WARNING));

    await roll(rolling, { ...FILES, optional: true });
    await roll(rolling, null);
    assert(await isHeardPlain(first));

    await counter.end();
    await load.end();
    await assertHolds(await cluster.waitForLeader(), load.acknowledged);
    assertEquals(counter.faults, []);
    assert(counter.acknowledged > WRITES, `${counter.acknowledged} increments`);
    const sum = Number(await client.text.get("counter"));
    const { acknowledged, unknown } = counter;
    assert(
      sum >= acknowledged && sum <= acknowledged + unknown,
      `${sum}, ${acknowledged} and ${unknown}`,
    );
  },
);

clusterTest(
  "tls: while it is optional a certificate that is wrong keeps a server out, and plain connections are counted",
  { notRun },
  async (cluster) => {
    const ca = new TestCa(cluster.directory);
    for (const { id } of cluster.servers) {
      ca.issue(`server-${id}`, { dns: [`raftkv-server-${id}`] });
    }
    await cluster.startAll();
    const [first, second, third] = cluster.servers as [Server, Server, Server];
    cluster.writeConfig({ tls: { log: { ...FILES, optional: true } } });
    await again(second);
    // To and from both of the others.
    await untilPlain([second], 4);
    await again(first);
    await untilPlain([first, second], 2);
    // One whose certificate is another's is not connected to without it, and let in by nobody.
    new TestCa(cluster.directory, "other").issue("server-3", { dns: ["raftkv-server-3"] });
    await again(third);
    await third.process.logged("the other end does not take this certificate", WAIT_MS);
    for (const { process } of [first, second]) {
      await process.logged("its certificate is of no CA trusted here", WAIT_MS);
    }
    await untilPlain([first, second], 0);
    assert(!third.process.error.includes("Peer up"), "nobody talks to it");
    ca.issue("server-3", { dns: ["raftkv-server-3"] });
    await third.process.logged("Peer up", WAIT_MS);
    await untilPlain(cluster.servers, 0);
  },
);
