/**
 * The stream of /events: kept up, watched, opened again. A server that stands still holds its connections,
 * so silence counts as loss, too. Driven by `tick()`; the source is passed in.
 */

/** What is used of an EventSource. */
export interface Source {
  close(): void;
}

export interface SourceEvents {
  readonly message: (data: string) => void;
  readonly failed: () => void;
}

export type StreamState =
  | { readonly kind: "connecting" }
  | { readonly kind: "live" }
  /** `sinceMs`: when the last message came; null where none has come yet. */
  | {
    readonly kind: "lost";
    readonly sinceMs: number | null;
    readonly isSilent: boolean;
  }
  /** Nobody looks at the page. */
  | { readonly kind: "paused" };

/** Messages come once a second. */
export const SILENCE_MAX_MS = 4_000;
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 5_000;
/** A browser has six connections to one server for all its tabs: a hidden one gives its own back. */
export const HIDDEN_MAX_MS = 30_000;

export class Stream {
  state: StreamState = { kind: "connecting" };
  readonly #open: (events: SourceEvents) => Source;
  readonly #receive: (data: string) => void;
  #source: Source | null = null;
  #openedMs = 0;
  #heardMs: number | null = null;
  #retryAtMs = 0;
  #retryMs = RETRY_MIN_MS;
  #hiddenSinceMs: number | null = null;
  #nowMs = 0;

  constructor(open: (events: SourceEvents) => Source, receive: (data: string) => void) {
    this.#open = open;
    this.#receive = receive;
  }

  /** To be called at least once a second, and whenever the page is hidden or shown. */
  tick(nowMs: number, isHidden: boolean): void {
    this.#nowMs = nowMs;
    this.#hiddenSinceMs = isHidden ? this.#hiddenSinceMs ?? nowMs : null;
    if (
      this.#hiddenSinceMs !== null &&
      nowMs - this.#hiddenSinceMs >= HIDDEN_MAX_MS
    ) {
      this.#closeSource();
      this.state = { kind: "paused" };
    } else if (this.state.kind === "paused") {
      this.state = { kind: "connecting" };
      this.#connect();
    } else if (this.#source === null) {
      if (nowMs >= this.#retryAtMs) this.#connect();
    } else if (
      nowMs - Math.max(this.#openedMs, this.#heardMs ?? 0) > SILENCE_MAX_MS
    ) {
      this.#lose(true);
    }
  }

  #connect(): void {
    this.#openedMs = this.#nowMs;
    // What an earlier source still says counts no more.
    let isCurrent = true;
    const source = this.#open({
      message: (data) => {
        if (isCurrent) this.#heard(data);
      },
      failed: () => {
        if (isCurrent) this.#lose(false);
      },
    });
    this.#source = {
      close: () => {
        isCurrent = false;
        source.close();
      },
    };
  }

  #heard(data: string): void {
    this.#heardMs = this.#nowMs;
    this.#retryMs = RETRY_MIN_MS;
    this.state = { kind: "live" };
    this.#receive(data);
  }

  #lose(isSilent: boolean): void {
    this.#closeSource();
    this.state = { kind: "lost", sinceMs: this.#heardMs, isSilent };
    this.#retryAtMs = this.#nowMs + this.#retryMs;
    this.#retryMs = Math.min(RETRY_MAX_MS, 2 * this.#retryMs);
  }

  #closeSource(): void {
    this.#source?.close();
    this.#source = null;
  }
}
