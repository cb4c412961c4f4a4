/** Three servers of etcd with its default timings, over its JSON gateway, for comparison. */
import type { WriteOutcome } from "./continuous_writer.ts";
import type { FailoverSubject } from "./failover_subject.ts";
import { pauseMs } from "./find_leader.ts";
import { freePorts } from "./free_ports.ts";

const START_TIMEOUT_MS = 30_000;
const REQUEST_TIMEOUT_MS = 2_000;
const POLL_MS = 50;

interface EtcdServer {
  readonly id: number;
  readonly clientUrl: string;
  readonly peerUrl: string;
}

interface EtcdStatus {
  readonly header?: { readonly member_id?: string };
  readonly leader?: string;
}

export class EtcdSubject implements FailoverSubject {
  readonly serverIds: readonly number[];
  readonly #servers: readonly EtcdServer[];
  readonly #directory: string;
  readonly #processes = new Map<number, Deno.ChildProcess>();
  readonly #onUnload = () => {
    this.#killAll();
    Deno.removeSync(this.#directory, { recursive: true });
  };

  private constructor(count: number, parent: string | undefined) {
    const ports = freePorts(2 * count);
    this.#servers = Array.from({ length: count }, (_, i) => ({
      id: i + 1,
      clientUrl: `http://127.0.0.1:${ports[2 * i]}`,
      peerUrl: `http://127.0.0.1:${ports[2 * i + 1]}`,
    }));
    this.serverIds = this.#servers.map((server) => server.id);
    this.#directory = Deno.makeTempDirSync({
      prefix: "etcd-bench-",
      ...(parent === undefined ? {} : { dir: parent }),
    });
    globalThis.addEventListener("unload", this.#onUnload);
  }

  static async start(count: number, parent: string | undefined): Promise<EtcdSubject> {
    const subject = new EtcdSubject(count, parent);
    for (const server of subject.#servers) subject.#start(server.id);
    await subject.untilWhole();
    return subject;
  }

  async leader(): Promise<number> {
    const deadlineMs = performance.now() + START_TIMEOUT_MS;
    while (performance.now() < deadlineMs) {
      const leader = await this.#agreedLeader();
      if (leader !== null) return leader;
      await pauseMs(POLL_MS);
    }
    throw new Error(`etcd: no leader within ${START_TIMEOUT_MS} ms`);
  }

  fault(id: number): void {
    this.#processes.get(id)?.kill("SIGKILL");
  }

  async heal(id: number): Promise<void> {
    await this.#processes.get(id)?.status;
    this.#start(id);
  }

  async untilWhole(): Promise<void> {
    await this.leader();
  }

  async attempt(id: number, key: string, timeoutMs: number): Promise<WriteOutcome> {
    try {
      const body = { key: btoa(key), value: btoa(key) };
      const response = await this.#post(id, "kv/put", body, timeoutMs);
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
        const response = await this.#post(leader, "kv/range", body, REQUEST_TIMEOUT_MS);
        const { kvs } = await response.json() as { kvs?: { value: string }[] };
        if (kvs?.[0]?.value !== btoa(key)) missing.push(key);
      }
    });
    await Promise.all(readers);
    return missing;
  }

  async stop(): Promise<void> {
    globalThis.removeEventListener("unload", this.#onUnload);
    const processes = [...this.#processes.values()];
    this.#killAll();
    await Promise.all(processes.map((child) => child.status));
    Deno.removeSync(this.#directory, { recursive: true });
  }

  #start(id: number): void {
    const server = this.#servers[id - 1]!;
    const cluster = this.#servers.map(({ id, peerUrl }) => `s${id}=${peerUrl}`).join(",");
    const child = new Deno.Command("etcd", {
      args: [
        ["--name", `s${id}`],
        ["--data-dir", `${this.#directory}/${id}`],
        ["--listen-client-urls", server.clientUrl],
        ["--advertise-client-urls", server.clientUrl],
        ["--listen-peer-urls", server.peerUrl],
        ["--initial-advertise-peer-urls", server.peerUrl],
        ["--initial-cluster", cluster],
        ["--initial-cluster-state", "new"],
      ].flat(),
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    this.#processes.set(id, child);
  }

  /** The server that all name as leader; null where they differ or one does not answer. */
  async #agreedLeader(): Promise<number | null> {
    const statuses = await Promise.all(this.serverIds.map(async (id) => {
      try {
        const response = await this.#post(id, "maintenance/status", {}, REQUEST_TIMEOUT_MS);
        return await response.json() as EtcdStatus;
      } catch {
        return null;
      }
    }));
    const leader = statuses[0]?.leader;
    if (leader === undefined || !statuses.every((status) => status?.leader === leader)) return null;
    const at = statuses.findIndex((status) => status?.header?.member_id === leader);
    return at < 0 ? null : this.serverIds[at]!;
  }

  #post(id: number, path: string, body: object, timeoutMs: number): Promise<Response> {
    return fetch(`${this.#servers[id - 1]!.clientUrl}/v3/${path}`, {
      method: "POST",
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(timeoutMs),
    });
  }

  #killAll(): void {
    for (const child of this.#processes.values()) {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended.
      }
    }
    this.#processes.clear();
  }
}
