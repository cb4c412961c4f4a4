/**
 * Where a replicated write spends its microseconds, on the leader and on its followers: processor time
 * per command, V8's profile of the script, and system calls per command. The load is
 * redis-benchmark's. Several runs of each load, so that one kind of looking does not disturb another:
 * one without any, one with the system calls counted, one sampled by perf where that works here, and
 * one under V8's profiler.
 */
import { Cluster } from "./cluster.ts";
import { parseFlags } from "./flags.ts";
import { freePorts } from "./free_ports.ts";
import { Inspector } from "./inspector.ts";
import { type CpuProfile, type ProfileSums, sumProfile } from "./cpu_profile.ts";
import { cpuBetween, cpuOf, type ProcessCpu } from "./process_cpu.ts";
import { type Load, parseLoads } from "./loads.ts";
import { PERF_V8_FLAG, perfMapOf, recordPerf } from "./perf_profile.ts";
import { type LoadProfile, printLoad, printOverview, type ScriptShares } from "./profile_report.ts";
import { type RedisBenchmarkResult, requestsFor, runRedisBenchmark } from "./redis_benchmark.ts";
import { countSystemCalls, findSystemCallTool } from "./system_calls.ts";
import { writeJson } from "./table.ts";

const HELP = `deno task bench:profile [flags]

  --loads LIST         of SET:C:P and GET:C:P, connections and pipeline, by commas
                       (SET:1:1,SET:100:1,SET:100:16,GET:1:1,GET:100:1,GET:100:16)
  --seconds S          about how long each of a load's four runs takes (3)
  --servers N          (3)
  --executable FILE    run this instead of main.ts: without V8's profile then
  --directory DIR      where the servers keep their data (the system's temporary directory)
  --value-bytes N      (256)
  --keys K             keys are drawn from K (1000000)
  --interval-us U      how often the profiler looks (250)
  --top N              functions listed for each load (25)
  --profiles DIR       keeps the profiles there, for the developer tools of a browser
  --json FILE          writes the results there, too
`;

/** A machine that is profiled is busy: an election in between would spoil the figures. */
const PATIENT = { electionTimeoutMs: 5_000, commandTimeoutMs: 20_000 };

interface Subject {
  readonly cluster: Cluster;
  readonly leader: number;
  /** What counts system calls here; perf can sample the servers, too. */
  readonly tool: "perf" | "strace" | null;
  /** By server id; empty where the servers have no inspector. */
  readonly inspectors: ReadonlyMap<number, Inspector>;
  /** How many requests of the load about fill the time that each run may take. */
  readonly requests: (load: Load) => Promise<number>;
  readonly run: (load: Load, requests: number) => Promise<RedisBenchmarkResult>;
}

/** Runs `load` and says what processor time each server took meanwhile. */
async function runWithCpu(
  { cluster, run }: Subject,
  load: Load,
  requests: number,
): Promise<{ result: RedisBenchmarkResult; cpu: Map<number, ProcessCpu> }> {
  const before = new Map(cluster.servers.map(({ id }) => [id, cpuOf(cluster.pid(id))]));
  const result = await run(load, requests);
  const cpu = new Map(
    cluster.servers.map(({ id }) => [id, cpuBetween(before.get(id)!, cpuOf(cluster.pid(id)))]),
  );
  return { result, cpu };
}

interface Watch<T> {
  stop(): Promise<T>;
}

/** Runs `load` while something watches each of the servers; what it saw, by server. */
async function runWatched<T>(
  { cluster, run }: Subject,
  load: Load,
  requests: number,
  watch: (pid: number) => Promise<Watch<T>>,
): Promise<Map<number, T>> {
  const pids = cluster.servers.map(({ id }) => cluster.pid(id));
  const watches = await Promise.all(pids.map(watch));
  await run(load, requests);
  const seen = await Promise.all(watches.map((one) => one.stop()));
  return new Map(cluster.servers.map(({ id }, i) => [id, seen[i]!]));
}

async function runWithProfiler(
  subject: Subject,
  load: Load,
  requests: number,
  keepAs: string | null,
): Promise<{ perSecond: number; shares: Map<number, ScriptShares> } | null> {
  const { inspectors, cluster } = subject;
  if (inspectors.size === 0) return null;
  await Promise.all([...inspectors.values()].map((one) => one.call("Profiler.start")));
  const { result, cpu } = await runWithCpu(subject, load, requests);
  const shares = new Map<number, ScriptShares>();
  for (const [id, inspector] of inspectors) {
    const { profile } = await inspector.call("Profiler.stop") as { profile: CpuProfile };
    if (keepAs !== null) {
      Deno.writeTextFileSync(`${keepAs}-${id}.cpuprofile`, JSON.stringify(profile));
    }
    shares.set(id, sharesOf(sumProfile(profile), cpu.get(id)!, cluster.pid(id)));
  }
  return { perSecond: result.perSecond, shares };
}

/**
 * The profiler sees the wall clock: what it saw in the script is processor time but for the part that
 * the thread waited for a processor, which the system knows; the rest of the thread's processor time
 * went into native code.
 */
function sharesOf(sums: ProfileSums, cpu: ProcessCpu, pid: number): ScriptShares {
  const { runUs, readyUs } = cpu.threads.get(pid)!;
  const running = runUs / (runUs + readyUs) / runUs;
  const script = Math.min(1, sums.scriptUs * running);
  const collector = Math.min(1 - script, sums.collectorUs * running);
  return { sums, script, collector, program: 1 - script - collector };
}

async function profileLoad(
  subject: Subject,
  load: Load,
  profiles: string,
): Promise<LoadProfile> {
  const requests = await subject.requests(load);
  const { result, cpu } = await runWithCpu(subject, load, requests);
  const { tool } = subject;
  const calls = tool === null
    ? null
    : await runWatched(subject, load, requests, (pid) => countSystemCalls(pid, tool));
  const perf = tool === "perf" ? await runWatched(subject, load, requests, recordPerf) : null;
  const name = `${load.test}-${load.connections}-${load.pipeline}`;
  const profiled = await runWithProfiler(
    subject,
    load,
    requests,
    profiles === "" ? null : `${profiles}/${name}`,
  );
  const servers = subject.cluster.servers.map(({ id }) => {
    const pid = subject.cluster.pid(id);
    return {
      id,
      isLeader: id === subject.leader,
      cpu: cpu.get(id)!,
      mainThread: cpu.get(id)!.threads.get(pid)!,
      calls: calls?.get(id) ?? null,
      perf: perf?.get(id) ?? null,
      script: profiled?.shares.get(id) ?? null,
    };
  });
  return {
    load,
    result,
    profiledPerSecond: profiled?.perSecond ?? 0,
    servers,
  };
}

async function main(): Promise<void> {
  const flags = parseFlags(HELP, {
    loads: "SET:1:1,SET:100:1,SET:100:16,GET:1:1,GET:100:1,GET:100:16",
    seconds: 3,
    servers: 3,
    executable: "",
    directory: "/tmp",
    valueBytes: 256,
    keys: 1_000_000,
    intervalUs: 250,
    top: 25,
    profiles: "",
    json: "",
  });
  const loads = parseLoads(flags.loads);
  const hasInspector = flags.executable === "";
  const ports = freePorts(flags.servers);
  const tool = await findSystemCallTool();
  const cluster = await Cluster.start({
    servers: flags.servers,
    executable: flags.executable || undefined,
    parent: flags.directory,
    timing: PATIENT,
    v8Flags: tool === "perf" ? PERF_V8_FLAG : undefined,
    denoFlags: (id) => [`--inspect=127.0.0.1:${ports[id - 1]}`],
  });
  const inspectors = new Map<number, Inspector>();
  try {
    for (const { id } of hasInspector ? cluster.servers : []) {
      const inspector = await Inspector.connect(ports[id - 1]!);
      inspectors.set(id, inspector);
      await inspector.call("Profiler.enable");
      await inspector.call("Profiler.setSamplingInterval", { interval: flags.intervalUs });
    }
    if (flags.profiles !== "") Deno.mkdirSync(flags.profiles, { recursive: true });
    const leader = await cluster.leader();
    const { valueBytes, keys } = flags;
    const { port } = cluster.server(leader).client;
    const subject: Subject = {
      cluster,
      leader,
      tool,
      inspectors,
      requests: (load) => requestsFor(flags.seconds, { port, valueBytes, keys, ...load }),
      run: (load, requests) => runRedisBenchmark({ port, valueBytes, keys, requests, ...load }),
    };
    const results: LoadProfile[] = [];
    for (const load of loads) {
      console.error(`${load.test}, ${load.connections} connections x ${load.pipeline} ...`);
      results.push(await profileLoad(subject, load, flags.profiles));
    }
    if (await cluster.leader() !== leader) console.log("The leader changed: not to be trusted.");
    printOverview(results);
    for (const result of results) printLoad(result, flags.top);
    writeJson(flags.json || undefined, "profile", { settings: flags, results: forJson(results) });
  } finally {
    for (const inspector of inspectors.values()) inspector.close();
    removePerfMaps(cluster);
    await cluster.stop();
  }
}

/** The engine leaves them where perf looks for them. */
function removePerfMaps(cluster: Cluster): void {
  for (const { id } of cluster.servers) {
    try {
      Deno.removeSync(perfMapOf(cluster.pid(id)));
    } catch {
      // There is none without perf.
    }
  }
}

/** Maps become objects; everything else stays. */
function forJson(results: readonly LoadProfile[]): unknown {
  const replace = (_key: string, value: unknown) =>
    value instanceof Map ? Object.fromEntries(value) : value;
  return JSON.parse(JSON.stringify(results, replace));
}

if (import.meta.main) {
  await main();
  Deno.exit(0);
}
