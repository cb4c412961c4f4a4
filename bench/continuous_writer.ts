/**
 * A client that writes all the time, one write after the other, to whoever leads: what it notices of a
 * failover is what any careful client would. Every attempt has a key of its own, so an attempt of
 * unknown outcome can't be mistaken for an acknowledged write.
 */
import { pauseMs } from "./find_leader.ts";

/** How one attempt ended. */
export type WriteOutcome =
  | { readonly kind: "acknowledged" }
  /** The server answered that it can't; it may know who can. */
  | { readonly kind: "refused"; readonly leader: number | null }
  /** No answer: whether it was written is unknown. */
  | { readonly kind: "unanswered" };

export interface WriteTarget {
  readonly serverIds: readonly number[];
  /** Writes `key` with the key itself as value to server `id`. Never rejects. */
  attempt(id: number, key: string, timeoutMs: number): Promise<WriteOutcome>;
}

export interface AcknowledgedWrite {
  readonly key: string;
  readonly server: number;
  readonly sentMs: number;
  readonly acknowledgedMs: number;
}

export interface WriterOptions {
  /** Between an acknowledged write and the next one. */
  readonly intervalMs: number;
  readonly attemptTimeoutMs: number;
  /** Between a refusal and the next attempt. */
  readonly retryMs: number;
  /** Put before each key. */
  readonly prefix: string;
}

export const WRITER_OPTIONS: Omit<WriterOptions, "prefix"> = {
  intervalMs: 2,
  attemptTimeoutMs: 100,
  retryMs: 5,
};

/** How long a server that did not answer is left alone; doubled with each further silence. */
const SUSPICION_MS = 500;
const SUSPICION_MS_MAX = 4_000;

interface Suspicion {
  readonly untilMs: number;
  readonly durationMs: number;
}

export class ContinuousWriter {
  readonly acknowledged: AcknowledgedWrite[] = [];
  attempts = 0;
  readonly #target: WriteTarget;
  readonly #options: WriterOptions;
  readonly #suspicions = new Map<number, Suspicion>();
  #running: Promise<void> | null = null;
  #stopped = false;

  constructor(target: WriteTarget, options: WriterOptions) {
    this.#target = target;
    this.#options = options;
  }

  start(firstServer: number): void {
    this.#running = this.#run(firstServer);
  }

  /** Lets the attempt that is under way end. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  /** The first acknowledged write that was sent after `ms`, to a server other than `exceptServer`. */
  firstAfter(ms: number, exceptServer: number): AcknowledgedWrite | null {
    let found: AcknowledgedWrite | null = null;
    for (let i = this.acknowledged.length - 1; i >= 0; i--) {
      const write = this.acknowledged[i]!;
      if (write.sentMs < ms) break;
      if (write.server !== exceptServer) found = write;
    }
    return found;
  }

  /** The first write that was sent after `ms` and that `server` acknowledged. */
  firstBy(server: number, ms: number): AcknowledgedWrite | null {
    let found: AcknowledgedWrite | null = null;
    for (let i = this.acknowledged.length - 1; i >= 0; i--) {
      const write = this.acknowledged[i]!;
      if (write.sentMs <= ms) break;
      if (write.server === server) found = write;
    }
    return found;
  }

  /** The longest time between two acknowledgements, of those that ended after `fromMs`. */
  longestGapMs(fromMs: number): number {
    let longest = 0;
    for (let i = this.acknowledged.length - 1; i > 0; i--) {
      const endMs = this.acknowledged[i]!.acknowledgedMs;
      if (endMs < fromMs) break;
      longest = Math.max(longest, endMs - this.acknowledged[i - 1]!.acknowledgedMs);
    }
    return longest;
  }

  async #run(firstServer: number): Promise<void> {
    const { intervalMs, attemptTimeoutMs, retryMs, prefix } = this.#options;
    let server = firstServer;
    while (!this.#stopped) {
      const key = `${prefix}${this.attempts++}`;
      const sentMs = performance.now();
      const outcome = await this.#target.attempt(server, key, attemptTimeoutMs);
      const nowMs = performance.now();
      switch (outcome.kind) {
        case "acknowledged":
          this.acknowledged.push({ key, server, sentMs, acknowledgedMs: nowMs });
          this.#suspicions.delete(server);
          await pauseMs(intervalMs);
          break;
        case "refused":
          server = this.#nextServer(server, outcome.leader, nowMs);
          await pauseMs(retryMs);
          break;
        case "unanswered":
          this.#suspect(server, nowMs);
          server = this.#nextServer(server, null, nowMs);
          // A refused connection comes back at once: no busy loop where nobody is there.
          if (nowMs - sentMs < retryMs) await pauseMs(retryMs);
          break;
      }
    }
  }

  #suspect(server: number, nowMs: number): void {
    const before = this.#suspicions.get(server)?.durationMs ?? SUSPICION_MS / 2;
    const durationMs = Math.min(SUSPICION_MS_MAX, before * 2);
    this.#suspicions.set(server, { untilMs: nowMs + durationMs, durationMs });
  }

  /**
   * The leader that was named, unless it is the one that just did not answer: the others name it
   * until they have elected another. Then, and where none was named, the next that is not suspected.
   */
  #nextServer(server: number, leader: number | null, nowMs: number): number {
    const untilMs = (id: number) => this.#suspicions.get(id)?.untilMs ?? 0;
    if (leader !== null && untilMs(leader) <= nowMs) return leader;
    const { serverIds } = this.#target;
    const at = serverIds.indexOf(server);
    const others = serverIds.map((_, i) => serverIds[(at + 1 + i) % serverIds.length]!);
    const free = others.find((id) => untilMs(id) <= nowMs);
    return free ?? others.reduce((best, id) => untilMs(id) < untilMs(best) ? id : best);
  }
}
