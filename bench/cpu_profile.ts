/**
 * A V8 CPU profile, summed up by function, by file and by part of the program. The profiler notes
 * every so often which function runs, by the wall clock: also while the thread waits for events, or
 * for a processor, so shares of a profile are not yet shares of processor time.
 */

/** What `Profiler.stop` gives; https://chromedevtools.github.io/devtools-protocol/. */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  /** The node that was at the top of the stack, sample by sample. */
  readonly samples: readonly number[];
  /** Microseconds since the sample before. */
  readonly timeDeltas: readonly number[];
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: {
    readonly functionName: string;
    readonly url: string;
    readonly lineNumber: number;
  };
}

export interface FunctionTime {
  readonly name: string;
  /** `lib/node/node.ts:123`, or whatever the engine names; empty for native code. */
  readonly place: string;
  readonly part: string;
  readonly selfUs: number;
}

export interface ProfileSums {
  readonly wallUs: number;
  /** In JavaScript, and in native functions that it calls. */
  readonly scriptUs: number;
  readonly collectorUs: number;
  /** Everything else: native code of the runtime, system calls, and waiting. */
  readonly programUs: number;
  readonly functions: readonly FunctionTime[];
  readonly files: Readonly<Record<string, number>>;
  readonly parts: Readonly<Record<string, number>>;
}

/** Names that the engine gives to time outside of functions. */
const OUTSIDE = new Set(["(program)", "(idle)", "(root)"]);
const COLLECTOR = "(garbage collector)";

/** The place of `url` in this repository, or its name without what is the same for all. */
export function fileOf(url: string): string {
  const at = url.lastIndexOf("/lib/");
  return at >= 0 && url.startsWith("file:") ? url.slice(at + 1) : url;
}

/** The folder below lib/, `runtime` for Deno's own scripts and `native` for built-in functions. */
export function partOf(file: string): string {
  const folder = /^lib\/(\w+)\//.exec(file)?.[1];
  if (folder !== undefined) return folder;
  if (file.startsWith("lib/")) return "lib";
  if (file === "") return "native";
  return /^(?:ext|node|deno|checkin):/.test(file) ? "runtime" : "other";
}

export function sumProfile(profile: CpuProfile): ProfileSums {
  const selfUs = new Map<number, number>();
  profile.samples.forEach((id, i) => {
    selfUs.set(id, (selfUs.get(id) ?? 0) + Math.max(0, profile.timeDeltas[i] ?? 0));
  });
  const functions = new Map<string, FunctionTime>();
  const files: Record<string, number> = {};
  const parts: Record<string, number> = {};
  let [wallUs, scriptUs, collectorUs, programUs] = [0, 0, 0, 0];
  for (const { id, callFrame } of profile.nodes) {
    const us = selfUs.get(id) ?? 0;
    if (us === 0) continue;
    wallUs += us;
    const { functionName, url, lineNumber } = callFrame;
    if (functionName === COLLECTOR) collectorUs += us;
    else if (OUTSIDE.has(functionName)) programUs += us;
    else {
      scriptUs += us;
      const file = fileOf(url);
      const part = partOf(file);
      const place = file === "" ? "" : `${file}:${lineNumber + 1}`;
      const name = functionName || "(anonymous)";
      const key = `${name} ${place}`;
      functions.set(key, { name, place, part, selfUs: (functions.get(key)?.selfUs ?? 0) + us });
      files[file || "(native)"] = (files[file || "(native)"] ?? 0) + us;
      parts[part] = (parts[part] ?? 0) + us;
    }
  }
  return {
    wallUs,
    scriptUs,
    collectorUs,
    programUs,
    functions: [...functions.values()].sort((a, b) => b.selfUs - a.selfUs),
    files,
    parts,
  };
}
