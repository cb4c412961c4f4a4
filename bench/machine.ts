/** What figures need to be read later: of which program they are, and on what machine. */
import { median } from "./median.ts";

const PROJECT = new URL("../", import.meta.url).pathname;
const SYNCS = 200;
const BLOCK_BYTES = 4_096;

export interface MachineDescription {
  readonly date: string;
  readonly commit: string;
  readonly cores: number;
  readonly model: string;
  readonly system: string;
  readonly deno: string;
  /** Writing and syncing 4 KiB at the end of a file, the median of some. */
  readonly syncMs: number;
  /** Processes that ran or wanted to, on the mean of the last minute. */
  readonly loadAverage: number;
}

async function output(program: string, args: string[]): Promise<string> {
  try {
    const { success, stdout } = await new Deno.Command(program, { args, stderr: "null" }).output();
    return success ? new TextDecoder().decode(stdout).trim() : "";
  } catch {
    return "";
  }
}

async function commitOf(project: string): Promise<string> {
  const commit = await output("git", ["-C", project, "rev-parse", "--short", "HEAD"]);
  const changes = await output("git", ["-C", project, "status", "--porcelain", "lib", "main.ts"]);
  return commit + (changes === "" ? "" : " with changes");
}

function modelName(): string {
  try {
    const text = Deno.readTextFileSync("/proc/cpuinfo");
    return /^model name\s*:\s*(.*)$/m.exec(text)?.[1] ?? "unknown";
  } catch {
    return "unknown";
  }
}

/** What one sync costs in `directory`. */
function syncMs(directory: string): number {
  const path = Deno.makeTempFileSync({ dir: directory, prefix: "raftkv-bench-sync-" });
  const file = Deno.openSync(path, { write: true });
  const block = new Uint8Array(BLOCK_BYTES).fill(1);
  const times: number[] = [];
  try {
    for (let i = 0; i < SYNCS; i++) {
      const start = performance.now();
      file.writeSync(block);
      file.syncDataSync();
      times.push(performance.now() - start);
    }
  } finally {
    file.close();
    Deno.removeSync(path);
  }
  return median(times);
}

/** `directory` is where the servers keep their data. */
export async function describeMachine(directory: string): Promise<MachineDescription> {
  return {
    date: new Date().toISOString().slice(0, 16).replace("T", " ") + " UTC",
    commit: await commitOf(PROJECT),
    cores: navigator.hardwareConcurrency,
    model: modelName(),
    system: `${Deno.build.os} ${Deno.osRelease()}`,
    deno: Deno.version.deno,
    syncMs: syncMs(directory),
    loadAverage: Deno.loadavg()[0]!,
  };
}

export function machineText(machine: MachineDescription): string {
  const { date, commit, cores, model, deno, syncMs, loadAverage } = machine;
  return `${date}, commit ${commit}, ${cores} cores (${model}), 4 KiB synced in ` +
    `${syncMs.toFixed(2)} ms, Deno ${deno}, load average ${loadAverage.toFixed(1)} at the start`;
}
