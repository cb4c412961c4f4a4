/** What all connections of a server subscribe to, and who is told what comes to a channel. */
import { latin1, latin1Bytes } from "../../util/latin1.ts";
import type { Users } from "../../kv/users/users.ts";
import {
  encodeChannelMessage,
  encodePatternMessage,
  KEYEVENT_PREFIX,
  KEYSPACE_PREFIX,
} from "../../wire/subscribing.ts";
import { ChannelPattern, patternWeight } from "./channel_pattern.ts";
import { Message } from "./message.ts";
import type { Subscriber } from "./subscriber.ts";

const KEYSPACE = latin1Bytes(KEYSPACE_PREFIX);
const KEYEVENT = latin1Bytes(KEYEVENT_PREFIX);

/** A key whose change is told: who may not read it is not told. */
export interface ToldKey {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly length: number;
}

export class Channels {
  readonly #byName = new Map<string, Set<Subscriber>>();
  readonly #patterns = new Map<string, ChannelPattern>();
  /** Patterns that channels of keys, and of events, may match. */
  keyspacePatterns: ChannelPattern[] = [];
  keyeventPatterns: ChannelPattern[] = [];
  /** How many channels are of keys, and of events. */
  keyspaceNames = 0;
  keyeventNames = 0;
  /** Channels and patterns of all connections, each for every connection. */
  count = 0;
  /** What comparing with all patterns costs, in short ones. */
  patternsWeight = 0;

  get patternCount(): number {
    return this.#patterns.size;
  }

  channelNames(): Iterable<string> {
    return this.#byName.keys();
  }

  subscriberCount(name: string): number {
    return this.#byName.get(name)?.size ?? 0;
  }

  hasPattern(name: string): boolean {
    return this.#patterns.has(name);
  }

  /** Whether somebody is told of the changes of keys. */
  get areOfKeys(): boolean {
    return this.hasKeyspace || this.hasKeyevent;
  }

  get hasKeyspace(): boolean {
    return this.keyspaceNames > 0 || this.keyspacePatterns.length > 0;
  }

  get hasKeyevent(): boolean {
    return this.keyeventNames > 0 || this.keyeventPatterns.length > 0;
  }

  add(isPattern: boolean, name: string, subscriber: Subscriber): void {
    this.count++;
    if (!isPattern) {
      const subscribers = this.#byName.get(name);
      if (subscribers !== undefined) return void subscribers.add(subscriber);
      this.#byName.set(name, new Set([subscriber]));
      return this.#countName(name, 1);
    }
    let pattern = this.#patterns.get(name);
    if (pattern === undefined) {
      pattern = new ChannelPattern(name);
      this.#patterns.set(name, pattern);
      this.patternsWeight += patternWeight(name);
      this.#sortPatterns();
    }
    pattern.subscribers.add(subscriber);
  }

  /** `subscriber` has it. */
  remove(isPattern: boolean, name: string, subscriber: Subscriber): void {
    this.count--;
    const subscribers = isPattern ? this.#patterns.get(name)!.subscribers : this.#byName.get(name)!;
    subscribers.delete(subscriber);
    if (subscribers.size > 0) return;
    if (isPattern) {
      this.#patterns.delete(name);
      this.patternsWeight -= patternWeight(name);
      this.#sortPatterns();
    } else {
      this.#byName.delete(name);
      this.#countName(name, -1);
    }
  }

  /** Tells all that subscribe to the channel, or to a pattern that matches it; returns how many that are. */
  publish(name: string, message: Uint8Array, users: Users): number {
    const channel = latin1Bytes(name);
    return this.#tell(name, channel, channel.length, message, this.#patterns.values(), users, null);
  }

  /** The same for a channel of keys, which is `channel[0, length)`. */
  tellKeyspace(
    channel: Uint8Array,
    length: number,
    message: Uint8Array,
    users: Users,
    key: ToldKey,
  ): void {
    const name = this.keyspaceNames > 0 ? latin1(channel, 0, length) : null;
    this.#tell(name, channel, length, message, this.keyspacePatterns, users, key);
  }

  /** And of events. */
  tellKeyevent(name: string, channel: Uint8Array, users: Users, key: ToldKey): void {
    this.#tell(name, channel, channel.length, null, this.keyeventPatterns, users, key);
  }

  /** `given`: what is told; null: the key. */
  #tell(
    name: string | null,
    channel: Uint8Array,
    length: number,
    given: Uint8Array | null,
    patterns: Iterable<ChannelPattern>,
    users: Users,
    key: ToldKey | null,
  ): number {
    let count = 0;
    let message = given;
    const subscribers = name === null ? undefined : this.#byName.get(name);
    if (subscribers !== undefined) {
      message ??= keyOf(key!);
      const encoded = new Message(encodeChannelMessage(channel.subarray(0, length), message));
      count += tellAll(subscribers, encoded, users, key);
    }
    for (const pattern of patterns) {
      if (!pattern.matches(channel, length)) continue;
      message ??= keyOf(key!);
      const bytes = encodePatternMessage(pattern.bytes, channel.subarray(0, length), message);
      count += tellAll(pattern.subscribers, new Message(bytes), users, key);
    }
    return count;
  }

  #countName(name: string, change: 1 | -1): void {
    if (name.startsWith(KEYSPACE_PREFIX)) this.keyspaceNames += change;
    else if (name.startsWith(KEYEVENT_PREFIX)) this.keyeventNames += change;
  }

  #sortPatterns(): void {
    const all = [...this.#patterns.values()];
    this.keyspacePatterns = all.filter((one) => one.mayMatchAfter(KEYSPACE));
    this.keyeventPatterns = all.filter((one) => one.mayMatchAfter(KEYEVENT));
  }
}

/** Whether who subscribes to this may be told of changes of keys. */
export function isOfKeys(isPattern: boolean, name: string): boolean {
  if (!isPattern) return name.startsWith(KEYSPACE_PREFIX) || name.startsWith(KEYEVENT_PREFIX);
  const pattern = new ChannelPattern(name);
  return pattern.mayMatchAfter(KEYSPACE) || pattern.mayMatchAfter(KEYEVENT);
}

function tellAll(
  subscribers: Iterable<Subscriber>,
  message: Message,
  users: Users,
  key: ToldKey | null,
): number {
  let count = 0;
  for (const one of subscribers) {
    if (!one.isAllowed(users)) continue;
    if (key !== null && !one.mayRead(key.bytes, key.start, key.length)) continue;
    one.push(message);
    count++;
  }
  return count;
}

function keyOf({ bytes, start, length }: ToldKey): Uint8Array {
  return bytes.subarray(start, start + length);
}
