/** Three servers of etcd with its default timings, over its JSON gateway, for comparison. */
import type { WriteOutcome } from "./continuous_writer.ts";
import { EtcdCluster } from "./etcd_cluster.ts";
import type { FailoverSubject } from "./failover_subject.ts";

const REQUEST_TIMEOUT_MS = 2_000;

export class EtcdSubject implements FailoverSubject {
  readonly #cluster: EtcdCluster;

  private constructor(cluster: EtcdCluster) {
    this.#cluster = cluster;
  }

  static async start(count: number, parent: string | undefined): Promise<EtcdSubject> {
    return new EtcdSubject(await EtcdCluster.start(count, parent));
  }

  get serverIds(): readonly number[] {
    return this.#cluster.serverIds;
  }

  leader(): Promise<number> {
    return this.#cluster.leader();
  }

  fault(id: number): void {
    this.#cluster.kill(id);
  }

  heal(id: number): Promise<void> {
    return this.#cluster.restart(id);
  }

  async untilWhole(): Promise<void> {
    await this.#cluster.leader();
  }

  async attempt(id: number, key: string, timeoutMs: number): Promise<WriteOutcome> {
    try {
      const body = { key: btoa(key), value: btoa(key) };
      const response = await this.#cluster.post(id, "kv/put", body, timeoutMs);
      await response.body?.cancel();
      return response.ok ? { kind: "acknowledged" } : { kind: "refused", leader: null };
    } catch {
      return { kind: "unanswered" };
    }
  }

  async missing(keys: readonly string[]): Promise<string[]> {
    const missing: string[] = [];
    const leader = await this.leader();
    let next = 0;
    const readers = Array.from({ length: 16 }, async () => {
      for (let key = keys[next++]; key !== undefined; key = keys[next++]) {
        const body = { key: btoa(key) };
        const response = await this.#cluster.post(leader, "kv/range", body, REQUEST_TIMEOUT_MS);
        const { kvs } = await response.json() as { kvs?: { value: string }[] };
        if (kvs?.[0]?.value !== btoa(key)) missing.push(key);
      }
    });
    await Promise.all(readers);
    return missing;
  }

  stop(): Promise<void> {
    return this.#cluster.stop();
  }
}
