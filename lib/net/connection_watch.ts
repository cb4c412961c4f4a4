/**
 * The time limits of connections. One timer looks at all of them; a connection only notes when bytes
 * moved, so a limit costs nothing per read or write. A connection past a limit is closed, which ends
 * its pending read or write.
 */
import type { Clock, Connection } from "../host/ports.ts";

/** How often the limits are looked at; they are exact to this much. */
const SWEEP_INTERVAL_MS = 250;

export interface WatchLimits {
  /** No byte moved in either direction for this long; 0 is no limit. */
  readonly idleTimeoutMs: number;
  /** One piece of a write (see `writePieces`) was not taken for this long. */
  readonly writeTimeoutMs: number;
}

/** Writes go out in pieces of this size: taking one counts as a sign of life. */
const PIECE_BYTES = 262_144;

/** The open connections of one listener, or one link. */
export class ConnectionWatch {
  readonly #clock: Clock;
  readonly #limits: WatchLimits;
  readonly #open = new Set<WatchedConnection>();
  #timer: ReturnType<typeof setInterval> | null = null;

  constructor(clock: Clock, limits: WatchLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** The time by which the limits are counted. */
  get nowMs(): number {
    return this.#clock.monotonicMs();
  }

  get size(): number {
    return this.#open.size;
  }

  /** Watches a connection until it is closed. */
  open(connection: Connection): WatchedConnection {
    const watched = new WatchedConnection(connection, this.#clock, (gone) => this.#remove(gone));
    this.#open.add(watched);
    this.#timer ??= setInterval(() => this.sweep(), SWEEP_INTERVAL_MS);
    return watched;
  }

  /** Closes what is past a limit. */
  sweep(): void {
    const nowMs = this.#clock.monotonicMs();
    const { idleTimeoutMs, writeTimeoutMs } = this.#limits;
    for (const watched of this.#open) {
      if (watched.writingSinceMs >= 0 && nowMs - watched.writingSinceMs >= writeTimeoutMs) {
        watched.close(`it took no bytes for ${writeTimeoutMs} ms`);
      } else if (idleTimeoutMs > 0 && nowMs - watched.lastTrafficMs >= idleTimeoutMs) {
        watched.close(`it was idle for ${idleTimeoutMs} ms`);
      }
    }
  }

  closeAll(reason: string): void {
    for (const watched of this.#open) watched.close(reason);
  }

  #remove(watched: WatchedConnection): void {
    this.#open.delete(watched);
    if (this.#open.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }
}

/** A connection that notes its traffic. Closing it twice is fine; the first reason stays. */
export class WatchedConnection implements Connection {
  readonly remote: string;
  lastTrafficMs: number;
  /** Since when the piece being written waits to be taken; -1 while none is. */
  writingSinceMs = -1;
  /** Why this side closed it; null while it is open. */
  closedBecause: string | null = null;
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #onClose: (connection: WatchedConnection) => void;

  constructor(
    connection: Connection,
    clock: Clock,
    onClose: (connection: WatchedConnection) => void,
  ) {
    this.remote = connection.remote;
    this.#connection = connection;
    this.#clock = clock;
    this.#onClose = onClose;
    this.lastTrafficMs = clock.monotonicMs();
  }

  async read(into: Uint8Array): Promise<number | null> {
    const count = await this.#connection.read(into);
    this.lastTrafficMs = this.#clock.monotonicMs();
    return count;
  }

  async write(bytes: Uint8Array): Promise<void> {
    try {
      for (let start = 0; start < bytes.length; start += PIECE_BYTES) {
        this.writingSinceMs = this.#clock.monotonicMs();
        await this.#connection.write(
          bytes.length <= PIECE_BYTES ? bytes : bytes.subarray(start, start + PIECE_BYTES),
        );
      }
    } finally {
      this.writingSinceMs = -1;
    }
    this.lastTrafficMs = this.#clock.monotonicMs();
  }

  closeWrite(): Promise<void> {
    return this.#connection.closeWrite();
  }

  close(reason = "closed"): void {
    if (this.closedBecause !== null) return;
    this.closedBecause = reason;
    this.#onClose(this);
    this.#connection.close();
  }
}
