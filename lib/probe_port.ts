/** The port on which a server answers probes alone, where the cluster file gives it one. */
import { type Config, findServer } from "./config.ts";
import type { Clock, Listener, Transport } from "./host/ports.ts";
import { acceptAdmin } from "./net/accept_admin.ts";
import { ConnectionWatch } from "./net/connection_watch.ts";
import type { LogEvent } from "./node/api.ts";
import type { NodeView } from "./node/facts/node_view.ts";

export interface ProbePortOptions {
  readonly config: Config;
  readonly serverId: number;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly log: (event: LogEvent) => void;
}

/** For one that connects and asks nothing, and for a prober that takes nothing. */
const LIMITS = { idleTimeoutMs: 5_000, writeTimeoutMs: 5_000 };
/** As with the admin port: whoever looks why clients are turned away still gets an answer. */
const SPARE_DESCRIPTORS = 20;

export class ProbePort {
  readonly #options: ProbePortOptions;
  readonly #connections: ConnectionWatch;
  #listeners: Listener[] = [];

  constructor(options: ProbePortOptions) {
    this.#options = options;
    this.#connections = new ConnectionWatch(options.clock, LIMITS);
  }

  /** As texts for logs; empty without such a port. */
  get addresses(): string[] {
    return this.#listeners.map((listener) => listener.address);
  }

  /** @throws {Error} where the port can't be had. */
  async open(): Promise<void> {
    const { config, serverId, transport } = this.#options;
    const { hostname, clientListen = hostname, probePort, ...rest } = findServer(config, serverId);
    if (probePort === undefined) return;
    const { probeListen = clientListen } = rest;
    this.#listeners = await transport.listen(probeListen, probePort, SPARE_DESCRIPTORS);
  }

  /** A promise for each listener, which rejects where a broken invariant ends it. */
  async serve(view: NodeView): Promise<Promise<void>[]> {
    if (this.#listeners.length === 0) return [];
    const { clock, log } = this.#options;
    const { makeProbePort } = await import("./admin/admin_port.ts");
    const { openConnection } = makeProbePort({ view, clock });
    return this.#listeners.map((listener) =>
      acceptAdmin(listener, openConnection, this.#connections, log)
    );
  }

  closeListeners(): void {
    for (const listener of this.#listeners) listener.close();
    this.#listeners = [];
  }

  closeAll(reason: string): void {
    this.#connections.closeAll(reason);
  }
}
