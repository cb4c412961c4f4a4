/**
 * One connection of the load generator: a closed loop that keeps `pipeline` requests in flight. A
 * reply makes room for a request; all that became free by one chunk of replies goes out in one write.
 */
import type { Histogram } from "../lib/util/histogram.ts";
import { writeAll } from "./line_client.ts";
import { ReplyKind, ReplyScanner } from "./reply_scanner.ts";
import type { RequestEncoder } from "./request_encoder.ts";

const READ_BYTES = 65_536;
/** However deep the pipeline, one write gathers no more than this (or one request). */
const WRITE_BYTES_MAX = 1_048_576;

/** What all connections of a run count together. */
export interface LoadCounters {
  answered: number;
  /** Gets whose key was not there; they are answers too. */
  misses: number;
  /** Replies that are errors, and what went wrong with connections, by kind. */
  readonly errors: Map<string, number>;
  readonly latency: Histogram;
}

export function countError(counters: LoadCounters, kind: string, count = 1): void {
  counters.errors.set(kind, (counters.errors.get(kind) ?? 0) + count);
}

export interface LoadConnectionOptions {
  readonly conn: Deno.Conn;
  readonly pipeline: number;
  readonly counters: LoadCounters;
  /** Writes the next request at `at` and returns its end, or returns -1 where no more is wanted. */
  readonly encodeNext: (into: Uint8Array, at: number) => number;
  readonly requestBytesMax: RequestEncoder["requestBytesMax"];
}

export class LoadConnection {
  readonly #options: LoadConnectionOptions;
  readonly #scanner: ReplyScanner;
  /** When each request in flight was handed over, a ring; milliseconds. */
  readonly #sentAtMs: Float64Array;
  readonly #out: Uint8Array;
  #oldest = 0;
  #inFlight = 0;
  #nowMs = 0;
  #writing = false;
  #isDry = false;
  #writeError: Error | null = null;
  /** Set by a reply that says that this server does not lead (any more). */
  #moved = false;

  constructor(options: LoadConnectionOptions) {
    this.#options = options;
    this.#sentAtMs = new Float64Array(options.pipeline);
    const { pipeline, requestBytesMax } = options;
    const gathered = Math.min(WRITE_BYTES_MAX, pipeline * requestBytesMax);
    this.#out = new Uint8Array(Math.max(gathered, requestBytesMax));
    this.#scanner = new ReplyScanner((kind, line) => this.#onReply(kind, line));
  }

  /**
   * Runs until no more requests are wanted and all are answered, or the server turns out not to lead,
   * or the connection fails. Requests that stay unanswered are counted as errors.
   */
  async run(): Promise<void> {
    const { conn, counters } = this.#options;
    const into = new Uint8Array(READ_BYTES);
    try {
      this.#refill();
      while (this.#inFlight > 0 && !this.#moved) {
        const count = await conn.read(into);
        if (count === null) throw new Error("the server closed the connection");
        this.#nowMs = performance.now();
        this.#scanner.scan(into, count);
        this.#refill();
      }
    } catch (error) {
      countError(counters, `connection lost: ${(this.#writeError ?? error as Error).message}`);
    } finally {
      if (this.#inFlight > 0) countError(counters, "unanswered", this.#inFlight);
      try {
        conn.close();
      } catch {
        // Closed by the runtime after an error.
      }
    }
  }

  #onReply(kind: ReplyKind, line: string): void {
    const { counters } = this.#options;
    if (this.#inFlight === 0) throw new Error("a reply came that nobody asked for");
    if (kind === ReplyKind.error) {
      const word = line.split(" ", 1)[0]!;
      countError(counters, word === "" ? "empty line" : word);
      if (word === "ERR_REDIRECT" || word === "ERR_NO_LEADER") this.#moved = true;
    } else {
      counters.answered++;
      if (kind === ReplyKind.notFound) counters.misses++;
      counters.latency.record(this.#nowMs - this.#sentAtMs[this.#oldest]!);
    }
    this.#oldest = this.#oldest + 1 === this.#sentAtMs.length ? 0 : this.#oldest + 1;
    this.#inFlight--;
  }

  /** Sends what there is room for. Reading goes on meanwhile: both ends must never wait to write. */
  #refill(): void {
    if (this.#writing || this.#isDry || this.#moved) return;
    const { pipeline, requestBytesMax, encodeNext } = this.#options;
    let end = 0;
    const nowMs = performance.now();
    while (this.#inFlight < pipeline && end + requestBytesMax <= this.#out.length) {
      const next = encodeNext(this.#out, end);
      if (next < 0) {
        this.#isDry = true;
        break;
      }
      end = next;
      this.#sentAtMs[(this.#oldest + this.#inFlight) % pipeline] = nowMs;
      this.#inFlight++;
    }
    if (end === 0) return;
    this.#writing = true;
    writeAll(this.#options.conn, this.#out.subarray(0, end)).then(
      () => {
        this.#writing = false;
        this.#refill();
      },
      (error) => this.#fail(error as Error),
    );
  }

  #fail(error: Error): void {
    this.#writeError = error;
    try {
      this.#options.conn.close();
    } catch {
      // The reader has closed it; it reports the error.
    }
  }
}
