/**
 * The time limits of connections. One timer checks all of them; a connection only notes in which of
 * these intervals bytes moved, so a read or write costs no call of the clock. A connection past a limit
 * is closed, which ends its pending read or write.
 */
import { AssertionError } from "../util/assert.ts";
import type { Clock, Connection } from "../host/ports.ts";

/** Limits are checked so many times while the shortest of them passes, and no more often than this. */
const SWEEPS = 16;
const SWEEP_INTERVAL_MIN_MS = 250;

export interface WatchLimits {
  /** No byte moved in either direction for this long, of one that does not listen; 0 is no limit. */
  readonly idleTimeoutMs: number;
  /** Of a write that waits, not a byte was taken for this long. */
  readonly writeTimeoutMs: number;
}

/** Writes go out in pieces of this size at most: taking any of one is a sign of life. */
const PIECE_BYTES = 262_144;

/** The open connections of all listeners of one port, or of the links to others. */
export class ConnectionWatch implements ConnectionOwner {
  readonly #clock: Clock;
  readonly #limits: WatchLimits;
  readonly #open = new Set<WatchedConnection>();
  readonly #intervalMs: number;
  /** The time of the last look at the clock. */
  lookedMs: number;
  #timer: ReturnType<typeof setInterval> | null = null;

  constructor(clock: Clock, limits: WatchLimits) {
    this.#clock = clock;
    this.#limits = limits;
    this.lookedMs = clock.monotonicMs();
    const { idleTimeoutMs, writeTimeoutMs } = limits;
    const shortestMs = Math.min(idleTimeoutMs || Infinity, writeTimeoutMs);
    this.#intervalMs = Math.max(SWEEP_INTERVAL_MIN_MS, Math.ceil(shortestMs / SWEEPS));
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
    // The timer may have rested until now.
    this.lookedMs = this.#clock.monotonicMs();
    const watched = new WatchedConnection(connection, this);
    this.#open.add(watched);
    this.#timer ??= setInterval(() => this.sweep(), this.#intervalMs);
    return watched;
  }

  /** Closes what is past a limit. */
  sweep(): void {
    const nowMs = this.lookedMs = this.#clock.monotonicMs();
    const { idleTimeoutMs, writeTimeoutMs } = this.#limits;
    for (const watched of this.#open) {
      if (watched.writingSinceMs >= 0 && nowMs - watched.writingSinceMs >= writeTimeoutMs) {
        watched.close(`it took no bytes for ${writeTimeoutMs} ms`);
      } else if (
        idleTimeoutMs > 0 && nowMs - watched.lastTrafficMs >= idleTimeoutMs &&
        watched.listens?.() !== true
      ) {
        watched.close(`it was idle for ${idleTimeoutMs} ms`);
      }
    }
  }

  /** Closes the oldest one that gives way; false where none does. */
  evict(reason: string): boolean {
    for (const watched of this.#open) {
      if (watched.givesWay?.() !== true) continue;
      watched.close(reason);
      return true;
    }
    return false;
  }

  closeAll(reason: string): void {
    for (const watched of this.#open) watched.close(reason);
  }

  closed(watched: WatchedConnection): void {
    this.#open.delete(watched);
    if (this.#open.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }
}

/** Who watches a connection. */
export interface ConnectionOwner {
  /** The time of the last look at the clock. */
  readonly lookedMs: number;
  /** This side has closed it. */
  closed(connection: WatchedConnection): void;
}

/** A connection that notes its traffic. Closing it twice is fine; the first reason stays. */
export class WatchedConnection implements Connection {
  readonly remote: string;
  readonly peerNames: readonly string[] | undefined;
  lastTrafficMs: number;
  /** Since when the piece being written waits to be taken; -1 while none is. */
  writingSinceMs = -1;
  /** Why this side closed it; null while it is open. */
  closedBecause: string | null = null;
  /** Whether its client waits to be told something: silence is no sign then that it is gone. */
  listens: (() => boolean) | null = null;
  /** Whether it is closed where there are too many; null: never. */
  givesWay: (() => boolean) | null = null;
  readonly #connection: Connection;
  readonly #owner: ConnectionOwner;
  #tellClosed: (() => void) | null = null;

  constructor(connection: Connection, owner: ConnectionOwner) {
    this.remote = connection.remote;
    this.peerNames = connection.peerNames;
    this.#connection = connection;
    this.#owner = owner;
    this.lastTrafficMs = owner.lookedMs;
  }

  /** A reader asks again once bytes have come: so they are noted when the next ones are asked for. */
  read(into: Uint8Array): Promise<number | null> {
    this.lastTrafficMs = this.#owner.lookedMs;
    return this.#connection.read(into);
  }

  /**
   * Writes all of `bytes`. A write that fails stays marked as one that is under way: its connection
   * is to be closed.
   */
  async write(bytes: Uint8Array): Promise<number> {
    let written = await this.writeSome(bytes);
    while (written < bytes.length) written += await this.writeSome(bytes.subarray(written));
    this.wroteAll();
    return written;
  }

  /**
   * Writes what the system takes of `bytes` in one go, and resolves with how many bytes that was. Whoever
   * repeats it until all are out calls `wroteAll` then. There is a write for every reply: this one costs no
   * promise beside the system's own.
   */
  writeSome(bytes: Uint8Array): Promise<number> {
    this.lastTrafficMs = this.writingSinceMs = this.#owner.lookedMs;
    const piece = bytes.length <= PIECE_BYTES ? bytes : bytes.subarray(0, PIECE_BYTES);
    return this.#connection.write(piece);
  }

  /** No write is under way any more. */
  wroteAll(): void {
    this.writingSinceMs = -1;
  }

  closeWrite(): Promise<void> {
    return this.#connection.closeWrite();
  }

  close(reason = "closed"): void {
    if (this.closedBecause !== null) return;
    this.closedBecause = reason;
    this.#owner.closed(this);
    this.#connection.close();
    this.#tellClosed?.();
  }

  /**
   * Resolves when `work` does, or at once where this side closes the connection meanwhile. Closing ends a
   * read that is under way; a write continues, on some versions of Deno, for as long as TCP tries. So
   * `work` may still be in a write then, and must use nothing but the underlying connection.
   */
  untilClosed(work: Promise<unknown>): Promise<unknown> {
    const closed = new Promise<void>((resolve) => this.#tellClosed = resolve);
    if (this.closedBecause === null) return Promise.race([work, closed]);
    // An error of the system about a connection that was closed does not matter; a broken invariant does.
    work.catch((error) => {
      if (error instanceof AssertionError) throw error;
    });
    return Promise.resolve();
  }
}
