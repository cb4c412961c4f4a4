/**
 * Shows that an acknowledged write is on a majority's disks: one client writes, one set at a time,
 * while strace notes the servers' system calls with their times. Between the arrival of each request
 * and the departure of its reply there has to be a sync that ended, of the log, on a majority.
 */
import { Cluster } from "./cluster.ts";
import { pauseMs } from "./find_leader.ts";
import { parseFlags } from "./flags.ts";
import { LineClient } from "./line_client.ts";
import { median } from "./median.ts";
import { examineWrite, parseTrace, type ServerTrace } from "./sync_trace.ts";
import { formatMs, writeJson } from "./table.ts";

const HELP = `deno task bench:fsync-proof [flags]     (needs strace)

  --writes N           (200)
  --servers N          (3)
  --executable FILE    run this instead of main.ts
  --directory DIR      where the servers keep their data (the system's temporary directory)
  --traces DIR         keeps the traces there
  --json FILE          writes the results there, too
`;

const CALLS = "read,readv,recvfrom,recvmsg,write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg," +
  "fsync,fdatasync";
/** So much of a buffer is noted: a slow server's log takes many records in one write. */
const BYTES_SHOWN = 262_144;
const ATTACH_MS = 1_500;
const TIMEOUT_MS = 10_000;
/** strace slows servers down: nobody must take the leader for dead. */
const PATIENT = { electionTimeoutMs: 5_000, commandTimeoutMs: 20_000 };

/** Runs `work` while strace writes what process `pid` calls to `file`. */
function trace(pid: number, file: string): Deno.ChildProcess {
  return new Deno.Command("strace", {
    args: ["-f", "-ttt", "-T", "-yy", "-s", `${BYTES_SHOWN}`, "-e", `trace=${CALLS}`]
      .concat("-o", file, "-p", `${pid}`),
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
}

async function writeTokens(client: LineClient, writes: number): Promise<string[]> {
  const tokens: string[] = [];
  for (let i = 0; i < writes; i++) {
    const token = `token-${crypto.randomUUID()}`;
    const { line } = await client.set(`proof-${i}`, new TextEncoder().encode(token), TIMEOUT_MS);
    if (!line.startsWith("OK ")) throw new Error(`Set ${i + 1} was answered ${line}`);
    tokens.push(token);
  }
  return tokens;
}

async function main(): Promise<void> {
  const flags = parseFlags(HELP, {
    writes: 200,
    servers: 3,
    executable: "",
    directory: "/tmp",
    traces: "",
    json: "",
  });
  const cluster = await Cluster.start({
    servers: flags.servers,
    executable: flags.executable || undefined,
    parent: flags.directory,
    timing: PATIENT,
  });
  const traces = flags.traces || Deno.makeTempDirSync({ prefix: "raftkv-bench-traces-" });
  const fileOf = (id: number) => `${traces}/server-${id}.strace`;
  try {
    Deno.mkdirSync(traces, { recursive: true });
    const leaderId = await cluster.leader();
    const stracing = cluster.servers.map(({ id }) => trace(cluster.pid(id), fileOf(id)));
    await pauseMs(ATTACH_MS);
    const client = await LineClient.connect(cluster.server(leaderId).client, TIMEOUT_MS);
    const tokens = await writeTokens(client, flags.writes);
    client.close();
    await pauseMs(ATTACH_MS);
    for (const child of stracing) {
      child.kill("SIGINT");
      await child.status;
    }
    const servers = cluster.servers.map(({ id }): ServerTrace => ({
      id,
      calls: parseTrace(Deno.readTextFileSync(fileOf(id))),
    }));
    const leader = servers.find(({ id }) => id === leaderId)!;
    const majority = Math.floor(servers.length / 2) + 1;
    report(tokens.map((token) => examineWrite(token, leader, servers)), majority, flags.json);
  } finally {
    if (flags.traces === "") Deno.removeSync(traces, { recursive: true });
    await cluster.stop();
  }
}

function report(
  findings: readonly ReturnType<typeof examineWrite>[],
  majority: number,
  json: string,
): void {
  const bySynced = new Map<number, number>();
  const margins: number[] = [];
  for (const { syncedBeforeReplyMs } of findings) {
    const { size } = syncedBeforeReplyMs;
    bySynced.set(size, (bySynced.get(size) ?? 0) + 1);
    const margin = [...syncedBeforeReplyMs.values()].sort((a, b) => b - a)[majority - 1];
    if (margin !== undefined) margins.push(margin);
  }
  const proven = findings.filter(({ syncedBeforeReplyMs }) => syncedBeforeReplyMs.size >= majority);
  console.log(
    `${findings.length} sets, one at a time, each acknowledged. Synced before the reply:`,
  );
  for (const [servers, count] of [...bySynced].sort(([a], [b]) => a - b)) {
    console.log(`  on ${servers} servers: ${count}`);
  }
  console.log(
    `From the sync that made the majority to the reply: ${formatMs(Math.min(...margins))} ms at ` +
      `least, ${formatMs(median(margins))} ms at the median.`,
  );
  console.log(
    proven.length === findings.length
      ? `Every acknowledged set was synced on a majority (${majority}) before its reply left.`
      : `${findings.length - proven.length} SETS WERE ACKNOWLEDGED BEFORE A MAJORITY HAD SYNCED.`,
  );
  const rows = findings.map((finding) => ({
    ...finding,
    syncedBeforeReplyMs: Object.fromEntries(finding.syncedBeforeReplyMs),
  }));
  writeJson(json || undefined, "fsync-proof", { majority, proven: proven.length, findings: rows });
  if (proven.length < findings.length) Deno.exitCode = 1;
}

if (import.meta.main) {
  await main();
  Deno.exit();
}
