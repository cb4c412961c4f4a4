/**
 * A server of the Redis protocol that does what a test says: it leads or follows, answers late, wrongly
 * or not at all. Without orders it is a leader with a store of its own.
 */
import { pauseMs, until } from "./runtime.ts";
import { createServer, type Server, type Socket } from "node:net";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export class Peer {
  readonly socket: Socket;
  queue: string[][] | null = null;
  received = "";
  /** What came in one piece, as often as something came. */
  chunks = 0;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  write(text: string): void {
    if (!this.socket.destroyed) this.socket.write(encoder.encode(text));
  }
}

/** The reply; null for none; undefined for the usual one. */
export type Answer = (request: readonly string[], peer: Peer) => string | null | undefined;

/** What servers share of client sessions: each write is run once. */
export class FakeSessions {
  opened = 0;
  /** Of writes that were run, and how often one was asked for again. */
  readonly kept = new Map<string, string>();
  again = 0;
  /** Sessions that are over. */
  readonly over = new Set<string>();

  answer([, verb, ...rest]: string[], run: (request: string[]) => string): string {
    if (verb === "OPEN") return `:${++this.opened}\r\n`;
    const [id, sequence, , ...command] = rest;
    if (this.over.has(id!)) return "-SESSION this session is unknown or over\r\n";
    const write = `${id} ${sequence}`;
    const reply = this.kept.get(write);
    if (reply !== undefined) {
      this.again++;
      return reply;
    }
    const first = run(command);
    this.kept.set(write, first);
    return first;
  }
}

export class FakeServer {
  readonly #server: Server;
  readonly peers = new Set<Peer>();
  address = "";
  role: "master" | "replica" = "master";
  /** HOST:PORT of all servers, the leader first; empty where none is known. */
  layout: string[] = [];
  /** False: it knows no leader now; its layout still names the last one. */
  knowsLeader = true;
  readonly store = new Map<string, string>();
  /** All requests but those that every connection begins with. */
  readonly seen: string[][] = [];
  accepted = 0;
  /** Takes connections and reads nothing. */
  isFrozen = false;
  answer: Answer = () => undefined;
  /** Client sessions; null where it knows none. */
  sessions: FakeSessions | null = null;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<FakeServer> {
    const server = createServer();
    const fake = new FakeServer(server);
    server.on("connection", (socket) => fake.#accept(socket));
    await fake.listen(0);
    fake.layout = [fake.address];
    return fake;
  }

  listen(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, "127.0.0.1", () => {
        const place = this.#server.address() as { port: number };
        this.address = `127.0.0.1:${place.port}`;
        resolve();
      });
    });
  }

  get port(): number {
    return Number(this.address.split(":")[1]);
  }

  /** Follows `leader` from now on. */
  follow(leader: FakeServer): void {
    this.role = "replica";
    this.layout = [leader.address, this.address];
  }

  lead(): void {
    this.role = "master";
    this.layout = [this.address];
  }

  /** How often a command with this name came. */
  count(name: string): number {
    return this.seen.filter(([first]) => first === name).length;
  }

  /** Ends all connections, abruptly. */
  cut(): void {
    for (const { socket } of this.peers) socket.destroy();
  }

  /** Ends all connections and takes no more. Older Denos don't always call back from `close`. */
  async stop(): Promise<void> {
    this.#server.close();
    this.cut();
    await until("all connections to end", () => this.peers.size === 0);
    await pauseMs(5);
  }

  #accept(socket: Socket): void {
    this.accepted++;
    socket.setNoDelay(true);
    const peer = new Peer(socket);
    this.peers.add(peer);
    socket.on("close", () => this.peers.delete(peer));
    socket.on("error", () => {});
    socket.on("data", (bytes: Uint8Array) => {
      peer.chunks++;
      if (this.isFrozen) return;
      peer.received += latin1(bytes);
      for (let next = requestAt(peer.received); next !== null; next = requestAt(peer.received)) {
        peer.received = peer.received.slice(next.length);
        this.#answer(next.request, peer);
      }
    });
  }

  #answer(request: string[], peer: Peer): void {
    const name = request[0]!;
    const isAsking = name === "HELLO" || name === "CLUSTER" || name === "PING";
    // That of an earlier build knows no client sessions, and its clients do without.
    if (!isAsking && (name !== "RAFTKV.SESSION" || this.sessions !== null)) this.seen.push(request);
    const ordered = this.answer(request, peer);
    const reply = ordered === undefined ? this.#usual(request, peer) : ordered;
    if (reply !== null) peer.write(reply);
  }

  #usual(request: string[], peer: Peer): string {
    const [name] = request;
    switch (name) {
      case "HELLO":
        return hello(this.role);
      case "PING":
        return "+PONG\r\n";
      case "CLUSTER":
        if (request[1] === "INFO") {
          return bulk(`cluster_state:${this.knowsLeader ? "ok" : "fail"}\r\ncluster_size:1\r\n`);
        }
        return this.layout.length === 0 ? "-CLUSTERDOWN none\r\n" : slots(this.layout);
    }
    if (this.role !== "master") {
      return this.layout.length === 0 || !this.knowsLeader
        ? "-CLUSTERDOWN No leader is known now: nothing was done, try again soon\r\n"
        : `-MOVED 0 ${this.layout[0]}\r\n`;
    }
    if (name === "RAFTKV.SESSION" && this.sessions !== null) {
      return this.sessions.answer(request, (inner) => this.#usual(inner, peer));
    }
    if (name === "MULTI") {
      peer.queue = [];
      return "+OK\r\n";
    }
    if (name === "EXEC") {
      const queue = peer.queue ?? [];
      peer.queue = null;
      return `*${queue.length}\r\n${queue.map((one) => this.#run(one)).join("")}`;
    }
    if (peer.queue !== null) {
      peer.queue.push(request);
      return "+QUEUED\r\n";
    }
    return this.#run(request);
  }

  #run([name, key = "", value = ""]: string[]): string {
    switch (name) {
      case "GET":
        return bulk(this.store.get(key));
      case "MGET":
        return "*1\r\n" + bulk(this.store.get(key));
      case "RAFTKV.SET":
        this.store.set(key, value);
        return ":1\r\n";
      case "DEL":
        return this.store.delete(key) ? ":1\r\n" : ":0\r\n";
      case "INCRBY":
        this.store.set(key, `${Number(this.store.get(key) ?? "0") + Number(value)}`);
        return `:${this.store.get(key)}\r\n`;
      case "WATCH":
        return "+OK\r\n";
      default:
        return `-ERR unknown command '${name}'\r\n`;
    }
  }
}

export function hello(role: string): string {
  return `%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$4\r\nrole\r\n${bulk(role)}`;
}

export function slots(addresses: readonly string[]): string {
  const places = addresses.map((address) => {
    const [host, port] = address.split(":");
    return `*4\r\n${bulk(host)}:${port}\r\n${bulk("id")}*0\r\n`;
  });
  return `*1\r\n*${2 + places.length}\r\n:0\r\n:16383\r\n${places.join("")}`;
}

/** `text` stands for its UTF-8 bytes; undefined for nil. */
export function bulk(text: string | undefined): string {
  if (text === undefined) return "_\r\n";
  return `$${encoder.encode(text).length}\r\n${text}\r\n`;
}

/** The whole request at the beginning of `text`, a letter for each byte; null where it is not whole. */
function requestAt(text: string): { request: string[]; length: number } | null {
  const head = /^\*(\d+)\r\n/.exec(text);
  if (head === null) return null;
  const request: string[] = [];
  let at = head[0].length;
  for (let i = 0; i < Number(head[1]); i++) {
    const match = /^\$(\d+)\r\n/.exec(text.slice(at, at + 20));
    if (match === null) return null;
    const start = at + match[0].length;
    const end = start + Number(match[1]);
    if (text.length < end + 2) return null;
    request.push(fromLatin1(text.slice(start, end)));
    at = end + 2;
  }
  return { request, length: at };
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

function fromLatin1(text: string): string {
  return decoder.decode(Uint8Array.from(text, (letter) => letter.charCodeAt(0)));
}

/** Starts servers, the first of which leads and the others follow; stops them when `run` is over. */
export async function withServers(
  count: number,
  run: (...servers: FakeServer[]) => Promise<void>,
): Promise<void> {
  const servers: FakeServer[] = [];
  for (let i = 0; i < count; i++) servers.push(await FakeServer.start());
  const [leader, ...followers] = servers;
  for (const follower of followers) follower.follow(leader!);
  if (leader !== undefined) leader.layout = servers.map((server) => server.address);
  try {
    await run(...servers);
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
}
