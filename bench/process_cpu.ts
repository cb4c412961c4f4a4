/** What the system says about a process's use of processors, thread by thread. */

/** The unit of /proc's times: USER_HZ is 100 on every Linux that Deno runs on. */
const TICK_US = 10_000;

export interface ThreadCpu {
  readonly name: string;
  readonly userUs: number;
  readonly systemUs: number;
  /** Running, and ready to run but without a processor; exact, where the system counts it. */
  readonly runUs: number;
  readonly readyUs: number;
}

export interface ProcessCpu {
  readonly userUs: number;
  readonly systemUs: number;
  /** By thread id; the process's own id is the main thread, which runs the script. */
  readonly threads: ReadonlyMap<number, ThreadCpu>;
}

/** @throws {Deno.errors.NotFound} where the process has ended. */
export function cpuOf(pid: number): ProcessCpu {
  const [, userUs, systemUs] = readStat(`/proc/${pid}/stat`);
  const threads = new Map<number, ThreadCpu>();
  for (const { name: tid } of Deno.readDirSync(`/proc/${pid}/task`)) {
    try {
      const [name, threadUserUs, threadSystemUs] = readStat(`/proc/${pid}/task/${tid}/stat`);
      const [runNs = 0, readyNs = 0] = Deno.readTextFileSync(`/proc/${pid}/task/${tid}/schedstat`)
        .split(" ").map(Number);
      threads.set(Number(tid), {
        name,
        userUs: threadUserUs,
        systemUs: threadSystemUs,
        runUs: runNs / 1_000,
        readyUs: readyNs / 1_000,
      });
    } catch {
      // The thread has ended meanwhile; its time is in the process's.
    }
  }
  return { userUs, systemUs, threads };
}

/**
 * Bytes that the process gave to the disk, and how often its threads waited.
 * @throws {Deno.errors.NotFound} where the process has ended.
 */
export function ioOf(pid: number): { readonly writtenBytes: number; readonly waits: number } {
  let waits = 0;
  for (const { name: tid } of Deno.readDirSync(`/proc/${pid}/task`)) {
    try {
      waits += fieldOf(`/proc/${pid}/task/${tid}/status`, "voluntary_ctxt_switches");
    } catch {
      // The thread has ended meanwhile.
    }
  }
  return { writtenBytes: fieldOf(`/proc/${pid}/io`, "write_bytes"), waits };
}

function fieldOf(path: string, name: string): number {
  return Number(
    new RegExp(`^${name}:\\s+(\\d+)$`, "m").exec(Deno.readTextFileSync(path))?.[1] ?? 0,
  );
}

/** What was used between two readings; a thread that is new counts from zero. */
export function cpuBetween(before: ProcessCpu, after: ProcessCpu): ProcessCpu {
  const threads = new Map<number, ThreadCpu>();
  for (const [tid, now] of after.threads) {
    const then = before.threads.get(tid);
    threads.set(tid, {
      name: now.name,
      userUs: now.userUs - (then?.userUs ?? 0),
      systemUs: now.systemUs - (then?.systemUs ?? 0),
      runUs: now.runUs - (then?.runUs ?? 0),
      readyUs: now.readyUs - (then?.readyUs ?? 0),
    });
  }
  return {
    userUs: after.userUs - before.userUs,
    systemUs: after.systemUs - before.systemUs,
    threads,
  };
}

/** All threads together: what the system counted exactly, where it does; else its ticks. */
export function usedUs(cpu: ProcessCpu): number {
  let runUs = 0;
  for (const thread of cpu.threads.values()) runUs += thread.runUs;
  return runUs > 0 ? runUs : cpu.userUs + cpu.systemUs;
}

/** Name, user and system time. The name stands in parentheses and may hold anything itself. */
function readStat(path: string): [string, number, number] {
  const text = Deno.readTextFileSync(path);
  const end = text.lastIndexOf(")");
  const fields = text.slice(end + 2).split(" ");
  return [
    text.slice(text.indexOf("(") + 1, end),
    Number(fields[11]) * TICK_US,
    Number(fields[12]) * TICK_US,
  ];
}
