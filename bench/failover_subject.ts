/** What a failover is measured on: a cluster, a way to break its leader, and a way to mend it. */
import { Cluster, type ClusterOptions, type ClusterServer } from "./cluster.ts";
import type { WriteOutcome, WriteTarget } from "./continuous_writer.ts";
import { type Address, LineClient, parseRedirect } from "./line_client.ts";
import { Link, LinkProxy } from "./link_proxy.ts";

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

/** All directed links between servers, through a proxy in front of each server. */
class Links {
  readonly #links: { readonly from: number; readonly to: number; readonly link: Link }[] = [];
  readonly #proxies: LinkProxy[] = [];
  /** Whose links are cut, those too that are made meanwhile; and what had come through by then. */
  readonly #cutAtBytes = new Map<number, number>();

  front(server: ClusterServer, target: Address): void {
    const { id: to, logPort: port } = server;
    const link = (from: number) => this.#linkOf(from, to);
    this.#proxies.push(new LinkProxy({ port, target, link }));
  }

  /** @throws {Error} where nothing has come through to or from the server: it is reached otherwise. */
  cut(id: number): void {
    const passedBytes = this.#passedBytes(id);
    if (passedBytes === 0) {
      throw new Error(
        `Server ${id} talks with the others around the proxies: nothing can be dropped`,
      );
    }
    this.#cutAtBytes.set(id, passedBytes);
    for (const link of this.#of(id)) link.cut();
  }

  /** @throws {Error} where something came through meanwhile. */
  heal(id: number): void {
    const passedBytes = this.#passedBytes(id) - this.#cutAtBytes.get(id)!;
    this.#cutAtBytes.delete(id);
    for (const link of this.#of(id)) link.heal();
    if (passedBytes === 0) return;
    throw new Error(
      `${passedBytes} bytes to or from server ${id} came through while it was cut off`,
    );
  }

  close(): void {
    for (const proxy of this.#proxies) proxy.close();
  }

  #of(id: number): Link[] {
    return this.#links.filter(({ from, to }) => from === id || to === id).map(({ link }) => link);
  }

  #passedBytes(id: number): number {
    return this.#of(id).reduce((sum, link) => sum + link.passedBytes, 0);
  }

  #linkOf(from: number, to: number): Link {
    const known = this.#links.find((link) => link.from === from && link.to === to);
    if (known !== undefined) return known.link;
    const link = new Link();
    if (this.#cutAtBytes.has(from) || this.#cutAtBytes.has(to)) link.cut();
    this.#links.push({ from, to, link });
    return link;
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
    const front: ClusterOptions["front"] = fault === "drop"
      ? (server, target) => links.front(server, target)
      : undefined;
    const cluster = await Cluster.start({ ...options, front, timing: TIMING });
    return new RaftkvSubject(cluster, fault, links);
  }

  leader(): Promise<number> {
    return this.#cluster.leader();
  }

  fault(id: number): void {
    if (this.#fault === "drop") this.#links.cut(id);
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
        return this.#links.heal(id);
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
