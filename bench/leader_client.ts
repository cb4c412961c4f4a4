/**
 * A client that gets its request done: it finds the leader, follows redirects, and tries again where
 * no answer came. A set that is tried again may be carried out twice, so it is for callers to whom
 * that is all the same: those who set a key to one value only.
 */
import { pauseMs } from "./find_leader.ts";
import { type Address, formatAddress, LineClient, parseRedirect } from "./line_client.ts";

const ATTEMPT_TIMEOUT_MS = 1_000;
const RETRY_PAUSE_MS = 20;

export interface LeaderClientCounts {
  /** Requests sent again, because of a redirect, a refusal or silence. */
  retries: number;
}

export class LeaderClient {
  readonly counts: LeaderClientCounts = { retries: 0 };
  readonly #servers: readonly Address[];
  readonly #deadlineMs: number;
  #at = 0;
  #client: LineClient | null = null;

  /** `deadlineMs` bounds each request, all its tries together. */
  constructor(servers: readonly Address[], deadlineMs: number) {
    this.#servers = servers;
    this.#deadlineMs = deadlineMs;
  }

  /** @throws {Error} where the set was not acknowledged in time, with the last reason. */
  async set(key: string, value: Uint8Array): Promise<void> {
    await this.#until(`set ${key}`, async (client) => {
      const { line } = await client.set(key, value, ATTEMPT_TIMEOUT_MS);
      return { line, result: line.startsWith("OK ") ? true : undefined };
    });
  }

  /** The value, or null where there is no such key. @throws {Error} where no answer came in time. */
  get(key: string): Promise<Uint8Array | null> {
    return this.#until(`get ${key}`, async (client) => {
      const { line, value } = await client.get(key, ATTEMPT_TIMEOUT_MS);
      return { line, result: line === "ERR_NOT_FOUND" ? null : value ?? undefined };
    });
  }

  close(): void {
    this.#client?.close();
  }

  async #until<T>(
    what: string,
    attempt: (client: LineClient) => Promise<{ line: string; result: T | undefined }>,
  ): Promise<T> {
    const endMs = performance.now() + this.#deadlineMs;
    let reason = "";
    while (performance.now() < endMs) {
      try {
        const client = await this.#connect();
        const { line, result } = await attempt(client);
        if (result !== undefined) return result;
        reason = `${formatAddress(client.address)} answered ${line}`;
        this.#move(parseRedirect(line));
      } catch (error) {
        reason = (error as Error).message;
        this.#move(null);
      }
      this.counts.retries++;
      await pauseMs(RETRY_PAUSE_MS);
    }
    throw new Error(`${what}: not done within ${this.#deadlineMs} ms; last, ${reason}`);
  }

  async #connect(): Promise<LineClient> {
    if (this.#client !== null && !this.#client.isClosed) return this.#client;
    this.#client = await LineClient.connect(this.#servers[this.#at]!, ATTEMPT_TIMEOUT_MS);
    return this.#client;
  }

  /** To the server that was named, else to the next of the list. */
  #move(leader: Address | null): void {
    this.#client?.close();
    this.#client = null;
    const named = this.#servers.findIndex((server) =>
      leader !== null && formatAddress(server) === formatAddress(leader)
    );
    this.#at = named >= 0 ? named : (this.#at + 1) % this.#servers.length;
  }
}
