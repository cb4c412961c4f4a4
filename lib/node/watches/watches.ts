/**
 * All watches of a server, and the history that they read. Any server has them, whoever leads: they are told
 * what it has applied. Nothing is kept before the first watch on any server of the cluster; from then on for
 * as long as the process lives, so that a watch may continue here that began elsewhere.
 *
 * A watch waits for nothing and keeps nothing: it has a position in the history, and whoever takes its output
 * (client_watches.ts) has it step on. Where the history has moved past it, it is over.
 */
import { ChangeKind, type ChangeSink } from "../../kv/commands/changes.ts";
import type { Store } from "../../kv/store.ts";
import type { NumericLimits } from "../limits.ts";
import { Groups } from "./groups.ts";
import { History } from "./history.ts";
import { Topic, type TopicWatch } from "./topic.ts";
import { hashOf, TopicIndex } from "./topic_index.ts";

/** The server, as its watches see it. */
export interface WatchedServer {
  /** Null before the cluster is formed. */
  store(): Store | null;
  clusterId(): string;
  /** Another server has had watches, which may continue here. */
  isAskedToKeep(): boolean;
}

export interface WatchOptions {
  readonly limits: NumericLimits;
  readonly markMs: number;
}

/** For metrics. */
export interface WatchFigures {
  readonly count: number;
  /** Groups of events that were told. */
  readonly groups: number;
  /** Watches that the history has moved past. */
  readonly lost: number;
  readonly historyBytes: number;
}

export class Watches implements ChangeSink {
  readonly history: History;
  readonly groups: Groups;
  readonly limits: NumericLimits;
  /** A watch with nothing to tell tells how far it has come this often. */
  readonly markMs: number;
  readonly server: WatchedServer;
  /** How many there are, were told a group of events, and were lost. */
  count = 0;
  groupsTold = 0;
  lost = 0;
  readonly #topics: TopicIndex;
  /** Topics with something for their watches. */
  #due: Topic[] = [];
  /** Whose changes are kept; null where none are. */
  #kept: Store | null = null;
  /** Of the users by which permissions were looked at last. */
  #usersRevision = 0;

  constructor({ limits, markMs }: WatchOptions, server: WatchedServer) {
    this.limits = limits;
    this.markMs = markMs;
    this.server = server;
    this.history = new History(limits.historyBytes);
    this.groups = new Groups(this.history);
    this.#topics = new TopicIndex((topic, position) => this.#noteIn(topic, position));
  }

  /** The changes of the store are kept here. */
  get isKeeping(): boolean {
    return this.#kept !== null;
  }

  figures(): WatchFigures {
    const { count, groupsTold: groups, lost, history: { heldBytes: historyBytes } } = this;
    return { count, groups, lost, historyBytes };
  }

  /** Keeps the changes from now on. */
  keep(store: Store): void {
    if (this.#kept === null) this.#begin(store);
  }

  changed(
    kind: ChangeKind,
    revision: number,
    version: number,
    bytes: Uint8Array,
    keyStart: number,
    keyLength: number,
    end: number,
  ): void {
    const position = this.history.add(kind, revision, version, bytes, keyStart, keyLength, end);
    if (this.#topics.count > 0) this.#topics.match(bytes, keyStart, keyLength, position);
  }

  flushed(revision: number): void {
    const position = this.history.add(ChangeKind.flush, revision, 0, NO_BYTES, 0, 0, 0);
    for (const topic of this.#topics.all()) this.#noteIn(topic, position);
  }

  /** Once in each turn, after what was committed is applied: watches that it concerns are woken. */
  wake(): void {
    // There is no watch before changes are kept: asked in each turn.
    if (this.#kept === null && !this.server.isAskedToKeep()) return;
    const store = this.server.store();
    if (store === null) return;
    if (this.#kept !== store && (this.#kept !== null || this.server.isAskedToKeep())) {
      this.#begin(store);
    }
    const usersRevision = store.users.revision;
    if (usersRevision !== this.#usersRevision) {
      this.#usersRevision = usersRevision;
      for (const topic of this.#topics.all()) this.#makeDue(topic);
    }
    if (this.#due.length === 0) return;
    const due = this.#due;
    this.#due = [];
    for (const topic of due) {
      topic.isDue = false;
      for (const watch of topic.watches) watch.wake();
    }
  }

  /** A store that was there before was replaced by a leader's snapshot: what lies between is not known. */
  #begin(store: Store): void {
    this.#kept = store;
    this.history.begin(store.appliedIndex);
    this.groups.clear();
    for (const topic of this.#topics.all()) {
      topic.restart(this.history);
      this.#makeDue(topic);
    }
    store.tellChanges(this);
  }

  /** Adds a watch of `key`, or of all keys that begin so; returns its topic. */
  add(key: Uint8Array, isPrefix: boolean, watch: TopicWatch): Topic {
    let topic = this.#topics.find(key, isPrefix);
    if (topic === null) {
      topic = new Topic(key, isPrefix, hashOf(key), this.history);
      this.#topics.add(topic);
    }
    topic.watches.add(watch);
    this.count++;
    return topic;
  }

  remove(topic: Topic, watch: TopicWatch): void {
    if (!topic.watches.delete(watch)) return;
    this.count--;
    if (topic.watches.size > 0) return;
    this.#topics.remove(topic);
    // Its key may be long, and what was encoded for it as well.
    this.groups.clear();
  }

  #noteIn(topic: Topic, position: number): void {
    topic.note(position);
    this.#makeDue(topic);
  }

  #makeDue(topic: Topic): void {
    if (topic.isDue) return;
    topic.isDue = true;
    this.#due.push(topic);
  }
}

const NO_BYTES = new Uint8Array(0);
