/** What a failover is measured on: a cluster, a way to break its leader, and a way to mend it. */
import { Cluster } from "./cluster.ts";
import type { WriteOutcome, WriteTarget } from "./continuous_writer.ts";
import { LineClient, parseRedirect } from "./line_client.ts";
import { LinkProxy } from "./link_proxy.ts";

const READ_TIMEOUT_MS = 5_000;

/**
 * Below the writer's own limit of 100 ms, as docs/operating.md wants it: else it gives up on servers that
 * hold its command until they know a leader, and leaves them alone for seconds.
 */
const TIMING = { leaderWaitMs: 50 };

export interface FailoverSubject extends WriteTarget {
  leader(): Promise<number>;
  /** Breaks a server; from its return on no write that it gets can be acknowledged. */
  fault(id: number): void;
  /** Undoes the fault. */
  heal(id: number): Promise<void>;
  /** Waits until all servers are back and agree on the leader. */
  untilWhole(): Promise<void>;
  /** Which of `keys` can't be read back with their value. */
  missing(keys: readonly string[]): Promise<string[]>;
  stop(): Promise<void>;
}

export const FAULTS = ["kill", "stop", "drop"] as const;
export type Fault = typeof FAULTS[number];

export const FAULT_TITLES: Readonly<Record<Fault, string>> = {
  kill: "kill -9 of the leader",
  stop: "SIGSTOP of the leader",
  drop: "leader's packets to and from the others dropped",
};

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The proxies of all directed links between servers: `from` to `to`. */
class Links {
  readonly #proxies: { readonly from: number; readonly to: number; readonly proxy: LinkProxy }[] =
    [];

  /** The port by which server `from` reaches server `to`. */
  port(from: number, to: { readonly id: number; readonly logPort: number }): number {
    const known = this.#proxies.find((link) => link.from === from && link.to === to.id);
    if (known !== undefined) return known.proxy.port;
    const proxy = new LinkProxy({ target: { hostname: "127.0.0.1", port: to.logPort } });
    this.#proxies.push({ from, to: to.id, proxy });
    return proxy.port;
  }

  of(id: number): LinkProxy[] {
    return this.#proxies.filter(({ from, to }) => from === id || to === id)
      .map(({ proxy }) => proxy);
  }

  close(): void {
    for (const { proxy } of this.#proxies) proxy.close();
  }
}

export interface RaftkvSubjectOptions {
  readonly servers: number;
  readonly executable?: string | undefined;
  readonly parent?: string | undefined;
}

export class RaftkvSubject implements FailoverSubject {
  readonly serverIds: readonly number[];
  readonly #cluster: Cluster;
  readonly #fault: Fault;
  readonly #links: Links;
  readonly #clients = new Map<number, LineClient>();

  private constructor(cluster: Cluster, fault: Fault, links: Links) {
    this.serverIds = cluster.servers.map((server) => server.id);
    this.#cluster = cluster;
    this.#fault = fault;
    this.#links = links;
  }

  static async start(fault: Fault, options: RaftkvSubjectOptions): Promise<RaftkvSubject> {
    const links = new Links();
    // Only where links are cut there are proxies; clients reach the servers directly in any case.
    const route = fault === "drop"
      ? { route: (from: number, to: { id: number; logPort: number }) => links.port(from, to) }
      : {};
    const cluster = await Cluster.start({ ...options, ...route, timing: TIMING });
    return new RaftkvSubject(cluster, fault, links);
  }

  leader(): Promise<number> {
    return this.#cluster.leader();
  }

  fault(id: number): void {
    if (this.#fault === "drop") { for (const proxy of this.#links.of(id)) proxy.cut(); }
    else this.#cluster.signal(id, this.#fault === "kill" ? "SIGKILL" : "SIGSTOP");
  }

  async heal(id: number): Promise<void> {
    switch (this.#fault) {
      case "kill":
        await this.#cluster.kill(id);
        return this.#cluster.startServer(id);
      case "stop":
        return this.#cluster.signal(id, "SIGCONT");
      case "drop":
        for (const proxy of this.#links.of(id)) proxy.heal();
    }
  }

  untilWhole(): Promise<void> {
    return this.#cluster.untilWhole();
  }

  async attempt(id: number, key: string, timeoutMs: number): Promise<WriteOutcome> {
    try {
      const { line } = await (await this.#client(id, timeoutMs)).set(
        key,
        encoder.encode(key),
        timeoutMs,
      );
      if (line.startsWith("OK ")) return { kind: "acknowledged" };
      const address = parseRedirect(line);
      const leader = this.#cluster.servers.find((server) => server.client.port === address?.port);
      return { kind: "refused", leader: leader?.id ?? null };
    } catch {
      return { kind: "unanswered" };
    }
  }

  async missing(keys: readonly string[]): Promise<string[]> {
    const missing: string[] = [];
    const server = this.#cluster.server(await this.leader());
    let next = 0;
    const readers = Array.from({ length: 16 }, async () => {
      const client = await LineClient.connect(server.client, READ_TIMEOUT_MS);
      for (let key = keys[next++]; key !== undefined; key = keys[next++]) {
        const { line, value } = await client.get(key, READ_TIMEOUT_MS);
        if (value === null && line !== "ERR_NOT_FOUND") {
          throw new Error(`Reading ${key} back: ${line}`);
        }
        if (value === null || decoder.decode(value) !== key) missing.push(key);
      }
      client.close();
    });
    await Promise.all(readers);
    return missing;
  }

  async stop(): Promise<void> {
    for (const client of this.#clients.values()) client.close();
    await this.#cluster.stop();
    this.#links.close();
  }

  async #client(id: number, timeoutMs: number): Promise<LineClient> {
    const known = this.#clients.get(id);
    if (known !== undefined && !known.isClosed) return known;
    const client = await LineClient.connect(this.#cluster.server(id).client, timeoutMs);
    this.#clients.set(id, client);
    return client;
  }
}
