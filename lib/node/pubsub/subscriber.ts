/** A connection, as channels and tracking see it: whether it may be told something, and that it is. */
import type { Users } from "../../kv/users/users.ts";
import type { Message } from "./message.ts";

/** A connection that tracks, or is told in the place of one. */
export interface TrackingConnection {
  readonly clientId: number;
  readonly isResp3: boolean;
  readonly userId: number;
  /** It subscribes to the channel. */
  has(channel: string): boolean;
  /** Whether it may read the key `bytes[start, start + length)`. */
  mayRead(bytes: Uint8Array, start: number, length: number): boolean;
  push(message: Message): void;
  /** It tracks, or does so no more. */
  onTracking(): void;
}

export interface Subscriber extends TrackingConnection {
  /**
   * Whether it may have what it subscribes to by the users that there are now. Where it may not any more it
   * is disconnected.
   */
  isAllowed(users: Users): boolean;
  /** So many bytes wait to be taken by it. */
  readonly queuedBytes: number;
  /** It is told of keys: it subscribes to a channel, or a pattern of channels, of their changes. */
  readonly isOfKeys: boolean;
  disconnect(reason: string): void;
}
