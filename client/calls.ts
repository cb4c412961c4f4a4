/** What calls take and give. */
import type { CredentialOptions } from "./credentials.ts";

/** 1 to 1,024 bytes unless the cluster is configured otherwise; text is sent in UTF-8. */
export type Key = string | Uint8Array;

export interface CallOptions {
  /** How long this call may take, retries included; the client's `timeoutMs` unless given. */
  readonly timeoutMs?: number | undefined;
  /** Gives the call up when it is aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** Certificates and keys are texts in PEM: what stands in the files. */
export interface TlsOptions {
  /** The CAs that a server's certificate may come from: those that the runtime trusts, unless given. */
  readonly ca?: string;
  /** This client's certificate, for servers that ask for one; with `key`. */
  readonly cert?: string;
  readonly key?: string;
  /** The name that the servers' certificates must have, in place of the one that is connected to. */
  readonly serverName?: string;
}

export interface AskOptions extends CallOptions, CredentialOptions {
  /** As of `ConnectOptions`. */
  readonly tls?: TlsOptions | boolean | undefined;
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

export interface RangeOptions extends CallOptions {
  /** The most keys of the page: 1,000, which is also the most that a server gives. */
  readonly limit?: number;
}

export interface ScanOptions extends CallOptions {
  /** Begins with the key after this one. */
  readonly after?: Key;
  /** How many keys are asked for at a time: 1,000. `timeoutMs` counts for each time. */
  readonly keysAtATime?: number;
}

/** A key of a range, with what a server knows of it. */
export interface Entry<V> extends Versioned<V> {
  /** As text; what is no UTF-8 in it is shown as U+FFFD. */
  readonly key: string;
  readonly keyBytes: Uint8Array;
}

/** Keys in the order of their bytes, all as they were at one moment. */
export interface Page<V> {
  readonly entries: readonly Entry<V>[];
  /** Where the next page begins; null where this is the last, which one without entries need not be. */
  readonly next: Uint8Array | null;
}

export interface WatchOptions {
  /** Tells what came after this: a `position`, or a revision. After now, unless given. */
  readonly after?: string | number;
  /** False: events come without values. */
  readonly values?: boolean;
  /** True: groups without events are given too, which say how far all was told; the first: from where on. */
  readonly marks?: boolean;
  /** Ends the watch when it is aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** What happened to a key. `flush`: all keys were removed at once. */
export interface WatchEvent<V> {
  readonly kind: "set" | "delete" | "expire" | "flush";
  /** Null of a `flush`. */
  readonly key: Uint8Array | null;
  /** The key's version; of what removes it the last that it had, 0 of a `flush`. */
  readonly version: number;
  /** What was set; null of what is no `set`, and where values are left out. */
  readonly value: V | null;
}

/** All that one entry of the log did to what is watched. */
export interface WatchGroup<V> {
  /** Grows from group to group, alike on all servers. */
  readonly revision: number;
  /** To continue after this group, with `after`: this program or another, on any server. */
  readonly position: string;
  readonly events: readonly WatchEvent<V>[];
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

export interface AddMemberOptions extends CallOptions {
  /** True: it stays a learner, which has all data and counts for no majority. */
  readonly learner?: boolean;
}

/** How far a replacement is: the new server is a learner, catches up, or votes. */
export type ReplaceStep = "added" | "catchingUp" | "voter";

export interface MoveLeaderOptions extends CallOptions {
  /** The server that is to lead; the best of the others where it is not given. */
  readonly to?: number;
}

/** Who the members are, as the leader knows it. */
export interface MemberList {
  /** Of the log's entry that says who the members are; 0: they are those that the cluster was founded by. */
  readonly configurationIndex: number;
  /** A change is under way: there is no other before it is committed. */
  readonly isChanging: boolean;
  /** Why none can be added now, whoever waits; null where one can, or an earlier build leads. */
  readonly refusal: string | null;
  readonly members: readonly MemberInfo[];
  /** Servers that wait to be added, or to take the place of a member. */
  readonly waiting: readonly WaitingInfo[];
}

/** A server that waits to join. */
export interface WaitingInfo {
  readonly id: number;
  readonly hostname: string;
  readonly clientPort: number;
  readonly logPort: number;
  /** A member has that id, with another data directory: it can take that one's place. */
  readonly replaces: boolean;
}

/** One member, as the leader knows it. */
export interface MemberInfo {
  readonly id: number;
  /** `incoming`, `outgoing`: while voters change, it votes in the new half, or the old one, alone. */
  readonly role: "voter" | "learner" | "incoming" | "outgoing";
  readonly isLeader: boolean;
  /** Where it is reached; "" and 0 where the leader does not know that. */
  readonly hostname: string;
  readonly clientPort: number;
  readonly logPort: number;
  /** Up to here it has the leader's log on its disk, */
  readonly matchIndex: number;
  /** and this many entries it lacks. */
  readonly lagEntries: number;
  readonly isReachable: boolean;
  /** As a voter it holds nobody up: it answers, is sound and has what the leader has, or nearly. */
  readonly keepsUp: boolean;
  /** A learner that is not made a voter by itself. */
  readonly staysLearner: boolean;
  /** It lacks so much that it is sent a snapshot. */
  readonly isSentSnapshot: boolean;
}
