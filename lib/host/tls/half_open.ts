/**
 * Connections whose TLS handshake is not done. They are bounded in number and in time: whoever opens many
 * and says nothing gives way to those who come, first of all to those from other addresses.
 */

import { addressKey, addressText } from "../../util/address.ts";

/** What is kept of one: enough to end it. */
export interface HalfOpenSocket {
  readonly remoteAddress?: string | undefined;
  destroy(): void;
}

interface Entry {
  /** Which clients are one: see `addressKey`. */
  readonly address: string;
  readonly sinceMs: number;
}

export class HalfOpen {
  readonly #most: number;
  readonly #timeMaxMs: number;
  readonly #open = new Map<HalfOpenSocket, Entry>();
  readonly #counts = new Map<string, number>();

  constructor(most: number, timeMaxMs: number) {
    this.#most = most;
    this.#timeMaxMs = timeMaxMs;
  }

  get size(): number {
    return this.#open.size;
  }

  /** It was accepted. Where there are too many by now, one of them is ended. */
  add(socket: HalfOpenSocket, nowMs: number): void {
    const address = addressKey(addressText(socket.remoteAddress ?? "", 0));
    this.#open.set(socket, { address, sinceMs: nowMs });
    this.#counts.set(address, (this.#counts.get(address) ?? 0) + 1);
    if (this.#open.size > this.#most) this.evict();
  }

  /** Its handshake is done, or it has ended. */
  delete(socket: HalfOpenSocket): void {
    const entry = this.#open.get(socket);
    if (entry === undefined) return;
    this.#open.delete(socket);
    const left = this.#counts.get(entry.address)! - 1;
    if (left > 0) this.#counts.set(entry.address, left);
    else this.#counts.delete(entry.address);
  }

  /** Ends the oldest one from the address that has most of them. */
  evict(): void {
    const most = Math.max(...this.#counts.values());
    for (const [socket, { address }] of this.#open) {
      if (this.#counts.get(address) !== most) continue;
      this.#endOne(socket);
      return;
    }
  }

  /** Ends those that have had their time. */
  expire(nowMs: number): void {
    for (const [socket, { sinceMs }] of this.#open) {
      if (nowMs - sinceMs < this.#timeMaxMs) return;
      this.#endOne(socket);
    }
  }

  clear(): void {
    for (const socket of this.#open.keys()) this.#endOne(socket);
  }

  #endOne(socket: HalfOpenSocket): void {
    this.delete(socket);
    socket.destroy();
  }
}
