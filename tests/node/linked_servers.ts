/** Servers reduced to their links, and connections between them that a test pumps by hand. */
import type { PeerEvents } from "../../lib/node/peers/peer_events.ts";
import { ClusterSecret } from "../../lib/node/peers/cluster_secret.ts";
import { PeerLinks } from "../../lib/node/peers/peer_links.ts";
import { KnownMembers } from "../../lib/node/members/known_members.ts";
import { drawStartId } from "../../lib/node/peers/peer_processes.ts";
import type { InboundLink, LogEvent, OutboundLink } from "../../lib/node/api.ts";
import type { ServerAddress } from "../../lib/node/node_options.ts";
import type { Heartbeat, Message } from "../../lib/raft/types.ts";
import { DataDirectory } from "../../lib/storage/data_directory.ts";
import { Random } from "../../lib/util/random.ts";
import {
  type DigestNotice,
  type FactsNotice,
  PROTOCOL_VERSION,
  type StatusNotice,
} from "../../lib/wire/rpc/rpc.ts";
import { SimDisk } from "../sim/sim_disk.ts";

export const ELECTION_TIMEOUT_MS = 400;
/** How long a server that was removed is talked to. */
export const GRACE_MS = 1_000;

/** A server's entry of the cluster file. */
export function placed(id: number): ServerAddress {
  return { id, hostname: `host-${id}`, clientPort: 9000 + id, logPort: 9100 + id };
}

const decoder = new TextDecoder();

export class Server implements PeerEvents {
  readonly id: number;
  readonly events: LogEvent[] = [];
  readonly received: Message[] = [];
  /** What others hand on: channel and message. */
  readonly published: string[] = [];
  readonly lost: number[] = [];
  readonly removedBy: number[] = [];
  readonly digests: [number, DigestNotice][] = [];
  formedCount = 0;
  /** What its monotonic clock shows when a report comes in; its ticks are told the time by the test. */
  nowMs = 0;
  status: StatusNotice = {
    hasRoom: true,
    canWrite: true,
    isSuspect: false,
    isRepairing: false,
    appliedIndex: 0,
    logTimeMs: 0,
  };
  facts: FactsNotice | null = null;
  /** The cluster version that whoever it talks to has to know. */
  needed = 0;
  readonly links: PeerLinks;
  readonly members: KnownMembers;
  directory: DataDirectory;
  readonly #servers: readonly number[];
  readonly #random: Random;
  readonly #disk: SimDisk;
  readonly #electionTimeoutMs: number;
  readonly secret: ClusterSecret | undefined;

  constructor(
    id: number,
    servers: readonly number[],
    random: Random,
    protocolVersionMax: number = PROTOCOL_VERSION,
    disk = new SimDisk(),
    electionTimeoutMs = ELECTION_TIMEOUT_MS,
    secret?: ClusterSecret,
  ) {
    this.secret = secret;
    this.#electionTimeoutMs = electionTimeoutMs;
    this.id = id;
    this.#servers = servers;
    this.#random = random;
    this.#disk = disk;
    this.directory = DataDirectory.open(disk, {
      path: `${id}`,
      serverId: id,
      makeIncarnation: () => random.u32().toString(16).padStart(16, "0"),
      segmentBytesMax: 1_000_000,
      reserveBytes: 1_000,
    });
    this.members = new KnownMembers({
      serverId: id,
      incarnation: this.directory.identity.incarnation,
      listed: servers.map(placed),
      record: this.directory.formation,
      graceMs: GRACE_MS,
    });
    this.links = new PeerLinks({
      serverId: id,
      members: this.members,
      directory: this.directory,
      startId: drawStartId(random),
      host: {
        log: (event) => this.events.push(event),
      },
      outboxBytesMax: 10_000,
      frameBytesMax: 100_000,
      electionTimeoutMs,
      clock: { monotonicMs: () => this.nowMs, inputBegins() {}, inputEnds() {} },
      events: this,
      published: ({ channel, message }) => {
        this.published.push(`${decoder.decode(channel)} ${decoder.decode(message)}`);
      },
      version: { max: 2, isHeld: false },
      protocolVersionMax,
      secret,
    });
  }

  /** It is `nowMs`, by its clock as well. */
  elapse(nowMs: number): void {
    this.nowMs = nowMs;
    this.links.elapse(nowMs);
  }

  ownStatus(): StatusNotice {
    return this.status;
  }

  ownFacts(): FactsNotice | null {
    return this.facts;
  }

  neededVersion(): number {
    return this.needed;
  }

  linkActive(): void {}

  messageReceived(message: Message): void {
    this.received.push(message);
  }

  digestReceived(from: number, notice: DigestNotice): void {
    this.digests.push([from, notice]);
  }

  formed(): void {
    this.formedCount++;
  }

  toldRemoved(by: number): void {
    this.removedBy.push(by);
  }

  acceptForwarded(): never {
    throw new Error("No commands are forwarded here");
  }

  secretExchanged(): void {}

  peerLost(peer: number): void {
    this.lost.push(peer);
  }

  /** The next process on this one's data directory. */
  restart(protocolVersionMax: number = PROTOCOL_VERSION): Server {
    this.directory.close();
    const disk = this.#disk;
    const electionTimeoutMs = this.#electionTimeoutMs;
    return new Server(
      this.id,
      this.#servers,
      this.#random,
      protocolVersionMax,
      disk,
      electionTimeoutMs,
      this.secret,
    );
  }
}

export interface ShownNames {
  readonly from?: readonly string[];
  readonly to?: readonly string[];
}

/** One direction's connection, pumped by hand. */
export class Wire {
  outbound: OutboundLink;
  inbound: InboundLink;
  #from: Server;
  #to: Server;
  readonly #shown: ShownNames;

  /** `shown`: the names of the certificates that the two ends show each other. */
  constructor(from: Server, to: Server, shown: ShownNames = {}) {
    this.#from = from;
    this.#to = to;
    this.#shown = shown;
    this.outbound = from.links.outbound.find((link) => link.peerId === to.id)!;
    this.inbound = to.links.openInbound(`server ${from.id}`, shown.from);
    this.outbound.connected(shown.to);
  }

  isWith(id: number): boolean {
    return this.#from.id === id || this.#to.id === id;
  }

  disconnect(reason = "reset"): void {
    this.inbound.disconnected();
    this.outbound.disconnected(reason);
  }

  connect(): void {
    this.outbound = this.#from.links.outbound.find((link) => link.peerId === this.#to.id)!;
    this.inbound = this.#to.links.openInbound("again", this.#shown.from);
    this.outbound.connected(this.#shown.to);
  }

  /** A disconnected one: another process takes the place of `before`, and the connection is made. */
  replace(before: Server, after: Server): void {
    if (this.#from === before) this.#from = after;
    if (this.#to === before) this.#to = after;
    this.connect();
  }

  /** Moves all bytes both ways; makes a fresh connection where one end asked for it. */
  pump(): void {
    for (let i = 0; i < 4; i++) {
      move(this.outbound, this.inbound);
      move(this.inbound, this.outbound);
    }
    const reason = this.outbound.closing ?? this.inbound.closing;
    if (reason === null) return;
    this.disconnect(reason);
    this.connect();
  }
}

export function move(
  from: { takeOutput(): Uint8Array | null; outputWritten(): void },
  to: { receive(bytes: Uint8Array): void },
): void {
  let bytes = from.takeOutput();
  while (bytes !== null) {
    to.receive(bytes.slice());
    from.outputWritten();
    bytes = from.takeOutput();
  }
}

export function connectAll(servers: readonly Server[]): Wire[] {
  return servers.flatMap((a) => servers.filter((b) => b !== a).map((b) => new Wire(a, b)));
}

export function form(
  count: number,
  electionTimeoutMs = ELECTION_TIMEOUT_MS,
  secretOf: (id: number) => ClusterSecret | undefined = () => undefined,
): { servers: Server[]; wires: Wire[] } {
  const random = new Random(count);
  const ids = Array.from({ length: count }, (_, i) => i + 1);
  const servers = ids.map((id) => {
    const disk = new SimDisk();
    return new Server(id, ids, random, PROTOCOL_VERSION, disk, electionTimeoutMs, secretOf(id));
  });
  const wires = connectAll(servers);
  pass(servers, wires, 0, 2_000);
  return { servers, wires };
}

/** Lets time pass for all of them, and what they say to each other travel. */
export function pass(
  servers: readonly Server[],
  wires: readonly Wire[],
  fromMs: number,
  toMs: number,
): void {
  for (let nowMs = fromMs; nowMs < toMs; nowMs += 100) {
    for (const server of servers) server.elapse(nowMs);
    for (const wire of wires) wire.pump();
  }
}

/** The texts as secrets, the first of them spoken. */
export function secret(texts: readonly string[], isOptional = false): ClusterSecret {
  const secrets = texts.map((text) => new TextEncoder().encode(text.padEnd(32, "-")));
  return new ClusterSecret(secrets, isOptional, new Random(texts.join().length + 7));
}

export function heartbeat(from: number, to: number): Heartbeat {
  return { kind: "heartbeat", from, to, term: 1, commitIndex: 0, readRound: 0 };
}
