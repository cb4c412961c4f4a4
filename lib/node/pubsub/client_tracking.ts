/** Tracking of one connection: how it wants to be told, and that it is. */
import { commandNamed, commandNumbered } from "../../kv/users/command_numbers.ts";
import type { ClientTracking, TrackingMode, TrackingRefusal } from "../../wire/tracking.ts";
import {
  encodeBrokenRedirect,
  encodeInvalidation,
  encodeInvalidationMessage,
  INVALIDATE_CHANNEL,
} from "../../wire/tracking.ts";
import { Message } from "./message.ts";
import type { PubSub } from "./pubsub.ts";
import type { TrackingConnection } from "./subscriber.ts";
import type { Tracked } from "./tracked.ts";

const CLIENT = commandNamed("client")!.number;
/** What ends a transaction. */
const ENDS: ReadonlySet<string> = new Set(["exec", "discard", "reset"]);

/** Stands in the table of keys. May outlive its connection there: by then it tells nobody. */
class TrackedConnection implements Tracked {
  mode: TrackingMode;
  readonly #all: PubSub;
  #connection: TrackingConnection | null;
  #isToldBroken = false;

  constructor(mode: TrackingMode, all: PubSub, connection: TrackingConnection) {
    this.mode = mode;
    this.#all = all;
    this.#connection = connection;
  }

  get isNoLoop(): boolean {
    return this.mode.isNoLoop;
  }

  end(): void {
    this.#connection = null;
  }

  mayRead(bytes: Uint8Array, start: number, length: number): boolean {
    return this.#connection?.mayRead(bytes, start, length) ?? false;
  }

  invalidate(key: string | null): void {
    const connection = this.#connection;
    if (connection === null) return;
    const { redirect } = this.mode;
    const told = redirect === 0 ? connection : redirectedTo(this.#all, connection, redirect);
    if (told === undefined) return this.#tellBroken(connection);
    if (told.isResp3) told.push(new Message(encodeInvalidation(key)));
    else if (redirect !== 0 && told.has(INVALIDATE_CHANNEL)) {
      told.push(new Message(encodeInvalidationMessage(key)));
    }
  }

  #tellBroken(connection: TrackingConnection): void {
    if (this.#isToldBroken) return;
    this.#isToldBroken = true;
    if (connection.isResp3) connection.push(new Message(encodeBrokenRedirect(this.mode.redirect)));
  }
}

/** Nobody where that connection is gone, or another user's by now: it is told of no key of this one's. */
function redirectedTo(
  all: PubSub,
  { userId }: TrackingConnection,
  redirect: number,
): TrackingConnection | undefined {
  const told = all.connectionOf(redirect);
  return told?.userId === userId ? told : undefined;
}

export class ConnectionTracking implements ClientTracking {
  readonly #all: PubSub;
  readonly #connection: TrackingConnection;
  #tracked: TrackedConnection | null = null;
  isCaching = false;
  /** A transaction began after that, which is for all of it. */
  #isInTransaction = false;

  constructor(all: PubSub, connection: TrackingConnection) {
    this.#all = all;
    this.#connection = connection;
  }

  get mode(): TrackingMode | null {
    return this.#tracked === null ? null : this.#tracked.mode;
  }

  get isBroken(): boolean {
    const redirect = this.mode?.redirect ?? 0;
    return redirect !== 0 && redirectedTo(this.#all, this.#connection, redirect) === undefined;
  }

  /** It remembers what it reads. */
  get isOfReads(): boolean {
    return this.#tracked !== null && this.#tracked.mode.prefixes === null;
  }

  turnOn(wanted: TrackingMode): TrackingRefusal | null {
    const { mode } = this;
    if (wanted.redirect !== 0) {
      const told = this.#all.connectionOf(wanted.redirect);
      if (told === undefined) return "noRedirect";
      if (told.userId !== this.#connection.userId) return "otherUser";
    }
    if (mode !== null && (mode.prefixes === null) !== (wanted.prefixes === null)) {
      return "otherMode";
    }
    if (wanted.option !== null && wanted.prefixes !== null) return "optionWithPrefixes";
    if (wanted.option === "both") return "bothOptions";
    const option = mode?.option ?? null;
    if (option !== null && wanted.option !== null && option !== wanted.option) return "otherOption";
    const before = mode?.prefixes ?? [];
    const known = new Set(before);
    const added = (wanted.prefixes ?? []).filter((prefix) => !known.has(prefix));
    const prefixes = wanted.prefixes === null ? null : [...before, ...new Set(added)];
    // Before they are compared, each with each: one command has room for tens of thousands.
    if (prefixes !== null) {
      const { limits, tracking } = this.#all;
      const countMax = limits.subscriptionsPerConnectionMax;
      if (prefixes.length > countMax || added.length > countMax) return "tooMany";
      const count = tracking.prefixes.count - before.length + prefixes.length;
      if (added.length > 0 && count > limits.subscriptionsMax) return "tooManyInAll";
    }
    // That of all keys overlaps with any, as in Redis.
    const overlap = added.join() === "" ? null : overlapIn(before, added);
    if (overlap !== null) return overlap;
    const next = { ...wanted, prefixes };
    // What it has read before stays noted.
    if (this.#tracked !== null) this.#tracked.mode = next;
    else this.#tracked = new TrackedConnection(next, this.#all, this.#connection);
    this.#all.tracking.add(this.#tracked, prefixes ?? []);
    this.#connection.onTracking();
    return null;
  }

  turnOff(): void {
    if (this.#tracked === null) return;
    this.#all.tracking.remove(this.#tracked, this.#tracked.mode.prefixes ?? []);
    this.#tracked.end();
    this.#tracked = null;
    this.isCaching = this.#isInTransaction = false;
    this.#connection.onTracking();
  }

  read(keys: readonly string[]): void {
    const { mode } = this;
    if (mode === null || mode.prefixes !== null) return;
    const isNoted = mode.option === null || (mode.option === "optin") === this.isCaching;
    if (isNoted) this.#all.tracking.read(keys, this.#tracked!);
  }

  cache(): void {
    this.isCaching = true;
    this.#isInTransaction = false;
  }

  /** The command with this number is answered: any but those of CLIENT ends what CLIENT CACHING said. */
  passed(command: number, begins: boolean): void {
    const one = commandNumbered(command);
    if (one?.container === CLIENT) return;
    // A MULTI that was refused begins nothing.
    if (begins && one?.name === "multi") this.#isInTransaction = true;
    if (this.#isInTransaction && !ENDS.has(one?.name ?? "")) return;
    this.isCaching = this.#isInTransaction = false;
  }

  /** A write of this connection is applied; or that is over. */
  writes(isWriting: boolean): void {
    const { tracking } = this.#all;
    if (this.#tracked?.isNoLoop === true) tracking.writer = isWriting ? this.#tracked : null;
  }
}

/** Two prefixes of which one begins the other: the first of `added`, and of those before and after it. */
export function overlapIn(
  before: readonly string[],
  added: readonly string[],
): TrackingRefusal | null {
  const overlapping = overlappingOf([...before, ...added]);
  const first = added.findIndex((prefix) => overlapping.has(prefix));
  const prefix = added[first];
  if (prefix === undefined) return null;
  for (const [at, other] of [...before, ...added.slice(first + 1)].entries()) {
    if (other === prefix || !(other.startsWith(prefix) || prefix.startsWith(other))) continue;
    return { prefix, overlaps: other, isGiven: at >= before.length };
  }
  return null;
}

/** Those that begin another one, or begin with one: whatever begins with one comes just after it in order. */
function overlappingOf(prefixes: readonly string[]): ReadonlySet<string> {
  const found = new Set<string>();
  const chain: string[] = [];
  for (const one of [...new Set(prefixes)].sort()) {
    while (chain.length > 0 && !one.startsWith(chain.at(-1)!)) chain.pop();
    const shorter = chain.at(-1);
    if (shorter !== undefined) found.add(shorter).add(one);
    chain.push(one);
  }
  return found;
}
