/**
 * redis-benchmark against three servers of ours and, in turns with it, against one redis-server that
 * syncs each write (`appendfsync always`): the same tool, the same loads, the same disk.
 */
import { parseArgs } from "node:util";
import { Cluster } from "./cluster.ts";
import { freePorts } from "./free_ports.ts";
import { pauseMs } from "./find_leader.ts";
import { median } from "./median.ts";
import { formatCount, formatTable, writeJson } from "./table.ts";

const HELP = `deno task bench:redis [flags]

  --servers N          servers of the cluster (3)
  --executable FILE    run this instead of main.ts
  --directory DIR      where both keep their data (the system's temporary directory)
  --rounds R           how often each load runs on each (3); the median counts
  --seconds S          about how long one load runs (4)
  --value-bytes N      (256)
  --keys K             keys are drawn from K (1000000)
  --json FILE          writes the results there, too
  --quick              one round of one second
`;

/** Connections and pipeline. */
const LOADS: readonly (readonly [number, number])[] = [[1, 1], [100, 1], [100, 16]];
const TESTS = ["SET", "GET"] as const;
/** Requests of the short run that tells how many fit the time. */
const PROBE_REQUESTS = 2_000;
const LISTEN_TIMEOUT_MS = 10_000;

interface Settings {
  readonly valueBytes: number;
  readonly keys: number;
  readonly seconds: number;
}

interface Row {
  readonly test: string;
  readonly connections: number;
  readonly pipeline: number;
  /** Requests a second, round by round. */
  readonly raftkv: number[];
  readonly redis: number[];
}

/** Requests a second of one load, as redis-benchmark says. */
async function measure(
  port: number,
  test: string,
  [connections, pipeline]: readonly [number, number],
  requests: number,
  { valueBytes, keys }: Settings,
): Promise<number> {
  const { success, stdout, stderr } = await new Deno.Command("redis-benchmark", {
    args: ["-p", port, "-t", test.toLowerCase(), "-c", connections, "-P", pipeline]
      .concat("-n", requests, "-d", valueBytes, "-r", keys, "--csv").map(String),
  }).output();
  const out = new TextDecoder().decode(stdout);
  const perSecond = Number(new RegExp(`^"${test}","([\\d.]+)"`, "m").exec(out)?.[1]);
  if (!success || !(perSecond > 0)) {
    throw new Error(`redis-benchmark fails: ${out}${new TextDecoder().decode(stderr)}`);
  }
  return perSecond;
}

/** As `measure`, with as many requests as about fill the time. */
async function measureForAWhile(
  port: number,
  test: string,
  load: readonly [number, number],
  settings: Settings,
): Promise<number> {
  const probe = PROBE_REQUESTS * load[0] * load[1] / 10 + 500;
  const perSecond = await measure(port, test, load, Math.round(probe), settings);
  const requests = Math.max(1_000, Math.round(perSecond * settings.seconds));
  return await measure(port, test, load, requests, settings);
}

/** A redis-server that has synced what it acknowledges. */
async function startRedis(
  parent: string,
): Promise<{ port: number; stop: () => Promise<void> }> {
  const port = freePorts(1)[0]!;
  const directory = Deno.makeTempDirSync({ dir: parent, prefix: "redis-bench-" });
  const child = new Deno.Command("redis-server", {
    args: ["--port", `${port}`, "--bind", "127.0.0.1", "--save", "", "--dir", directory]
      .concat("--appendonly", "yes", "--appendfsync", "always", "--loglevel", "warning"),
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const stop = async () => {
    child.kill("SIGKILL");
    await child.status;
    Deno.removeSync(directory, { recursive: true });
  };
  const end = performance.now() + LISTEN_TIMEOUT_MS;
  while (true) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return { port, stop };
    } catch (error) {
      if (performance.now() > end) {
        await stop();
        throw error;
      }
      await pauseMs(50);
    }
  }
}

async function main(): Promise<void> {
  const { values: flags } = parseArgs({
    args: Deno.args,
    options: {
      servers: { type: "string", default: "3" },
      executable: { type: "string" },
      directory: { type: "string", default: "/tmp" },
      rounds: { type: "string", default: "3" },
      seconds: { type: "string", default: "4" },
      "value-bytes": { type: "string", default: "256" },
      keys: { type: "string", default: "1000000" },
      json: { type: "string" },
      quick: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (flags.help) return console.log(HELP);
  const settings = {
    valueBytes: Number(flags["value-bytes"]),
    keys: Number(flags.keys),
    seconds: flags.quick ? 1 : Number(flags.seconds),
  };
  const rounds = flags.quick ? 1 : Number(flags.rounds);
  const servers = Number(flags.servers);
  const { executable, directory: parent } = flags;
  const cluster = await Cluster.start({ servers, executable, parent });
  const redis = await startRedis(parent);
  try {
    const leader = cluster.server(await cluster.leader());
    const rows: Row[] = [];
    for (const [connections, pipeline] of LOADS) {
      for (const test of TESTS) rows.push({ test, connections, pipeline, raftkv: [], redis: [] });
    }
    for (let round = 0; round < rounds; round++) {
      for (const row of rows) {
        const load = [row.connections, row.pipeline] as const;
        // In turns, so that whatever else the machine does meets both.
        row.raftkv.push(await measureForAWhile(leader.client.port, row.test, load, settings));
        row.redis.push(await measureForAWhile(redis.port, row.test, load, settings));
      }
    }
    print(rows, servers);
    writeJson(flags.json, "redis", { settings, servers, rounds, rows });
  } finally {
    await redis.stop();
    await cluster.stop();
  }
}

function print(rows: readonly Row[], servers: number): void {
  const head = ["load", `raftkv, ${servers} servers`, "redis, appendfsync always", "ratio"];
  const lines = rows.map(({ test, connections, pipeline, raftkv, redis }) => {
    const [ours, theirs] = [median(raftkv), median(redis)];
    const load = `${test} -c ${connections}${pipeline === 1 ? "" : ` -P ${pipeline}`}`;
    return [load, formatCount(ours), formatCount(theirs), (ours / theirs).toFixed(2)];
  });
  console.log("Requests a second, the median of the rounds:\n\n" + formatTable(head, lines));
}

if (import.meta.main) await main();
