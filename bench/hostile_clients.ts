/**
 * Clients that mean no good, in a process of their own: `hostile_clients.ts KIND HOST PORT PER_SECOND`. Says
 * `on` once they are at it; at the end of its input they leave, and it says how much they did.
 */
import { connect, type Socket } from "node:net";
import { clientHello } from "./client_hello.ts";

export const KINDS = [
  "resets",
  "halves",
  "deaf",
  "idle",
  "guesses",
  "handshakes",
  "hellos",
] as const;
export type Kind = typeof KINDS[number];

const TICK_MS = 10;
const IDLE = 1_000;
const HALVES = 100;
const DEAF = 50;
const BIG_BYTES = 100_000;
const GUESSERS = 200;
/** Theirs, of 127/8: of failures each address has a count of its own. */
const ADDRESSES = 50;
/** Whose password is guessed: a user that there is. */
export const GUESSED_USER = "others";
const HANDSHAKES = 1_000;
/** The head of a ClientHello of 512 bytes, and nothing of it. */
const HELLO_HEAD = new Uint8Array([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);
/** So many at a time: a listener's queue is bounded. */
const AT_ONCE = 64;

class Hostile {
  readonly #host: string;
  readonly #port: number;
  readonly #open = new Set<Socket>();
  count = 0;

  constructor(host: string, port: number) {
    this.#host = host;
    this.#port = port;
  }

  get openCount(): number {
    return this.#open.size;
  }

  connect(localAddress?: string): Socket {
    const socket = connect({
      host: this.#host,
      port: this.#port,
      ...(localAddress === undefined ? {} : { localAddress }),
    });
    this.#open.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => this.#open.delete(socket));
    return socket;
  }

  /** Connects and resets, as soon as it is accepted. */
  reset(): void {
    const socket = this.connect();
    socket.on("connect", () => {
      this.count++;
      socket.resetAndDestroy();
    });
  }

  /** Connects from one of its addresses; `free` whenever nothing of what was sent is to be answered. */
  guesser(at: number, free: (socket: Socket) => void): void {
    const socket = this.connect(`127.0.1.${1 + at % ADDRESSES}`);
    socket.on("connect", () => free(socket));
    socket.on("data", () => free(socket));
    socket.on("close", () => this.guesser(at, free));
  }

  async opened(count: number): Promise<Socket[]> {
    const sockets: Socket[] = [];
    while (sockets.length < count) {
      const some = Array.from({ length: Math.min(AT_ONCE, count - sockets.length) }, () => {
        const socket = this.connect();
        return new Promise<Socket>((resolve) => socket.on("connect", () => resolve(socket)));
      });
      sockets.push(...await Promise.all(some));
    }
    return sockets;
  }

  leave(): void {
    for (const socket of this.#open) socket.destroy();
  }
}

/** Begins a handshake, which is never continued. */
function shakeHalf(socket: Socket, first: Uint8Array): void {
  socket.resume();
  socket.write(first);
}

/** What a kind does; gives what it does `perSecond` times a second. */
async function begin(kind: Kind, hostile: Hostile): Promise<() => void> {
  switch (kind) {
    case "resets":
      return () => hostile.reset();
    case "halves": {
      const sockets = await hostile.opened(HALVES);
      let next = 0;
      // A command that is announced large and comes in small pieces, again and again.
      for (const socket of sockets) socket.write("set half 0 1000000\r\n");
      return () => {
        hostile.count++;
        sockets[next++ % sockets.length]!.write("x".repeat(10));
      };
    }
    case "deaf": {
      const [first, ...sockets] = await hostile.opened(DEAF + 1);
      await new Promise((resolve) => {
        first!.once("data", resolve);
        first!.write(`set big 0 ${BIG_BYTES}\r\n${"b".repeat(BIG_BYTES)}\r\n`);
      });
      for (const socket of sockets) socket.pause();
      let next = 0;
      return () => {
        hostile.count++;
        const socket = sockets[next++ % sockets.length]!;
        if (socket.writableLength < BIG_BYTES) socket.write("get big\r\n");
      };
    }
    case "idle": {
      const sockets = await hostile.opened(IDLE);
      for (const socket of sockets) socket.write("*3\r\n$3\r\nSE");
      hostile.count = sockets.length;
      return () => {};
    }
    case "guesses": {
      const free: Socket[] = [];
      for (let at = 0; at < GUESSERS; at++) hostile.guesser(at, (socket) => free.push(socket));
      while (free.length < GUESSERS) await new Promise((resolve) => setTimeout(resolve, TICK_MS));
      return () => {
        const socket = free.shift();
        if (socket === undefined || socket.destroyed) return;
        const guess = `${hostile.count++}`.padStart(10, "0");
        socket.write(`auth ${GUESSED_USER} ${guess.length}\r\n${guess}\r\n`);
      };
    }
    case "handshakes":
    case "hellos": {
      const first = kind === "hellos" ? await clientHello() : HELLO_HEAD;
      for (const socket of await hostile.opened(HANDSHAKES)) shakeHalf(socket, first);
      // A server ends them sooner or later: then there are new ones.
      return () => {
        if (hostile.openCount >= HANDSHAKES) return;
        hostile.count++;
        const socket = hostile.connect();
        socket.on("connect", () => shakeHalf(socket, first));
      };
    }
  }
}

async function main(): Promise<void> {
  const [kind, host = "", port, perSecond] = Deno.args;
  const hostile = new Hostile(host, Number(port));
  const once = await begin(kind as Kind, hostile);
  console.log("on");
  const each = Number(perSecond) * TICK_MS / 1_000;
  let due = 0;
  const timer = setInterval(() => {
    for (due += each; due >= 1; due--) once();
  }, TICK_MS);
  for await (const _chunk of Deno.stdin.readable) { /* nothing is asked */ }
  clearInterval(timer);
  hostile.leave();
  console.log(hostile.count);
}

if (import.meta.main) {
  await main();
  Deno.exit(0);
}
