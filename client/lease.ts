/**
 * A client session of its own for one lock (docs/sessions.md): keys that are bound to it go when it ends.
 *
 * When it ends is the cluster's word. Here is counted until when it surely has not ended: from before the
 * write was sent that last kept it alive, by the monotonic clock of this machine, and a tenth less. That
 * tenth is for clocks that run at other rates, for a stamp that a server took a moment before the write came,
 * and for the 100 ms that a change of leader may put the log's time forward.
 */
import type { Cluster } from "./cluster.ts";
import { toNumber } from "./replies.ts";
import type { Reply } from "./reply_parser.ts";
import type { Argument } from "./request_writer.ts";
import { submit } from "./submit.ts";

const SURE_SHARE = 0.9;

/** How long one request may take. */
export interface RequestLimit {
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

export class Lease {
  readonly ttlMs: number;
  readonly id: number;
  readonly #cluster: Cluster;
  #sequence = 0;
  /** One write at a time: the next one acknowledges it. */
  #last: Promise<unknown> = Promise.resolve();
  #untilMs: number;

  private constructor(cluster: Cluster, ttlMs: number, id: number, sentMs: number) {
    this.#cluster = cluster;
    this.ttlMs = ttlMs;
    this.id = id;
    this.#untilMs = sentMs + ttlMs * SURE_SHARE;
  }

  /** @throws {NotDone} where the cluster has none to give, or can't be asked. */
  static async open(cluster: Cluster, ttlMs: number, limit: RequestLimit): Promise<Lease> {
    const sentMs = performance.now();
    const id = await submit(cluster, {
      requests: [["RAFTKV.SESSION", "OPEN", `${ttlMs}`]],
      name: "a client session",
      isWrite: false,
      deadlineMs: sentMs + limit.timeoutMs,
      ...limit,
      decode: toNumber,
    });
    return new Lease(cluster, ttlMs, id, sentMs);
  }

  /** By performance.now(): before that the cluster surely has not ended it. */
  get untilMs(): number {
    return this.#untilMs;
  }

  /**
   * Commands as one write of the session, done once however often it is sent; the session lives on by it. Of
   * several commands the reply is a list. `bind`: the key that the only command writes goes with the session.
   * @throws {Refused} code SESSION: the session is over, and it was not done.
   * @throws {Unknown} where it may have been done.
   */
  run<T>(
    name: string,
    commands: readonly (readonly Argument[])[],
    decode: (reply: Reply) => T,
    limit: RequestLimit,
    bind = false,
  ): Promise<T> {
    return this.#inTurn(() => {
      const sequence = `${++this.#sequence}`;
      const place = ["RAFTKV.SESSION", "RUN", `${this.id}`, sequence, sequence];
      const prefix: readonly Argument[] = bind ? [...place, "BIND"] : place;
      const requests = commands.length === 1
        ? [[...prefix, ...commands[0]!]]
        : [["MULTI"], ...commands, [...prefix, "EXEC"]];
      return this.#write(name, requests, decode, limit);
    });
  }

  /** A sign of life that costs the log next to nothing, and promises nothing: another may be needed. */
  ping(limit: RequestLimit): Promise<number> {
    return submit(this.#cluster, {
      requests: [["RAFTKV.SESSION", "PING", `${this.id}`]],
      name: "a client session's ping",
      isWrite: false,
      deadlineMs: performance.now() + limit.timeoutMs,
      ...limit,
      decode: toNumber,
    });
  }

  /** Ends it, with all keys that are bound to it, in one entry of the log. It may be asked for twice. */
  close(name: string, limit: RequestLimit): Promise<void> {
    return this.#inTurn(() => {
      const requests = [["RAFTKV.SESSION", "CLOSE", `${this.id}`]];
      return this.#write(name, requests, (reply) => void toNumber(reply), limit);
    });
  }

  /** Nobody waits for it, and if it fails the session ends by itself. */
  abandon(limit: RequestLimit): void {
    this.close("unlock", { ...limit, signal: undefined }).catch(() => {});
  }

  async #write<T>(
    name: string,
    requests: readonly (readonly Argument[])[],
    decode: (reply: Reply) => T,
    limit: RequestLimit,
  ): Promise<T> {
    const sentMs = performance.now();
    const value = await submit(this.#cluster, {
      requests,
      name,
      isWrite: true,
      namesItsPlace: true,
      deadlineMs: sentMs + limit.timeoutMs,
      ...limit,
      decode,
    });
    this.#untilMs = Math.max(this.#untilMs, sentMs + this.ttlMs * SURE_SHARE);
    return value;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(work, work);
    this.#last = mine;
    // Whoever asked for it hears of it; the next one does not.
    mine.catch(() => {});
    return mine;
  }
}
