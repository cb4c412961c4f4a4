/**
 * A real Prometheus over three servers: what each fault raises, and that it raises nothing else. Its rules
 * are those of deploy/, waiting for seconds where they wait for minutes.
 */
import { assert, assertEquals } from "@std/assert";
import { ask } from "./admin_client.ts";
import { type Cluster, clusterTest, type Server } from "./harness.ts";
import { eventually, sleep } from "./patience.ts";
import { Prometheus } from "./prometheus.ts";
import { needsProgram, needsRoot, run, unmet } from "./requirements.ts";

const MIB = 1_048_576;
/** Long enough that an alert which an outlasting fault brings along would fire, too. */
const OUTLAST_MS = 8_000;
const delay = "fdatasync:delay_enter=1";

const needs = unmet(needsProgram("prometheus", "--version"), needsProgram("promtool", "--version"));
const needsStrace = needsProgram(
  "strace",
  "-f",
  "-o",
  "/dev/null",
  "-e",
  `inject=${delay}`,
  "true",
);

/** Sets keys now and then, whoever leads, until it is stopped: so there is something to sync. */
function keepWriting(cluster: Cluster): () => Promise<void> {
  let isOver = false;
  const running = (async () => {
    const client = cluster.client();
    for (let n = 0; !isOver; n++) {
      await client.set(`key${n % 100}`, "v".repeat(4_096)).catch(() => null);
      await sleep(50);
    }
    client.close();
  })();
  return () => {
    isOver = true;
    return running;
  };
}

/** A server that follows. */
async function followerOf(cluster: Cluster): Promise<Server> {
  let follower: Server | undefined;
  await eventually("a server to follow", async () => {
    for (const server of cluster.servers) {
      const { status } = await ask(server, "/replica").catch(() => ({ status: 0 }));
      if (status === 200) follower = server;
    }
    return follower !== undefined;
  });
  return follower!;
}

async function withPrometheus(
  cluster: Cluster,
  test: (prometheus: Prometheus) => Promise<void>,
): Promise<void> {
  await cluster.startAll();
  const stopWriting = keepWriting(cluster);
  const prometheus = await Prometheus.start(cluster);
  try {
    await test(prometheus);
  } finally {
    await prometheus.stop();
    await stopWriting();
  }
}

clusterTest(
  "Prometheus: healthy servers raise nothing, and the dashboard's queries find something",
  {
    notRun: needs,
  },
  async (cluster) => {
    await withPrometheus(cluster, async (prometheus) => {
      for (const server of cluster.servers) {
        const { body } = await ask(server, "/metrics");
        const child = new Deno.Command("promtool", {
          args: ["check", "metrics"],
          stdin: "piped",
          stdout: "piped",
          stderr: "piped",
        }).spawn();
        const writer = child.stdin.getWriter();
        await writer.write(new TextEncoder().encode(body));
        await writer.close();
        const { code, stdout, stderr } = await child.output();
        const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
        assertEquals([code, said], [0, ""]);
      }
      await sleep(OUTLAST_MS);
      assertEquals(await prometheus.calms(), []);
      const text = Deno.readTextFileSync(new URL("../../deploy/grafana.json", import.meta.url));
      const panels = JSON.parse(text).panels as { title: string; targets?: { expr: string }[] }[];
      const queries = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
      assert(queries.length > 30);
      for (const query of queries) {
        const expression = query.replaceAll("$job", ".*").replaceAll("$__rate_interval", "10s");
        const found = await prometheus.query(expression);
        // Nothing is refused, and there are no problems: those two show nothing.
        assert(found.length > 0 || / > 0$/.test(query), `${query} finds nothing`);
      }
    });
  },
);

clusterTest("Prometheus: a follower that is killed, and one that is frozen", {
  notRun: needs,
}, async (cluster) => {
  await withPrometheus(cluster, async (prometheus) => {
    const killed = await followerOf(cluster);
    await killed.kill();
    await prometheus.raises("RaftkvServerDown", killed, /^Server \S+ is down\.$/);
    await sleep(OUTLAST_MS);
    killed.start();
    assertEquals(await prometheus.calms(), ["RaftkvServerDown"]);

    const frozen = await followerOf(cluster);
    frozen.freeze();
    await prometheus.raises(
      "RaftkvServerSilent",
      frozen,
      /^Server \S+ does not answer: it is frozen/,
    );
    await sleep(OUTLAST_MS);
    frozen.thaw();
    assertEquals(await prometheus.calms(), ["RaftkvServerSilent"]);
  });
});

clusterTest("Prometheus: a follower whose disk is slow", {
  notRun: unmet(needs, needsStrace),
}, async (cluster) => {
  await withPrometheus(cluster, async (prometheus) => {
    const slow = await followerOf(cluster);
    const strace = new Deno.Command("strace", {
      args: ["-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync"]
        .concat("-e", "inject=fdatasync:delay_enter=200000", "-p", `${slow.process.pid}`),
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    try {
      await prometheus.raises(
        "RaftkvSlowDisk",
        slow,
        /^The disk of \S+ is slow: one sync in a hundred/,
      );
      await sleep(OUTLAST_MS);
    } finally {
      strace.kill("SIGTERM");
      await strace.status;
    }
    assertEquals(await prometheus.calms(), ["RaftkvSlowDisk"]);
  });
});

const mounts = Deno.makeTempDirSync({ prefix: "raftkv-full-" });
globalThis.addEventListener("unload", () => Deno.removeSync(mounts, { recursive: true }));

clusterTest("Prometheus: a server whose disk is full", {
  path: `${mounts}/data`,
  storage: { reserveBytes: MIB, segmentBytesMax: MIB },
  notRun: unmet(needs, needsRoot()),
}, async (cluster) => {
  const mount = cluster.server(3).dataDirectory;
  Deno.mkdirSync(mount, { recursive: true, mode: 0o700 });
  assertEquals(run("mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "tmpfs", mount), null);
  try {
    await withPrometheus(cluster, async (prometheus) => {
      const full = cluster.server(3);
      const filler = `${mount}/filler`;
      fill(filler);
      await prometheus.raises("RaftkvDiskFull", full, /^The disk of \S+ is full, or has no room/);
      await sleep(OUTLAST_MS);
      Deno.removeSync(filler);
      assertEquals(await prometheus.calms(), ["RaftkvDiskFull"]);
    });
  } finally {
    await cluster.stopServers();
    assertEquals(run("umount", "-l", mount), null);
  }
});

/** Writes until there is no room left. */
function fill(path: string): void {
  using file = Deno.openSync(path, { write: true, create: true });
  const piece = new Uint8Array(65_536);
  try {
    while (file.writeSync(piece) > 0) { /* until it is full */ }
  } catch (error) {
    assert(/os error 28/.test((error as Error).message), `${error}`);
  }
}
