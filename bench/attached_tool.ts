/** A program that watches a process from outside until it is told to end: perf, strace. */
import { pauseMs } from "./find_leader.ts";

const ATTACH_MS = 300;

export interface AttachedTool {
  /** Ends it, and waits until it has written what it knows; it may have ended before, with a reason. */
  stop(): Promise<void>;
}

/** Starts the program; returns once it watches. */
export async function attachTool(program: string, args: string[]): Promise<AttachedTool> {
  const silent = { stdin: "null", stdout: "null", stderr: "null" } as const;
  const child = new Deno.Command(program, { args, ...silent }).spawn();
  await pauseMs(ATTACH_MS);
  return {
    async stop() {
      try {
        child.kill("SIGINT");
      } catch {
        // It has ended.
      }
      await child.status;
    },
  };
}
