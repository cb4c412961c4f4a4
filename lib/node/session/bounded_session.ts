/**
 * A connection whose address or user is bounded: a session behind the same interface, which is asked for no
 * more than its buckets have. Where nothing is bounded there is none of these, and nothing is counted.
 */
import type { ClientSession } from "../api.ts";
import { ClientError, type CommandBatch } from "../../wire/command_batch.ts";
import type { BoundedClients, WaitingClient } from "./client_bounds.ts";
import type { RateBucket } from "./rate_bucket.ts";
import type { UserGate } from "./session_host.ts";
import type { Session } from "./session.ts";

/** The node, as these see it. */
export interface BoundedSessionHost {
  monotonicMs(): number;
  /** A session waits: the node is to look when it may continue. */
  waits(): void;
}

export class BoundedSession implements ClientSession, WaitingClient, UserGate {
  buckets: readonly RateBucket[];
  waitsFor: readonly RateBucket[] = [];
  waitingSinceMs = -1;
  readonly #session: Session;
  readonly #bounds: BoundedClients;
  readonly #address: RateBucket;
  #user: RateBucket | null = null;
  readonly #host: BoundedSessionHost;
  /** It is in the list of those that wait. */
  #isWaiting = false;
  /** What was received may hold a command that was not taken. */
  #mayHaveMore = false;
  /** Its share of a round of waking, not taken yet. */
  #share = 0;
  /** The next batch is refused: it has waited for long enough. */
  #refuses = false;

  constructor(
    session: Session,
    address: RateBucket,
    bounds: BoundedClients,
    host: BoundedSessionHost,
  ) {
    this.#session = session;
    this.#address = address;
    this.buckets = [address];
    this.#bounds = bounds;
    this.#host = host;
  }

  get remote(): string {
    return this.#session.remote;
  }

  get userName(): string {
    return this.#session.access.name;
  }

  get onActivity(): (() => void) | null {
    return this.#session.onActivity;
  }

  set onActivity(call: (() => void) | null) {
    this.#session.onActivity = call;
  }

  get closing(): string | null {
    return this.#session.closing;
  }

  get isKilled(): boolean {
    return this.#session.isKilled;
  }

  get listens(): boolean {
    return this.#session.listens;
  }

  inputSpace(): Uint8Array {
    return this.#session.inputSpace();
  }

  received(count: number): void {
    this.#mayHaveMore = true;
    this.#session.received(count);
  }

  get wantsInput(): boolean {
    return !this.#isWaiting && this.#session.wantsInput;
  }

  nextBatch(): CommandBatch | null {
    if (!this.#mayHaveMore || this.#isWaiting || this.closing !== null) return null;
    const { input } = this.#session;
    const { unparsedBytes } = input;
    const room = this.#room();
    if (room === 0) {
      if (unparsedBytes > 0) this.#wait();
      return null;
    }
    this.#share = 0;
    const batch = this.#session.nextBatch(room);
    this.#takeBytes(unparsedBytes - input.unparsedBytes);
    if (batch === null) {
      this.#refuses = false;
      // Otherwise one of its own bounds is reached, and there may be a command behind that.
      if (this.#session.wantsInput) this.#mayHaveMore = false;
    } else if (!this.#refuses) {
      for (const bucket of this.buckets) bucket.takeCommands(batch.count);
    }
    this.waitingSinceMs = -1;
    return batch;
  }

  submit(batch: CommandBatch): void {
    const refuses = this.#refuses;
    this.#refuses = false;
    this.#session.submit(batch, refuses ? ClientError.overRate : null);
  }

  inputEnded(): void {
    this.#session.inputEnded();
  }

  disconnected(): void {
    const nowMs = this.#host.monotonicMs();
    this.#bounds.stopWaiting(this);
    this.#bounds.leaveAddress(this.#address, nowMs);
    if (this.#user !== null) this.#bounds.leaveUser(this.#user, nowMs);
    this.#session.disconnected();
  }

  takeOutput(): Uint8Array | null {
    const bytes = this.#session.takeOutput();
    if (bytes !== null) this.#takeBytes(bytes.length);
    else if (this.#user !== null && this.#session.access.userId === 0) this.#leaveUser();
    return bytes;
  }

  outputWritten(): void {
    this.#session.outputWritten();
  }

  admits(userId: number): boolean {
    if (this.#user?.key === `${userId}`) return true;
    const nowMs = this.#host.monotonicMs();
    const user = this.#bounds.enterUser(userId, nowMs);
    if (user === null) return false;
    // It is in the midst of a command, so it does not wait.
    if (this.#user !== null) this.#bounds.leaveUser(this.#user, nowMs);
    this.#user = user;
    this.buckets = [this.#address, user];
    return true;
  }

  resume(commands: number): void {
    this.#isWaiting = false;
    this.#share = commands;
    this.#refuses = commands === 0;
    this.onActivity?.();
  }

  /** After RESET it is nobody's, once the replies to what its user asked before that have gone. */
  #leaveUser(): void {
    if (this.#user === null || this.#session.hasPending) return;
    this.#bounds.leaveUser(this.#user, this.#host.monotonicMs());
    this.#user = null;
    this.buckets = [this.#address];
  }

  /**
   * How many commands may come. One that is here in part is finished whatever it costs; others wait where
   * some wait for the same bucket already: those come first.
   */
  #room(): number {
    if (this.#refuses) return Infinity;
    if (this.#session.input.isInsideCommand) return 1;
    const nowMs = this.#host.monotonicMs();
    let room = this.#share > 0 ? this.#share : Infinity;
    for (const bucket of this.buckets) room = Math.min(room, this.#roomOf(bucket, nowMs));
    return room;
  }

  #roomOf(bucket: RateBucket, nowMs: number): number {
    return this.#share === 0 && bucket.waiting > 0 ? 0 : bucket.commandsLeft(nowMs);
  }

  #takeBytes(count: number): void {
    for (const bucket of this.buckets) bucket.takeBytes(count);
  }

  #wait(): void {
    this.#isWaiting = true;
    const nowMs = this.#host.monotonicMs();
    if (this.waitingSinceMs < 0) this.waitingSinceMs = nowMs;
    this.waitsFor = this.buckets.filter((bucket) => this.#roomOf(bucket, nowMs) === 0);
    this.#bounds.wait(this, nowMs);
    this.#host.waits();
  }
}
