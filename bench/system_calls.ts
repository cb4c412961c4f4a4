/**
 * System calls of running processes, counted over all their threads: by `perf stat` where the kernel
 * lets us (it costs the processes almost nothing), else by `strace -c -f`, which stops them at each
 * call and so changes how much a server gathers into one.
 */
import { attachTool } from "./attached_tool.ts";

/** What servers like these call; whatever else there is appears as "other". */
const NAMES = [
  "read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg,pwrite64,pread64,lseek",
  "fdatasync,fsync,epoll_wait,epoll_pwait,epoll_ctl,futex,sched_yield,madvise,mmap,munmap",
  "clock_nanosleep,nanosleep,openat,close,statx,newfstatat,fstat,unlink,rename,fallocate",
  "ftruncate,accept4,mprotect,getpid,restart_syscall,timerfd_settime,io_uring_enter,tgkill",
  "rt_sigreturn,rt_sigaction,rt_sigprocmask,fcntl,dup,shutdown,setsockopt,getrandom,poll,ppoll",
].join(",").split(",");

export interface SystemCalls {
  readonly tool: "perf" | "strace";
  readonly total: number;
  readonly byName: Readonly<Record<string, number>>;
}

export interface SystemCallCounter {
  readonly tool: "perf" | "strace";
  /** Ends the counting. */
  stop(): Promise<SystemCalls>;
}

async function succeeds(program: string, args: string[]): Promise<boolean> {
  try {
    const { success } = await new Deno.Command(program, { args, stdout: "null", stderr: "null" })
      .output();
    return success;
  } catch {
    return false;
  }
}

/** The tool that works here, or null where none does. */
export async function findSystemCallTool(): Promise<"perf" | "strace" | null> {
  if (await succeeds("perf", ["stat", "-e", "raw_syscalls:sys_enter", "true"])) return "perf";
  return await succeeds("strace", ["-c", "true"]) ? "strace" : null;
}

/** Starts to count the system calls of the process `pid`; returns once it does. */
export async function countSystemCalls(
  pid: number,
  tool: "perf" | "strace",
): Promise<SystemCallCounter> {
  const output = Deno.makeTempFileSync({ prefix: "raftkv-bench-calls-" });
  const args = tool === "perf"
    ? ["stat", "-x", ",", "-o", output, "-e", eventsOfPerf(), "-p", `${pid}`]
    : ["-c", "-f", "-U", "name,calls", "-o", output, "-p", `${pid}`];
  const attached = await attachTool(tool, args);
  return {
    tool,
    stop: async () => {
      await attached.stop();
      const text = Deno.readTextFileSync(output);
      Deno.removeSync(output);
      return tool === "perf" ? parsePerfCounts(text) : parseStraceCounts(text);
    },
  };
}

/** Only calls that this kernel knows: one name that it does not would make perf refuse all. */
function eventsOfPerf(): string {
  const known = NAMES.filter((name) =>
    ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"].some((root) => {
      try {
        return Deno.statSync(`${root}/events/syscalls/sys_enter_${name}`).isDirectory;
      } catch {
        return false;
      }
    })
  );
  return ["raw_syscalls:sys_enter", ...known.map((name) => `syscalls:sys_enter_${name}`)].join(",");
}

/** `perf stat -x ,`: lines of count, unit, event, and more. */
export function parsePerfCounts(text: string): SystemCalls {
  const byName: Record<string, number> = {};
  let [total, named] = [0, 0];
  for (const line of text.split("\n")) {
    const [count = "", , event = ""] = line.split(",");
    const name = /^syscalls:sys_enter_(\w+)/.exec(event)?.[1];
    if (event.startsWith("raw_syscalls:sys_enter")) total = Number(count) || 0;
    else if (name !== undefined && Number(count) > 0) {
      byName[name] = Number(count);
      named += Number(count);
    }
  }
  if (total > named) byName.other = total - named;
  return { tool: "perf", total, byName };
}

/** `strace -c -U name,calls`: a table of two columns, with a line of the totals. */
export function parseStraceCounts(text: string): SystemCalls {
  const byName: Record<string, number> = {};
  let total = 0;
  for (const match of text.matchAll(/^\s*(\w+)\s+(\d+)\s*$/gm)) {
    const [, name, count] = match;
    if (name === "total") continue;
    byName[name!] = Number(count);
    total += Number(count);
  }
  return { tool: "strace", total, byName };
}
