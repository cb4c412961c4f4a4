/** What a cluster reaches where each connection waits for answers before it sends more. */
import type { Address } from "./line_client.ts";
import { runLoad } from "./load_run.ts";

const PIPELINE = 4;
const SECONDS = 8;
const QUICK_SECONDS = 2;

export interface ClosedLoopOptions {
  readonly connections: number;
  readonly valueBytes: number;
  readonly keys: number;
  readonly isQuick: boolean;
}

/** Sets a second, in a closed loop. */
export async function closedLoopRate(
  servers: readonly Address[],
  { connections, valueBytes, keys, isQuick }: ClosedLoopOptions,
): Promise<number> {
  const { perSecond } = await runLoad(servers, {
    connections,
    pipeline: PIPELINE,
    valueBytes,
    keys,
    setShare: 1,
    seconds: isQuick ? QUICK_SECONDS : SECONDS,
    requests: Number.MAX_SAFE_INTEGER,
    seed: 1,
  });
  return perSecond;
}
