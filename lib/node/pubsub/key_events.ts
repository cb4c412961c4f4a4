/**
 * What became of keys, as Redis's keyspace notifications name it (redis-server 7.0 with
 * notify-keyspace-events KEA): each change is told in the channel of its key and in that of its event.
 */
import { ChangeKind, SetCause } from "../../kv/commands/changes.ts";
import { latin1Bytes } from "../../util/latin1.ts";
import type { Users } from "../../kv/users/users.ts";
import { KEYEVENT_PREFIX, KEYSPACE_PREFIX } from "../../wire/subscribing.ts";
import type { Channels } from "./channels.ts";

interface KeyEvent {
  readonly bytes: Uint8Array;
  /** The channel of all such events. */
  readonly channel: string;
  readonly channelBytes: Uint8Array;
}

function keyEvent(name: string): KeyEvent {
  const channel = KEYEVENT_PREFIX + name;
  return { bytes: latin1Bytes(name), channel, channelBytes: latin1Bytes(channel) };
}

const SET = [keyEvent("set")];
const EXPIRE = keyEvent("expire");
const BY_CAUSE: Readonly<Record<SetCause, readonly KeyEvent[]>> = {
  [SetCause.set]: SET,
  [SetCause.setForTime]: [...SET, EXPIRE],
  [SetCause.append]: [keyEvent("append")],
  [SetCause.setRange]: [keyEvent("setrange")],
  [SetCause.add]: [keyEvent("incrby")],
  [SetCause.addFloat]: [keyEvent("incrbyfloat")],
  [SetCause.expire]: [EXPIRE],
  [SetCause.persist]: [keyEvent("persist")],
};
const DELETED = [keyEvent("del")];
const EXPIRED = [keyEvent("expired")];

const PREFIX = latin1Bytes(KEYSPACE_PREFIX);

export class KeyEvents {
  readonly #channels: Channels;
  /** The channel of the key that was changed last. */
  #channel: Uint8Array = PREFIX;

  constructor(channels: Channels) {
    this.#channels = channels;
  }

  /** Tells of a change (see ChangeSink). */
  tell(
    kind: ChangeKind,
    bytes: Uint8Array,
    start: number,
    length: number,
    cause: SetCause,
    users: Users,
  ): void {
    const channels = this.#channels;
    const key = { bytes, start, length };
    const channelBytes = PREFIX.length + length;
    if (channels.hasKeyspace) this.#putChannel(bytes, start, length);
    for (const event of eventsOf(kind, cause)) {
      if (channels.hasKeyspace) {
        channels.tellKeyspace(this.#channel, channelBytes, event.bytes, users, key);
      }
      if (channels.hasKeyevent) {
        channels.tellKeyevent(event.channel, event.channelBytes, users, key);
      }
    }
  }

  #putChannel(bytes: Uint8Array, start: number, length: number): void {
    if (this.#channel.length < PREFIX.length + length) {
      this.#channel = new Uint8Array(PREFIX.length + 2 * length);
      this.#channel.set(PREFIX);
    }
    this.#channel.set(bytes.subarray(start, start + length), PREFIX.length);
  }
}

function eventsOf(kind: ChangeKind, cause: SetCause): readonly KeyEvent[] {
  if (kind === ChangeKind.set) return BY_CAUSE[cause];
  return kind === ChangeKind.delete ? DELETED : EXPIRED;
}
