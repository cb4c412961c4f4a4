/** One run of redis-benchmark, and what it says about it. */

export interface RedisBenchmarkOptions {
  readonly port: number;
  /** One of redis-benchmark's own tests, unless there is a command. */
  readonly test?: "SET" | "GET";
  /** Its words; `__rand_int__` in one is a number below `keys`. */
  readonly command?: readonly string[];
  readonly connections: number;
  readonly pipeline: number;
  readonly requests: number;
  readonly valueBytes: number;
  readonly keys: number;
  /** The file of the CA's certificate, where the port speaks TLS. */
  readonly ca?: string | undefined;
}

export interface RedisBenchmarkResult {
  readonly requests: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

/** Requests of the short run that tells how many fit a given time. */
const PROBE_REQUESTS_PER_SLOT = 50;
const PROBE_REQUESTS_MIN = 500;
const REQUESTS_MIN = 1_000;
/** Of values above the first, both are as many requests as come to the second. */
const LARGE_VALUE_BYTES = 32_768;
const LARGE_PROBE_BYTES = 67_108_864;

/** @throws {Error} where redis-benchmark fails, a server's refusal included. */
export async function runRedisBenchmark(
  options: RedisBenchmarkOptions,
): Promise<RedisBenchmarkResult> {
  const { port, test = "SET", command, connections, pipeline, requests } = options;
  const { valueBytes, keys, ca } = options;
  const tls = ca === undefined ? [] : ["--tls", "--cacert", ca];
  const { success, stdout, stderr } = await new Deno.Command("redis-benchmark", {
    args: ["-p", port, "-c", connections, "-P", pipeline, "-n", requests, "-d", valueBytes]
      .concat("-r", keys, "--precision", 3, ...tls, ...command ?? ["-t", test.toLowerCase()])
      .map(String),
  }).output();
  const text = new TextDecoder().decode(stdout);
  if (!success) {
    throw new Error(`redis-benchmark fails: ${text}${new TextDecoder().decode(stderr)}`);
  }
  return parseRedisBenchmark(text, requests);
}

/** How many requests the short run makes. */
export function probeRequests(
  { connections, pipeline, valueBytes }: Pick<
    RedisBenchmarkOptions,
    "connections" | "pipeline" | "valueBytes"
  >,
): number {
  if (valueBytes >= LARGE_VALUE_BYTES) return Math.ceil(LARGE_PROBE_BYTES / valueBytes);
  return PROBE_REQUESTS_MIN + connections * pipeline * PROBE_REQUESTS_PER_SLOT;
}

/** How many requests of this load about fill `seconds`, told by a short run. */
export async function requestsFor(
  seconds: number,
  options: Omit<RedisBenchmarkOptions, "requests">,
): Promise<number> {
  const probe = probeRequests(options);
  const { perSecond } = await runRedisBenchmark({ ...options, requests: probe });
  const least = options.valueBytes >= LARGE_VALUE_BYTES ? probe : REQUESTS_MIN;
  return Math.max(least, Math.round(perSecond * seconds));
}

/**
 * Reads the report for people: it alone gives more than the 99th percentile. Its lines are
 * `99.902% <= 0.383 milliseconds (cumulative count 19981)`, at fractions that halve the rest each
 * time; a percentile between two lines is taken from the next one above, so it is never too low.
 * @throws {Error} where a number is missing.
 */
export function parseRedisBenchmark(text: string, requests: number): RedisBenchmarkResult {
  const perSecond = Number(/throughput summary: ([\d.]+) requests per second/.exec(text)?.[1]);
  const start = text.indexOf("Latency by percentile distribution");
  const end = text.indexOf("Cumulative distribution");
  const lines = [...text.slice(start, end).matchAll(/^([\d.]+)% <= ([\d.]+) milliseconds/gm)]
    .map((match) => [Number(match[1]), Number(match[2])] as const);
  if (!(perSecond > 0) || lines.length === 0) {
    throw new Error(`redis-benchmark's report has no throughput or latencies: ${text}`);
  }
  const at = (percent: number) => lines.find(([of]) => of >= percent)?.[1] ?? lines.at(-1)![1];
  const summary = /latency summary[^\n]*\n[^\n]*\n\s*([\d. ]+)/.exec(text)?.[1]?.trim().split(/ +/);
  return {
    requests,
    perSecond,
    p50Ms: at(50),
    p99Ms: Number(summary?.[4] ?? at(99)),
    p999Ms: at(99.9),
    maxMs: lines.at(-1)![1],
  };
}
