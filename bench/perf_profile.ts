/**
 * Where a process's processor time goes, by `perf record`: it samples threads only while they run, and
 * sees the kernel, native code and (with V8's `--perf-basic-prof`) the script alike. V8's own profiler
 * sees the script alone, and waiting as well.
 */
import { attachTool } from "./attached_tool.ts";
import { fileOf, partOf } from "./cpu_profile.ts";

/** Makes the engine write `/tmp/perf-PID.map`, which tells perf the names of generated code. */
export const PERF_V8_FLAG = "--perf-basic-prof";
/** Samples a second and thread; not a round number, so as not to keep step with timers. */
const FREQUENCY = 997;

/** Shares are of all the process's samples. */
export interface PerfSums {
  readonly samples: number;
  /** By part of the program, or by what kind of native code, or by system call. */
  readonly kinds: Readonly<Record<string, number>>;
  /** Functions of the script, `name  place`. */
  readonly functions: Readonly<Record<string, number>>;
}

export interface PerfRecorder {
  stop(): Promise<PerfSums>;
}

export function perfMapOf(pid: number): string {
  return `/tmp/perf-${pid}.map`;
}

/** Starts to sample the process; returns once perf does. */
export async function recordPerf(pid: number): Promise<PerfRecorder> {
  const file = Deno.makeTempFileSync({ prefix: "raftkv-bench-perf-" });
  const args = ["record", "-g", "-F", `${FREQUENCY}`, "-o", file, "-p", `${pid}`];
  const perf = await attachTool("perf", args);
  return {
    stop: async () => {
      await perf.stop();
      const { stdout } = await new Deno.Command("perf", {
        args: ["script", "-i", file, "-F", "comm,tid,ip,sym,dso"],
        stderr: "null",
      }).output();
      Deno.removeSync(file);
      return sumPerfScript(new TextDecoder().decode(stdout), pid);
    },
  };
}

/**
 * Sums up `perf script -F comm,tid,ip,sym,dso`: samples apart by an empty line, each a line with name
 * and id of the thread and then the stack, the innermost frame first.
 */
export function sumPerfScript(text: string, mainThread: number): PerfSums {
  const kinds = new Map<string, number>();
  const functions = new Map<string, number>();
  const add = (to: Map<string, number>, key: string) => to.set(key, (to.get(key) ?? 0) + 1);
  let samples = 0;
  for (const block of text.split("\n\n")) {
    const [head = "", ...frames] = block.split("\n").filter((line) => line.trim() !== "");
    const thread = /^\s*(.*?)\s+(\d+)\s*$/.exec(head);
    if (thread === null) continue;
    samples++;
    const frame = frames.length === 0 ? null : parseFrame(frames[0]!);
    if (Number(thread[2]) !== mainThread) {
      add(kinds, `thread ${thread[1]}: ${frame?.dso === KERNEL ? systemCallOf(frames) : "itself"}`);
    } else if (frame === null) add(kinds, "unknown");
    else if (frame.dso === KERNEL) add(kinds, systemCallOf(frames));
    else {
      const script = parseScriptSymbol(frame.symbol);
      add(kinds, script?.part ?? nativeKind(frame.dso));
      if (script !== null) add(functions, `${script.name}  ${script.place}`);
    }
  }
  const shares = (counts: ReadonlyMap<string, number>) =>
    Object.fromEntries([...counts].map(([key, count]) => [key, count / samples]));
  return { samples, kinds: shares(kinds), functions: shares(functions) };
}

const KERNEL = "[kernel.kallsyms]";

/** `	ffffffff821e8f67 clear_page_erms ([kernel.kallsyms])` */
function parseFrame(line: string): { symbol: string; dso: string } | null {
  const match = /^\s*[0-9a-f]+ (.*) \((.*)\)$/.exec(line);
  return match === null ? null : { symbol: match[1]!, dso: match[2]! };
}

/** The system call below which a stack in the kernel is, else what brought it there. */
function systemCallOf(frames: readonly string[]): string {
  for (const frame of frames) {
    const name = /\b__x64_sys_(\w+) /.exec(frame)?.[1];
    if (name !== undefined) return `kernel: ${name}`;
  }
  const isFault = frames.some((frame) => frame.includes("page_fault"));
  return isFault ? "kernel: page faults" : "kernel: interrupts and switches";
}

/** `JS:*'turn file:///home/me/raftkv/lib/node/node.ts:131:10`; null for other code. */
function parseScriptSymbol(
  symbol: string,
): { name: string; place: string; part: string } | null {
  const match = /^JS:[*+^~]?'?(.*?) ?((?:file|ext|node|npm|https?):.*):(\d+):\d+$/.exec(symbol);
  if (match === null) return null;
  const file = fileOf(match[2]!);
  return { name: match[1] || "(anonymous)", place: `${file}:${match[3]}`, part: partOf(file) };
}

function nativeKind(dso: string): string {
  if (dso.includes("libc")) return "native: memory and C library";
  if (dso.includes("vdso")) return "native: clock";
  return dso.includes("perf-") ? "native: generated code" : "native: Deno and V8";
}
