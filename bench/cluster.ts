/**
 * A fresh cluster of real servers, each a process, in a directory of its own, on free ports, with the
 * default timings: what the benchmarks measure. Nothing outlives the benchmark.
 */
import { resolve } from "node:path";
import { agreeOnLeader, findLeader, pauseMs } from "./find_leader.ts";
import { freePorts } from "./free_ports.ts";
import { memoryOf } from "./process_memory.ts";
import type { Address } from "./line_client.ts";
import { TestCa } from "./test_ca.ts";

const PROJECT = new URL("../", import.meta.url).pathname;
const FORM_TIMEOUT_MS = 60_000;
const WHOLE_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 5_000;
const POLL_MS = 50;
/** Another address of this machine, with the same ports. */
const BEHIND = "127.0.0.2";
/**
 * Both streams go to a file of the server's own; the shell's pid becomes the server's, which gets as
 * many descriptors as it may have.
 */
const INTO_LOG = 'log=$1; shift; ulimit -n "$(ulimit -Hn)"; exec "$@" >>"$log" 2>&1';

export interface ClusterServer {
  readonly id: number;
  readonly client: Address;
  readonly logPort: number;
}

export interface ClusterOptions {
  readonly servers: number;
  /** An executable to run instead of this repository's main.ts. */
  readonly executable?: string | undefined;
  /** Another checkout whose main.ts to run, with the flags of its own deno.json. */
  readonly checkout?: string | undefined;
  /** Where the cluster's directory is made; the system's temporary directory unless given. */
  readonly parent?: string | undefined;
  /**
   * Puts something, a proxy say, where a server's log port is said to be, in the cluster file and so in
   * the log: the server itself listens at `behind`.
   */
  readonly front?: ((server: ClusterServer, behind: Address) => void) | undefined;
  /** More keys of each server in the cluster file. */
  readonly perServer?: Readonly<Record<string, number>> | undefined;
  /** The section `storage` of the cluster file. */
  readonly storage?: Readonly<Record<string, number>> | undefined;
  /** The section `timing`; default timings unless given. */
  readonly timing?: Readonly<Record<string, number>> | undefined;
  /** The section `limits`. */
  readonly limits?: Readonly<Record<string, number>> | undefined;
  /** The ports that speak TLS, with certificates of a CA of the cluster's own; none unless given. */
  readonly tls?: readonly ("client" | "log" | "admin")[] | undefined;
  /** Flags for the engine of servers that run from source, such as `--max-semi-space-size=2`. */
  readonly v8Flags?: string | undefined;
  /** More flags of `deno run`, for servers that run from source. */
  readonly denoFlags?: ((id: number) => readonly string[]) | undefined;
}

/** Everything that must be stopped if the benchmark ends early. */
const running = new Set<Cluster>();

function killAll(): void {
  for (const cluster of running) cluster.killEverything();
}

let watchesEnd = false;

/** Sees to it that no server outlives this process, however it ends. */
function watchEnd(): void {
  if (watchesEnd) return;
  watchesEnd = true;
  globalThis.addEventListener("unload", killAll);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, () => {
      killAll();
      Deno.exit(130);
    });
  }
}

export class Cluster {
  readonly directory: string;
  readonly servers: ClusterServer[];
  readonly #options: ClusterOptions;
  readonly #processes = new Map<number, Deno.ChildProcess>();

  /** The file of its certificate; null without TLS. */
  readonly ca: string | null;

  private constructor(directory: string, options: ClusterOptions) {
    const ports = freePorts(options.servers * 2);
    this.directory = directory;
    this.#options = options;
    const { tls = [] } = options;
    this.ca = tls.length === 0 ? null : makeCertificates(directory, options.servers);
    const trusted = tls.includes("client") ? { ca: Deno.readTextFileSync(this.ca!) } : {};
    this.servers = Array.from({ length: options.servers }, (_, i) => ({
      id: i + 1,
      client: { hostname: "127.0.0.1", port: ports[2 * i]!, ...trusted },
      logPort: ports[2 * i + 1]!,
    }));
  }

  /** Starts a cluster and waits until it has a leader that all servers agree on. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    watchEnd();
    const directory = Deno.makeTempDirSync({
      prefix: "raftkv-bench-",
      ...(options.parent === undefined ? {} : { dir: options.parent }),
    });
    const cluster = new Cluster(directory, options);
    running.add(cluster);
    try {
      for (const server of cluster.servers) {
        options.front?.(server, { hostname: BEHIND, port: server.logPort });
      }
      for (const server of cluster.servers) cluster.startServer(server.id);
      await findLeader(cluster.addresses, FORM_TIMEOUT_MS);
      await cluster.untilWhole();
    } catch (error) {
      const logs = cluster.servers.map((server) => cluster.log(server.id).slice(-2_000));
      await cluster.stop();
      throw new Error(`${(error as Error).message}\n${logs.join("\n")}`);
    }
    return cluster;
  }

  get addresses(): Address[] {
    return this.servers.map((server) => server.client);
  }

  server(id: number): ClusterServer {
    const found = this.servers.find((server) => server.id === id);
    if (found === undefined) throw new Error(`There is no server ${id} in this cluster`);
    return found;
  }

  /** Starts a server that is not running. */
  startServer(id: number): void {
    if (this.#processes.has(id)) throw new Error(`Server ${id} is running already`);
    const config = `${this.directory}/cluster-${id}.json`;
    Deno.writeTextFileSync(config, this.#config());
    this.#run(id, ["--id", String(id), "--config", config]);
  }

  /** Starts one more server, empty, which waits until it is added to the cluster. */
  startJoining(): ClusterServer {
    const [clientPort, logPort] = freePorts(2);
    const client = { hostname: "127.0.0.1", port: clientPort! };
    const server = { id: this.servers.length + 1, client, logPort: logPort! };
    const join = this.addresses.map(({ hostname, port }) => `${hostname}:${port}`).join(",");
    this.servers.push(server);
    const flags = ["--client-port", `${clientPort}`, "--log-port", `${logPort}`, "--data", "data"];
    this.#run(server.id, ["serve", "--id", `${server.id}`, "--join", join, ...flags]);
    return server;
  }

  #run(id: number, args: readonly string[]): void {
    const { executable, checkout, v8Flags, denoFlags } = this.#options;
    const project = checkout === undefined ? PROJECT : `${resolve(checkout)}/`;
    const serveFlags = withV8Flags(readServeFlags(project), v8Flags);
    const program = executable === undefined
      ? [Deno.execPath(), "run", "--no-prompt", `--config=${project}deno.json`]
        .concat(serveFlags, denoFlags?.(id) ?? [], `${project}main.ts`)
      : [resolve(executable)]; // it runs in a directory of its own
    const child = new Deno.Command("sh", {
      args: ["-c", INTO_LOG, "sh", this.#logPath(id), ...program]
        .concat(args),
      cwd: this.directory,
      env: { RAFTKV_LOG: "json", RAFTKV_LOG_LEVEL: "info", RAFTKV_DATA: "", NO_COLOR: "1" },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    this.#processes.set(id, child);
  }

  pid(id: number): number {
    const child = this.#processes.get(id);
    if (child === undefined) throw new Error(`Server ${id} is not running`);
    return child.pid;
  }

  /** SIGSTOP and SIGCONT, say. */
  signal(id: number, signal: Deno.Signal): void {
    Deno.kill(this.pid(id), signal);
  }

  /** Kills a server without a warning, where it still runs, and waits until it is gone. */
  async kill(id: number): Promise<void> {
    const child = this.#processes.get(id);
    if (child === undefined) return;
    // A stopped process is killed just the same; one that has ended only has to be awaited.
    trySignal(child, "SIGKILL");
    await child.status;
    this.#processes.delete(id);
  }

  /** Stops a server in order, and waits until it has ended. */
  async terminate(id: number): Promise<void> {
    const child = this.#processes.get(id);
    if (child === undefined) return;
    trySignal(child, "SIGTERM");
    await child.status;
    this.#processes.delete(id);
  }

  /** Stops a founder in order and starts it at other ports, of which it tells the others itself. */
  async move(id: number): Promise<void> {
    const server = this.server(id);
    await this.terminate(id);
    const [clientPort, logPort] = freePorts(2);
    const client = { ...server.client, port: clientPort! };
    this.servers[this.servers.indexOf(server)] = { ...server, client, logPort: logPort! };
    this.startServer(id);
  }

  /** The id of the server that leads. */
  async leader(): Promise<number> {
    const address = await findLeader(this.addresses, WHOLE_TIMEOUT_MS);
    const found = this.servers.find((server) => server.client.port === address.port);
    if (found === undefined) throw new Error(`No server of this cluster has port ${address.port}`);
    return found.id;
  }

  /** Waits until every server is there and all agree on the leader, twice in a row. */
  async untilWhole(): Promise<void> {
    const deadlineMs = performance.now() + WHOLE_TIMEOUT_MS;
    for (let agreed = 0; agreed < 2;) {
      agreed = await agreeOnLeader(this.addresses) ? agreed + 1 : 0;
      if (performance.now() > deadlineMs) {
        throw new Error(`The servers agree on no leader within ${WHOLE_TIMEOUT_MS} ms`);
      }
      if (agreed < 2) await pauseMs(POLL_MS);
    }
  }

  /** All that a server has written to its log, over all its starts. */
  log(id: number): string {
    try {
      return Deno.readTextFileSync(this.#logPath(id));
    } catch {
      return "";
    }
  }

  /** The memory that a server's process has in use; 0 where it does not run. */
  residentBytes(id: number): number {
    const child = this.#processes.get(id);
    return child === undefined ? 0 : memoryOf(child.pid).residentBytes;
  }

  /** Where a server keeps its state. */
  dataDirectory(id: number): string {
    return `${this.directory}/data/${id}`;
  }

  /** Stops all servers, by force where they don't end, and removes the directory. */
  async stop(): Promise<void> {
    const ends = [...this.#processes.values()].map(async (child) => {
      trySignal(child, "SIGCONT");
      trySignal(child, "SIGTERM");
      const timer = setTimeout(() => trySignal(child, "SIGKILL"), STOP_TIMEOUT_MS);
      await child.status;
      clearTimeout(timer);
    });
    await Promise.all(ends);
    this.#processes.clear();
    this.#removeDirectory();
  }

  /** For an early end of the benchmark: nothing can be awaited any more. */
  killEverything(): void {
    for (const child of this.#processes.values()) trySignal(child, "SIGKILL");
    this.#processes.clear();
    this.#removeDirectory();
  }

  #removeDirectory(): void {
    running.delete(this);
    try {
      Deno.removeSync(this.directory, { recursive: true });
    } catch {
      // A server that is just being killed may still write; the system cleans up.
    }
  }

  #logPath(id: number): string {
    return `${this.directory}/server-${id}.log`;
  }

  #config(): string {
    const { front } = this.#options;
    const servers = this.servers.map((server) => ({
      id: server.id,
      hostname: server.client.hostname,
      clientPort: server.client.port,
      logPort: server.logPort,
      ...(front === undefined ? {} : { logListen: BEHIND }),
      ...this.#options.perServer,
    }));
    const { storage = {}, timing = {}, limits = {}, tls = [] } = this.#options;
    const files = { cert: "server-{id}.pem", key: "server-{id}.key", ca: "ca.pem" };
    const secured = tls.length > 0 && { tls: Object.fromEntries(tls.map((port) => [port, files])) };
    const config = { path: "data", servers, storage, timing, limits, ...secured };
    return JSON.stringify(config, null, 2);
  }
}

function makeCertificates(directory: string, servers: number): string {
  const ca = new TestCa(directory);
  for (let id = 1; id <= servers; id++) {
    ca.issue(`server-${id}`, { dns: [`raftkv-server-${id}`] });
  }
  return ca.ca;
}

/** How `deno task serve` of a checkout runs a server: permissions, and flags of the engine. */
function readServeFlags(project: string): string[] {
  const json = JSON.parse(Deno.readTextFileSync(`${project}deno.json`));
  const { serve } = (json as { tasks: { serve: string } }).tasks;
  // A server runs in a directory of its own.
  return serve.split(" ").filter((word) => word.startsWith("--"))
    .map((flag) => flag.replace(/^--lock=/, `--lock=${project}`));
}

/** The engine takes one flag with all of its own in it. */
function withV8Flags(flags: readonly string[], more: string | undefined): string[] {
  const prefix = "--v8-flags=";
  const own = flags.filter((flag) => flag.startsWith(prefix)).map((flag) =>
    flag.slice(prefix.length)
  );
  const all = more === undefined ? own : [...own, more];
  const others = flags.filter((flag) => !flag.startsWith(prefix));
  return all.length === 0 ? others : [...others, prefix + all.join(",")];
}

function trySignal(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch {
    // It has ended.
  }
}
