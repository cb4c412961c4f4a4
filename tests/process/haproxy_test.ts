/** The configurations for HAProxy, of docs/operating.md and deploy/: they lead clients to the leader. */
import { assert, assertEquals } from "@std/assert";
import { answers } from "./admin_client.ts";
import { type Cluster, clusterTest } from "./harness.ts";
import { Redis as IoRedis } from "ioredis";
import { freePorts } from "../../bench/free_ports.ts";
import { eventually, Patience, sleep } from "./patience.ts";
import { RedisSocket } from "./redis_socket.ts";
import { needsProgram } from "./requirements.ts";

const PAGE = new URL("../../docs/operating.md", import.meta.url);

/** The page's block, with this cluster's ports and `port` to bind. */
function configuration(cluster: Cluster, port: number): string {
  const block = /^```haproxy\n([\s\S]*?)^```/m.exec(Deno.readTextFileSync(PAGE))?.[1];
  if (block === undefined) throw new Error("docs/operating.md has no block for HAProxy");
  const ports = [6379, 9000, 9001, 9002];
  const instead = [port, ...cluster.servers.map(({ clientPort }) => clientPort)];
  return block.replace(/127\.0\.0\.1:(\d+)/g, (_, written) => {
    const at = ports.indexOf(Number(written));
    assert(at >= 0, `docs/operating.md names port ${written} there`);
    return `127.0.0.1:${instead[at]}`;
  });
}

/** deploy/haproxy.cfg with this cluster's ports; `leader` and `replicas`: to bind. */
function deployed(cluster: Cluster, leader: number, replicas: number): string {
  const text = Deno.readTextFileSync(new URL("../../deploy/haproxy.cfg", import.meta.url));
  const [one, two, three] = cluster.servers;
  const instead = new Map([[6379, leader], [6380, replicas]]);
  for (const [at, server] of [one!, two!, three!].entries()) {
    instead.set(9000 + 2 * at, server.clientPort);
    instead.set(9100 + 2 * at, server.adminPort);
  }
  return text.replace(/(127\.0\.0\.1:| port )(\d+)/g, (_, before, port) => {
    assert(instead.has(Number(port)), `deploy/haproxy.cfg names port ${port}`);
    return `${before}${instead.get(Number(port))}`;
  });
}

/** Adds one through HAProxy as soon as somebody executes it; the new value. */
async function count(port: number): Promise<number> {
  let value = 0;
  await eventually("an INCR through HAProxy to be done", async () => {
    try {
      using socket = await RedisSocket.connect(port);
      const reply = await socket.ask("INCR", "n");
      if (typeof reply !== "number") return false;
      value = reply;
      return true;
    } catch {
      return false; // nobody leads just now, as far as HAProxy knows
    }
  }, 60_000);
  return value;
}

clusterTest("HAProxy as in docs/operating.md leads to the leader, over a kill and a freeze", {
  notRun: needsProgram("haproxy", "-v"),
}, async (cluster) => {
  await cluster.startAll();
  const port = freePorts(1)[0]!;
  const file = `${cluster.directory}/haproxy.cfg`;
  Deno.writeTextFileSync(file, configuration(cluster, port));
  const haproxy = new Deno.Command("haproxy", {
    args: ["-db", "-f", file],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    assertEquals(await count(port), 1);
    const first = await cluster.waitForLeader();
    await first.kill();
    await cluster.waitForLeader();
    const afterKill = await count(port);
    assert(afterKill >= 2, `n is ${afterKill}`);
    first.start();
    const second = await cluster.waitForLeader();
    second.freeze();
    await cluster.waitForLeader(cluster.others(second));
    const afterFreeze = await count(port);
    assert(afterFreeze > afterKill, `n is ${afterFreeze} after ${afterKill}`);
    second.thaw();
  } finally {
    haproxy.kill("SIGKILL");
    await haproxy.status;
  }
});

clusterTest(
  "HAProxy as in deploy/: a client that knows no cluster keeps working over three kills",
  {
    notRun: needsProgram("haproxy", "-v"),
    leaves: "ioredis's own connection, which closes a moment after it was told to",
  },
  async (cluster) => {
    await cluster.startAll();
    const [leaderPort, replicasPort] = freePorts(2) as [number, number];
    const file = `${cluster.directory}/haproxy.cfg`;
    Deno.writeTextFileSync(file, deployed(cluster, leaderPort, replicasPort));
    const haproxy = new Deno.Command("haproxy", {
      args: ["-db", "-f", file],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const client = new IoRedis(leaderPort, "127.0.0.1", {
      retryStrategy: () => 50,
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
    });
    client.on("error", () => {});
    const tally = { sent: 0, acknowledged: 0 };
    const work = async (count: number) => {
      using patience = new Patience(60_000);
      for (const untilAcknowledged = tally.acknowledged + count;;) {
        tally.sent++;
        if (await client.incr("n").then(() => true, () => false)) tally.acknowledged++;
        else await sleep(50);
        if (tally.acknowledged >= untilAcknowledged) return;
        assert(!patience.isSpent, "the client finds no leader through HAProxy");
      }
    };
    try {
      for (let kills = 0; kills < 3; kills++) {
        await work(50);
        const leader = await cluster.waitForLeader();
        const killing = leader.kill();
        await work(50);
        await killing;
        leader.start();
        await answers(leader, "/replica", 200);
      }
      const value = Number(await client.get("n"));
      assert(
        value >= tally.acknowledged && value <= tally.sent,
        `n is ${value}: ${tally.acknowledged} were acknowledged, ${tally.sent} sent`,
      );
      assert(tally.acknowledged >= 300);
      // The other door leads to servers that follow.
      await eventually("a replica to be reached", async () => {
        using socket = await RedisSocket.connect(replicasPort);
        const role = await socket.ask("ROLE").catch(() => null);
        return Array.isArray(role) && role[0] === "slave";
      });
    } finally {
      client.disconnect();
      haproxy.kill("SIGKILL");
      await haproxy.status;
    }
  },
);
