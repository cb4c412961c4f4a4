/** Cluster files that contradict what the cluster was formed with. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { freePorts } from "../../bench/free_ports.ts";
import { type Cluster, clusterTest, type Server } from "./harness.ts";
import { eventually, sleep } from "./patience.ts";
import { RedisSocket } from "./redis_socket.ts";
import { ServerProcess } from "./server_process.ts";

interface Entry {
  readonly id: number;
  readonly hostname: string;
  readonly clientPort: number;
  readonly logPort: number;
}

/** Rewrites the cluster file's list of servers. */
function changeServers(cluster: Cluster, change: (servers: Entry[]) => Entry[]): void {
  const file = JSON.parse(Deno.readTextFileSync(cluster.configFile));
  const text = JSON.stringify({ ...file, servers: change(file.servers) });
  Deno.writeTextFileSync(cluster.configFile, text);
}

function errors(server: Server) {
  return server.process.log.filter((line) => line.level === "error");
}

/** Sets the key `kept`, whose version has to become `version`. */
async function keep(
  cluster: Cluster,
  value: string,
  version: number,
  among: readonly Server[] = cluster.servers,
): Promise<void> {
  using client = cluster.client(among);
  assertEquals(await client.set("kept", value), `OK ${version}`);
}

async function clusterNodes(server: Server): Promise<string> {
  using socket = await RedisSocket.connect(server.clientPort);
  return `${await socket.ask("CLUSTER", "NODES")}`;
}

clusterTest(
  "process: a cluster file with other servers than the cluster's is one error line, and no member comes of it",
  {},
  async (cluster) => {
    await cluster.startAll();
    const [one, two] = cluster.servers as [Server, Server];
    await keep(cluster, "value", 1);
    await cluster.stopServers();
    const [clientPort, logPort] = freePorts(2) as [number, number];
    const fourth = { id: 4, hostname: "127.0.0.1", clientPort, logPort };
    changeServers(cluster, (servers) => [...servers.filter(({ id }) => id !== 3), fourth]);
    one.start();
    two.start();
    const stranger = new ServerProcess({
      args: ["--id", "4", "--config", cluster.configFile],
      directory: cluster.directory,
    });
    try {
      const leader = await cluster.waitForLeader([one, two]);
      await keep(cluster, "more", 2, [one, two]);
      await stranger.logged("server 4 is no member of this cluster, which has servers 1, 2, 3");
      for (const server of [one, two]) {
        const [error, ...more] = errors(server);
        assertEquals(more, []);
        assertStringIncludes(`${error?.message}`, "The cluster file lists other servers");
        assertEquals(error?.["servers[2].id"], "4 is no member: not connected to");
        assertEquals(error?.servers, "3 missing: a member that this server can't connect to");
        assertEquals((await clusterNodes(server)).match(/127\.0\.0\.1:\d+@/g), [
          `127.0.0.1:${leader.clientPort}@`,
          `127.0.0.1:${leader === one ? two.clientPort : one.clientPort}@`,
        ]);
      }
      // Two of three were the majority: with one of them and a stranger there is none.
      const other = leader === one ? two : one;
      await leader.kill();
      await eventually("the other to give up on the leader", async () => {
        using socket = await other.connect();
        return await socket.ask("get kept\r\n") === "ERR_NO_LEADER";
      });
      await sleep(2_000);
      using socket = await other.connect();
      assertEquals(await socket.ask("get kept\r\n"), "ERR_NO_LEADER");
    } finally {
      await stranger.kill();
    }
  },
);

clusterTest("process: a cluster file with fewer servers than the cluster has can't shrink it", {
  size: 3,
}, async (cluster) => {
  await cluster.startAll();
  await cluster.stopServers();
  changeServers(cluster, (servers) => servers.slice(0, 1));
  const one = cluster.server(1);
  one.start();
  await one.process.logged("The cluster file lists other servers");
  await sleep(2_000);
  using socket = await one.connect();
  assertEquals(await socket.ask("get a\r\n"), "ERR_NO_LEADER", "one of three is no majority");
  assertEquals(errors(one)[0]?.servers, "2, 3 missing: a member that this server can't connect to");
});

clusterTest("process: addresses may change between two starts", {}, async (cluster) => {
  await cluster.startAll();
  await keep(cluster, "value", 1);
  await cluster.stopServers();
  const ports = freePorts(6);
  changeServers(cluster, (servers) =>
    servers.map((server, at) => ({
      ...server,
      clientPort: ports[2 * at]!,
      logPort: ports[2 * at + 1]!,
    })));
  for (const server of cluster.servers) server.start();
  await eventually("a leader at one of the new ports", async () => {
    for (const at of [0, 1, 2]) {
      using socket = await RedisSocket.connect(ports[2 * at]!).catch(() => null);
      if (socket === null) continue;
      const reply = await socket.ask("GET", "kept").catch((error) => error.message);
      if (reply === "value") return true;
    }
    return false;
  });
  for (const server of cluster.servers) assertEquals(errors(server), []);
  assert(cluster.servers.every((server) => server.isRunning));
});
