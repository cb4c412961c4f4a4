/**
 * Channels of a server: what its clients publish, what the other servers hand on, and what becomes of keys,
 * told to all connections that subscribe, at most once. Nothing of it is in the log, and nothing is kept for
 * those who come later. The changes of keys are those that this server applies, whoever leads.
 */
import type { ChangeKind, ChangeSink, SetCause } from "../../kv/commands/changes.ts";
import type { Store } from "../../kv/store.ts";
import { latin1, latin1Bytes } from "../../util/latin1.ts";
import { Users } from "../../kv/users/users.ts";
import type { NumericLimits } from "../limits.ts";
import { Channels } from "./channels.ts";
import { KeyEvents } from "./key_events.ts";
import type { QueueTotal } from "./message.ts";
import { PublishPace } from "./publish_pace.ts";
import type { Subscriber } from "./subscriber.ts";
import { Tracking } from "./tracking.ts";

/** The server, as its channels see it. */
export interface ChannelServer {
  /** Null before the cluster is formed. */
  store(): Store | null;
  nowMs(): number;
  /** Hands a message on to the other servers; returns how many were left out, having no room for it. */
  sendToOthers(channel: Uint8Array, message: Uint8Array): number;
  /** There is another server that may be told. */
  hasOthers(): boolean;
  /** Who leads, in which term: another text where that is another leadership. */
  leadership(): string;
  /** Another server tells its clients of changes of keys. */
  othersTellChanges(): boolean;
}

/** For metrics. */
export interface PubSubFigures {
  readonly subscriptions: number;
  /** Messages published here, and handed on by others. */
  readonly published: number;
  readonly received: number;
  /** Messages that a link to another server had no room for. */
  readonly dropped: number;
  /** Messages put into the queue of a connection. */
  readonly told: number;
  /** Connections that took them too slowly. */
  readonly slow: number;
  readonly queuedBytes: number;
  /** Connections that track; keys that they were told to forget, and times that they were to forget all. */
  readonly tracking: number;
  readonly invalidated: number;
  readonly flushes: number;
  readonly trackedBytes: number;
}

const NO_USERS = new Users();

export class PubSub implements ChangeSink {
  readonly channels = new Channels();
  readonly limits: NumericLimits;
  readonly queues: QueueTotal = { bytes: 0 };
  readonly tracking: Tracking;
  /** Connections that subscribe to something, or track, and by their numbers. */
  readonly #connections = new Set<Subscriber>();
  readonly #byId = new Map<number, Subscriber>();
  told = 0;
  slow = 0;
  #published = 0;
  #received = 0;
  #dropped = 0;
  readonly #server: ChannelServer;
  readonly #events = new KeyEvents(this.channels);
  readonly #pace: PublishPace;
  /** Whose changes are told; null where nobody asks for them. */
  #store: Store | null = null;
  /** Of the users by which permissions were looked at last. */
  #usersRevision = 0;
  /** As tracking connections know it; "" while there are none. */
  #leadership = "";

  constructor(limits: NumericLimits, server: ChannelServer) {
    this.limits = limits;
    this.#server = server;
    this.tracking = new Tracking(limits.trackingBytesMax);
    this.#pace = new PublishPace(limits.publishBytesPerSecond);
  }

  /** Somebody here is told of changes of keys. */
  get isListening(): boolean {
    return this.#store !== null;
  }

  /** Somebody is, here or elsewhere: that something is committed is to be heard soon. */
  get wantsNews(): boolean {
    return this.isListening || this.#server.othersTellChanges();
  }

  figures(): PubSubFigures {
    const { channels, told, slow, queues: { bytes: queuedBytes } } = this;
    const ofServers = {
      published: this.#published,
      received: this.#received,
      dropped: this.#dropped,
    };
    const { count: tracking, invalidated, flushes, table } = this.tracking;
    const ofTracking = { tracking, invalidated, flushes, trackedBytes: table.bytes };
    const subscriptions = channels.count;
    return { subscriptions, ...ofServers, ...ofTracking, told, slow, queuedBytes };
  }

  enter(one: Subscriber): void {
    this.#connections.add(one);
    this.#byId.set(one.clientId, one);
  }

  leave(one: Subscriber): void {
    if (this.#connections.delete(one)) this.#byId.delete(one.clientId);
  }

  /** The connection of this number, where it subscribes to something or tracks. */
  connectionOf(clientId: number): Subscriber | undefined {
    return this.#byId.get(clientId);
  }

  /** Has the changes of the store told here while somebody asks for them, and at no other time. */
  listen(): void {
    const isTracking = this.tracking.count > 0;
    // What is read from now on is read under this one.
    if (!isTracking) this.#leadership = "";
    else if (this.#leadership === "") this.#leadership = this.#server.leadership();
    const isWanted = this.channels.areOfKeys || isTracking;
    if (isWanted === this.isListening) return;
    this.#store?.tellNoMore(this);
    this.#store = isWanted ? this.#server.store() : null;
    this.#store?.tellChanges(this);
  }

  /** Once in each turn, after what was committed is applied. */
  wake(): void {
    if (this.#connections.size === 0) return;
    if (this.tracking.count > 0) this.#noteLeadership();
    const store = this.#server.store();
    if (store === null) return;
    if (this.#store !== null && this.#store !== store) this.#replaced();
    const { users } = store;
    if (users.revision === this.#usersRevision) return;
    this.#usersRevision = users.revision;
    for (const one of this.#connections) one.isAllowed(users);
  }

  /**
   * Tells all connections of all servers. Returns how many those of this server were; null where nobody was
   * told, as too much is published.
   */
  publish(channel: string, message: Uint8Array): number | null {
    if (this.#server.hasOthers()) {
      const bytes = channel.length + message.length;
      if (!this.#pace.take(bytes, this.#server.nowMs())) return null;
      this.#dropped += this.#server.sendToOthers(latin1Bytes(channel), message);
    }
    this.#published++;
    return this.channels.publish(channel, message, this.#users());
  }

  /** Another server hands on what was published there. */
  received(channel: Uint8Array, message: Uint8Array): void {
    this.#received++;
    if (this.channels.count > 0) this.channels.publish(latin1(channel), message, this.#users());
  }

  /** Has those disconnected who take the least, until what waits for all keeps its bound. */
  bound(): void {
    while (this.queues.bytes > this.limits.subscribersBytesMax) {
      let slowest: Subscriber | null = null;
      for (const one of this.#connections) {
        if (slowest === null || one.queuedBytes > slowest.queuedBytes) slowest = one;
      }
      if (slowest === null) return;
      this.slow++;
      slowest.disconnect("it takes what it subscribes to too slowly: limits.subscribersBytesMax");
    }
  }

  changed(
    kind: ChangeKind,
    _revision: number,
    _version: number,
    bytes: Uint8Array,
    keyStart: number,
    keyLength: number,
    _end: number,
    cause: SetCause,
  ): void {
    if (this.tracking.count > 0) this.tracking.changed(bytes, keyStart, keyLength);
    if (!this.channels.areOfKeys) return;
    this.#events.tell(kind, bytes, keyStart, keyLength, cause, this.#users());
  }

  /** Redis tells nothing of it in any channel. */
  flushed(_revision: number): void {
    this.tracking.flush();
  }

  #users(): Users {
    return this.#server.store()?.users ?? NO_USERS;
  }

  /** A leader's snapshot took the store's place: what changed between is not known, and not passed over. */
  #replaced(): void {
    for (const one of this.#connections) {
      if (one.isOfKeys) one.disconnect("this server was given a snapshot: changes lie between");
    }
    this.tracking.flush();
    this.#store?.tellNoMore(this);
    this.#store = null;
    this.listen();
  }

  /** Whoever keeps what it has read may have missed changes where the leader is another one, or none. */
  #noteLeadership(): void {
    const leadership = this.#server.leadership();
    if (leadership === this.#leadership) return;
    this.#leadership = leadership;
    this.tracking.flush();
  }
}
