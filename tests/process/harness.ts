/**
 * Clusters of real processes in a directory of their own, with ports of their own. Whatever a test
 * does, its processes end with it; where it fails, what it waited for and the tails of the servers'
 * logs are in its error.
 */
import type { Limits } from "../../lib/node/limits.ts";
import { assert } from "../../lib/util/assert.ts";
import { type Ended, ServerProcess } from "./server_process.ts";
import { freePorts } from "../../bench/free_ports.ts";
import { journal, note, startJournal } from "./journal.ts";
import { eventually, within } from "./patience.ts";
import { RawSocket } from "./socket.ts";
import { Client } from "./client.ts";
import { testNamed } from "./requirements.ts";

export interface ClusterOptions {
  /** How many servers: 3 unless given. */
  readonly size?: number;
  /** What the cluster file says of each server beside its ports, or instead. */
  readonly servers?: Readonly<Record<string, string | number>>;
  readonly timing?: Readonly<Record<string, number>>;
  readonly limits?: Partial<Limits>;
  readonly storage?: Readonly<Record<string, number>>;
  readonly backup?: Readonly<Record<string, string | number>>;
  /** Further keys of the cluster file. */
  readonly file?: Readonly<Record<string, unknown>>;
  readonly tls?: object;
  /** Each server has a forward port. */
  readonly forwards?: boolean;
  /** Where the data goes, if not into the cluster's own directory. */
  readonly path?: string;
  /** What outside software leaves behind, and why that can't be ended here: leaks are not looked for. */
  readonly leaves?: string;
  /** Why the test can't run on this machine; null or absent where it can. */
  readonly notRun?: string | null;
  /** How long the whole test may take, if more than ten minutes. */
  readonly deadlineMs?: number;
}

/** Longer than the defaults: the tests share a busy machine, and none of them measures time. */
const TIMING = { heartbeatIntervalMs: 100, electionTimeoutMs: 600 };
/** Every wait has a deadline of its own; this is for the one that was forgotten. */
const TEST_DEADLINE_MS = 600_000;
const LOG_TAIL_LINES = 25;
const LOG_TAIL_WIDTH = 500;
/** In the message of an error. */
const LAST_SAID_LINES = 3;
/** An election takes less than a second. */
const LEADER_DEADLINE_MS = 30_000;
/** How long a server may take to take a connection and answer, when it is asked whether it serves. */
const PROBE_DEADLINE_MS = 2_000;

/** One server of a cluster, over all its lives. */
export class Server {
  readonly id: number;
  /** Where it is from its next start on. */
  clientPort: number;
  logPort: number;
  /** Where commands are sent on to the leader, where the cluster file says so. */
  readonly forwardPort: number;
  /** The cluster file of the next start, where it has one of its own. */
  configFile: string | undefined = undefined;
  /** The build that the next start runs: where its sources are; undefined for this one. */
  checkout: string | undefined = undefined;
  /** What the next start is given besides its id and the cluster file. */
  flags: readonly string[] = [];
  readonly #cluster: Cluster;
  #process: ServerProcess | null = null;
  #frozen = false;

  constructor(
    cluster: Cluster,
    id: number,
    clientPort: number,
    logPort: number,
    forwardPort = 0,
  ) {
    this.forwardPort = forwardPort;
    this.#cluster = cluster;
    this.id = id;
    this.clientPort = clientPort;
    this.logPort = logPort;
  }

  /** Where it answers HTTP unless it is told otherwise. */
  get adminPort(): number {
    return this.clientPort + 100;
  }

  /** `<path>/<id>`, where the server keeps its state. */
  get dataDirectory(): string {
    return `${this.#cluster.dataPath}/${this.id}`;
  }

  get process(): ServerProcess {
    assert(this.#process !== null, `Server ${this.id} was never started`);
    return this.#process;
  }

  get isRunning(): boolean {
    return this.#process !== null && !this.#process.hasEnded;
  }

  get hasStarted(): boolean {
    return this.#process !== null;
  }

  get isFrozen(): boolean {
    return this.#frozen;
  }

  start(environment: Record<string, string> = {}, wrapper: readonly string[] = []): void {
    assert(!this.isRunning, `Server ${this.id} is running`);
    this.#frozen = false;
    note(`server ${this.id} is started`);
    this.#process = new ServerProcess({
      args: [
        "--id",
        `${this.id}`,
        "--config",
        this.configFile ?? this.#cluster.configFile,
        ...this.flags,
      ],
      directory: this.#cluster.directory,
      ...(this.checkout !== undefined && { checkout: this.checkout }),
      environment,
      wrapper,
    });
  }

  /** SIGKILL: no chance to tidy up. */
  async kill(): Promise<void> {
    if (!this.isRunning) return;
    note(`server ${this.id} is killed`);
    await this.process.kill();
  }

  /** SIGTERM (or SIGINT), and what became of it; rejects where it takes longer than `deadlineMs`. */
  async terminate(
    signal: "SIGTERM" | "SIGINT" = "SIGTERM",
    deadlineMs?: number,
  ): Promise<Ended> {
    note(`server ${this.id} gets ${signal}`);
    this.process.signal(signal);
    return await this.process.ended(deadlineMs);
  }

  async restart(): Promise<void> {
    await this.kill();
    this.start();
  }

  /** SIGSTOP: the process holds its ports and connections, and does nothing. */
  freeze(): void {
    note(`server ${this.id} is frozen`);
    this.process.signal("SIGSTOP");
    this.#frozen = true;
  }

  thaw(): void {
    note(`server ${this.id} is thawed`);
    this.process.signal("SIGCONT");
    this.#frozen = false;
  }

  connect(deadlineMs?: number): Promise<RawSocket> {
    return RawSocket.connect(this.clientPort, deadlineMs);
  }

  /** Connects as soon as somebody listens. */
  async connectEventually(): Promise<RawSocket> {
    let socket: RawSocket | null = null;
    await eventually(`server ${this.id} to listen`, async () => {
      if (!this.isRunning) throw new Error(`Server ${this.id} ended: ${this.process.error}`);
      socket = await this.connect().catch(() => null);
      return socket !== null;
    });
    return socket!;
  }
}

export class Cluster {
  readonly directory: string;
  readonly dataPath: string;
  readonly configFile: string;
  /** Those of the cluster file first, then those that came later. */
  readonly servers: Server[];
  /** What a test has running beside the servers, and has to end before them. */
  readonly beforeStop: (() => Promise<unknown>)[] = [];
  readonly #founders: readonly Server[];

  constructor(options: ClusterOptions = {}) {
    const size = options.size ?? 3;
    this.directory = Deno.makeTempDirSync({ prefix: "raftkv-test-" });
    this.dataPath = options.path ?? `${this.directory}/data`;
    this.configFile = `${this.directory}/cluster.json`;
    const ports = freePorts(3 * size);
    this.servers = Array.from(
      { length: size },
      (_, i) => new Server(this, i + 1, ports[2 * i]!, ports[2 * i + 1]!, ports[2 * size + i]),
    );
    this.#founders = [...this.servers];
    this.writeConfig(options);
  }

  /** A server that no cluster file lists: it asks the others to be taken in. */
  newcomer(id: number): Server {
    const [clientPort, logPort] = freePorts(2);
    const server = new Server(this, id, clientPort!, logPort!);
    const own = ["--client-port", `${clientPort}`, "--log-port", `${logPort}`];
    server.flags = ["--join", this.clientPorts(), ...own];
    this.servers.push(server);
    return server;
  }

  /** Of all servers, as the command line takes them. */
  clientPorts(among: readonly Server[] = this.servers): string {
    return among.map(({ clientPort }) => `127.0.0.1:${clientPort}`).join(",");
  }

  /** Writes the cluster file anew; servers read it when they start. */
  writeConfig(options: ClusterOptions): void {
    this.writeConfigTo(this.configFile, options);
  }

  /** Writes a cluster file for some of its servers. */
  writeConfigTo(path: string, options: ClusterOptions): void {
    const { servers = {}, timing, limits = {}, storage = {}, backup, tls, file } = options;
    const { forwards = false } = options;
    Deno.writeTextFileSync(
      path,
      JSON.stringify({
        path: this.dataPath,
        servers: this.#founders.map(({ id, clientPort, logPort, forwardPort }) => ({
          id,
          hostname: "127.0.0.1",
          clientPort,
          logPort,
          ...(forwards && { forwardPort }),
          ...servers,
        })),
        timing: { ...TIMING, ...timing },
        limits,
        storage,
        ...(backup !== undefined && { backup }),
        ...(tls !== undefined && { tls }),
        ...file,
      }),
    );
  }

  server(id: number): Server {
    const found = this.servers.find((server) => server.id === id);
    assert(found !== undefined, `There is no server ${id}`);
    return found;
  }

  async startAll(): Promise<void> {
    for (const server of this.servers) if (!server.isRunning) server.start();
    await this.waitForLeader();
  }

  /** The server that answers reads itself, as soon as there is one. */
  async waitForLeader(among: readonly Server[] = this.servers): Promise<Server> {
    let leader: Server | null = null;
    await eventually("a leader that serves", async () => {
      if (!among.some((server) => server.isRunning)) throw new Error("No server runs any more");
      for (const server of among) {
        if (!server.isRunning || server.isFrozen) continue;
        if (await isServing(server)) {
          leader = server;
          return true;
        }
      }
      return false;
    }, LEADER_DEADLINE_MS).catch((error) => {
      throw new Error(`${error.message}; ${this.describe()}`, { cause: error });
    });
    return leader!;
  }

  /** What each server last said: where a test fails, that much belongs into its message. */
  describe(): string {
    return this.servers.map((server) => {
      if (!server.hasStarted) return `server ${server.id} was never started`;
      const state = server.isFrozen ? "is frozen" : server.isRunning ? "runs" : "has ended";
      const said = server.process.logTail(LAST_SAID_LINES, LOG_TAIL_WIDTH).trim() || "nothing";
      return `server ${server.id} ${state} and last said ${said}`;
    }).join("; ");
  }

  /** All but `server`. */
  others(server: Server): Server[] {
    return this.servers.filter((other) => other !== server);
  }

  client(among: readonly Server[] = this.servers): Client {
    return new Client(() => among.map((server) => server.clientPort));
  }

  /** Ends all processes; the directory stays. */
  async stopServers(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.kill()));
  }

  async stop(): Promise<void> {
    await Promise.all(this.beforeStop.map((end) => end()));
    await this.stopServers();
    Deno.removeSync(this.directory, { recursive: true });
  }

  /** What the test did and waited for, and the ends of the logs: for a test that failed. */
  traces(): string {
    const lines = [`--- what the test did\n${journal()}`];
    for (const server of this.servers) {
      lines.push(`--- server ${server.id}${server.isRunning ? "" : " (not running)"}`);
      const tail = server.hasStarted && server.process.logTail(LOG_TAIL_LINES, LOG_TAIL_WIDTH);
      lines.push(tail || "(it was never started)");
    }
    return lines.join("\n");
  }
}

async function isServing(server: Server): Promise<boolean> {
  try {
    using socket = await server.connect(PROBE_DEADLINE_MS);
    await socket.send("get probe\r\n");
    const line = await socket.readLine(PROBE_DEADLINE_MS);
    return line === "ERR_NOT_FOUND" || line.startsWith("VALUE ");
  } catch {
    return false;
  }
}

/** Registers a test with a cluster of its own, not started; always cleaned up. */
export function clusterTest(
  name: string,
  options: ClusterOptions,
  run: (cluster: Cluster, t: Deno.TestContext) => Promise<void>,
): void {
  const test = (t: Deno.TestContext) => withCluster(options, (cluster) => run(cluster, t));
  const named = testNamed(name, options.notRun ?? null);
  if (options.leaves === undefined) Deno.test(named, test);
  else Deno.test({ ...named, sanitizeOps: false, sanitizeResources: false }, test);
}

/** Runs a test with a cluster of its own, not started; always cleaned up. */
export async function withCluster(
  options: ClusterOptions,
  run: (cluster: Cluster) => Promise<void>,
): Promise<void> {
  startJournal();
  const cluster = new Cluster(options);
  try {
    await within(options.deadlineMs ?? TEST_DEADLINE_MS, "the whole test", run(cluster));
  } catch (error) {
    note(`failed: ${error}`);
    // A quiet run shows nothing of a test's output, but all of its error.
    throw new Error(`${(error as Error).message}\n${cluster.traces()}`, { cause: error });
  } finally {
    await cluster.stop();
  }
}

/** Registers a test whose steps share one started cluster; each step names what holds. */
export function sharedClusterTest(
  name: string,
  options: ClusterOptions,
  steps: Readonly<Record<string, (cluster: Cluster) => Promise<void>>>,
): void {
  clusterTest(name, options, async (cluster, t) => {
    await cluster.startAll();
    let failed = false;
    for (const [stepName, step] of Object.entries(steps)) {
      note(`step: ${stepName}`);
      failed = !await t.step(stepName, () => step(cluster)) || failed;
      for (const server of cluster.servers) if (server.isFrozen) server.thaw();
      if (failed) break;
    }
    if (failed) throw new Error("a step failed");
  });
}

/** A read that every server answers one way or the other, until `server` follows a leader. */
export async function redirectOf(server: Server): Promise<string> {
  using socket = await server.connectEventually();
  let line = "";
  await eventually(`server ${server.id} to redirect`, async () => {
    line = await socket.ask("get redirect\r\n");
    return line.startsWith("ERR_REDIRECT ");
  });
  return line;
}
