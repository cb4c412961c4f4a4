/** The tables of `bench:profile`: microseconds and system calls per command, leader and followers. */
import type { Load } from "./loads.ts";
import type { ProfileSums } from "./cpu_profile.ts";
import type { PerfSums } from "./perf_profile.ts";
import type { ProcessCpu } from "./process_cpu.ts";
import type { RedisBenchmarkResult } from "./redis_benchmark.ts";
import type { SystemCalls } from "./system_calls.ts";
import { formatCount, formatMs, formatTable } from "./table.ts";

/** What one server did during the runs of one load. */
export interface ServerProfile {
  readonly id: number;
  readonly isLeader: boolean;
  /** Of the run that nobody looked at. */
  readonly cpu: ProcessCpu;
  readonly mainThread: { readonly runUs: number; readonly userUs: number; systemUs: number };
  readonly calls: SystemCalls | null;
  readonly perf: PerfSums | null;
  readonly script: ScriptShares | null;
}

/** The profile as shares of the main thread's processor time. */
export interface ScriptShares {
  readonly sums: ProfileSums;
  readonly script: number;
  readonly collector: number;
  /** Native code and system calls outside of functions. */
  readonly program: number;
}

export interface LoadProfile {
  readonly load: Load;
  /** Of the run that nobody looked at. */
  readonly result: RedisBenchmarkResult;
  readonly profiledPerSecond: number;
  readonly servers: readonly ServerProfile[];
}

type Role = (servers: readonly ServerProfile[]) => readonly ServerProfile[];
const ROLES: readonly Role[] = [
  (servers) => servers.filter(({ isLeader }) => isLeader),
  (servers) => servers.filter(({ isLeader }) => !isLeader),
];

function describeLoad({ load }: LoadProfile): string {
  const pipelined = load.pipeline === 1 ? "" : ` x ${load.pipeline}`;
  return `${load.test}, ${load.connections} conn${pipelined}`;
}

/** Of `value` over servers of one role; 0 of none. */
function mean(servers: readonly ServerProfile[], value: (server: ServerProfile) => number): number {
  if (servers.length === 0) return 0;
  return servers.reduce((sum, server) => sum + value(server), 0) / servers.length;
}

/** The leader's `value` and the followers' mean, per request. */
function perRequest(
  { servers, result }: LoadProfile,
  value: (server: ServerProfile) => number,
): [number, number] {
  const { requests } = result;
  const [leader, followers] = ROLES.map((role) => mean(role(servers), value) / requests);
  return [leader!, followers!];
}

const cells = (values: readonly number[]) => values.map((value) => formatSmall(value));

/** Three significant digits down to a thousandth. */
function formatSmall(value: number): string {
  if (value >= 100) return formatCount(value);
  return value >= 10 ? value.toFixed(1) : value >= 1 ? value.toFixed(2) : value.toFixed(3);
}

export function printOverview(results: readonly LoadProfile[]): void {
  const head = ["load", "replies/s", "p50 ms", "p99 ms", "p99.9 ms"]
    .concat("leader us", "user", "system", "follower us", "user", "system");
  const rows = results.map((profile) => {
    const { result } = profile;
    const us = (value: (server: ServerProfile) => number) => perRequest(profile, value);
    const [user, system] = [us(({ cpu }) => cpu.userUs), us(({ cpu }) => cpu.systemUs)];
    return [
      describeLoad(profile),
      formatCount(result.perSecond),
      formatMs(result.p50Ms),
      formatMs(result.p99Ms),
      formatMs(result.p999Ms),
      ...cells([user[0] + system[0], user[0], system[0]]),
      ...cells([user[1] + system[1], user[1], system[1]]),
    ];
  });
  console.log("Processor time per command, all threads; the followers' is the mean of them:\n");
  console.log(formatTable(head, rows));
}

export function printLoad(profile: LoadProfile, top: number): void {
  console.log(`\n## ${describeLoad(profile)}\n`);
  printThreads(profile);
  printPerf(profile, top);
  printParts(profile);
  printFunctions(profile, top);
  printCalls(profile);
}

/** Main thread by part of the program, and the other threads by name. */
function printThreads(profile: LoadProfile): void {
  const { servers } = profile;
  const names = new Set<string>();
  const others = (server: ServerProfile) =>
    [...server.cpu.threads.values()].filter((thread) => thread !== server.mainThread);
  for (const server of servers) for (const { name } of others(server)) names.add(name);
  const named = (server: ServerProfile, name: string) =>
    others(server).filter((thread) => thread.name === name);
  const rows: [string, number, number][] = [[
    "main thread",
    ...perRequest(profile, ({ mainThread }) => mainThread.runUs),
  ]];
  for (const name of names) {
    const runUs = (server: ServerProfile) =>
      named(server, name).reduce((sum, thread) => sum + thread.runUs, 0);
    rows.push([name, ...perRequest(profile, runUs)]);
  }
  printRows("us per command by thread", rows, 0.005);
}

/** By kind and by function, as perf saw the processors at work. */
function printPerf(profile: LoadProfile, top: number): void {
  const { servers } = profile;
  if (servers.some(({ perf }) => perf === null)) return;
  const cpuUs = ({ cpu }: ServerProfile) => cpu.userUs + cpu.systemUs;
  const table = (what: "kinds" | "functions") => {
    const keys = new Set(servers.flatMap(({ perf }) => Object.keys(perf![what])));
    const rows = [...keys].map((key): [string, number, number] => [
      key,
      ...perRequest(profile, (server) => (server.perf![what][key] ?? 0) * cpuUs(server)),
    ]);
    return rows.sort((a, b) => b[1] + b[2] - a[1] - a[2]);
  };
  printRows("us per command by kind, all threads (perf)", table("kinds"), 0.005);
  printRows("us per command by function (perf)", table("functions").slice(0, top), 0);
}

function printParts(profile: LoadProfile): void {
  const { servers } = profile;
  if (servers.some(({ script }) => script === null)) return;
  const parts = new Set(servers.flatMap(({ script }) => Object.keys(script!.sums.parts)));
  const rows: [string, number, number][] = [];
  const add = (name: string, share: (server: ServerProfile) => number) =>
    rows.push([
      name,
      ...perRequest(profile, (server) => share(server) * server.mainThread.runUs),
    ]);
  for (const part of parts) {
    add(part, ({ script }) => scriptShare(script!, script!.sums.parts[part] ?? 0));
  }
  add("garbage collector", ({ script }) => script!.collector);
  add("native code and system calls", ({ script }) => script!.program);
  rows.sort((a, b) => b[1] - a[1]);
  printRows("us per command of the main thread by part (V8)", rows, 0.005);
  console.log(`(${formatCount(profile.profiledPerSecond)} replies/s under the profiler)`);
}

/** Of the main thread's processor time, what `selfUs` of the profile amounts to. */
function scriptShare(script: NonNullable<ServerProfile["script"]>, selfUs: number): number {
  return script.sums.scriptUs === 0 ? 0 : script.script * selfUs / script.sums.scriptUs;
}

function printFunctions(profile: LoadProfile, top: number): void {
  const { servers } = profile;
  if (servers.some(({ script }) => script === null)) return;
  const keyOf = ({ name, place }: { name: string; place: string }) => `${name}  ${place}`.trim();
  const byServer = new Map(servers.map((server) => [
    server,
    new Map(server.script!.sums.functions.map((one) => [keyOf(one), one.selfUs])),
  ]));
  const keys = new Set([...byServer.values()].flatMap((functions) => [...functions.keys()]));
  const rows = [...keys].map((key): [string, number, number] => [
    key,
    ...perRequest(
      profile,
      (server) =>
        scriptShare(server.script!, byServer.get(server)!.get(key) ?? 0) * server.mainThread.runUs,
    ),
  ]);
  rows.sort((a, b) => b[1] + b[2] - a[1] - a[2]);
  printRows("us per command by function, waiting included (V8)", rows.slice(0, top), 0);
}

function printCalls(profile: LoadProfile): void {
  const { servers } = profile;
  if (servers.some(({ calls }) => calls === null)) return;
  const names = new Set(servers.flatMap(({ calls }) => Object.keys(calls!.byName)));
  const rows = [...names].map((name): [string, number, number] => [
    name,
    ...perRequest(profile, ({ calls }) => calls!.byName[name] ?? 0),
  ]);
  rows.sort((a, b) => b[1] + b[2] - a[1] - a[2]);
  rows.push(["all", ...perRequest(profile, ({ calls }) => calls!.total)]);
  printRows(`system calls per command, counted by ${servers[0]!.calls!.tool}`, rows, 0.001);
}

/** Rows below `least` on all servers are left out. */
function printRows(
  what: string,
  rows: readonly (readonly [string, number, number])[],
  least: number,
): void {
  const shown = rows.filter(([, leader, follower]) => Math.max(leader, follower) >= least);
  const lines = shown.map(([name, ...values]) => [name, ...cells(values)]);
  console.log("\n" + formatTable([what, "leader", "follower"], lines));
}
