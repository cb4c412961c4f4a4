/**
 * What happens to keys, told while it happens. Nothing is told where nobody keeps it: then a change costs
 * one comparison more. What is told is no part of the replicated state.
 */

/** What became of a key; `flush`: of all keys at once. */
export const ChangeKind = { set: 1, delete: 2, expire: 3, flush: 4 } as const;
export type ChangeKind = typeof ChangeKind[keyof typeof ChangeKind];

/** Whoever keeps the changes of a store, in the order in which entries are applied. */
export interface ChangeSink {
  /**
   * The entry at log index `revision` has changed the key `bytes[keyStart, keyStart + keyLength)`. Of a
   * set, `version` is the new one and `bytes[keyStart + keyLength, end)` the value; otherwise it is the
   * last that the key had, and there is no value. The bytes are valid for the call alone.
   */
  changed(
    kind: ChangeKind,
    revision: number,
    version: number,
    bytes: Uint8Array,
    keyStart: number,
    keyLength: number,
    end: number,
  ): void;
  /** The entry at log index `revision` has removed all keys. */
  flushed(revision: number): void;
}
