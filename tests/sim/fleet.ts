/** Many seeds on several processes: each takes every n-th seed and writes one JSON line a seed. */
import { failureText, type Summary } from "./summary.ts";
import { drawOptions } from "./options.ts";
import type { SimResult } from "./simulate.ts";

export interface FleetOrder {
  readonly from: number;
  readonly seeds: number;
  readonly processes: number;
  readonly deadlineMs: number;
  readonly commit: string;
  /** Only seeds whose clusters keep the servers that founded them. */
  readonly foundersOnly: boolean;
}

const PROGRESS_INTERVAL_MS = 10_000;

/** Runs an order to its end; the failures are printed as they come. */
export async function runFleet(order: FleetOrder, summary: Summary): Promise<void> {
  const beganMs = performance.now();
  let toldMs = beganMs;
  const take = (line: string) => {
    const result: SimResult & { cpuMs: number } = JSON.parse(line);
    summary.add(result, result.cpuMs);
    if (result.check !== null) {
      console.log(failureText(result, drawOptions(result.seed), order.commit));
    }
    const nowMs = performance.now();
    if (nowMs - toldMs < PROGRESS_INTERVAL_MS) return;
    toldMs = nowMs;
    console.log(summary.progress(nowMs - beganMs));
  };
  const workers = Array.from({ length: order.processes }, (_, at) => runWorker(order, at, take));
  await Promise.all(workers);
}

async function runWorker(
  order: FleetOrder,
  at: number,
  take: (line: string) => void,
): Promise<void> {
  const script = new URL("./main.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-check",
      "--allow-read",
      script,
      "--worker",
      ...["--from", `${order.from + at}`, "--step", `${order.processes}`],
      ...["--below", `${order.from + order.seeds}`, "--deadline", `${order.deadlineMs}`],
      ...(order.foundersOnly ? ["--founders"] : []),
    ],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let rest = "";
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    for (const line of lines) take(line);
  }
  const { code } = await child.status;
  if (code !== 0) throw new Error(`A worker process ended with code ${code}`);
}
