/** The stores of `bench`: each can be filled, and run one cell of the table for a while. */
import { Cluster } from "./cluster.ts";
import { EtcdCluster } from "./etcd_cluster.ts";
import { fill } from "./fill.ts";
import { pauseMs } from "./find_leader.ts";
import { ForeignProcess } from "./foreign_process.ts";
import { freePorts } from "./free_ports.ts";
import { type Address, connectWithin } from "./line_client.ts";
import { runLoad } from "./load_run.ts";
import { probeRequests, requestsFor, runRedisBenchmark } from "./redis_benchmark.ts";
import { loadOnce } from "./writes.ts";

const CONNECT_TIMEOUT_MS = 2_000;
const LISTEN_TIMEOUT_MS = 10_000;
const POLL_MS = 50;
/** Puts in one transaction while etcd is filled. */
const ETCD_OPERATIONS = 1_000;
const ETCD_FLAGS = [
  "--max-txn-ops",
  `${ETCD_OPERATIONS}`,
  "--quota-backend-bytes",
  `${8 * 2 ** 30}`,
];
const ETCD_FILL_TIMEOUT_MS = 30_000;
/** A run that a change of leader ended is tried again this often. */
const TRIES = 3;

export interface Row {
  readonly title: string;
  readonly test: "SET" | "GET";
  readonly connections: number;
  readonly pipeline: number;
  /** Clients of etcd, which has no pipeline. */
  readonly etcdClients: number;
  /** Where it is not the workload's. */
  readonly valueBytes?: number;
  /** What raftkv is to reach, as a multiple of the others. */
  readonly wanted: { readonly etcd?: number; readonly redis?: number };
}

export interface Cell {
  readonly requests: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
}

export interface Workload {
  readonly keys: number;
  readonly valueBytes: number;
  readonly seconds: number;
}

export interface SpeedSubject {
  readonly name: "raftkv" | "lines" | "redis" | "etcd";
  readonly title: string;
  /** Sets each key once. */
  fill(): Promise<void>;
  run(row: Row): Promise<Cell>;
  /** Runs that failed and were done again, with the reason. */
  readonly failures: readonly string[];
  stop(): Promise<void>;
}

/** Runs redis-benchmark; the number of requests follows from how it went the last time. */
class RedisBenchmarkLoad {
  readonly failures: string[] = [];
  /** Every set that was acknowledged, and those that may have been sent on top. */
  acknowledgedSets = 0;
  uncertainSets = 0;
  readonly #workload: Workload;
  readonly #lastPerSecond = new Map<Row, number>();

  constructor(workload: Workload) {
    this.#workload = workload;
  }

  async run(row: Row, port: () => Promise<number>): Promise<Cell> {
    const { keys, seconds } = this.#workload;
    const { valueBytes = this.#workload.valueBytes } = row;
    for (let attempt = 1;; attempt++) {
      const load = { ...row, keys, valueBytes, port: await port() };
      try {
        const last = this.#lastPerSecond.get(row);
        if (last === undefined) this.#count(row, probeRequests(load));
        const requests = last === undefined
          ? await requestsFor(seconds, load)
          : Math.round(last * seconds);
        const cell = await runRedisBenchmark({ ...load, requests });
        this.#count(row, requests);
        this.#lastPerSecond.set(row, cell.perSecond);
        return cell;
      } catch (error) {
        this.noteFailure(row.title, error as Error);
        if (attempt === TRIES) throw error;
      }
    }
  }

  /** How many sets of a run that failed took effect nobody can say. */
  noteFailure(what: string, error: Error): void {
    this.failures.push(`${what}: ${error.message.slice(-160)}`);
    this.uncertainSets = Infinity;
  }

  #count(row: Row, requests: number): void {
    if (row.test !== "SET") return;
    this.acknowledgedSets += requests;
    this.uncertainSets += row.connections * row.pipeline;
  }
}

export class RaftkvSpeed implements SpeedSubject {
  readonly name = "raftkv";
  readonly title: string;
  readonly cluster: Cluster;
  readonly #workload: Workload;
  readonly #load: RedisBenchmarkLoad;

  constructor(cluster: Cluster, workload: Workload) {
    this.cluster = cluster;
    this.title = `raftkv, ${cluster.servers.length} servers`;
    this.#workload = workload;
    this.#load = new RedisBenchmarkLoad(workload);
  }

  get failures(): readonly string[] {
    return this.#load.failures;
  }

  /** Sets that took effect: at least, and at most. */
  get setsDone(): readonly [number, number] {
    const least = this.#workload.keys + this.#load.acknowledgedSets;
    return [least, least + this.#load.uncertainSets];
  }

  async leader(): Promise<Address> {
    return this.cluster.server(await this.cluster.leader()).client;
  }

  async fill(): Promise<void> {
    const { keys, valueBytes } = this.#workload;
    for (let attempt = 1;; attempt++) {
      try {
        return await fill(await this.leader(), "redis", loadOnce(keys, valueBytes), valueBytes);
      } catch (error) {
        this.#load.noteFailure("filling", error as Error);
        if (attempt === TRIES) throw error;
      }
    }
  }

  run(row: Row): Promise<Cell> {
    return this.#load.run(row, async () => (await this.leader()).port);
  }

  stop(): Promise<void> {
    return this.cluster.stop();
  }
}

/** The line protocol of a cluster that another subject started and fills; our own generator. */
export class RaftkvLines implements SpeedSubject {
  readonly name = "lines";
  readonly title = "raftkv, lines";
  readonly failures: string[] = [];
  acknowledgedSets = 0;
  uncertainSets = 0;
  readonly #cluster: Cluster;
  readonly #workload: Workload;
  #seed = 1;

  constructor(cluster: Cluster, workload: Workload) {
    this.#cluster = cluster;
    this.#workload = workload;
  }

  async fill(): Promise<void> {}

  async run({ connections, pipeline, test, title }: Row): Promise<Cell> {
    const { latency, perSecond, answered, errors } = await runLoad(this.#cluster.addresses, {
      ...this.#workload,
      connections,
      pipeline,
      setShare: test === "SET" ? 1 : 0,
      requests: Number.MAX_SAFE_INTEGER,
      seed: this.#seed++,
    });
    if (test === "SET") this.acknowledgedSets += answered;
    if (Object.keys(errors).length > 0) {
      this.failures.push(`${title}: ${JSON.stringify(errors)}`);
      this.uncertainSets = Infinity;
    }
    const { p50Ms, p99Ms, p999Ms } = latency;
    return { requests: answered, perSecond, p50Ms, p99Ms, p999Ms };
  }

  async stop(): Promise<void> {}
}

/** One redis-server that has synced what it acknowledges. */
export class RedisSpeed implements SpeedSubject {
  readonly name = "redis";
  readonly title = "redis, appendfsync always";
  readonly #process: ForeignProcess;
  readonly #port: number;
  readonly #workload: Workload;
  readonly #load: RedisBenchmarkLoad;

  private constructor(process: ForeignProcess, port: number, workload: Workload) {
    this.#process = process;
    this.#port = port;
    this.#workload = workload;
    this.#load = new RedisBenchmarkLoad(workload);
  }

  static async start(parent: string, workload: Workload): Promise<RedisSpeed> {
    const port = freePorts(1)[0]!;
    const args = (directory: string) =>
      ["--port", `${port}`, "--bind", "127.0.0.1", "--save", "", "--dir", directory]
        .concat("--appendonly", "yes", "--appendfsync", "always", "--loglevel", "warning");
    const process = new ForeignProcess("redis-server", args, parent);
    const end = performance.now() + LISTEN_TIMEOUT_MS;
    for (;;) {
      try {
        (await connectWithin({ hostname: "127.0.0.1", port }, CONNECT_TIMEOUT_MS)).close();
        return new RedisSpeed(process, port, workload);
      } catch (error) {
        if (performance.now() > end) {
          await process.stop();
          throw error;
        }
        await pauseMs(POLL_MS);
      }
    }
  }

  get failures(): readonly string[] {
    return this.#load.failures;
  }

  fill(): Promise<void> {
    const { keys, valueBytes } = this.#workload;
    const address = { hostname: "127.0.0.1", port: this.#port };
    return fill(address, "redis", loadOnce(keys, valueBytes), valueBytes);
  }

  run(row: Row): Promise<Cell> {
    return this.#load.run(row, () => Promise.resolve(this.#port));
  }

  stop(): Promise<void> {
    return this.#process.stop();
  }
}

/** Servers of etcd, its leader asked alone; the load comes from the program `etcd-load`. */
export class EtcdSpeed implements SpeedSubject {
  readonly name = "etcd";
  readonly title: string;
  readonly failures: string[] = [];
  readonly #cluster: EtcdCluster;
  readonly #program: string;
  readonly #workload: Workload;

  private constructor(cluster: EtcdCluster, program: string, workload: Workload) {
    this.#cluster = cluster;
    this.title = `etcd, ${cluster.serverIds.length} servers`;
    this.#program = program;
    this.#workload = workload;
  }

  /** `program` is the path of etcd-load. */
  static async start(
    servers: number,
    parent: string,
    program: string,
    workload: Workload,
  ): Promise<EtcdSpeed> {
    return new EtcdSpeed(await EtcdCluster.start(servers, parent, ETCD_FLAGS), program, workload);
  }

  async fill(): Promise<void> {
    const { keys, valueBytes } = this.#workload;
    const value = btoa("v".repeat(valueBytes));
    const leader = await this.#cluster.leader();
    let operations: object[] = [];
    const commit = async () => {
      const body = { success: operations };
      const answer = await this.#cluster.post(leader, "kv/txn", body, ETCD_FILL_TIMEOUT_MS);
      const text = await answer.text();
      if (!answer.ok) throw new Error(`etcd answered ${answer.status}: ${text.slice(0, 200)}`);
      operations = [];
    };
    for (let key = 0; key < keys; key++) {
      const name = btoa(`key:${String(key).padStart(12, "0")}`);
      operations.push({ requestPut: { key: name, value } });
      if (operations.length === ETCD_OPERATIONS) await commit();
    }
    if (operations.length > 0) await commit();
  }

  async run({ test, etcdClients, title }: Row): Promise<Cell> {
    const { keys, valueBytes, seconds } = this.#workload;
    const port = this.#cluster.clientPort(await this.#cluster.leader());
    const args = ["-endpoints", `127.0.0.1:${port}`, "-op", test === "SET" ? "put" : "get"]
      .concat("-clients", `${etcdClients}`, "-conns", `${Math.min(100, etcdClients)}`)
      .concat("-seconds", `${seconds}`, "-value-size", `${valueBytes}`, "-keys", `${keys}`);
    const { success, stdout, stderr } = await new Deno.Command(this.#program, { args }).output();
    if (!success) throw new Error(`etcd-load fails: ${new TextDecoder().decode(stderr)}`);
    const result = JSON.parse(new TextDecoder().decode(stdout)) as Record<string, number>;
    if (result.errors! > 0) this.failures.push(`${title}: ${result.errors} requests failed`);
    return {
      requests: result.requests!,
      perSecond: result.per_second!,
      p50Ms: result.p50_ms!,
      p99Ms: result.p99_ms!,
      p999Ms: result.p999_ms!,
    };
  }

  stop(): Promise<void> {
    return this.#cluster.stop();
  }
}
