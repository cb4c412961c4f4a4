/** A client of the line protocol that finds the leader, follows redirects and reconnects. */
import { Patience, REPLY_DEADLINE_MS, sleep } from "./patience.ts";
import { RawSocket, toBytes, TURNED_AWAY } from "./socket.ts";

/** Nobody served in time, although nothing of the command was done. */
export class NotServedError extends Error {
  override readonly name = "NotServedError";
}

/** What became of a command. `unknown`: it may have been done, or may still be. */
export type Outcome = string | "unknown";

const PAUSE_MS = 25;
const REDIRECTS_MAX = 3;
/** Nothing was done: another server, or this one later, may take it. */
const NOT_DONE: ReadonlySet<string> = new Set(["ERR_NO_LEADER", "ERR_BUSY", TURNED_AWAY]);

export class Client {
  /** Where servers are by now: they may move. */
  readonly #ports: () => readonly number[];
  #next = 0;
  #socket: RawSocket | null = null;

  constructor(ports: () => readonly number[]) {
    this.#ports = ports;
  }

  /** The reply's first line; `unknown` where there is none, or one that leaves it open. */
  set(key: string, value: string): Promise<Outcome> {
    return this.#do(`set ${key} 0 ${value.length}\r\n${value}\r\n`);
  }

  cas(key: string, version: number, value: string): Promise<Outcome> {
    return this.#do(`cas ${key} 0 ${version} ${value.length}\r\n${value}\r\n`);
  }

  delete(key: string): Promise<Outcome> {
    return this.#do(`delete ${key}\r\n`);
  }

  /** The value, or null where there is no such key. Reads are repeated until they are decided. */
  async get(key: string): Promise<string | null> {
    for (let tries = 0; tries < 20; tries++) {
      const line = await this.#do(`get ${key}\r\n`);
      if (line === "ERR_NOT_FOUND") return null;
      const size = /^VALUE (\d+)$/.exec(line)?.[1];
      if (size === undefined) continue;
      const value = await this.#socket!.readExact(Number(size) + 2);
      return value.slice(0, -2);
    }
    throw new NotServedError(`get ${key}: not decided in 20 tries`);
  }

  close(): void {
    this.#socket?.close();
    this.#socket = null;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Sends until somebody takes it; what is not known to be undone is never sent again. */
  async #do(command: string): Promise<Outcome> {
    using patience = new Patience(2 * REPLY_DEADLINE_MS);
    const bytes = toBytes(command);
    for (let redirects = 0; !patience.isSpent;) {
      if (this.#socket === null && !await this.#connect(this.#nextPort())) {
        await this.#turnAway();
        continue;
      }
      let line: string;
      try {
        await this.#socket!.send(bytes);
        line = await this.#socket!.readLine();
      } catch {
        await this.#turnAway();
        return "unknown";
      }
      if (line.startsWith("ERR_REDIRECT ")) {
        this.close();
        // Servers that name each other are given a moment to find out more.
        const isLost = ++redirects % REDIRECTS_MAX === 0;
        if (isLost || !await this.#connect(Number(line.split(" ")[2]))) await this.#turnAway();
      } else if (NOT_DONE.has(line)) {
        await this.#turnAway();
      } else if (line === "ERR_TIMEOUT" || line === "ERR_INTERNAL") {
        return "unknown";
      } else return line;
    }
    throw new NotServedError(`${command.split("\r\n")[0]}: nobody took it`);
  }

  async #connect(port: number): Promise<boolean> {
    try {
      this.#socket = await RawSocket.connect(port);
      return true;
    } catch {
      return false;
    }
  }

  #nextPort(): number {
    const ports = this.#ports();
    return ports[this.#next % ports.length]!;
  }

  /** On to the next server, after a moment. */
  async #turnAway(): Promise<void> {
    this.close();
    this.#next++;
    await sleep(PAUSE_MS);
  }
}
