/** One run of the load generator against a cluster, from finding its leader to the result. */
import { Random } from "../lib/util/random.ts";
import { findLeader, pauseMs } from "./find_leader.ts";
import { Histogram, type LatencySummary } from "../lib/util/histogram.ts";
import { type Address, connectWithin } from "./line_client.ts";
import { countError, LoadConnection, type LoadCounters } from "./load_connection.ts";
import { RequestEncoder } from "./request_encoder.ts";

const CONNECT_TIMEOUT_MS = 2_000;
/** How long a connection that lost its leader looks for another one. */
const LEADER_TIMEOUT_MS = 30_000;
const RETRY_PAUSE_MS = 50;
const PRELOAD_PIPELINE = 128;

export interface LoadOptions {
  readonly connections: number;
  readonly pipeline: number;
  readonly valueBytes: number;
  readonly keys: number;
  /** Share of sets, 0 to 1. */
  readonly setShare: number;
  /** Ends by time, or by the number of requests; whichever comes first. */
  readonly seconds: number;
  readonly requests: number;
  readonly seed: number;
}

export interface LoadResult {
  readonly options: LoadOptions;
  readonly seconds: number;
  readonly answered: number;
  readonly perSecond: number;
  readonly misses: number;
  readonly latency: LatencySummary;
  readonly errors: Readonly<Record<string, number>>;
}

/** What a run can be asked while it goes on, and told. */
export interface LoadHooks {
  /** Given the counters before the start: somebody may sample them. */
  readonly onStart?: (counters: LoadCounters) => void;
  /** Ends the run early. */
  readonly signal?: AbortSignal;
}

/** Runs the load and waits until what is in flight is answered. */
export async function runLoad(
  servers: readonly Address[],
  options: LoadOptions,
  hooks: LoadHooks = {},
): Promise<LoadResult> {
  const random = new Random(options.seed);
  const encoder = new RequestEncoder(options, () => random.u32());
  const counters: LoadCounters = {
    answered: 0,
    misses: 0,
    errors: new Map(),
    latency: new Histogram(),
  };
  // All connections are there before the first request goes out.
  const leader = await findLeader(servers, LEADER_TIMEOUT_MS);
  const open = Array.from(
    { length: options.connections },
    () => connectWithin(leader, CONNECT_TIMEOUT_MS),
  );
  const connections = await Promise.all(open);
  let left = options.requests;
  const startMs = performance.now();
  const endMs = startMs + options.seconds * 1_000;
  hooks.onStart?.(counters);
  const isOver = () => left <= 0 || performance.now() >= endMs || hooks.signal?.aborted === true;
  const encodeNext = (into: Uint8Array, at: number) => {
    if (isOver()) return -1;
    left--;
    return encoder.encode(into, at);
  };
  const common = {
    pipeline: options.pipeline,
    counters,
    encodeNext,
    requestBytesMax: encoder.requestBytesMax,
  };
  await Promise.all(connections.map(async (first) => {
    let conn: Deno.TcpConn | null = first;
    while (conn !== null) {
      await new LoadConnection({ ...common, conn }).run();
      conn = isOver() ? null : await reconnect(servers, counters, isOver);
    }
  }));
  const seconds = (performance.now() - startMs) / 1_000;
  return {
    options,
    seconds,
    answered: counters.answered,
    perSecond: counters.answered / seconds,
    misses: counters.misses,
    latency: counters.latency.summary(),
    errors: Object.fromEntries(counters.errors),
  };
}

/** A connection to whoever leads now; null where the run is over first. */
async function reconnect(
  servers: readonly Address[],
  counters: LoadCounters,
  isOver: () => boolean,
): Promise<Deno.TcpConn | null> {
  while (!isOver()) {
    try {
      return await connectWithin(await findLeader(servers, LEADER_TIMEOUT_MS), CONNECT_TIMEOUT_MS);
    } catch {
      countError(counters, "no leader to reconnect to");
      await pauseMs(RETRY_PAUSE_MS);
    }
  }
  return null;
}

/**
 * Sets each of the first `keys` keys once, so that gets find them.
 * @throws {Error} where one could not be set: gets that find nothing would measure little.
 */
export async function preload(
  servers: readonly Address[],
  options: Pick<LoadOptions, "keys" | "valueBytes">,
): Promise<void> {
  const random = new Random(1);
  const encoder = new RequestEncoder({ ...options, setShare: 1 }, () => random.u32());
  const counters: LoadCounters = {
    answered: 0,
    misses: 0,
    errors: new Map(),
    latency: new Histogram(),
  };
  let key = 0;
  const leader = await findLeader(servers, LEADER_TIMEOUT_MS);
  await new LoadConnection({
    conn: await connectWithin(leader, CONNECT_TIMEOUT_MS),
    pipeline: PRELOAD_PIPELINE,
    counters,
    encodeNext: (into, at) => key < options.keys ? encoder.encodeSet(key++, into, at) : -1,
    requestBytesMax: encoder.requestBytesMax,
  }).run();
  if (counters.answered < options.keys) {
    const errors = JSON.stringify(Object.fromEntries(counters.errors));
    throw new Error(`Only ${counters.answered} of ${options.keys} keys could be set: ${errors}`);
  }
}
