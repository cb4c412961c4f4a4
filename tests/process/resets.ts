/**
 * Clients that end their connections with a reset, as load balancers' probes and some client libraries
 * do (SO_LINGER 0). Where the server has not accepted such a connection yet, accepting it fails.
 */
import { connect, Socket } from "node:net";

/** A ping in the Redis protocol. */
export const PING = "*1\r\n$4\r\nPING\r\n";

/** Null where this runtime can reset a connection, else why a test that needs it can't run. */
export function needsResets(): string | null {
  return "resetAndDestroy" in Socket.prototype ? null : "this runtime can't reset a connection";
}

/** Connects to `port` of 127.0.0.1 and resets the connection at once. */
export function connectAndReset(port: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.resetAndDestroy());
    socket.on("error", () => {});
    socket.on("close", () => resolve());
  });
}

/**
 * A client that pings, and resets its connection and makes another where no answer comes in time; like
 * this until `stop()`.
 */
export class HastyClient {
  replies = 0;
  resets = 0;
  readonly #port: number;
  readonly #patienceMs: number;
  #socket: Socket | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isStopped = false;

  constructor(port: number, patienceMs: number) {
    this.#port = port;
    this.#patienceMs = patienceMs;
    this.#connect();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#socket?.destroy();
  }

  #connect(): void {
    const socket = connect(this.#port, "127.0.0.1", () => this.#ping(socket));
    this.#socket = socket;
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      if (bytes.toString() === "+PONG\r\n") this.replies++;
      this.#wait(() => this.#ping(socket));
    });
    socket.on("close", () => this.#wait(() => this.#connect()));
    this.#wait(() => this.#giveUp(socket));
  }

  #ping(socket: Socket): void {
    socket.write(PING);
    this.#wait(() => this.#giveUp(socket));
  }

  #giveUp(socket: Socket): void {
    this.resets++;
    socket.resetAndDestroy();
  }

  #wait(then: () => void): void {
    clearTimeout(this.#timer);
    if (!this.#isStopped) this.#timer = setTimeout(then, this.#patienceMs);
  }
}
