/** What the system says about a process's memory. */

export interface ProcessMemory {
  /** In memory now, of whatever kind. */
  readonly residentBytes: number;
  /** Of that, the process's own: heaps, stacks, buffers. */
  readonly anonymousBytes: number;
  /** The most that was ever resident. */
  readonly peakBytes: number;
}

/** All zero where the process has ended, or the system does not tell. */
export function memoryOf(pid: number): ProcessMemory {
  let status = "";
  try {
    status = Deno.readTextFileSync(`/proc/${pid}/status`);
  } catch {
    // It has ended.
  }
  const bytes = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1] ?? 0) * 1_024;
  return {
    residentBytes: bytes("VmRSS"),
    anonymousBytes: bytes("RssAnon"),
    peakBytes: bytes("VmHWM"),
  };
}
