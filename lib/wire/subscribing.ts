/**
 * Channels, between a codec and its session: what a client subscribes to, what it publishes, and what it is
 * told of that, as bytes. docs/watches.md says what channels there are.
 */
import { ByteWriter } from "../util/bytes.ts";
import type { ClientError } from "./command_batch.ts";
import type { ClientTracking } from "./tracking.ts";
import { writeArray, writeBulk } from "./resp/resp_bytes.ts";

/** Where the changes of a key are told, and where those of one kind: what Redis calls them in database 0. */
export const KEYSPACE_PREFIX = "__keyspace@0__:";
export const KEYEVENT_PREFIX = "__keyevent@0__:";

/** What a channel's name may be longer than a key: room for what stands before one. */
export const CHANNEL_BYTES_MORE = 64;
/** The longest pattern of channels. */
export const CHANNEL_PATTERN_BYTES_MAX = 1_024;

/** Why nothing was subscribed to: an error, or the limit of this name. */
export type SubscribeRefusal =
  | ClientError
  | "subscriptionsMax"
  | "subscriptionsPerConnectionMax"
  | "patternsMax";

/** What a connection subscribes to. Names are latin-1: a character is a byte. */
export interface ClientSubscriptions {
  readonly channels: number;
  readonly patterns: number;
  /** Of both. */
  readonly count: number;
  /** It speaks this version of the protocol from now on. */
  isResp3: boolean;
  /** Why it may not subscribe to all of these, or may not now; null where it may. */
  refusal(isPattern: boolean, names: readonly string[]): SubscribeRefusal | null;
  add(isPattern: boolean, name: string): void;
  remove(isPattern: boolean, name: string): void;
  /** In the order in which they came. */
  names(isPattern: boolean): string[];
  /** Appends all that waits to be told. */
  flush(out: ByteWriter): void;
  /** It is as it was when it began. */
  reset(): void;
  /** The client may use all these channels, as its rules are now. */
  mayUse(isPattern: boolean, names: readonly string[]): boolean;
  /** How many connections of this server were told; null: nobody was, here or elsewhere, as too much is. */
  publish(channel: string, message: Uint8Array): number | null;
  readonly ofServer: ServerChannels;
  readonly tracking: ClientTracking;
  /** The number of its connection. */
  clientId: number;
}

/** What all connections of a server subscribe to. */
export interface ServerChannels {
  /** How many different patterns. */
  readonly patternCount: number;
  /** All channels that somebody subscribes to. */
  channelNames(): Iterable<string>;
  /** How many connections subscribe to the channel itself. */
  subscriberCount(channel: string): number;
}

const MESSAGE = new TextEncoder().encode("message");
const PATTERN_MESSAGE = new TextEncoder().encode("pmessage");
const GREATER = 0x3e;
const STAR = 0x2a;

/** What who subscribes to the channel is told, as version 2 of the protocol has it. */
export function encodeChannelMessage(channel: Uint8Array, message: Uint8Array): Uint8Array {
  const out = new ByteWriter(channel.length + message.length + 64);
  writeArray(out, 3);
  writeBulk(out, MESSAGE, 0, MESSAGE.length);
  writeBulk(out, channel, 0, channel.length);
  writeBulk(out, message, 0, message.length);
  return out.copy();
}

/** And who subscribes to a pattern that matches it. */
export function encodePatternMessage(
  pattern: Uint8Array,
  channel: Uint8Array,
  message: Uint8Array,
): Uint8Array {
  const out = new ByteWriter(pattern.length + channel.length + message.length + 80);
  writeArray(out, 4);
  writeBulk(out, PATTERN_MESSAGE, 0, PATTERN_MESSAGE.length);
  writeBulk(out, pattern, 0, pattern.length);
  writeBulk(out, channel, 0, channel.length);
  writeBulk(out, message, 0, message.length);
  return out.copy();
}

/** Appends what was encoded as an array: a push in version 3. */
export function writePushed(out: ByteWriter, encoded: Uint8Array, isResp3: boolean): void {
  const at = out.length;
  out.raw(encoded);
  out.bytes[at] = isResp3 ? GREATER : STAR;
}
