/** Stores whose memory is compared: each is filled by the same writes. */
import { Cluster, type ClusterOptions } from "./cluster.ts";
import { fill } from "./fill.ts";
import { fillEtcd, postEtcd } from "./fill_etcd.ts";
import { findLeader, pauseMs } from "./find_leader.ts";
import { ForeignProcess } from "./foreign_process.ts";
import { freePorts } from "./free_ports.ts";
import { type Address, connectWithin } from "./line_client.ts";
import { memoryOf, type ProcessMemory } from "./process_memory.ts";
import type { WriteSequence } from "./writes.ts";

const CONNECT_TIMEOUT_MS = 2_000;
const START_TIMEOUT_MS = 30_000;
const POLL_MS = 50;
/** Changes in one transaction of etcd: its default is 128, and a million would take an hour. */
const ETCD_OPERATIONS = 1_000;
const ETCD_QUOTA_BYTES = 8 * 1024 ** 3;

export interface MemorySubject {
  readonly name: string;
  /** Carries out all of `writes`, whose values have up to `valueBytesMax`. */
  fill(writes: WriteSequence, valueBytesMax: number): Promise<void>;
  /** Of the process that holds the contents; of the leader where there are several. */
  memory(): ProcessMemory;
  stop(): Promise<void>;
}

/** Fills a cluster of raftkv, through its leader. */
export async function fillCluster(
  addresses: readonly Address[],
  writes: WriteSequence,
  valueBytesMax: number,
): Promise<void> {
  const leader = await findLeader(addresses, START_TIMEOUT_MS);
  await fill(leader, "raftkv", writes, valueBytesMax);
}

export class RaftkvMemory implements MemorySubject {
  readonly name = "raftkv";
  readonly #cluster: Cluster;
  #leader: number;

  private constructor(cluster: Cluster, leader: number) {
    this.#cluster = cluster;
    this.#leader = leader;
  }

  static async start(options: ClusterOptions): Promise<RaftkvMemory> {
    const cluster = await Cluster.start(options);
    return new RaftkvMemory(cluster, await cluster.leader());
  }

  async fill(writes: WriteSequence, valueBytesMax: number): Promise<void> {
    await fillCluster(this.#cluster.addresses, writes, valueBytesMax);
    this.#leader = await this.#cluster.leader();
  }

  memory(): ProcessMemory {
    return memoryOf(this.#cluster.pid(this.#leader));
  }

  stop(): Promise<void> {
    return this.#cluster.stop();
  }
}

async function untilReady(what: string, isReady: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  while (!await isReady().catch(() => false)) {
    if (performance.now() > deadlineMs) {
      throw new Error(`${what} does not answer within ${START_TIMEOUT_MS} ms`);
    }
    await pauseMs(POLL_MS);
  }
}

/** Redis with nothing on disk: as small as it gets. */
export class RedisMemory implements MemorySubject {
  readonly name = "Redis";
  readonly #process: ForeignProcess;
  readonly #address: Address;

  private constructor(process: ForeignProcess, address: Address) {
    this.#process = process;
    this.#address = address;
  }

  static async start(parent: string | undefined): Promise<RedisMemory> {
    const port = freePorts(1)[0]!;
    const address = { hostname: "127.0.0.1", port };
    const args = () =>
      [
        ["--port", `${port}`, "--bind", "127.0.0.1"],
        ["--save", "", "--appendonly", "no"],
      ].flat();
    const process = new ForeignProcess("redis-server", args, parent);
    await untilReady("Redis", async () => {
      (await connectWithin(address, CONNECT_TIMEOUT_MS)).close();
      return true;
    });
    return new RedisMemory(process, address);
  }

  fill(writes: WriteSequence, valueBytesMax: number): Promise<void> {
    return fill(this.#address, "redis", writes, valueBytesMax);
  }

  memory(): ProcessMemory {
    return memoryOf(this.#process.child.pid);
  }

  stop(): Promise<void> {
    return this.#process.stop();
  }
}

/** One server of etcd, filled by large transactions over its JSON gateway; compacted behind. */
export class EtcdMemory implements MemorySubject {
  readonly name = "etcd";
  /** Where clients find it. */
  readonly url: string;
  readonly #process: ForeignProcess;

  private constructor(process: ForeignProcess, url: string) {
    this.#process = process;
    this.url = url;
  }

  static async start(parent: string | undefined): Promise<EtcdMemory> {
    const [clientPort, peerPort] = freePorts(2);
    const url = `http://127.0.0.1:${clientPort}`;
    const peerUrl = `http://127.0.0.1:${peerPort}`;
    const args = (directory: string) =>
      [
        ["--name", "s1", "--data-dir", `${directory}/data`],
        ["--listen-client-urls", url, "--advertise-client-urls", url],
        ["--listen-peer-urls", peerUrl, "--initial-advertise-peer-urls", peerUrl],
        ["--initial-cluster", `s1=${peerUrl}`],
        ["--max-txn-ops", `${ETCD_OPERATIONS}`, "--quota-backend-bytes", `${ETCD_QUOTA_BYTES}`],
        ["--auto-compaction-mode", "revision", "--auto-compaction-retention", "1000"],
      ].flat();
    const subject = new EtcdMemory(new ForeignProcess("etcd", args, parent), url);
    await untilReady("etcd", async () => {
      await postEtcd(url, "kv/put", { key: btoa("probe"), value: btoa("probe") });
      return true;
    });
    return subject;
  }

  fill(writes: WriteSequence, valueBytesMax: number): Promise<void> {
    return fillEtcd(this.url, writes, valueBytesMax, ETCD_OPERATIONS);
  }

  memory(): ProcessMemory {
    return memoryOf(this.#process.child.pid);
  }

  stop(): Promise<void> {
    return this.#process.stop();
  }
}
