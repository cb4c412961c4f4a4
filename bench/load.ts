/**
 * The load generator's command line. Without `--target` it starts a cluster of its own and runs a small
 * matrix; with one it runs one load against a cluster that is there.
 */
import { Cluster } from "./cluster.ts";
import { parseFlags } from "./flags.ts";
import type { Address } from "./line_client.ts";
import { type LoadOptions, type LoadResult, preload, runLoad } from "./load_run.ts";
import { formatCount, formatMs, formatTable, writeJson } from "./table.ts";

const HELP = `deno task bench:load [flags]

Without --target: starts three servers and runs a small matrix of loads, --seconds each.
  --servers N          servers of that cluster (3)
  --executable FILE    run this instead of main.ts
  --directory DIR      where the cluster keeps its data (the system's temporary directory)
  --quick              one second each, and fewer keys
With --target HOST:PORT[,HOST:PORT...]: runs one load against a cluster that is there.
  --connections C      (1)
  --pipeline P         requests in flight on each connection (1)
  --mix SET:GET        shares of sets and gets (100:0)
  --requests R         stops after R requests, whatever the time
Both:
  --seconds S          (5)
  --value-bytes N      (256)
  --keys K             keys are drawn from K (100000)
  --json FILE          writes the results there, too
`;

const UNLIMITED = Number.MAX_SAFE_INTEGER;
const QUICK_KEYS = 2_000;

/** Connections, pipeline and share of sets of the matrix's rows. */
const MATRIX: readonly (readonly [number, number, number])[] = [
  [1, 1, 1],
  [1, 1, 0],
  [100, 1, 1],
  [100, 1, 0],
  [100, 16, 1],
  [100, 16, 0],
  [100, 16, 0.5],
];

/** `host:port,host:port`. @throws {Error} where one is no address. */
export function parseTargets(text: string): Address[] {
  return text.split(",").map((target) => {
    const match = /^(.+):(\d{1,5})$/.exec(target.trim());
    if (match === null) throw new Error(`--target: ${JSON.stringify(target)} is no host:port`);
    return { hostname: match[1]!, port: Number(match[2]) };
  });
}

/** `70:30` as the share of sets. @throws {Error} where it is no such pair. */
export function parseMix(text: string): number {
  const match = /^(\d+):(\d+)$/.exec(text);
  const [sets, gets] = [Number(match?.[1]), Number(match?.[2])];
  if (match === null || sets + gets === 0) {
    throw new Error(`--mix: ${JSON.stringify(text)} is no pair of shares such as 50:50`);
  }
  return sets / (sets + gets);
}

function describeLoad(options: LoadOptions): string {
  const sets = Math.round(options.setShare * 100);
  const what = sets === 100 ? "set" : sets === 0 ? "get" : `set ${sets} % get ${100 - sets} %`;
  const pipelined = options.pipeline === 1 ? "" : ` x ${options.pipeline}`;
  return `${what}, ${options.connections} conn${pipelined}`;
}

function printResults(results: readonly LoadResult[]): void {
  const head = ["load", "replies/s", "p50 ms", "p99 ms", "p99.9 ms", "max ms", "errors"];
  const rows = results.map(({ options, perSecond, latency, errors }) => [
    describeLoad(options),
    formatCount(perSecond),
    formatMs(latency.p50Ms),
    formatMs(latency.p99Ms),
    formatMs(latency.p999Ms),
    formatMs(latency.maxMs),
    formatCount(Object.values(errors).reduce((sum, count) => sum + count, 0)),
  ]);
  console.log(formatTable(head, rows));
  for (const { options, errors, misses } of results) {
    const kinds = Object.entries(errors).map(([kind, count]) => `${kind}: ${count}`);
    if (misses > 0) kinds.push(`keys not found: ${misses}`);
    if (kinds.length > 0) console.log(`${describeLoad(options)}: ${kinds.join(", ")}`);
  }
}

async function runMatrix(
  servers: readonly Address[],
  options: Omit<LoadOptions, "connections" | "pipeline" | "setShare">,
): Promise<LoadResult[]> {
  const results: LoadResult[] = [];
  await preload(servers, options);
  for (const [connections, pipeline, setShare] of MATRIX) {
    const load = { ...options, connections, pipeline, setShare };
    console.error(`${describeLoad(load)} ...`);
    results.push(await runLoad(servers, load));
  }
  return results;
}

async function main(): Promise<void> {
  const flags = parseFlags(HELP, {
    target: "",
    connections: 1,
    pipeline: 1,
    valueBytes: 256,
    keys: 0,
    mix: "100:0",
    seconds: 0,
    requests: 0,
    seed: 1,
    servers: 3,
    executable: "",
    directory: "",
    json: "",
    quick: false,
  });
  const common = {
    valueBytes: flags.valueBytes,
    keys: flags.keys || (flags.quick ? QUICK_KEYS : 100_000),
    seconds: flags.seconds || (flags.quick ? 1 : 5),
    requests: flags.requests || UNLIMITED,
    seed: flags.seed,
  };
  let results: LoadResult[];
  if (flags.target !== "") {
    const targets = parseTargets(flags.target);
    const load: LoadOptions = {
      ...common,
      // A number of requests is given in place of a time, unless both are.
      seconds: flags.requests > 0 && flags.seconds === 0 ? UNLIMITED : common.seconds,
      connections: flags.connections,
      pipeline: flags.pipeline,
      setShare: parseMix(flags.mix),
    };
    if (load.setShare < 1) await preload(targets, load);
    results = [await runLoad(targets, load)];
  } else {
    const cluster = await Cluster.start({
      servers: flags.servers,
      executable: flags.executable || undefined,
      parent: flags.directory || undefined,
    });
    try {
      results = await runMatrix(cluster.addresses, common);
    } finally {
      await cluster.stop();
    }
  }
  printResults(results);
  writeJson(flags.json || undefined, "load", { results });
}

if (import.meta.main) {
  await main();
  Deno.exit(0);
}
