/** ConnectToServers: the outgoing links to the other servers. */
import type { Connection, Rng, Transport } from "../host/ports.ts";
import { LogPace } from "../node/reports/log_pace.ts";
import type { LogEvent, NodeHost, OutboundLink, PeerAddress } from "../node/api.ts";
import { addressText } from "../util/address.ts";
import type { ConnectionWatch } from "./connection_watch.ts";
import { pumpLink } from "./pump_link.ts";
import { activityOf } from "./signal.ts";

const CONNECT_TIMEOUT_MS = 1_000;
const BACKOFF_MIN_MS = 20;
const BACKOFF_MAX_MS = 1_000;
/** A connection that ends earlier is no success: the pauses keep growing. */
const STEADY_MS = 1_000;

export interface LinkSurroundings {
  readonly transport: Transport;
  readonly rng: Rng;
  readonly watch: ConnectionWatch;
  readonly host: Pick<NodeHost, "log">;
}

/** A running set of links. */
export interface ServerLinks {
  /** Has exactly these up from now on: those that are new are connected, those that are gone are left. */
  keep(links: readonly OutboundLink[]): void;
  /** Another server is there (it just connected to us): links that pause try again at once. */
  retryNow(): void;
  /** Connects no more and closes what is open; resolves once every link has ended. */
  stop(): Promise<void>;
  /** Rejects where a link threw (a broken invariant); resolves after `stop()`. */
  readonly ended: Promise<void>;
}

/** Keeps one connection per link up: connect, pump, and again after a growing pause. */
export function connectToServers(
  links: readonly OutboundLink[],
  surroundings: LinkSurroundings,
): ServerLinks {
  const running = new RunningLinks(surroundings);
  running.keep(links);
  return running;
}

class RunningLinks implements ServerLinks {
  readonly ended: Promise<void>;
  readonly #around: LinkSurroundings;
  readonly #loops = new Map<OutboundLink, LinkLoop>();
  /** Those that still run, the ones that are being left included. */
  readonly #running = new Set<Promise<void>>();
  #links: readonly OutboundLink[] = [];
  #isStopped = false;
  #end!: () => void;
  #fail!: (error: Error) => void;

  constructor(around: LinkSurroundings) {
    this.#around = around;
    this.ended = new Promise((resolve, reject) => {
      this.#end = resolve;
      this.#fail = reject;
    });
  }

  keep(links: readonly OutboundLink[]): void {
    if (links === this.#links || this.#isStopped) return;
    this.#links = links;
    for (const [link, loop] of this.#loops) {
      if (links.includes(link)) continue;
      this.#loops.delete(link);
      loop.leave();
    }
    for (const link of links) {
      const loop = this.#loops.get(link);
      if (loop !== undefined) loop.look();
      else this.#start(link);
    }
  }

  #start(link: OutboundLink): void {
    const loop = new LinkLoop(link, this.#around);
    this.#loops.set(link, loop);
    const run = loop.run().catch(this.#fail).finally(() => this.#running.delete(run));
    this.#running.add(run);
  }

  retryNow(): void {
    for (const loop of this.#loops.values()) loop.retryNow();
  }

  stop(): Promise<void> {
    this.#isStopped = true;
    for (const loop of this.#loops.values()) loop.stop();
    Promise.all(this.#running).then(this.#end);
    return this.ended;
  }
}

class LinkLoop {
  readonly #link: OutboundLink;
  /** The place of the try under way, or of the last one. */
  #address: PeerAddress;
  /** Which of the link's places is tried next: the first one, until nothing good comes of it. */
  #place = 0;
  readonly #around: LinkSurroundings;
  readonly #stop = new AbortController();
  #backoffMs = BACKOFF_MIN_MS;
  /** The first of the link's places as last seen. */
  #first = "";
  /** When the try under way, or the last one, began. */
  #triedAtMs = 0;
  #pause: { timer: ReturnType<typeof setTimeout>; end: () => void } | null = null;
  /** The last try's connection, open or not; null where none came about. */
  #connection: Connection | null = null;
  #isUp = false;
  #upSinceMs = 0;
  /** The last reason for being down: the same is not logged again. */
  #downReason: string | null = null;
  readonly #pace = new LogPace();

  constructor(link: OutboundLink, around: LinkSurroundings) {
    this.#link = link;
    this.#address = link.addresses[0]!;
    this.#first = addressText(this.#address.hostname, this.#address.port);
    this.#around = around;
  }

  async run(): Promise<void> {
    while (!this.#stopped) {
      const reason = await this.#once();
      // Only after a connection: where nobody listens meanwhile, there is nothing to hurry for.
      if (this.#connection !== null && this.#link.retriesAtOnce === true) continue;
      this.#logDown(reason);
      if (!this.#stopped) await this.#rest();
    }
  }

  get #stopped(): boolean {
    return this.#stop.signal.aborted || this.#link.isOver;
  }

  /** Its link is over: what it still has to say goes out, and it is not connected again. */
  leave(): void {
    if (this.#connection === null || this.#pause !== null) this.stop();
  }

  /** Its server may be somewhere else by now: then that place is tried at once. */
  look(): void {
    const { hostname, port } = this.#link.addresses[0]!;
    const wasFirst = this.#first;
    this.#first = addressText(hostname, port);
    if (this.#first === wasFirst) return;
    this.#place = 0;
    this.#backoffMs = BACKOFF_MIN_MS;
    this.#endPause();
  }

  stop(): void {
    this.#stop.abort();
    this.#connection?.close();
    this.#endPause();
  }

  /**
   * Only where nobody listened at the last try: two servers that refuse each other would otherwise call
   * each other back without a pause. Anybody who connects to this server can cause this, so no pause gets
   * shorter than the shortest.
   */
  retryNow(): void {
    if (this.#connection !== null || this.#pause === null) return;
    if (this.#backoffMs <= 2 * BACKOFF_MIN_MS) return;
    this.#backoffMs = BACKOFF_MIN_MS;
    this.#endPause();
  }

  #endPause(): void {
    if (this.#pause === null) return;
    clearTimeout(this.#pause.timer);
    this.#pause.end();
  }

  /** One connection from its making to its end; returns why it ended, or was not made. */
  async #once(): Promise<string> {
    const { transport, watch } = this.#around;
    const wasThere = this.#connection !== null;
    const { addresses } = this.#link;
    this.#address = addresses[this.#place % addresses.length]!;
    this.#connection = null;
    this.#triedAtMs = watch.nowMs;
    let accepted: Connection;
    try {
      const { hostname, port } = this.#address;
      accepted = await transport.connect(hostname, port, CONNECT_TIMEOUT_MS, this.#stop.signal);
    } catch (error) {
      this.#place++;
      return (error as Error).message;
    }
    // Its server was not there before, and is now: the pauses begin again with the shortest.
    if (!wasThere) this.#backoffMs = BACKOFF_MIN_MS;
    const connection = watch.open(accepted);
    this.#connection = connection;
    if (this.#stopped) connection.close();
    const link = this.#link;
    const activity = activityOf(link);
    link.connected(accepted.peerNames);
    // Bytes that came back and did not make the link close are a welcome.
    const reason = await pumpLink(connection, link, activity, () => this.#logUp());
    link.onActivity = null;
    link.disconnected(reason);
    // Whoever listens there is not the server that was meant, or wants nothing to do with this one.
    if (!this.#isUp && link.retriesAtOnce !== true) this.#place++;
    if (this.#isUp && watch.nowMs - this.#upSinceMs >= STEADY_MS) this.#backoffMs = BACKOFF_MIN_MS;
    return reason;
  }

  /**
   * A pause that doubles from failure to failure, with up to as much again at random. It counts from the
   * beginning of the last try: a try that waited for an answer in vain is followed by the next almost at
   * once, so that a network that works again is noticed soon.
   */
  #rest(): Promise<void> {
    const { rng, watch } = this.#around;
    const jitter = rng.u32() / 0x1_0000_0000;
    const wantedMs = Math.min(BACKOFF_MAX_MS, this.#backoffMs * (1 + jitter));
    const pauseMs = Math.max(BACKOFF_MIN_MS, wantedMs - (watch.nowMs - this.#triedAtMs));
    this.#backoffMs = Math.min(BACKOFF_MAX_MS, this.#backoffMs * 2);
    return new Promise((resolve) => {
      const end = () => {
        this.#pause = null;
        resolve();
      };
      this.#pause = { timer: setTimeout(end, pauseMs), end };
    });
  }

  #logUp(): void {
    if (this.#isUp) return;
    this.#isUp = true;
    this.#upSinceMs = this.#around.watch.nowMs;
    this.#downReason = null;
    this.#log("debug", "Connected to a server", {});
  }

  #logDown(reason: string): void {
    const isNews = this.#isUp || reason !== this.#downReason;
    this.#isUp = false;
    this.#downReason = reason;
    if (!isNews || this.#stopped) return;
    const omitted = this.#pace.ask("down", this.#around.watch.nowMs);
    if (omitted === null) return;
    const fields: LogEvent["fields"] = omitted === 0 ? { reason } : { reason, omitted };
    this.#log("info", "Not connected to a server", fields);
  }

  #log(level: LogEvent["level"], message: string, fields: LogEvent["fields"]): void {
    const { hostname, port } = this.#address;
    const peer = { server: this.#link.peerId, address: addressText(hostname, port) };
    this.#around.host.log({ level, message, fields: { ...peer, ...fields } });
  }
}
