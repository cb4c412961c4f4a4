/** What the table of keys that were read has of a connection. */

/** One connection, for as long as it tracks in one way. */
export interface Tracked {
  readonly isNoLoop: boolean;
  /** Tells it, or whom it redirects to, that a key is to be forgotten; null: all are. */
  invalidate(key: string | null): void;
  /** Whether it may know that there is such a key. */
  mayRead(bytes: Uint8Array, start: number, length: number): boolean;
}
