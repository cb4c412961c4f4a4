/**
 * Accepting connections over TCP. The runtime's own iterator over a listener ends with the first error;
 * the one here ends when the listener is closed and with nothing else.
 */
import { addressText } from "../util/address.ts";
import { type AcceptErrorKind, kindOfAcceptError } from "./accept_errors.ts";
import type { Connection, Listener } from "./ports.ts";
import { TcpConnection } from "./tcp_connection.ts";

/** An accept that failed, or several of one kind. */
export interface AcceptFailure {
  /** Where it listens. */
  readonly address: string;
  readonly kind: AcceptErrorKind;
  /** The last of them. */
  readonly error: Error;
  /** How many there were since the last time that this was called for this kind. */
  readonly count: number;
}

/** Who wants to know of failures; called at most once a second per listener and kind. */
export type OnAcceptFailure = (failure: AcceptFailure) => void;

/** How long a listener pauses where the next try would fail too. */
const ACCEPT_PAUSE_MS = 100;
/** After so many errors of an unknown kind in a row the cause is taken to be permanent. */
const UNKNOWN_IN_SUCCESSION_MAX = 10;
/**
 * Connections that have arrived already are accepted without a round of the event loop in between; after
 * so many there is a round, so that a client that connects or resets fast keeps nobody waiting.
 */
const ACCEPTS_PER_ROUND = 64;
const REPORT_INTERVAL_MS = 1_000;

/** What this file needs of the runtime's listener; a test can bring its own. */
export interface Acceptor {
  readonly addr: Deno.Addr;
  accept(): Promise<Deno.Conn>;
  close(): void;
}

/** What was counted of one kind and not reported yet. */
interface Unreported {
  count: number;
  reportedAtMs: number;
}

/** A listening socket; its iterator ends with `close()` and with nothing else. */
export class TcpListener implements Listener {
  readonly port: number;
  readonly address: string;
  readonly hasRoom: () => boolean;
  readonly #acceptor: Acceptor;
  readonly #onFailure: OnAcceptFailure;
  readonly #unreported = new Map<AcceptErrorKind, Unreported>();
  #closed = false;
  #unknownInSuccession = 0;
  #acceptsInRound = 0;
  #pause: { timer: ReturnType<typeof setTimeout>; end: () => void } | null = null;

  constructor(
    acceptor: Acceptor,
    onFailure: OnAcceptFailure = () => {},
    hasRoom: () => boolean = () => true,
  ) {
    this.#acceptor = acceptor;
    this.#onFailure = onFailure;
    this.hasRoom = hasRoom;
    const { hostname, port } = acceptor.addr as Deno.NetAddr;
    this.port = port;
    this.address = addressText(hostname, port);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Connection> {
    while (!this.#closed) {
      if (++this.#acceptsInRound >= ACCEPTS_PER_ROUND) {
        this.#acceptsInRound = 0;
        await this.#rest(0);
        continue;
      }
      let accepted: TcpConnection;
      try {
        accepted = new TcpConnection(await this.#acceptor.accept());
      } catch (error) {
        if (this.#closed) return;
        if (this.#failed(error as Error)) await this.#rest(ACCEPT_PAUSE_MS);
        continue;
      }
      this.#unknownInSuccession = 0;
      yield accepted;
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#acceptor.close();
    if (this.#pause !== null) {
      clearTimeout(this.#pause.timer);
      this.#pause.end();
    }
  }

  /** Takes note of an error; true where it calls for a pause. */
  #failed(error: Error): boolean {
    const kind = kindOfAcceptError(error);
    this.#report(kind, error);
    if (kind !== "unknown") {
      this.#unknownInSuccession = 0;
      return kind === "noRoom";
    }
    return ++this.#unknownInSuccession > UNKNOWN_IN_SUCCESSION_MAX;
  }

  #report(kind: AcceptErrorKind, error: Error): void {
    const nowMs = performance.now();
    const unreported = this.#unreported.get(kind) ?? { count: 0, reportedAtMs: -Infinity };
    this.#unreported.set(kind, unreported);
    unreported.count++;
    if (nowMs - unreported.reportedAtMs < REPORT_INTERVAL_MS) return;
    const { count } = unreported;
    unreported.count = 0;
    unreported.reportedAtMs = nowMs;
    this.#onFailure({ address: this.address, kind, error, count });
  }

  #rest(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        this.#pause = null;
        resolve();
      };
      this.#pause = { timer: setTimeout(end, ms), end };
    });
  }
}
