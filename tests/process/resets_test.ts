/** Connections that are reset before the server accepts them: nobody after them waits for it. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { freePorts } from "../../bench/free_ports.ts";
import { ask } from "./admin_client.ts";
import { clusterTest, type Server } from "./harness.ts";
import { eventually, Patience, sleep } from "./patience.ts";
import { unmet } from "./requirements.ts";
import { connectAndReset, HastyClient, needsResets, PING } from "./resets.ts";
import { OF_THE_MACHINE } from "./server_process.ts";
import { RawSocket } from "./socket.ts";

const notRun = unmet(needsResets());

/** A frozen server on Deno 2.4.2 has room for 128 connections that it has not accepted; 2.9.6 for 511. */
const RESETS = 120;

/** While the server stands still, so that none of them is accepted before its reset. */
async function resetWhileFrozen(
  server: Server,
  port: number,
  count: number,
  then: () => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  server.freeze();
  for (let i = 0; i < count; i++) await connectAndReset(port);
  await then();
  server.thaw();
}

clusterTest(
  "process: a client right after 100 that reset their connections is served at once",
  { size: 1, notRun },
  async (cluster) => {
    await cluster.startAll();
    const server = cluster.server(1);
    await resetWhileFrozen(server, server.clientPort, 100);
    // A tenth of a second for each of them was 10 s.
    using patience = new Patience(3_000);
    using socket = await server.connect();
    assertEquals(await patience.race("the answer", socket.ask(PING)), "+PONG");
    const warnings = server.process.log.filter(({ level, message }) =>
      level === "warning" && !OF_THE_MACHINE.test(message)
    );
    assertEquals(warnings.map((line) => line.message), [], "nothing is wrong with the server");
  },
);

clusterTest(
  "process: after 100 resets each, the admin port, the probe port and the forward port answer at once",
  { size: 1, forwards: true, notRun },
  async (cluster) => {
    const [probePort] = freePorts(1) as [number];
    const server = cluster.server(1);
    cluster.writeConfig({ forwards: true, servers: { probePort } });
    await cluster.startAll();
    server.freeze();
    for (const port of [server.adminPort, probePort, server.forwardPort]) {
      for (let i = 0; i < 100; i++) await connectAndReset(port);
    }
    server.thaw();
    for (const adminPort of [server.adminPort, probePort]) {
      // A tenth of a second for each of them was 10 s.
      assertEquals((await ask({ adminPort }, "/livez", {}, 3_000)).status, 200);
    }
    using patience = new Patience(3_000);
    using socket = await RawSocket.connect(server.forwardPort);
    assertEquals(await patience.race("the answer", socket.ask(PING)), "+PONG");
  },
);

clusterTest(
  "process: 50 clients that reset their connections and come back don't lock each other out",
  { size: 1, notRun },
  async (cluster) => {
    await cluster.startAll();
    const server = cluster.server(1);
    const clients = Array.from(
      { length: 50 },
      () => new HastyClient(server.clientPort, 500),
    );
    const replies = () => clients.reduce((sum, client) => sum + client.replies, 0);
    const resets = () => clients.reduce((sum, client) => sum + client.resets, 0);
    try {
      await eventually("all clients to be served", () => clients.every((one) => one.replies > 0));
      server.freeze();
      await sleep(3_000);
      assert(resets() >= 50, `${resets()} resets while the server stood still`);
      server.thaw();
      const before = clients.map((client) => client.replies);
      await eventually(
        "all clients to be served again",
        () => clients.every((client, at) => client.replies > before[at]!),
        5_000,
      );
      const resetsSoFar = resets();
      const repliesSoFar = replies();
      await sleep(2_000);
      assert(replies() - repliesSoFar >= 100, `${replies() - repliesSoFar} replies in 2 s`);
      assert(resets() - resetsSoFar <= 10, `still ${resets() - resetsSoFar} resets in 2 s`);
    } finally {
      for (const client of clients) client.stop();
    }
  },
);

clusterTest(
  "process: a server whose log port was stormed with resets is linked again soon",
  { notRun },
  async (cluster) => {
    await cluster.startAll();
    const leader = await cluster.waitForLeader();
    const [stormed, third] = cluster.others(leader) as [Server, Server];
    await third.kill();
    await resetWhileFrozen(stormed, stormed.logPort, RESETS, async () => {
      // The next connection waits in the queue, after those that are gone.
      await leader.process.logged("nothing came back for");
    });
    // A tenth of a second for each of them was 12 s.
    using patience = new Patience(10_000);
    using client = cluster.client([leader, stormed]);
    // Neither of the two can acknowledge it alone.
    assertMatch(await client.set("a", "1"), /^OK \d+$/);
    assert(!patience.isSpent, "the first write took longer than 10 s");
  },
);
