/** The configuration for HAProxy in docs/operating.md: it leads a client to the leader, over kill and freeze. */
import { assert, assertEquals } from "@std/assert";
import { type Cluster, clusterTest } from "./harness.ts";
import { freePorts } from "../../bench/free_ports.ts";
import { eventually } from "./patience.ts";
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
