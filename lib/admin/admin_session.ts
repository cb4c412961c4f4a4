/**
 * One connection of the admin port, synchronous: bytes in, bytes out. Requests are answered one after
 * another, in their order. Whoever asks on without taking the answers is dropped.
 */
import type { PeerLink } from "../node/api.ts";
import type { EventStreams, StreamSink } from "./event_streams.ts";
import { isReading, RequestParser } from "./http_request.ts";
import { encodeResponse, type HttpResponse, text } from "./http_response.ts";
import type { Routes } from "./routes.ts";

/** Answers that wait to be taken. */
const PENDING_BYTES_MAX = 1_048_576;
/** Requests that wait while an answer is made. */
const WAITING_BYTES_MAX = 65_536;

export interface AdminParts {
  readonly routes: Pick<Routes, "answer">;
  readonly streams: EventStreams;
  readonly wallMs: () => number;
  /** Whoever was answered without a refusal keeps its connection, however many come. */
  readonly keepsAnswered: boolean;
}

export class AdminSession implements PeerLink, StreamSink {
  onActivity: (() => void) | null = null;
  closing: string | null = null;
  /** It gives way to nobody. */
  isKnown = false;
  #isLost = false;
  readonly #parts: AdminParts;
  readonly #parser = new RequestParser();
  /** What waits to be written, the first of it perhaps under way. */
  #pending: Uint8Array[] = [];
  #isStream = false;
  /** What was received while an answer is made; null where none is. */
  #waiting: Uint8Array[] | null = null;

  constructor(parts: AdminParts) {
    this.#parts = parts;
  }

  /** True where it is to be closed whatever waits to be written. */
  get isLost(): boolean {
    return this.#isLost;
  }

  get pendingBytes(): number {
    return this.#pending.reduce((sum, bytes) => sum + bytes.length, 0);
  }

  receive(bytes: Uint8Array): void {
    // Whoever listens to a stream has nothing more to say.
    if (this.closing !== null || this.#isStream) return;
    if (this.#waiting !== null) return this.#keep(this.#waiting, bytes);
    this.#parser.push(bytes);
    this.#answerAll();
  }

  #answerAll(): void {
    for (let next = this.#parser.next(); next !== null; next = this.#parser.next()) {
      if ("reason" in next) {
        this.#answer(text(next.status, `${next.reason}\n`), false, true);
      } else {
        const { method, isPersistent } = next;
        const response = isReading(method)
          ? this.#parts.routes.answer(next)
          : text(405, "This port is for reading: GET and HEAD\n", { Allow: "GET, HEAD" });
        if (response instanceof Promise) {
          return this.#answerLater(response, isPersistent, method !== "HEAD");
        }
        this.#answer(response, isPersistent, method !== "HEAD");
      }
      if (this.closing !== null || this.#isStream) return;
    }
  }

  /** What comes meanwhile waits, so that answers keep their order. */
  #answerLater(promise: Promise<HttpResponse>, isPersistent: boolean, hasBody: boolean): void {
    this.#waiting = [];
    promise.catch((error: Error) => text(503, `The page can't be loaded: ${error.message}\n`))
      .then((response) => {
        const waiting = this.#waiting ?? [];
        this.#waiting = null;
        if (this.closing !== null) return;
        this.#answer(response, isPersistent, hasBody);
        this.#answerAll();
        for (const bytes of waiting) this.receive(bytes);
      });
  }

  #keep(waiting: Uint8Array[], bytes: Uint8Array): void {
    waiting.push(bytes.slice());
    const size = waiting.reduce((sum, { length }) => sum + length, 0);
    if (size > WAITING_BYTES_MAX) this.drop("it asks without end");
  }

  takeOutput(): Uint8Array | null {
    return this.#pending[0] ?? null;
  }

  outputWritten(): void {
    this.#pending.shift();
  }

  /** A message of the stream that this connection listens to. Shared with others: it is not copied. */
  push(bytes: Uint8Array): void {
    this.#pending.push(bytes);
    this.onActivity?.();
  }

  drop(reason: string): void {
    this.#isLost = true;
    this.closing ??= reason;
    this.onActivity?.();
  }

  /** The connection is gone. */
  disconnected(): void {
    this.#parts.streams.remove(this);
    this.#pending = [];
    this.closing ??= "gone";
  }

  #answer(response: HttpResponse, isPersistent: boolean, hasBody: boolean): void {
    const isStream = response.isStream === true && hasBody;
    const { streams, wallMs, keepsAnswered } = this.#parts;
    this.isKnown ||= keepsAnswered && response.status < 400;
    this.#pending.push(encodeResponse(response, wallMs(), isPersistent, hasBody));
    if (isStream) {
      this.#isStream = true;
      streams.add(this);
    } else if (!isPersistent || response.isStream === true) this.closing = "it was answered";
    else if (this.pendingBytes > PENDING_BYTES_MAX) return this.drop("it takes no answers");
    this.onActivity?.();
  }
}
