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
      const names = new PerfMap(readIfThere(perfMapOf(pid)));
      return sumPerfScript(new TextDecoder().decode(stdout), pid, names);
    },
  };
}

function readIfThere(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

/**
 * What the engine called the code at an address. It gives memory of code that is gone to other code, and
 * writes that one's name behind the old one: so the newest name counts, where perf takes any.
 */
export class PerfMap {
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  readonly #names: string[] = [];

  /** `text`: lines of start and size, both hexadecimal, and name. */
  constructor(text: string) {
    for (const line of text.split("\n")) {
      const match = /^([0-9a-f]+) ([0-9a-f]+) (.*)$/.exec(line);
      if (match === null) continue;
      const start = parseInt(match[1]!, 16);
      this.#starts.push(start);
      this.#ends.push(start + parseInt(match[2]!, 16));
      this.#names.push(match[3]!);
    }
  }

  nameAt(address: number): string | null {
    for (let i = this.#starts.length - 1; i >= 0; i--) {
      if (this.#starts[i]! <= address && address < this.#ends[i]!) return this.#names[i]!;
    }
    return null;
  }
}

/**
 * Sums up `perf script -F comm,tid,ip,sym,dso`: samples apart by an empty line, each a line with name
 * and id of the thread and then the stack, the innermost frame first. `map` names generated code.
 */
export function sumPerfScript(text: string, mainThread: number, map: PerfMap): PerfSums {
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
      const isGenerated = frame.dso === perfMapOf(mainThread);
      const symbol = isGenerated ? map.nameAt(frame.address) : null;
      const script = parseScriptSymbol(symbol ?? frame.symbol);
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
function parseFrame(line: string): { address: number; symbol: string; dso: string } | null {
  const match = /^\s*([0-9a-f]+) (.*) \((.*)\)$/.exec(line);
  if (match === null) return null;
  return { address: parseInt(match[1]!, 16), symbol: match[2]!, dso: match[3]! };
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
