/** What a server says of dead and frozen ones, and what clients make of it; with Redis beside it. */
import { assert, assertEquals } from "@std/assert";
import { createCluster } from "redis";
import { freePorts } from "../../bench/free_ports.ts";
import { Cluster, clusterTest, type Server } from "./harness.ts";
import { eventually } from "./patience.ts";
import { RedisServer, redisTest } from "./redis_tools.ts";
import { RedisSocket, type Reply } from "./redis_socket.ts";

async function ask(port: number, ...args: string[]): Promise<Reply> {
  using socket = await RedisSocket.connect(port);
  return await socket.ask(...args);
}

/** The flags and the state of the link of each server, by port. */
async function nodes(port: number): Promise<Map<number, [string, string]>> {
  const text = String(await ask(port, "CLUSTER", "NODES"));
  return new Map(
    text.trim().split("\n").map((line) => {
      const [, place, flags, , , , , link] = line.split(" ");
      return [Number(/:(\d+)@/.exec(place!)![1]), [flags!, link!]];
    }),
  );
}

/** The ports of CLUSTER SLOTS, the leader's first. */
async function slots(port: number): Promise<number[]> {
  const [[, , ...servers]] = await ask(port, "CLUSTER", "SLOTS") as unknown as [
    [number, number, ...[string, number][]],
  ];
  return servers.map((server) => server[1]);
}

async function info(port: number, name: string): Promise<string | undefined> {
  const text = String(await ask(port, "INFO", "replication"));
  return text.split("\r\n").find((line) => line.startsWith(`${name}:`))?.slice(name.length + 1);
}

function ports(servers: readonly Server[]): number[] {
  return servers.map((server) => server.clientPort);
}

clusterTest(
  "process: dead and frozen followers are told as such, by all others",
  {},
  async (cluster) => {
    await cluster.startAll();
    const leader = await cluster.waitForLeader();
    const [dead, frozen] = cluster.others(leader) as [Server, Server];
    await eventually("all to be heard", async () => {
      const listed = await slots(leader.clientPort);
      return listed.length === 3 && await info(leader.clientPort, "connected_slaves") === "2";
    });
    await dead.kill();
    const [deadPort, frozenPort] = [dead.clientPort, frozen.clientPort];
    for (const server of [leader, frozen]) {
      await eventually(`server ${server.id} to miss the dead one`, async () => {
        const seen = (await nodes(server.clientPort)).get(deadPort);
        return seen?.[0] === "slave,fail" && seen[1] === "disconnected";
      });
      assertEquals((await slots(server.clientPort)).includes(deadPort), false);
    }
    assertEquals(await info(leader.clientPort, "connected_slaves"), "1");
    assertEquals(await info(frozenPort, "master_link_status"), "up");
    dead.start();
    await eventually("the dead one to be back", async () => {
      return (await slots(leader.clientPort)).includes(deadPort);
    });
    frozen.freeze();
    await eventually("the frozen one to be missed", async () => {
      return /^slave,fail\??$/.test((await nodes(leader.clientPort)).get(frozenPort)![0]);
    });
    assertEquals(await slots(leader.clientPort), ports([leader, dead]));
    assertEquals(await info(leader.clientPort, "connected_slaves"), "1");
    await eventually("the frozen one to be given up", async () => {
      return (await nodes(leader.clientPort)).get(frozenPort)![0] === "slave,fail";
    });
    frozen.thaw();
    await eventually("the frozen one to be back", async () => {
      return (await slots(leader.clientPort)).includes(frozenPort);
    });
  },
);

clusterTest(
  "process: the last layout is told while no leader is known; none by a server that knew none",
  {
    timing: { leaderWaitMs: 300 },
  },
  async (cluster) => {
    await cluster.startAll();
    const leader = await cluster.waitForLeader();
    const [left, other] = cluster.others(leader) as [Server, Server];
    await eventually(
      "the leader to be known",
      async () => (await slots(left.clientPort)).length === 3,
    );
    await leader.kill();
    await other.kill();
    await eventually("nobody to be known to lead", async () => {
      return String(await ask(left.clientPort, "CLUSTER", "INFO")).startsWith("cluster_state:fail");
    });
    assertEquals(await slots(left.clientPort), ports([leader, left]));
    await eventually("the dead leader to be given up", async () => {
      const [flags, link] = (await nodes(left.clientPort)).get(leader.clientPort)!;
      return flags === "master,fail" && link === "disconnected";
    });
    assertEquals((await ask(left.clientPort, "CLUSTER", "SHARDS") as unknown[]).length, 1);
    await left.restart();
    using again = await left.connectEventually();
    again.close();
    const startMs = performance.now();
    const refused = await ask(left.clientPort, "CLUSTER", "SLOTS");
    assert(refused instanceof Error && refused.message.startsWith("CLUSTERDOWN"), String(refused));
    assert(performance.now() - startMs >= 200, "It did not wait for a leader");
  },
);

clusterTest(
  "node-redis: connects with replicas while a follower is dead, and while one is frozen",
  {},
  async (cluster) => {
    await cluster.startAll();
    const leader = await cluster.waitForLeader();
    const [first, second] = cluster.others(leader) as [Server, Server];
    const readsBoth = async () => {
      const client = createCluster({
        rootNodes: [{ url: `redis://127.0.0.1:${leader.clientPort}` }],
        useReplicas: true,
        defaults: { socket: { reconnectStrategy: 50, connectTimeout: 2_000 } },
      });
      client.on("error", () => {});
      client.on("node-error", () => {});
      await client.connect();
      try {
        assertEquals(await client.set("a", "x"), "OK");
        for (let i = 0; i < 6; i++) {
          const value = await client.get("a");
          assert(value === "x" || value === null, `a is ${value}`);
        }
      } finally {
        client.destroy();
      }
    };
    await readsBoth();
    await first.kill();
    // By name, not by number: a client that finds a frozen server in the layout waits for it for ever.
    const listed = async (...servers: Server[]) => {
      const found = await slots(leader.clientPort);
      return found.join() === ports([leader, ...servers]).join();
    };
    await eventually("the dead one to be left out", () => listed(second));
    await readsBoth();
    first.start();
    await eventually("the dead one to be back", () => listed(first, second));
    second.freeze();
    await eventually("the frozen one to be left out", () => listed(first));
    await readsBoth();
    second.thaw();
  },
);

/** The form of a reply: what stands where, without the values. */
function form(reply: Reply): unknown {
  if (Array.isArray(reply)) return reply.map(form);
  return typeof reply;
}

/** Three servers of Redis as a cluster of one shard; the first leads. */
async function redisCluster(directory: string): Promise<RedisServer[]> {
  const servers: RedisServer[] = [];
  const busPorts = freePorts(3);
  for (const [at, busPort] of busPorts.entries()) {
    Deno.mkdirSync(`${directory}/${at}`);
    const args = ["--cluster-enabled", "yes", "--cluster-port", `${busPort}`];
    args.push("--repl-diskless-sync-delay", "0", "--cluster-node-timeout", "2000");
    servers.push(await RedisServer.start(args, `${directory}/${at}`));
  }
  const [master, ...replicas] = servers as [RedisServer, ...RedisServer[]];
  assertEquals(await ask(master.port, "CLUSTER", "ADDSLOTSRANGE", "0", "16383"), "OK");
  for (const [at, { port }] of replicas.entries()) {
    await ask(master.port, "CLUSTER", "MEET", "127.0.0.1", `${port}`, `${busPorts[at + 1]}`);
  }
  const id = String(await ask(master.port, "CLUSTER", "MYID"));
  for (const { port } of replicas) {
    await eventually("the servers to meet", async () => {
      const answer = await ask(port, "CLUSTER", "REPLICATE", id);
      return answer === "OK";
    });
  }
  return servers;
}

redisTest("a cluster looks as one of Redis does: NODES, SLOTS, SHARDS, ROLE, INFO", [
  "redis-server",
], async () => {
  const directory = Deno.makeTempDirSync({ prefix: "raftkv-redis-" });
  const servers = await redisCluster(directory);
  const cluster = new Cluster();
  try {
    await cluster.startAll();
    const leader = await cluster.waitForLeader();
    const follower = cluster.others(leader)[0]!;
    const [master, replica] = [servers[0]!.port, servers[1]!.port];
    const isWhole = async (port: number) => {
      const text = String(await ask(port, "INFO", "replication"));
      return (text.match(/state=online/g) ?? []).length === 2 && (await slots(port)).length === 3;
    };
    await eventually("Redis to replicate", () => isWhole(master));
    await eventually("the followers to replicate", () => isWhole(leader.clientPort));
    for (
      const [theirs, ours] of [[master, leader.clientPort], [replica, follower.clientPort]] as const
    ) {
      for (const args of [["CLUSTER", "SHARDS"], ["ROLE"]]) {
        assertEquals(
          form(await ask(ours, ...args)),
          form(await ask(theirs, ...args)),
          args.join(" "),
        );
      }
      const [ourFlags, theirFlags] = [await nodes(ours), await nodes(theirs)].map((all) =>
        [...all.values()].map((one) => one.join(" ")).sort()
      );
      assertEquals(ourFlags, theirFlags);
      // What is Redis's own way of replicating has no counterpart: ids, backlog, priorities.
      const own = /^(master_replid|second_repl|repl_|slave_priority|replica_announced|slave\d)/;
      const keys = async (port: number) =>
        String(await ask(port, "INFO", "replication")).split("\r\n").slice(1)
          .map((line) => line.split(":")[0]!).filter((key) => !own.test(key) && key !== "");
      const known = await keys(ours);
      for (const key of await keys(theirs)) assert(known.includes(key), `INFO lacks ${key}`);
    }
    const slave = String(await info(leader.clientPort, "slave0")).replace(/\d+/g, "n");
    assertEquals(slave, String(await info(master, "slave0")).replace(/\d+/g, "n"));
    const slotsOf = async (port: number) => form((await ask(port, "CLUSTER", "SLOTS")) as Reply);
    assertEquals(await slotsOf(leader.clientPort), await slotsOf(master));
  } finally {
    await cluster.stop();
    for (const server of servers) await server.stop();
    Deno.removeSync(directory, { recursive: true });
  }
});
