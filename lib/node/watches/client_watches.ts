/**
 * The watches of one connection. They are pulled: only where its client has taken what was written before is
 * the next group of events written. A client that takes nothing costs nothing, and holds up nobody.
 */
import { commandNamed } from "../../kv/users/command_numbers.ts";
import type { ByteWriter } from "../../util/bytes.ts";
import { latin1 } from "../../util/latin1.ts";
import type { ClientAccess } from "../../wire/client_access.ts";
import { ClientError } from "../../wire/command_batch.ts";
import { writeEnd, writeGroup } from "../../wire/watch_events.ts";
import {
  type ClientWatches,
  mayRead,
  type WatchAnswer,
  type WatchEnd,
  type WatchFormat,
  type WatchRequest,
} from "../../wire/watching.ts";
import { AGAIN, LOST, NOTHING, type Topic, type TopicWatch } from "./topic.ts";
import type { Watches } from "./watches.ts";

const WATCH = commandNamed("raftkv.watch")!.number;

/** One watch: a position in the history. */
class Watch implements TopicWatch {
  readonly key: Uint8Array;
  readonly isPrefix: boolean;
  readonly format: WatchFormat;
  topic!: Topic;
  /** Everything before it was told, or does not concern it; and so all up to this entry. */
  position = 0;
  revision = 0;
  /** Nothing was told since the last mark. */
  isSilent = false;
  /** Which users there were, and who the client was, when it was last looked whether it may read. */
  usersRevision = -1;
  userId = 0;
  readonly #owner: SessionWatches;

  constructor({ key, isPrefix, format }: WatchRequest, owner: SessionWatches) {
    this.key = key;
    this.isPrefix = isPrefix;
    this.format = format;
    this.#owner = owner;
  }

  wake(): void {
    this.#owner.wake(this);
  }
}

/** What the session does for its watches. */
export interface WatchingSession {
  readonly access: ClientAccess;
  /** Why this server has nothing to tell; 0 where it has. */
  staleRefusal(): ClientError | 0;
  /** There is something to write. */
  onWatched(): void;
}

export class SessionWatches implements Omit<ClientWatches, "subscriptions"> {
  readonly #all: Watches;
  readonly #session: WatchingSession;
  /** By key or prefix, as `nameOf` makes it. */
  readonly #byName = new Map<string, Watch>();
  /** Those that may have something to tell, in the order in which they are to be asked. */
  readonly #ready = new Set<Watch>();
  /** Those that are to tell how far they have come, once they have nothing else to tell. */
  readonly #marked = new Set<Watch>();

  constructor(all: Watches, session: WatchingSession) {
    this.#all = all;
    this.#session = session;
  }

  get count(): number {
    return this.#byName.size;
  }

  /** True where `write` may have something. */
  get isReady(): boolean {
    return this.#ready.size > 0;
  }

  open(request: WatchRequest): WatchAnswer | ClientError {
    const { limits, server, history } = this.#all;
    const refusal = this.#session.staleRefusal();
    if (refusal !== 0) return refusal;
    const store = server.store()!;
    if (this.#byName.has(nameOf(request))) return { kind: "twice" };
    if (this.count >= limits.watchesPerConnectionMax) {
      return { kind: "tooMany", limit: "watchesPerConnectionMax" };
    }
    if (this.#all.count >= limits.watchesMax) return { kind: "tooMany", limit: "watchesMax" };
    const watch = new Watch(request, this);
    const denial = this.#denialOf(watch);
    if (denial !== null) {
      return denial.kind === "notPermitted"
        ? ClientError.notPermittedKey
        : ClientError.notAuthenticated;
    }
    const { appliedIndex } = store;
    const clusterId = server.clusterId();
    const { revision, clusterId: countedBy } = request.after ??
      { revision: appliedIndex, clusterId: "" };
    const isOther = countedBy !== "" && countedBy !== clusterId;
    if (isOther) return { kind: "compacted", revision: appliedIndex };
    if (revision > appliedIndex) return { kind: "future", revision: appliedIndex };
    this.#all.keep(store);
    if (revision < history.compacted) return { kind: "compacted", revision: history.compacted };
    watch.revision = revision;
    watch.position = history.firstAfter(revision);
    watch.topic = this.#all.add(request.key, request.isPrefix, watch);
    this.#byName.set(nameOf(request), watch);
    this.wake(watch);
    return { kind: "watching", revision, clusterId };
  }

  close(what: Pick<WatchRequest, "key" | "isPrefix"> | null): number {
    if (what === null) {
      const { count } = this;
      for (const watch of this.#byName.values()) this.#end(watch);
      return count;
    }
    const watch = this.#byName.get(nameOf(what));
    if (watch === undefined) return 0;
    this.#end(watch);
    return 1;
  }

  /** The watch may have something to tell. */
  wake(watch: Watch): void {
    this.#ready.add(watch);
    this.#session.onWatched();
  }

  /** Those that have told nothing since this was called last are to say how far they have come. */
  mark(): void {
    for (const watch of this.#byName.values()) {
      if (watch.isSilent) {
        this.#marked.add(watch);
        this.wake(watch);
      }
      watch.isSilent = true;
    }
  }

  /**
   * Appends the next group of events of one watch, or why it is over. False where there was nothing, or not
   * yet: then `isReady` tells whether to ask again.
   */
  write(out: ByteWriter): boolean {
    for (const watch of this.#ready) {
      this.#ready.delete(watch);
      const outcome = this.#step(watch, out);
      if (outcome === AGAIN) this.#ready.add(watch);
      if (outcome !== NOTHING) return outcome !== AGAIN;
    }
    return false;
  }

  /** Appends what one watch has to tell; AGAIN where it has to look further first. */
  #step(watch: Watch, out: ByteWriter): number {
    const { history, groups, server } = this.#all;
    const { topic, format, key, isPrefix } = watch;
    const denial = this.#denialOf(watch);
    if (denial !== null) return this.#tellEnd(watch, out, denial);
    const next = topic.nextFor(watch.position, watch.revision, history);
    if (next === AGAIN) {
      watch.position = topic.lookedTo;
      return AGAIN;
    }
    if (next === LOST) {
      this.#all.lost++;
      return this.#tellEnd(watch, out, { kind: "compacted", revision: history.compacted });
    }
    if (next === NOTHING) {
      watch.position = history.end;
      watch.revision = server.store()!.appliedIndex;
      if (!this.#marked.delete(watch)) return NOTHING;
      writeGroup(out, format, key, isPrefix, watch.revision, 0);
      return 0;
    }
    history.seek(next);
    watch.revision = history.revision;
    watch.position = groups.write(out, topic, next, format);
    watch.isSilent = false;
    this.#marked.delete(watch);
    this.#all.groupsTold++;
    this.#ready.add(watch);
    return next;
  }

  #tellEnd(watch: Watch, out: ByteWriter, end: WatchEnd): number {
    this.#end(watch);
    writeEnd(out, watch.format, watch.key, watch.isPrefix, end);
    return 0;
  }

  #end(watch: Watch): void {
    this.#byName.delete(nameOf(watch));
    this.#ready.delete(watch);
    this.#marked.delete(watch);
    this.#all.remove(watch.topic, watch);
  }

  /** Why the client may not read what it watches; null where it may. Asked only where that may differ. */
  #denialOf(watch: Watch): Exclude<WatchEnd, { kind: "compacted" }> | null {
    const { access } = this.#session;
    const usersRevision = this.#all.server.store()!.users.revision;
    if (watch.usersRevision === usersRevision && watch.userId === access.userId) return null;
    if (access.isShut) return { kind: "notAuthenticated" };
    const { users } = access;
    if (users !== null) {
      const user = users.byId(access.userId);
      const isAllowed = user !== undefined && users.mayRun(access.userId, WATCH) &&
        mayRead(user, watch);
      if (!isAllowed) return { kind: "notPermitted" };
    }
    watch.usersRevision = usersRevision;
    watch.userId = access.userId;
    return null;
  }
}

function nameOf({ key, isPrefix }: Pick<WatchRequest, "key" | "isPrefix">): string {
  return (isPrefix ? "*" : "=") + latin1(key);
}
