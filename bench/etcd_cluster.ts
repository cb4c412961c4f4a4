/** Servers of etcd with default timings, on free ports, in a directory of their own. */
import { pauseMs } from "./find_leader.ts";
import { freePorts } from "./free_ports.ts";

const START_TIMEOUT_MS = 30_000;
const REQUEST_TIMEOUT_MS = 2_000;
const POLL_MS = 50;

interface EtcdServer {
  readonly id: number;
  readonly clientPort: number;
  readonly peerUrl: string;
}

interface EtcdStatus {
  readonly header?: { readonly member_id?: string };
  readonly leader?: string;
}

interface EtcdMemberList {
  readonly members?: readonly { readonly ID: string; readonly name: string }[];
}

interface EtcdMemberAdded {
  readonly member: { readonly ID: string };
}

function serverOf(id: number, [clientPort, peerPort]: readonly number[]): EtcdServer {
  return { id, clientPort: clientPort!, peerUrl: `http://127.0.0.1:${peerPort}` };
}

export class EtcdCluster {
  readonly serverIds: readonly number[];
  readonly #servers: EtcdServer[];
  readonly #directory: string;
  readonly #flags: readonly string[];
  readonly #processes = new Map<number, Deno.ChildProcess>();
  readonly #onUnload = () => {
    this.#killAll();
    Deno.removeSync(this.#directory, { recursive: true });
  };

  private constructor(count: number, parent: string | undefined, flags: readonly string[]) {
    const ports = freePorts(2 * count);
    this.#servers = Array.from({ length: count }, (_, i) => serverOf(i + 1, ports.slice(2 * i)));
    this.serverIds = this.#servers.map((server) => server.id);
    this.#flags = flags;
    this.#directory = Deno.makeTempDirSync({
      prefix: "etcd-bench-",
      ...(parent === undefined ? {} : { dir: parent }),
    });
    globalThis.addEventListener("unload", this.#onUnload);
  }

  /** Starts `count` servers, each with `flags` as well, and waits until they agree on a leader. */
  static async start(
    count: number,
    parent: string | undefined,
    flags: readonly string[] = [],
  ): Promise<EtcdCluster> {
    const cluster = new EtcdCluster(count, parent, flags);
    for (const id of cluster.serverIds) cluster.startServer(id);
    await cluster.leader();
    return cluster;
  }

  clientPort(id: number): number {
    return this.#servers[id - 1]!.clientPort;
  }

  /**
   * The server that all of `members` name as leader: those that the cluster was started with, unless others
   * are given. @throws {Error} where there is none in time.
   */
  async leader(members = this.serverIds): Promise<number> {
    const deadlineMs = performance.now() + START_TIMEOUT_MS;
    while (performance.now() < deadlineMs) {
      const leader = await this.#agreedLeader(members);
      if (leader !== null) return leader;
      await pauseMs(POLL_MS);
    }
    throw new Error(`etcd: no leader within ${START_TIMEOUT_MS} ms`);
  }

  /** @throws {Error} where the server was never started. */
  pid(id: number): number {
    const child = this.#processes.get(id);
    if (child === undefined) throw new Error(`etcd: server ${id} was not started`);
    return child.pid;
  }

  kill(id: number): void {
    this.#processes.get(id)?.kill("SIGKILL");
  }

  /** Starts a server again that was killed. */
  async restart(id: number): Promise<void> {
    await this.#processes.get(id)?.status;
    this.startServer(id);
  }

  /** A request to a server's JSON gateway. */
  post(id: number, path: string, body: object, timeoutMs: number): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.clientPort(id)}/v3/${path}`, {
      method: "POST",
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(timeoutMs),
    });
  }

  /** As `post`. @throws {Error} where it is refused, with what etcd says. */
  async change(id: number, path: string, body: object): Promise<object> {
    const response = await this.post(id, path, body, START_TIMEOUT_MS);
    const text = await response.text();
    if (response.ok) return JSON.parse(text) as object;
    throw new Error(`etcd: ${path} was answered ${response.status}: ${text.slice(0, 200)}`);
  }

  /** The numbers that etcd has given its members, by server. */
  async memberIds(): Promise<Map<number, string>> {
    const { members = [] } = await this.change(1, "cluster/member/list", {}) as EtcdMemberList;
    return new Map(members.map(({ ID, name }) => [Number(name.slice(1)), ID]));
  }

  /** Has server `by` add one more as a learner, and starts it. */
  async addLearner(by: number): Promise<{ readonly id: number; readonly memberId: string }> {
    const server = serverOf(this.#servers.length + 1, freePorts(2));
    const body = { peerURLs: [server.peerUrl], isLearner: true };
    const { member } = await this.change(by, "cluster/member/add", body) as EtcdMemberAdded;
    this.#servers.push(server);
    this.startServer(server.id);
    return { id: server.id, memberId: member.ID };
  }

  /** Has server `by` tell the others where `id` will be, and starts that one there once it has ended. */
  async move(id: number, memberId: string, by: number): Promise<void> {
    const server = serverOf(id, freePorts(2));
    const body = { ID: memberId, peerURLs: [server.peerUrl] };
    await this.change(by, "cluster/member/update", body);
    const child = this.#processes.get(id);
    child?.kill("SIGTERM");
    await child?.status;
    this.#servers[id - 1] = server;
    this.startServer(id);
  }

  async stop(): Promise<void> {
    globalThis.removeEventListener("unload", this.#onUnload);
    const processes = [...this.#processes.values()];
    this.#killAll();
    await Promise.all(processes.map((child) => child.status));
    Deno.removeSync(this.#directory, { recursive: true });
  }

  startServer(id: number): void {
    const server = this.#servers[id - 1]!;
    const clientUrl = `http://127.0.0.1:${server.clientPort}`;
    const cluster = this.#servers.map(({ id, peerUrl }) => `s${id}=${peerUrl}`).join(",");
    const child = new Deno.Command("etcd", {
      args: [
        ["--name", `s${id}`],
        ["--data-dir", `${this.#directory}/${id}`],
        ["--listen-client-urls", clientUrl],
        ["--advertise-client-urls", clientUrl],
        ["--listen-peer-urls", server.peerUrl],
        ["--initial-advertise-peer-urls", server.peerUrl],
        ["--initial-cluster", cluster],
        ["--initial-cluster-state", id > this.serverIds.length ? "existing" : "new"],
        this.#flags,
      ].flat(),
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    this.#processes.set(id, child);
  }

  /** The server that all name as leader; null where they differ or one does not answer. */
  async #agreedLeader(members: readonly number[]): Promise<number | null> {
    const statuses = await Promise.all(members.map(async (id) => {
      try {
        const response = await this.post(id, "maintenance/status", {}, REQUEST_TIMEOUT_MS);
        return await response.json() as EtcdStatus;
      } catch {
        return null;
      }
    }));
    const leader = statuses[0]?.leader;
    if (leader === undefined || !statuses.every((status) => status?.leader === leader)) return null;
    const at = statuses.findIndex((status) => status?.header?.member_id === leader);
    return at < 0 ? null : members[at]!;
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
