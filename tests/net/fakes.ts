/** Small stand-ins for what the stages of net/ run on: connections, listeners, sessions, links. */
import type { Clock, Connection, Listener } from "../../lib/host/ports.ts";
import type { ClientSession, LogEvent, OutboundLink, PeerAddress } from "../../lib/node/api.ts";
import { CommandBatch } from "../../lib/wire/command_batch.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Lets everything that is ready run. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** A connection whose other end is the test. */
export class FakeConnection implements Connection {
  readonly remote = "10.0.0.1:5";
  written = "";
  reads = 0;
  writes = 0;
  isClosed = false;
  isWriteClosed = false;
  /** Bytes that one write takes. */
  takesAtMost = Infinity;
  /** While set, writes wait. */
  isBlocked = false;
  /** While set, a write that waits goes on waiting when the connection is closed. */
  writesOutliveClosing = false;
  closedBecause: string | null = null;
  failReadsWith: Error | null = null;
  #arrived: (Uint8Array | null)[] = [];
  #wake = () => {};

  /** Bytes from the other end; null is its end of stream. */
  arrive(text: string | null): void {
    this.#arrived.push(text === null ? null : encoder.encode(text));
    this.#wake();
  }

  unblock(): void {
    this.isBlocked = false;
    this.#wake();
  }

  async read(into: Uint8Array): Promise<number | null> {
    this.reads++;
    while (this.#arrived.length === 0) {
      if (this.isClosed) return null;
      if (this.failReadsWith !== null) throw this.failReadsWith;
      await this.#wait();
    }
    const bytes = this.#arrived[0]!;
    if (bytes === null) return null;
    const count = Math.min(into.length, bytes.length);
    into.set(bytes.subarray(0, count));
    if (count === bytes.length) this.#arrived.shift();
    else this.#arrived[0] = bytes.subarray(count);
    return count;
  }

  async write(bytes: Uint8Array): Promise<number> {
    while (this.isBlocked && (!this.isClosed || this.writesOutliveClosing)) await this.#wait();
    if (this.isClosed) throw new Error("Broken pipe");
    this.writes++;
    const taken = bytes.subarray(0, this.takesAtMost);
    this.written += decoder.decode(taken);
    return taken.length;
  }

  closeWrite(): Promise<void> {
    this.isWriteClosed = true;
    return Promise.resolve();
  }

  close(): void {
    this.isClosed = true;
    this.#wake();
  }

  failReads(error: Error): void {
    this.failReadsWith = error;
    this.#wake();
  }

  #wait(): Promise<void> {
    const before = this.#wake;
    return new Promise((resolve) =>
      this.#wake = () => {
        before();
        resolve();
      }
    );
  }
}

export class FakeListener implements Listener {
  readonly port = 1;
  readonly address = "10.0.0.2:1";
  /** Whether enough descriptors are left. */
  room = true;
  #queue: Connection[] = [];
  #isClosed = false;
  #wake = () => {};

  hasRoom(): boolean {
    return this.room;
  }

  arrive(connection: Connection): void {
    this.#queue.push(connection);
    this.#wake();
  }

  close(): void {
    this.#isClosed = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Connection> {
    while (true) {
      const connection = this.#queue.shift();
      if (connection !== undefined) yield connection;
      else if (this.#isClosed) return;
      else await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }
}

/**
 * A session whose commands are single characters. A test replies when it likes; `!` makes the
 * session close behind its reply.
 */
export class FakeSession implements ClientSession {
  onActivity: (() => void) | null = null;
  closing: string | null = null;
  isKilled = false;
  wantsInput = true;
  /** Every batch submitted, as text. */
  readonly submitted: string[] = [];
  isDisconnected = false;
  throwOnSubmit: Error | null = null;
  #space = new Uint8Array(8);
  #input = "";
  #batch = new CommandBatch();
  #output: Uint8Array | null = null;
  #waiting = "";
  #inputEnded = false;

  inputSpace(): Uint8Array {
    return this.#space;
  }

  received(count: number): void {
    this.#input += decoder.decode(this.#space.subarray(0, count));
  }

  nextBatch(): CommandBatch | null {
    if (this.#input === "" || !this.wantsInput) return null;
    this.#batch.clear();
    this.#batch.bytes.raw(encoder.encode(this.#input));
    this.#input = "";
    return this.#batch;
  }

  submit(batch: CommandBatch): void {
    if (this.isDisconnected) throw new Error("Submitted after the end");
    if (this.throwOnSubmit !== null) throw this.throwOnSubmit;
    const text = decoder.decode(batch.bytes.view());
    this.submitted.push(text);
    if (text.includes("!")) this.reply("bye", "the client asked for it");
  }

  reply(text: string, closing: string | null = null): void {
    this.#waiting += text;
    this.closing ??= closing;
    this.onActivity?.();
  }

  letIn(wants: boolean): void {
    this.wantsInput = wants;
    this.onActivity?.();
  }

  takeOutput(): Uint8Array | null {
    if (this.#output !== null) throw new Error("Output taken twice");
    if (this.#waiting === "") return null;
    this.#output = encoder.encode(this.#waiting);
    this.#waiting = "";
    return this.#output;
  }

  outputWritten(): void {
    this.#output = null;
  }

  inputEnded(): void {
    if (this.#inputEnded) throw new Error("Input ended twice");
    this.#inputEnded = true;
    this.closing ??= "the client ended the connection";
    this.onActivity?.();
  }

  disconnected(): void {
    if (this.isDisconnected) throw new Error("Disconnected twice");
    this.isDisconnected = true;
  }
}

/** A link that keeps what it gets; also good for the inbound side. */
function placeOf(peerId: number): PeerAddress {
  return { hostname: `10.0.0.${peerId}`, port: 9 };
}

export class FakeLink implements OutboundLink {
  readonly peerId: number;
  addresses: readonly PeerAddress[];
  isOver = false;
  onActivity: (() => void) | null = null;
  closing: string | null = null;
  isLost = false;
  isKnown = false;
  retriesAtOnce = false;
  received = "";
  writes = 0;
  readonly history: string[] = [];
  #waiting = "";

  constructor(peerId = 2, addresses: readonly PeerAddress[] = [placeOf(peerId)]) {
    this.peerId = peerId;
    this.addresses = addresses;
  }

  send(text: string): void {
    this.#waiting += text;
    this.onActivity?.();
  }

  lose(reason: string): void {
    this.isLost = true;
    this.closing = reason;
    this.onActivity?.();
  }

  connected(): void {
    this.closing = null;
    this.retriesAtOnce = false;
    this.history.push("connected");
    this.#waiting = "hello";
  }

  receive(bytes: Uint8Array): void {
    this.received += decoder.decode(bytes);
    if (this.received.endsWith("refused")) this.closing = "refused: another cluster";
    if (!this.received.endsWith("older")) return;
    this.closing = "refused: an older build";
    this.retriesAtOnce = true;
  }

  takeOutput(): Uint8Array | null {
    const text = this.#waiting;
    this.#waiting = "";
    return text === "" ? null : encoder.encode(text);
  }

  outputWritten(): void {
    this.writes++;
  }

  disconnected(reason = "over"): void {
    this.history.push(`disconnected: ${reason}`);
  }
}

export class FakeClock implements Clock {
  nowMs = 0;
  monotonicMs = () => this.nowMs;
  wallMs = () => this.nowMs;
}

/** A log that is a list. */
export function logInto(lines: string[]): (event: LogEvent) => void {
  return (event) => lines.push(`${event.level} ${event.message} ${JSON.stringify(event.fields)}`);
}
