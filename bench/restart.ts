/**
 * From the start of a server's process until it answers, with a million keys: alone, and as a follower
 * of three. Killed and stopped in order; with a short log behind its snapshot and with a long one.
 */
import { Cluster } from "./cluster.ts";
import { bytesUnder } from "./directory_bytes.ts";
import { askStanding, pauseMs } from "./find_leader.ts";
import { COMMON_OPTIONS, parseOptions } from "./flags.ts";
import type { Address } from "./line_client.ts";
import { LineClient } from "./line_client.ts";
import { fillCluster } from "./memory_subjects.ts";
import { median } from "./median.ts";
import { memoryOf } from "./process_memory.ts";
import { isTakingSnapshot } from "./snapshot_watch.ts";
import { formatCount, formatTable, writeJson } from "./table.ts";
import { keyName, loadOnce, type WriteSequence } from "./writes.ts";

const HELP = `deno task bench:restart [flags]

  --keys K             (1000000)
  --value-bytes N      (256)
  --repeats R          restarts of each kind (3)
  --long-log SHARE     overwrites so much of the keys before the second half of the starts (0.4):
                       a snapshot is due once the log is half as long as the last one
  --executable FILE    run this instead of main.ts
  --directory DIR      where the servers keep their data (the system's temporary directory)
  --json FILE          writes the results there, too
  --quick              20,000 keys, one restart of each kind
`;

const MIB = 1_048_576;
const POLL_MS = 5;
const ASK_TIMEOUT_MS = 1_000;
const SERVE_TIMEOUT_MS = 120_000;
const LOOK_MS = 100;

interface RestartOptions {
  readonly keys: number;
  readonly valueBytes: number;
  readonly repeats: number;
  readonly longLog: number;
  readonly executable: string | undefined;
  readonly directory: string | undefined;
  readonly json: string | undefined;
}

interface RestartResult {
  readonly what: string;
  readonly end: "killed" | "stopped";
  /** Of the log's segments and of the newest snapshot, as they lay on the disk. */
  readonly logBytes: number;
  readonly snapshotBytes: number;
  readonly milliseconds: readonly number[];
  /** When it had answered. */
  readonly residentBytes: number;
}

/** A server of three serves when it sends clients to the leader; one alone when it answers itself. */
async function serves(address: Address, key: string, isAlone: boolean): Promise<boolean> {
  if (!isAlone) return (await askStanding(address)).kind !== "unknown";
  let client: LineClient | null = null;
  try {
    client = await LineClient.connect(address, ASK_TIMEOUT_MS);
    return (await client.get(key, ASK_TIMEOUT_MS)).value !== null;
  } catch {
    return false;
  } finally {
    client?.close();
  }
}

async function timeStart(cluster: Cluster, id: number, key: string): Promise<number> {
  const isAlone = cluster.servers.length === 1;
  const startMs = performance.now();
  cluster.startServer(id);
  while (!await serves(cluster.server(id).client, key, isAlone)) {
    if (performance.now() - startMs > SERVE_TIMEOUT_MS) {
      const log = cluster.log(id).slice(-1_000);
      throw new Error(`Server ${id} does not serve within ${SERVE_TIMEOUT_MS} ms\n${log}`);
    }
    await pauseMs(POLL_MS);
  }
  return performance.now() - startMs;
}

async function untilCalm(cluster: Cluster): Promise<void> {
  for (let calm = 0; calm < 10;) {
    await pauseMs(LOOK_MS);
    const isTaking = cluster.servers.some(({ id }) => isTakingSnapshot(cluster.dataDirectory(id)));
    calm = isTaking ? 0 : calm + 1;
  }
}

async function measure(
  cluster: Cluster,
  what: string,
  options: RestartOptions,
): Promise<RestartResult[]> {
  const results: RestartResult[] = [];
  const key = keyName(options.keys - 1);
  const leader = await cluster.leader();
  const id = cluster.servers.find((server) => server.id !== leader)?.id ?? leader;
  await untilCalm(cluster);
  for (const end of ["killed", "stopped"] as const) {
    const milliseconds: number[] = [];
    let logBytes = 0;
    let snapshotBytes = 0;
    let residentBytes = 0;
    for (let i = 0; i < options.repeats; i++) {
      const directory = cluster.dataDirectory(id);
      await (end === "killed" ? cluster.kill(id) : cluster.terminate(id));
      logBytes = bytesUnder(`${directory}/wal`).allocated;
      snapshotBytes = bytesUnder(`${directory}/snapshot`).largest;
      milliseconds.push(await timeStart(cluster, id, key));
      residentBytes = memoryOf(cluster.pid(id)).residentBytes;
      await untilCalm(cluster);
    }
    results.push({ what, end, logBytes, snapshotBytes, milliseconds, residentBytes });
    console.error(`${what}, ${end}: ${milliseconds.map((ms) => ms.toFixed(0)).join(", ")} ms`);
  }
  return results;
}

/** Overwrites the first part of the keys with values of the same size. */
function overwritePart(keys: number, share: number, valueBytes: number): WriteSequence {
  return loadOnce(Math.floor(keys * share), valueBytes);
}

async function run(servers: number, options: RestartOptions): Promise<RestartResult[]> {
  const { keys, valueBytes, longLog, executable, directory } = options;
  const what = servers === 1 ? "alone" : `follower of ${servers}`;
  const cluster = await Cluster.start({ servers, executable, parent: directory });
  try {
    await fillCluster(cluster.addresses, loadOnce(keys, valueBytes), valueBytes);
    const results = await measure(cluster, `${what}, loaded`, options);
    if (longLog > 0) {
      const writes = overwritePart(keys, longLog, valueBytes);
      await fillCluster(cluster.addresses, writes, valueBytes);
      results.push(...await measure(cluster, `${what}, overwritten`, options));
    }
    return results;
  } finally {
    await cluster.stop();
  }
}

function report(options: RestartOptions, results: readonly RestartResult[]): void {
  const mib = (bytes: number) => (bytes / MIB).toFixed(0);
  console.log(
    `${formatCount(options.keys)} keys, values of ${options.valueBytes} bytes; from the start of ` +
      "the process until it answers\n",
  );
  console.log(formatTable(
    ["", "ended", "snapshot MiB", "log MiB", "median s", "slowest s", "RSS MiB"],
    results.map(({ what, end, snapshotBytes, logBytes, milliseconds, residentBytes }) => [
      what,
      end,
      mib(snapshotBytes),
      mib(logBytes),
      (median(milliseconds) / 1_000).toFixed(2),
      (Math.max(...milliseconds) / 1_000).toFixed(2),
      mib(residentBytes),
    ]),
  ));
}

async function main(): Promise<number> {
  const flags = parseOptions(HELP, {
    keys: { type: "string" },
    "value-bytes": { type: "string", default: "256" },
    repeats: { type: "string" },
    "long-log": { type: "string", default: "0.4" },
    ...COMMON_OPTIONS,
  });
  const options: RestartOptions = {
    keys: Number(flags.keys ?? (flags.quick ? 20_000 : 1_000_000)),
    valueBytes: Number(flags["value-bytes"]),
    repeats: Number(flags.repeats ?? (flags.quick ? 1 : 3)),
    longLog: Number(flags["long-log"]),
    executable: flags.executable,
    directory: flags.directory,
    json: flags.json,
  };
  const results = [...await run(1, options), ...await run(3, options)];
  report(options, results);
  writeJson(options.json, "restart", { options, results });
  return 0;
}

if (import.meta.main) Deno.exit(await main());
