/**
 * What happens to keys, told while it happens. Nothing is told where nobody keeps it: then a change costs
 * one comparison more. What is told is no part of the replicated state.
 */

/** What became of a key; `flush`: of all keys at once. */
export const ChangeKind = { set: 1, delete: 2, expire: 3, flush: 4 } as const;
export type ChangeKind = typeof ChangeKind[keyof typeof ChangeKind];

/**
 * By what a key was set, as Redis's keyspace notifications name it; `setForTime`: with a new time to live.
 * What only changes the time to live sets the value that was there.
 */
export const SetCause = {
  set: 0,
  setForTime: 1,
  append: 2,
  setRange: 3,
  add: 4,
  addFloat: 5,
  expire: 6,
  persist: 7,
} as const;
export type SetCause = typeof SetCause[keyof typeof SetCause];

/** Of a set that gives the key this deadline; 0: none. */
export function causeOfSet(deadlineMs: number): SetCause {
  return deadlineMs === 0 ? SetCause.set : SetCause.setForTime;
}

/** Whoever keeps the changes of a store, in the order in which entries are applied. */
export interface ChangeSink {
  /**
   * The entry at log index `revision` has changed the key `bytes[keyStart, keyStart + keyLength)`. Of a
   * set, `version` is the new one and `bytes[keyStart + keyLength, end)` the value; otherwise it is the
   * last that the key had, there is no value, and `cause` says nothing. The bytes are valid for the call
   * alone.
   */
  changed(
    kind: ChangeKind,
    revision: number,
    version: number,
    bytes: Uint8Array,
    keyStart: number,
    keyLength: number,
    end: number,
    cause: SetCause,
  ): void;
  /** The entry at log index `revision` has removed all keys. */
  flushed(revision: number): void;
}

/** Tells two, one after the other. */
class BothSinks implements ChangeSink {
  readonly first: ChangeSink;
  readonly second: ChangeSink;

  constructor(first: ChangeSink, second: ChangeSink) {
    this.first = first;
    this.second = second;
  }

  changed(
    kind: ChangeKind,
    revision: number,
    version: number,
    bytes: Uint8Array,
    keyStart: number,
    keyLength: number,
    end: number,
    cause: SetCause,
  ): void {
    this.first.changed(kind, revision, version, bytes, keyStart, keyLength, end, cause);
    this.second.changed(kind, revision, version, bytes, keyStart, keyLength, end, cause);
  }

  flushed(revision: number): void {
    this.first.flushed(revision);
    this.second.flushed(revision);
  }
}

/** Whom to tell where `sink` is to be told besides those of `told`. */
export function withSink(told: ChangeSink | null, sink: ChangeSink): ChangeSink {
  return told === null ? sink : new BothSinks(told, sink);
}

/** And where it is to be told no more. */
export function withoutSink(told: ChangeSink | null, sink: ChangeSink): ChangeSink | null {
  if (told === sink) return null;
  if (!(told instanceof BothSinks)) return told;
  const [first, second] = [withoutSink(told.first, sink), withoutSink(told.second, sink)];
  return first === null || second === null ? first ?? second : new BothSinks(first, second);
}
