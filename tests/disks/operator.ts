/**
 * One client that finds who serves, and takes each answer for what it says: done, refused in words, or
 * left open. It never sends a command twice whose outcome is not known.
 */
import type { Server } from "../process/harness.ts";
import { sleep } from "../process/patience.ts";
import { RawSocket } from "../process/socket.ts";

const PAUSE_MS = 25;
const CONNECT_DEADLINE_MS = 2_000;
/** Longer than a command may stay unconfirmed. */
const REPLY_DEADLINE_MS = 8_000;
/** For how long somebody is looked for who takes a command at all. */
export const SERVED_WITHIN_MS = 10_000;

export type Answer =
  | { readonly kind: "done"; readonly line: string }
  | { readonly kind: "refused" }
  /** It may have been done. */
  | { readonly kind: "unknown"; readonly why: string }
  /** Nobody took it. */
  | { readonly kind: "not served" };

export class Operator {
  readonly #servers: readonly Server[];
  #next = 0;
  #socket: RawSocket | null = null;

  constructor(servers: readonly Server[]) {
    this.#servers = servers;
  }

  set(key: string, value: string): Promise<Answer> {
    return this.#do(`set ${key} 0 ${value.length}\r\n${value}\r\n`);
  }

  delete(key: string): Promise<Answer> {
    return this.#do(`delete ${key}\r\n`);
  }

  /** In the Redis protocol, on a connection of its own. */
  async flushAll(): Promise<Answer> {
    this.close();
    const answer = await this.#do("*1\r\n$8\r\nFLUSHALL\r\n");
    this.close();
    return answer;
  }

  /** The value, or null where there is none; undefined where nobody said. */
  async get(key: string): Promise<string | null | undefined> {
    const answer = await this.#do(`get ${key}\r\n`);
    if (answer.kind !== "done") return undefined;
    const size = /^VALUE (\d+)$/.exec(answer.line)?.[1];
    if (size === undefined) return answer.line === "ERR_NOT_FOUND" ? null : undefined;
    try {
      return (await this.#socket!.readExact(Number(size) + 2)).slice(0, -2);
    } catch {
      this.close();
      return undefined;
    }
  }

  close(): void {
    this.#socket?.close();
    this.#socket = null;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #do(command: string): Promise<Answer> {
    const deadlineMs = performance.now() + SERVED_WITHIN_MS;
    while (performance.now() < deadlineMs) {
      const socket = this.#socket ?? await this.#connect();
      if (socket === null) continue;
      let line: string;
      try {
        await socket.send(command);
        line = await socket.readLine(REPLY_DEADLINE_MS);
      } catch (error) {
        this.#turnAway();
        return { kind: "unknown", why: (error as Error).message };
      }
      const redirect = /^(?:ERR_REDIRECT \S+ |-MOVED \d+ \S+:)(\d+)$/.exec(line)?.[1];
      if (redirect !== undefined) {
        this.#turnAway();
        const at = this.#servers.findIndex(({ clientPort }) => clientPort === Number(redirect));
        if (at !== -1) this.#next = at;
        await sleep(PAUSE_MS);
      } else if (/^(ERR_NO_LEADER|ERR_BUSY|-CLUSTERDOWN|-TRYAGAIN|-LOADING)/.test(line)) {
        this.#turnAway();
        await sleep(PAUSE_MS);
      } else if (/^(ERR_NO_SPACE|-MISCONF|-OOM)/.test(line)) return { kind: "refused" };
      else if (/^(ERR_TIMEOUT|ERR_INTERNAL|-UNCERTAIN|-ERR)/.test(line)) {
        return { kind: "unknown", why: line };
      } else return { kind: "done", line };
    }
    return { kind: "not served" };
  }

  async #connect(): Promise<RawSocket | null> {
    const server = this.#servers[this.#next]!;
    try {
      if (server.isRunning) {
        return this.#socket = await RawSocket.connect(server.clientPort, CONNECT_DEADLINE_MS);
      }
    } catch {
      // Another one may take it.
    }
    this.#turnAway();
    await sleep(PAUSE_MS);
    return null;
  }

  #turnAway(): void {
    this.close();
    this.#next = (this.#next + 1) % this.#servers.length;
  }
}
