/**
 * Sets at a fixed rate, whether the server keeps up or not. Latency counts from the moment at which a
 * request was due, so a stall is seen by every request that was due while it lasted.
 */
import { Histogram, type LatencySummary } from "../lib/util/histogram.ts";
import { pauseMs } from "./find_leader.ts";
import { type Address, enterWithin, writeAll } from "./line_client.ts";
import { ReplyKind, ReplyScanner } from "./reply_scanner.ts";
import { WriteEncoder } from "./writes.ts";

const CONNECT_TIMEOUT_MS = 2_000;
const READ_BYTES = 65_536;
/** The timers of the runtime are no finer: requests leave up to so much late, always. */
const TICK_MS = 1;
/** A generator that lags more than this was itself kept from running: its samples are marked. */
const LATE_MS = 5;
/** Requests of one connection without a reply; one more means that the server is gone. */
const IN_FLIGHT_MAX = 1 << 15;
const DRAIN_MS = 10_000;

/** A stretch of time on the clock of `performance.now()`. */
export interface Interval {
  readonly startMs: number;
  readonly endMs: number;
}

/** When each request was due, and how long until its reply. */
export class Samples {
  #dueMs = new Float64Array(1 << 16);
  #latencyMs = new Float64Array(1 << 16);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  push(dueMs: number, latencyMs: number): void {
    if (this.#count === this.#dueMs.length) {
      this.#dueMs = doubled(this.#dueMs);
      this.#latencyMs = doubled(this.#latencyMs);
    }
    this.#dueMs[this.#count] = dueMs;
    this.#latencyMs[this.#count++] = latencyMs;
  }

  /** Of the requests that were due when `isMeant`. */
  summary(isMeant: (dueMs: number) => boolean): LatencySummary {
    const histogram = new Histogram();
    for (let i = 0; i < this.#count; i++) {
      if (isMeant(this.#dueMs[i]!)) histogram.record(this.#latencyMs[i]!);
    }
    return histogram.summary();
  }
}

function doubled(values: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(values.length * 2);
  larger.set(values);
  return larger;
}

export function isWithin(intervals: readonly Interval[], timeMs: number): boolean {
  return intervals.some(({ startMs, endMs }) => timeMs >= startMs && timeMs < endMs);
}

export interface OpenLoopOptions {
  readonly leader: Address;
  readonly connections: number;
  readonly perSecond: number;
  readonly keys: number;
  readonly valueBytes: number;
}

export class OpenLoop {
  readonly samples = new Samples();
  /** When the generator itself was late: what was measured then is not the server's doing alone. */
  readonly lateIntervals: Interval[] = [];
  readonly #options: OpenLoopOptions;
  readonly #connections: Connection[];
  #isOver = false;
  #running: Promise<void> | null = null;

  private constructor(options: OpenLoopOptions, connections: Connection[]) {
    this.#options = options;
    this.#connections = connections;
  }

  static async start(options: OpenLoopOptions): Promise<OpenLoop> {
    const opening = Array.from(
      { length: options.connections },
      () => enterWithin(options.leader, CONNECT_TIMEOUT_MS),
    );
    const connections = (await Promise.all(opening)).map((conn) => new Connection(conn));
    const loop = new OpenLoop(options, connections);
    for (const connection of connections) connection.start(loop.samples);
    loop.#running = loop.#send();
    loop.#running.catch(() => {});
    return loop;
  }

  /** What was not answered yet. */
  get inFlight(): number {
    return this.#connections.reduce((sum, connection) => sum + connection.inFlight, 0);
  }

  /** Throws where a connection failed or a reply was an error: the leader has to stay. */
  check(): void {
    for (const { failure } of this.#connections) if (failure !== null) throw failure;
  }

  /** Sends no more and waits for the replies. */
  async stop(): Promise<void> {
    this.#isOver = true;
    try {
      await this.#running;
      const deadlineMs = performance.now() + DRAIN_MS;
      while (this.inFlight > 0 && performance.now() < deadlineMs) await pauseMs(TICK_MS);
      this.check();
      if (this.inFlight > 0) {
        throw new Error(`${this.inFlight} sets got no reply within ${DRAIN_MS} ms`);
      }
    } finally {
      for (const connection of this.#connections) connection.close();
    }
  }

  async #send(): Promise<void> {
    const { perSecond, keys, valueBytes } = this.#options;
    const encoder = new WriteEncoder("raftkv");
    const stepMs = 1_000 / perSecond;
    const startMs = performance.now();
    let lastMs = startMs;
    let sent = 0;
    while (!this.#isOver) {
      await pauseMs(TICK_MS);
      const nowMs = performance.now();
      if (nowMs - lastMs > LATE_MS) this.lateIntervals.push({ startMs: lastMs, endMs: nowMs });
      lastMs = nowMs;
      const due = Math.floor((nowMs - startMs) / stepMs);
      for (; sent < due; sent++) {
        const connection = this.#connections[sent % this.#connections.length]!;
        const key = Math.imul(sent, 0x9e37_79b1) >>> 0;
        connection.add(startMs + sent * stepMs, encoder, key % keys, valueBytes);
      }
      for (const connection of this.#connections) connection.flush();
      this.check();
    }
  }
}

/** Written to whenever something is due, read all the time. */
class Connection {
  readonly #conn: Deno.Conn;
  readonly #dueMs = new Float64Array(IN_FLIGHT_MAX);
  #oldest = 0;
  inFlight = 0;
  failure: Error | null = null;
  #out = new Uint8Array(1 << 16);
  #end = 0;
  #isWriting = false;
  #isClosed = false;

  constructor(conn: Deno.Conn) {
    this.#conn = conn;
  }

  start(samples: Samples): void {
    let nowMs = 0;
    const scanner = new ReplyScanner((kind, line) => {
      if (kind === ReplyKind.error) this.failure ??= new Error(`A set was answered ${line}`);
      samples.push(this.#dueMs[this.#oldest]!, nowMs - this.#dueMs[this.#oldest]!);
      this.#oldest = (this.#oldest + 1) % IN_FLIGHT_MAX;
      this.inFlight--;
    });
    const read = async () => {
      const into = new Uint8Array(READ_BYTES);
      for (;;) {
        const count = await this.#conn.read(into);
        if (count === null) throw new Error("The server closed a connection");
        nowMs = performance.now();
        scanner.scan(into, count);
      }
    };
    read().catch((error) => this.#fail(error as Error));
  }

  add(dueMs: number, encoder: WriteEncoder, key: number, valueBytes: number): void {
    if (this.inFlight === IN_FLIGHT_MAX) {
      return this.#fail(new Error(`${IN_FLIGHT_MAX} sets of one connection got no reply`));
    }
    this.#dueMs[(this.#oldest + this.inFlight) % IN_FLIGHT_MAX] = dueMs;
    this.inFlight++;
    const room = this.#end + encoder.requestBytesMax(valueBytes);
    if (room > this.#out.length) {
      const larger = new Uint8Array(room * 2);
      larger.set(this.#out.subarray(0, this.#end));
      this.#out = larger;
    }
    this.#end = encoder.encode(key, valueBytes, this.#out, this.#end);
  }

  flush(): void {
    if (this.#isWriting || this.#end === 0 || this.failure !== null) return;
    this.#isWriting = true;
    const bytes = this.#out.slice(0, this.#end);
    this.#end = 0;
    writeAll(this.#conn, bytes).then(() => this.#isWriting = false, (error) => this.#fail(error));
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      this.#conn.close();
    } catch {
      // Closed by the runtime after an error.
    }
  }

  #fail(error: Error): void {
    if (!this.#isClosed) this.failure ??= error;
  }
}
