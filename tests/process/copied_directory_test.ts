/** A process that is started on a copy of a living server's data directory. */
import { assertEquals, assertMatch } from "@std/assert";
import { freePorts } from "../../bench/free_ports.ts";
import { type Cluster, clusterTest, redirectOf, type Server } from "./harness.ts";
import { assertHolds, Load } from "./load.ts";
import { sleep } from "./patience.ts";
import { needsProgram } from "./requirements.ts";
import { type LogLine, ServerProcess } from "./server_process.ts";

const notRun = needsProgram("cp", "--version");
const WATCHED_MS = 5_000;

/** Starts a second process as `server`, on a copy of its data directory and ports of its own. */
function startCopy(cluster: Cluster, server: Server): ServerProcess {
  const path = `${cluster.directory}/copy-${crypto.randomUUID()}`;
  Deno.mkdirSync(path);
  const { success } = new Deno.Command("cp", {
    args: ["-r", server.dataDirectory, `${path}/${server.id}`],
  }).outputSync();
  assertEquals(success, true);
  const config = JSON.parse(Deno.readTextFileSync(cluster.configFile));
  const [clientPort, logPort] = freePorts(2);
  const own = config.servers.find((one: { id: number }) => one.id === server.id);
  Object.assign(own, { clientPort, logPort });
  const file = `${path}/cluster.json`;
  Deno.writeTextFileSync(file, JSON.stringify({ ...config, path }));
  const args = ["--id", `${server.id}`, "--config", file];
  return new ServerProcess({ args, directory: cluster.directory });
}

function twins(log: readonly LogLine[]): LogLine[] {
  return log.filter(({ message }) =>
    message.startsWith("Two processes run with the data directory")
  );
}

/** How often a connection to `server` was lost. */
function lostTo(server: Server, log: readonly LogLine[]): number {
  return log.filter(({ message, peer }) => message === "Peer down" && peer === server.id).length;
}

for (const role of ["leader", "follower"] as const) {
  clusterTest(
    `process: a copy of a living ${role}'s data directory is refused, both are named, nothing else changes`,
    { notRun },
    async (cluster) => {
      await cluster.startAll();
      const leader = await cluster.waitForLeader();
      const original = role === "leader" ? leader : cluster.others(leader)[0]!;
      const others = cluster.others(original);
      const load = new Load(cluster, "load", 2);
      await load.more(50);
      const downs = () => others.map(({ process }) => lostTo(original, process.log));
      const before = downs();
      const copy = startCopy(cluster, original);
      try {
        for (const { process } of others) await process.logged("Two processes run");
        await copy.logged("another process with the data directory");
        await sleep(WATCHED_MS);
        await load.more(50);
        await load.end();
        for (const { process } of others) {
          const said = twins(process.log);
          assertEquals(said.map(({ level, peer }) => [level, peer]), [["error", original.id]]);
          assertMatch(
            `${said[0]!.reason}`,
            /answers at 127\.0\.0\.1:\d+, .* at 127\.0\.0\.1:\d+, is/,
          );
        }
        assertEquals(downs(), before, "the original keeps its connections");
        const told = copy.log.filter(({ message }) => message === "A peer refuses this server");
        assertEquals(told.map(({ level }) => level), ["error", "error"], "once for each peer");
        assertEquals(await cluster.waitForLeader(), leader, "the leader has stayed");
        await assertHolds(leader, load.acknowledged);
        if (role === "follower") await redirectOf(original);
      } finally {
        await copy.kill();
      }
    },
  );
}
