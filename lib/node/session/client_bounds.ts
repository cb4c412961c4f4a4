/**
 * What bounds each client address, and each user, where the cluster file asks for that
 * (`limits.perAddress`, `limits.perUser`): which connections are let in, and which of them wait. A
 * connection whose address or user has used up what it may do is not read from; it continues in its turn
 * as that grows again. What it sent is answered with an error that says so where it has not got on for a
 * second: then its client knows that nothing was done.
 */
import { addressKey } from "../../util/address.ts";
import type { LogEvent } from "../api.ts";
import type { Limits } from "../limits.ts";
import type { RateBucket } from "./rate_bucket.ts";
import { RateTable } from "./rate_table.ts";

/** How often those that wait are looked at. */
const LOOK_INTERVAL_MS = 10;
/** What waits for longer is refused. */
const RATE_WAIT_MS = 1_000;

/** See PacedLog (reports/paced_log.ts). */
export interface BoundsLog {
  log(subject: string, event: LogEvent, nowMs: number): void;
  nextDeadlineMs(): number;
  elapse(nowMs: number): void;
}

/** A connection that waits. */
export interface WaitingClient {
  /** Of its address, and of its user where it has one. */
  readonly buckets: readonly RateBucket[];
  /** Those of them that have nothing for it: no other connection takes from these before it. */
  readonly waitsFor: readonly RateBucket[];
  /** For the log: whose it is. */
  readonly remote: string;
  readonly userName: string;
  /** Since when it has not got on, by the monotonic clock. */
  readonly waitingSinceMs: number;
  /** It may take so many commands; none: it has waited for long enough, and is to refuse what is here. */
  resume(commands: number): void;
}

export class BoundedClients {
  /** How often a connection had to wait. */
  heldBack = 0;
  readonly #addresses: RateTable;
  readonly #users: RateTable;
  /** Who waits longest is in front. */
  readonly #waiting = new Set<WaitingClient>();
  #lookedMs = -Infinity;
  readonly #log: BoundsLog;

  private constructor({ perAddress, perUser }: Limits, log: BoundsLog) {
    this.#addresses = new RateTable("limits.perAddress", perAddress);
    this.#users = new RateTable("limits.perUser", perUser);
    this.#log = log;
  }

  /** Null where nothing is bounded. */
  static of(limits: Limits, log: BoundsLog): BoundedClients | null {
    const bounds = [...Object.values(limits.perAddress), ...Object.values(limits.perUser)];
    return bounds.some((bound) => bound > 0) ? new BoundedClients(limits, log) : null;
  }

  /** Addresses that are remembered. */
  get addressCount(): number {
    return this.#addresses.size;
  }

  /** Lets a connection in from `remote`; null where its address has as many as it may. */
  enterAddress(remote: string, nowMs: number): RateBucket | null {
    return this.#addresses.enter(addressKey(remote), nowMs);
  }

  leaveAddress(bucket: RateBucket, nowMs: number): void {
    this.#addresses.leave(bucket, nowMs);
  }

  /** A connection becomes that of a user; null where the user has as many as it may. */
  enterUser(userId: number, nowMs: number): RateBucket | null {
    return this.#users.enter(`${userId}`, nowMs);
  }

  leaveUser(bucket: RateBucket, nowMs: number): void {
    this.#users.leave(bucket, nowMs);
  }

  wait(client: WaitingClient, nowMs: number): void {
    this.heldBack++;
    this.#waiting.add(client);
    for (const bucket of client.waitsFor) {
      if (bucket.waiting++ === 0) this.#noteHeldBack(bucket, client, nowMs);
    }
  }

  stopWaiting(client: WaitingClient): void {
    if (!this.#waiting.delete(client)) return;
    for (const bucket of client.waitsFor) bucket.waiting--;
  }

  /** When `elapse` has something to look at. */
  nextDeadlineMs(): number {
    const lookMs = this.#waiting.size === 0 ? Infinity : this.#lookedMs + LOOK_INTERVAL_MS;
    return Math.min(lookMs, this.#log.nextDeadlineMs());
  }

  elapse(nowMs: number): void {
    this.#log.elapse(nowMs);
    if (this.#waiting.size === 0 || nowMs < this.#lookedMs + LOOK_INTERVAL_MS) return;
    this.#lookedMs = nowMs;
    for (const { buckets } of this.#waiting) {
      for (const bucket of buckets) bucket.beginRound(nowMs);
    }
    for (const client of [...this.#waiting]) {
      const commands = Math.min(...client.buckets.map(({ nextShare }) => nextShare));
      if (commands === 0 && nowMs - client.waitingSinceMs < RATE_WAIT_MS) continue;
      for (const bucket of client.buckets) bucket.give(commands);
      this.stopWaiting(client);
      client.resume(commands);
    }
  }

  /** The first of its connections begins to wait for what `bucket` bounds. */
  #noteHeldBack(
    { bound, key }: RateBucket,
    { remote, userName }: WaitingClient,
    nowMs: number,
  ): void {
    const who: LogEvent["fields"] = bound === "limits.perUser"
      ? { user: userName, remote }
      : { address: key, remote };
    const message = `A client is held back: it has used up ${bound}`;
    this.#log.log(bound, { level: "info", message, fields: who }, nowMs);
  }
}
