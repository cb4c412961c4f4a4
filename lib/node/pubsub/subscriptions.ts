/**
 * What one connection subscribes to, and what it has to be told of that: in a queue, as there is no history
 * of messages. Who takes them so slowly that the queue passes its bound is disconnected.
 */
import { Access, commandNamed } from "../../kv/users/command_numbers.ts";
import { mayUseChannel } from "../../kv/users/channel_rules.ts";
import type { User } from "../../kv/users/user.ts";
import type { Users } from "../../kv/users/users.ts";
import type { ByteWriter } from "../../util/bytes.ts";
import type { ClientAccess } from "../../wire/client_access.ts";
import { ClientError } from "../../wire/command_batch.ts";
import {
  type ClientSubscriptions,
  type ServerChannels,
  type SubscribeRefusal,
  writePushed,
} from "../../wire/subscribing.ts";
import { patternWeight } from "./channel_pattern.ts";
import { isOfKeys } from "./channels.ts";
import { ConnectionTracking } from "./client_tracking.ts";
import { type Message, MessageQueue } from "./message.ts";
import type { PubSub } from "./pubsub.ts";
import type { Subscriber } from "./subscriber.ts";

const SUBSCRIBE = commandNamed("subscribe")!.number;
const PSUBSCRIBE = commandNamed("psubscribe")!.number;

/** What the session does for its subscriptions. */
export interface SubscribedSession {
  readonly access: ClientAccess;
  /** Why this server has nothing to tell; 0 where it has. */
  staleRefusal(): ClientError | 0;
  /** There is something to write. */
  onTold(): void;
  /** Ends the connection at once. */
  kill(reason: string): void;
}

export class Subscriptions implements ClientSubscriptions, Subscriber {
  isResp3 = false;
  clientId = 0;
  readonly tracking: ConnectionTracking;
  readonly #all: PubSub;
  readonly #session: SubscribedSession;
  readonly #queue: MessageQueue;
  readonly #channels = new Set<string>();
  readonly #patterns = new Set<string>();
  /** How many of both are of changes of keys. */
  #ofKeys = 0;
  /** By which users, and as whom, it was found that it may have all of these. */
  #usersRevision = -1;
  #userId = 0;
  #user: User | undefined = undefined;
  #isOver = false;

  constructor(all: PubSub, session: SubscribedSession) {
    this.#all = all;
    this.#session = session;
    this.#queue = new MessageQueue(all.queues);
    this.tracking = new ConnectionTracking(all, this);
  }

  get channels(): number {
    return this.#channels.size;
  }

  get patterns(): number {
    return this.#patterns.size;
  }

  get count(): number {
    return this.channels + this.patterns;
  }

  get ofServer(): ServerChannels {
    return this.#all.channels;
  }

  get queuedBytes(): number {
    return this.#queue.bytes;
  }

  /** True where something waits to be told. */
  get isReady(): boolean {
    return this.#queue.length > 0;
  }

  /** It subscribes to something, or tracks. */
  get isTold(): boolean {
    return this.count > 0 || this.tracking.mode !== null;
  }

  get isOfKeys(): boolean {
    return this.#ofKeys > 0;
  }

  refusal(isPattern: boolean, names: readonly string[]): SubscribeRefusal | null {
    const stale = this.#session.staleRefusal();
    if (stale !== 0) return stale;
    if (!this.mayUse(isPattern, names)) return ClientError.notPermittedChannel;
    const { limits, channels } = this.#all;
    const own = this.#ownOf(isPattern);
    const fresh = new Set(names.filter((name) => !own.has(name)));
    if (this.count + fresh.size > limits.subscriptionsPerConnectionMax) {
      return "subscriptionsPerConnectionMax";
    }
    if (channels.count + fresh.size > limits.subscriptionsMax) return "subscriptionsMax";
    if (!isPattern) return null;
    let weight = channels.patternsWeight;
    for (const name of fresh) if (!channels.hasPattern(name)) weight += patternWeight(name);
    return weight > limits.patternsMax ? "patternsMax" : null;
  }

  add(isPattern: boolean, name: string): void {
    const own = this.#ownOf(isPattern);
    if (own.has(name) || this.#isOver) return;
    own.add(name);
    this.#note();
    if (isOfKeys(isPattern, name)) this.#ofKeys++;
    this.#all.channels.add(isPattern, name, this);
    this.#all.listen();
  }

  /** It subscribes or tracks, or does so no more. */
  #note(): void {
    this.#usersRevision = -1;
    this.#user = undefined;
    if (this.isTold) this.#all.enter(this);
    else this.#all.leave(this);
  }

  onTracking(): void {
    this.#note();
    this.#all.listen();
  }

  get userId(): number {
    return this.#session.access.userId;
  }

  has(channel: string): boolean {
    return this.#channels.has(channel);
  }

  remove(isPattern: boolean, name: string): void {
    if (!this.#ownOf(isPattern).delete(name)) return;
    if (isOfKeys(isPattern, name)) this.#ofKeys--;
    this.#all.channels.remove(isPattern, name, this);
    this.#note();
    this.#all.listen();
  }

  names(isPattern: boolean): string[] {
    return [...this.#ownOf(isPattern)];
  }

  flush(out: ByteWriter): void {
    while (this.isReady) this.write(out);
  }

  /** Appends the next message that waits. */
  write(out: ByteWriter): void {
    writePushed(out, this.#queue.shift().bytes, this.isResp3);
  }

  reset(): void {
    for (const isPattern of [false, true]) {
      for (const name of this.names(isPattern)) this.remove(isPattern, name);
    }
    this.tracking.turnOff();
    this.isResp3 = false;
  }

  /** The connection is gone. */
  close(): void {
    this.#isOver = true;
    this.reset();
    this.#queue.clear();
  }

  mayUse(isPattern: boolean, names: readonly string[]): boolean {
    const { users, userId } = this.#session.access;
    if (users === null) return true;
    const user = users.byId(userId);
    return user !== undefined && names.every((name) => mayUseChannel(user, name, isPattern));
  }

  publish(channel: string, message: Uint8Array): number | null {
    return this.#all.publish(channel, message);
  }

  // What the channels ask.

  isAllowed(users: Users): boolean {
    const { access } = this.#session;
    if (this.#isOver) return false;
    if (this.#usersRevision === users.revision && this.#userId === access.userId) return true;
    const user = users.byId(access.userId);
    // Another user's change is none of this one's: a user that is changed is another object.
    const isSame = user !== undefined && user === this.#user;
    if (!isSame && (access.isShut || !this.#mayHaveAll())) {
      this.disconnect("its user may not have what it subscribes to any more");
      return false;
    }
    this.#usersRevision = users.revision;
    this.#userId = access.userId;
    this.#user = user;
    return true;
  }

  mayRead(bytes: Uint8Array, start: number, length: number): boolean {
    return this.#session.access.mayTouchAt(Access.read, bytes, start, length);
  }

  push(message: Message): void {
    this.#queue.push(message);
    const { limits } = this.#all;
    if (this.#queue.bytes > limits.subscriberBytesMax) {
      this.#all.slow++;
      return this.disconnect(
        "it takes what it subscribes to too slowly: limits.subscriberBytesMax",
      );
    }
    this.#all.told++;
    this.#all.bound();
    this.#session.onTold();
  }

  disconnect(reason: string): void {
    this.close();
    this.#session.kill(reason);
  }

  #mayHaveAll(): boolean {
    const { access } = this.#session;
    return !access.isRevoked && (this.channels === 0 || access.mayRun(SUBSCRIBE)) &&
      (this.patterns === 0 || access.mayRun(PSUBSCRIBE)) &&
      this.mayUse(false, this.names(false)) && this.mayUse(true, this.names(true));
  }

  #ownOf(isPattern: boolean): Set<string> {
    return isPattern ? this.#patterns : this.#channels;
  }
}
