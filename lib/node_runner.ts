/**
 * Runs a node on an event loop: its turns, its timer, its listeners and links, and its end. Knows the
 * ports of host/ alone; server.ts puts the real ones in.
 */
import { adminAddress } from "./admin_address.ts";
import type { AdminPort } from "./admin/admin_port.ts";
import type { AdminToken } from "./admin/guard.ts";
import { type Config, findServer } from "./config.ts";
import type { TlsPort } from "./config_tls.ts";
import type { Clock, Listener, ProcessUse, Rng, Transport } from "./host/ports.ts";
import { acceptAdmin } from "./net/accept_admin.ts";
import { acceptConnections } from "./net/accept_connections.ts";
import { acceptRpc } from "./net/accept_rpc.ts";
import { connectToServers, type ServerLinks } from "./net/connect_to_servers.ts";
import { ConnectionWatch } from "./net/connection_watch.ts";
import { ProbePort } from "./probe_port.ts";
import type { NodeView } from "./node/facts/node_view.ts";
import type { LogEvent, MachineFacts, ServerNode, WakingHost } from "./node/api.ts";

export interface NodeRunnerOptions {
  readonly config: Config;
  readonly serverId: number;
  readonly transport: Transport;
  /** In its place, for the ports that speak TLS. */
  readonly secured?: { readonly [Port in TlsPort]?: Transport };
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: (event: LogEvent) => void;
  /** What whoever asks the admin port has to know; absent: nothing. */
  readonly adminToken?: AdminToken | undefined;
  /** What this process has used, for telling why it stood still. */
  readonly use?: () => ProcessUse;
  /** How much memory it has, and how many files it may still open. */
  readonly machine?: () => Omit<MachineFacts, "adminPort">;
  /** Ends the process at once, exit code 1. */
  readonly onFatal: (error: Error) => void;
}

/** The node's own promise is 1.5 s; the process ends within 2 s whatever happens. */
const SHUTDOWN_MAX_MS = 1_700;
/** How long connections have to take their last replies. */
const FLUSH_MAX_MS = 200;
const FLUSH_LOOK_MS = 10;
/** Microtasks between the first input and the turn: as many as the stages of a connection have awaits. */
const TURN_HOPS = 6;
/** For microtasks: cheaper than `queueMicrotask`, which goes through native code. */
const SETTLED = Promise.resolve();
/**
 * Descriptors that no client may take: for the other servers' connections, for files of log and
 * snapshots, and for the runtime's own. A server that can't open a file can't continue.
 */
const SPARE_BESIDE_CLIENTS = 24;
/** And what the other servers' connections must leave of those. */
const SPARE_BESIDE_PEERS = 12;
/** Whoever looks why clients are turned away still gets an answer. */
const SPARE_BESIDE_ADMIN = 20;
/** For requests over HTTP: between two of them, and for a reader that takes nothing. */
const ADMIN_LIMITS = { idleTimeoutMs: 120_000, writeTimeoutMs: 10_000 };

/** The longest that a timer of the runtime takes. */
const TIMER_MAX_MS = 2 ** 31 - 1;

const NO_MACHINE = {
  memoryBytes: null,
  freeDescriptors: null,
  cpuMs: null,
  diskMs: null,
  certificates: [],
};
const NO_USE: ProcessUse = { cpuMs: 0, diskMs: 0, longestDiskCall: "" };

export class NodeRunner implements WakingHost {
  readonly #options: NodeRunnerOptions;
  readonly #clients: ConnectionWatch;
  readonly #peers: ConnectionWatch;
  readonly #adminClients: ConnectionWatch;
  readonly #probes: ProbePort;
  #node: ServerNode | null = null;
  #isTurnScheduled = false;
  #hopsLeft = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #clientListeners: Listener[] = [];
  #forwardListeners: Listener[] = [];
  #logListeners: Listener[] = [];
  #adminListeners: Listener[] = [];
  #admin: AdminPort | null = null;
  #links: ServerLinks | null = null;
  #stopping: Promise<void> | null = null;

  constructor(options: NodeRunnerOptions) {
    this.#options = options;
    const { idleTimeoutMs, writeTimeoutMs } = options.config.timing;
    this.#clients = new ConnectionWatch(options.clock, { idleTimeoutMs, writeTimeoutMs });
    this.#peers = new ConnectionWatch(options.clock, { idleTimeoutMs: 0, writeTimeoutMs });
    this.#adminClients = new ConnectionWatch(options.clock, ADMIN_LIMITS);
    this.#probes = new ProbePort(options);
  }

  // What the node asks of its host.

  /**
   * The turn runs after the reads that are ready now, so one turn takes them all. The runtime resolves
   * all reads that are ready before it runs what waits for them, and those run side by side, a step
   * each: so some steps later all have handed in what they brought. A timer would do as well, but the
   * shortest takes over a millisecond on some versions of Deno, and each command waits for three turns.
   */
  scheduleTurn(): void {
    if (this.#isTurnScheduled) return;
    this.#isTurnScheduled = true;
    this.#hopsLeft = TURN_HOPS;
    SETTLED.then(this.#hop);
  }

  readonly #hop = (): void => {
    if (this.#hopsLeft-- > 0) {
      SETTLED.then(this.#hop);
      return;
    }
    this.#isTurnScheduled = false;
    this.#guard((node) => {
      node.turn();
      this.#links?.keep(node.outboundLinks);
    });
  };

  /**
   * One timer. The runtime takes in what is ready to be read between setting even the shortest one and
   * its end.
   */
  wakeAt(atMs: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    const leftMs = Math.ceil(atMs - this.#options.clock.monotonicMs());
    // A longer one would go off at once; too early is no matter.
    const delayMs = Math.max(0, Math.min(leftMs, TIMER_MAX_MS));
    this.#timer = setTimeout(this.#wake, delayMs);
  }

  readonly #wake = (): void => {
    this.#timer = null;
    this.#guard((node) => node.wake());
  };

  fatal(error: Error): void {
    this.#options.onFatal(error);
  }

  log(event: LogEvent): void {
    this.#options.log(event);
  }

  use(): ProcessUse {
    return this.#options.use?.() ?? NO_USE;
  }

  machine(): MachineFacts {
    const adminPort = this.#adminListeners[0]?.port ?? 0;
    return { ...this.#options.machine?.() ?? NO_MACHINE, adminPort };
  }

  // What the server asks.

  /**
   * Opens the ports, where that is to be sure before there is a node; the admin port only where a view
   * will be shown. Whoever connects waits until `start`.
   * @throws {Error} where a port can't be had, with nothing left open.
   */
  async openPorts(hasView: boolean): Promise<void> {
    const { config, serverId } = this.#options;
    const { hostname, clientPort, logPort, ...listen } = findServer(config, serverId);
    const { clientListen = hostname, logListen = hostname, forwardPort } = listen;
    try {
      this.#clientListeners = await this.#transportOf("client")
        .listen(clientListen, clientPort, SPARE_BESIDE_CLIENTS);
      if (forwardPort !== undefined) {
        this.#forwardListeners = await this.#transportOf("client")
          .listen(listen.forwardListen ?? clientListen, forwardPort, SPARE_BESIDE_CLIENTS);
      }
      this.#logListeners = await this.#transportOf("log")
        .listen(logListen, logPort, SPARE_BESIDE_PEERS);
      if (hasView) await this.#openAdmin();
      if (hasView) await this.#probes.open();
    } catch (error) {
      this.#closeListeners();
      throw error;
    }
  }

  /**
   * Starts the node, and opens the ports where that is not done yet. The node may have called the host
   * before.
   * @throws {Error} where a port can't be had, with nothing left open.
   */
  async start(node: ServerNode, view: NodeView | null = null): Promise<void> {
    const { clock, rng, log } = this.#options;
    if (this.#clientListeners.length === 0) await this.openPorts(view !== null);
    if (view !== null) await this.#serveAdmin(view);
    for (const probing of view === null ? [] : await this.#probes.serve(view)) {
      this.#essential(probing);
    }
    this.#node = node;
    for (const listener of [...this.#clientListeners, ...this.#forwardListeners]) {
      const isForwarding = this.#forwardListeners.includes(listener);
      this.#essential(acceptConnections(listener, node, this.#clients, log, isForwarding));
    }
    const retry = () => this.#links?.retryNow();
    for (const listener of this.#logListeners) {
      this.#essential(acceptRpc(listener, node, this.#peers, log, retry));
    }
    const watch = new ConnectionWatch(clock, this.#peerLimits());
    const around = { transport: this.#transportOf("log"), rng, watch, host: this };
    this.#links = connectToServers(node.outboundLinks, around);
    this.#essential(this.#links.ended);
    this.scheduleTurn();
  }

  /** Where clients are accepted, as texts for logs; once started. */
  get clientAddresses(): string[] {
    return this.#clientListeners.map((listener) => listener.address);
  }

  /** Empty without a forward port. */
  get forwardAddresses(): string[] {
    return this.#forwardListeners.map((listener) => listener.address);
  }

  /** Where HTTP is answered; empty without an admin port. */
  get adminAddresses(): string[] {
    return this.#adminListeners.map((listener) => listener.address);
  }

  /** Where probes are answered; empty without such a port. */
  get probeAddresses(): string[] {
    return this.#probes.addresses;
  }

  /** Where the other servers are accepted. */
  get logAddresses(): string[] {
    return this.#logListeners.map((listener) => listener.address);
  }

  /**
   * Stops in order: no more clients, the node hands over and answers what is open, replies go out,
   * everything closes. Resolves within 2 s; a second call gets the same promise.
   */
  stop(): Promise<void> {
    return this.#stopping ??= this.#stop();
  }

  async #stop(): Promise<void> {
    for (const one of [...this.#clientListeners, ...this.#forwardListeners]) one.close();
    // It may have waited to be told its cluster, with its ports open.
    if (this.#node !== null) await this.#shutDownNode();
    const flushUntilMs = this.#options.clock.monotonicMs() + FLUSH_MAX_MS;
    while (this.#clients.size > 0 && this.#options.clock.monotonicMs() < flushUntilMs) {
      await new Promise((resolve) => setTimeout(resolve, FLUSH_LOOK_MS));
    }
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#node = null;
    this.#closeListeners();
    this.#clients.closeAll("this server is shutting down");
    this.#peers.closeAll("this server is shutting down");
    this.#admin?.close();
    this.#adminClients.closeAll("this server is shutting down");
    this.#probes.closeAll("this server is shutting down");
    await this.#links?.stop();
  }

  /** @throws {Error} where the port that the cluster file asks for can't be had. */
  async #openAdmin(): Promise<void> {
    const { config, serverId, log } = this.#options;
    const wanted = adminAddress(config, serverId);
    const without = (message: string) => log({ level: "warning", message, fields: {} });
    if ("absentBecause" in wanted) {
      if (wanted.absentBecause !== "") without(wanted.absentBecause);
      return;
    }
    const { hostname, port } = wanted;
    try {
      this.#adminListeners = await this.#transportOf("admin")
        .listen(hostname, port, SPARE_BESIDE_ADMIN);
    } catch (error) {
      if (!wanted.isDefault) throw error;
      return without(
        `There is no admin port, as its default can't be had: ${(error as Error).message}. ` +
          "adminPort in the cluster file gives it another one, or --admin-port beside --join; " +
          "0: none",
      );
    }
  }

  async #serveAdmin(view: NodeView): Promise<void> {
    if (this.#adminListeners.length === 0) return;
    const { config, clock, log } = this.#options;
    // Loaded only where it is used.
    const { makeAdminPort } = await import("./admin/admin_port.ts");
    const names = config.servers.flatMap((one) => [one.hostname, one.adminListen ?? []]).flat();
    const admin = makeAdminPort({ view, clock, names, token: this.#options.adminToken ?? null });
    this.#admin = admin;
    for (const listener of this.#adminListeners) {
      this.#essential(acceptAdmin(listener, admin.openConnection, this.#adminClients, log));
    }
  }

  #shutDownNode(): Promise<void> {
    return new Promise((resolve) => {
      const deadline = setTimeout(() => {
        const message = "Shutting down took too long: stopping without the rest";
        this.log({ level: "warning", message, fields: { shutdownMaxMs: SHUTDOWN_MAX_MS } });
        resolve();
      }, SHUTDOWN_MAX_MS);
      const done = () => {
        clearTimeout(deadline);
        resolve();
      };
      this.#guard((node) => node.shutdown(done));
    });
  }

  #closeListeners(): void {
    const clients = [...this.#clientListeners, ...this.#forwardListeners];
    const all = [...clients, ...this.#logListeners, ...this.#adminListeners];
    for (const listener of all) listener.close();
    this.#clientListeners = this.#forwardListeners = [];
    this.#logListeners = this.#adminListeners = [];
    this.#probes.closeListeners();
  }

  #transportOf(port: TlsPort): Transport {
    return this.#options.secured?.[port] ?? this.#options.transport;
  }

  #peerLimits() {
    return { idleTimeoutMs: 0, writeTimeoutMs: this.#options.config.timing.writeTimeoutMs };
  }

  /** What the node throws is a broken invariant, or a disk that can't be trusted. */
  #guard(run: (node: ServerNode) => void): void {
    if (this.#node === null) return;
    try {
      run(this.#node);
    } catch (error) {
      this.fatal(error as Error);
    }
  }

  /** A part that the server can't do without: where it fails, the server ends. */
  #essential(running: Promise<void>): void {
    running.catch((error: Error) => this.fatal(error));
  }
}
