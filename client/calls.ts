/** What calls take and give. */

/** 1 to 1,024 bytes unless the cluster is configured otherwise; text is sent in UTF-8. */
export type Key = string | Uint8Array;

export interface CallOptions {
  /** How long this call may take, retries included; the client's `timeoutMs` unless given. */
  readonly timeoutMs?: number | undefined;
  /** Gives the call up when it is aborted. */
  readonly signal?: AbortSignal | undefined;
}

export interface SetOptions extends CallOptions {
  /** After so many milliseconds the key is gone; never where it is not given. */
  readonly timeToLiveMs?: number;
}

export interface KeysOptions extends CallOptions {
  /** Redis's patterns: `user:*`, `?`, `[a-z]`; all keys where it is not given. */
  readonly match?: Key;
  /** How many keys are asked for at a time, about: 1,000. `timeoutMs` counts for each time. */
  readonly keysAtATime?: number;
}

export interface CommandOptions extends CallOptions {
  /** False for what changes nothing: it is sent again where its reply was lost. */
  readonly isWrite?: boolean;
}

/** A value with what a server knows of its key. */
export interface Versioned<V> {
  readonly value: V;
  /** Grows with each write of the key and never repeats for it, not after a delete either. */
  readonly version: number;
  /** How long the key has to live, in ms; null for ever. */
  readonly timeToLiveMs: number | null;
}

/** What a `cas` came to. */
export type CasOutcome =
  | { readonly isStored: true; readonly version: number }
  /** `versionDiffers`: the key has another version. `notFound`: there is no such key. */
  | { readonly isStored: false; readonly why: "versionDiffers" | "notFound" };
