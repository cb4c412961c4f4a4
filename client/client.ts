/** What a program holds: the calls, for values of one kind, and the client itself. */
import { Call } from "./call.ts";
import type { Cluster } from "./cluster.ts";
import { ProtocolProblem } from "./errors.ts";
import type { Reply } from "./reply_parser.ts";
import type { Argument } from "./request_writer.ts";
import { checkTimeout, type Settings } from "./settings.ts";
import { asBytes, asJson, asText, bulkOf, type ValueKind } from "./values.ts";

/** 1 to 1,024 bytes unless the cluster is configured otherwise; text is sent in UTF-8. */
export type Key = string | Uint8Array;

export interface CallOptions {
  /** How long this call may take, retries included; the client's `timeoutMs` unless given. */
  readonly timeoutMs?: number;
  /** Gives the call up when it is aborted. */
  readonly signal?: AbortSignal;
}

export interface SetOptions extends CallOptions {
  /** After so many milliseconds the key is gone; never where it is not given. */
  readonly timeToLiveMs?: number;
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

/** The calls, with values that are shown as `Out` and given as `In`. */
export class Values<Out, In> {
  readonly #cluster: Cluster;
  readonly #settings: Settings;
  readonly #kind: ValueKind<Out, In>;
  readonly #toValue: (reply: Reply) => Out | null;
  readonly #toVersioned: (reply: Reply) => Versioned<Out> | null;
  readonly #toValues: (reply: Reply) => (Out | null)[];

  constructor(cluster: Cluster, settings: Settings, kind: ValueKind<Out, In>) {
    this.#cluster = cluster;
    this.#settings = settings;
    this.#kind = kind;
    this.#toValue = (reply) => reply === null ? null : kind.decode(bulkOf(reply));
    this.#toVersioned = (reply) => {
      if (reply === null) return null;
      const [version, leftMs, value] = arrayOf(reply);
      const timeToLiveMs = numberOf(leftMs) < 0 ? null : numberOf(leftMs);
      return { value: kind.decode(bulkOf(value)), version: numberOf(version), timeToLiveMs };
    };
    this.#toValues = (reply) => arrayOf(reply).map(this.#toValue);
  }

  /** The value; null where there is no such key. */
  get(key: Key, options?: CallOptions): Promise<Out | null> {
    return this.#call(["GET", kept(key)], false, this.#toValue, options);
  }

  /** The value with its version and time to live; null where there is no such key. */
  getm(key: Key, options?: CallOptions): Promise<Versioned<Out> | null> {
    return this.#call(["RAFTKV.GET", kept(key)], false, this.#toVersioned, options);
  }

  /** The values of many keys, at one moment, in the order of the keys. */
  mget(keys: readonly Key[], options?: CallOptions): Promise<(Out | null)[]> {
    if (keys.length === 0) return Promise.resolve([]);
    return this.#call(["MGET", ...keys.map(kept)], false, this.#toValues, options);
  }

  /** Sets the value, whatever was there; gives the key's new version. */
  set(key: Key, value: In, options?: SetOptions): Promise<number> {
    const request = ["RAFTKV.SET", kept(key), this.#kind.encode(value), ...expiry(options)];
    return this.#call(request, true, numberOf, options);
  }

  /**
   * Sets the value where the key still has `version`; version 0: where there is no such key. An outcome,
   * not an error, says that it has not.
   */
  cas(key: Key, value: In, version: number, options?: SetOptions): Promise<CasOutcome> {
    const encoded = this.#kind.encode(value);
    const request = ["RAFTKV.CAS", kept(key), encoded, `${version}`, ...expiry(options)];
    return this.#call(request, true, toCasOutcome, options);
  }

  #call<T>(
    request: readonly Argument[],
    isWrite: boolean,
    decode: (reply: Reply) => T,
    options: CallOptions | undefined,
  ): Promise<T> {
    return submit(this.#cluster, this.#settings, [request], isWrite, decode, options);
  }
}

/** A client of one cluster, and the calls for values as bytes (or text, where it is given). */
export class Client extends Values<Uint8Array, Uint8Array | string> {
  readonly #cluster: Cluster;
  readonly #settings: Settings;
  /** The same calls, for values as text. */
  readonly text: Values<string, string>;

  /** Use `connect`. */
  constructor(cluster: Cluster, settings: Settings) {
    super(cluster, settings, asBytes);
    this.#cluster = cluster;
    this.#settings = settings;
    this.text = new Values(cluster, settings, asText);
  }

  /** The same calls, for values as JSON. Nobody checks that what is there is a `T`. */
  json<T>(): Values<T, T> {
    return new Values(this.#cluster, this.#settings, asJson<T>());
  }

  /** HOST:PORT of the server that leads, as far as this client knows; null while it is looking. */
  get server(): string | null {
    return this.#cluster.server;
  }

  /** The servers that were given, and those that the cluster named. */
  get servers(): readonly string[] {
    return this.#cluster.servers;
  }

  /** Deletes the key; false where there was none. */
  delete(key: Key, options?: CallOptions): Promise<boolean> {
    const isOne = (reply: Reply) => numberOf(reply) === 1;
    return submit(this.#cluster, this.#settings, [["DEL", kept(key)]], true, isOne, options);
  }

  /** Adds to a number of 64 bits, 0 where there is no such key; gives the sum. */
  incr(key: Key, by: number | bigint = 1, options?: CallOptions): Promise<bigint> {
    if (typeof by === "number" && !Number.isSafeInteger(by)) {
      throw new RangeError(`${by} can't be added: give a whole number, a bigint where it is large`);
    }
    const request = ["INCRBY", kept(key), `${by}`];
    return submit(this.#cluster, this.#settings, [request], true, bigintOf, options);
  }

  /** Ends all connections at once. Calls that are not settled are: `NotDone`, or `Unknown` if sent. */
  close(): void {
    this.#cluster.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }
}

/** Makes a call of requests that are sent together and hands it on. */
export function submit<T>(
  cluster: Cluster,
  settings: Settings,
  requests: readonly (readonly Argument[])[],
  isWrite: boolean,
  decode: (reply: Reply) => T,
  options: CallOptions | undefined,
): Promise<T> {
  return new Promise<unknown>((resolve, reject) => {
    const given = options?.timeoutMs;
    const timeoutMs = given === undefined ? settings.timeoutMs : checkTimeout("timeoutMs", given);
    const deadlineMs = performance.now() + timeoutMs;
    const { signal } = options ?? {};
    const name = requests[0]![0] as string;
    const common = { name, isWrite, deadlineMs, timeoutMs, signal, decode, resolve, reject };
    const call = new Call({ requests, ...common });
    cluster.submit(call);
  }) as Promise<T>;
}

/** A key that its owner can't change any more. */
function kept(key: Key): Argument {
  return typeof key === "string" ? key : new Uint8Array(key);
}

function expiry(options: SetOptions | undefined): Argument[] {
  const ms = options?.timeToLiveMs;
  if (ms === undefined) return [];
  if (Number.isSafeInteger(ms) && ms > 0) return ["PX", `${ms}`];
  throw new RangeError(`timeToLiveMs is ${ms}: write whole milliseconds above 0`);
}

function arrayOf(reply: Reply | undefined): Reply[] {
  if (Array.isArray(reply)) return reply;
  throw new ProtocolProblem("something else where a list belongs");
}

function numberOf(reply: Reply | undefined): number {
  if (typeof reply === "number") return reply;
  throw new ProtocolProblem("something else where a number belongs");
}

function bigintOf(reply: Reply): bigint {
  if (typeof reply === "number" || typeof reply === "bigint") return BigInt(reply);
  throw new ProtocolProblem("something else where a number belongs");
}

function toCasOutcome(reply: Reply): CasOutcome {
  if (reply === null) return { isStored: false, why: "notFound" };
  const version = numberOf(reply);
  return version === 0 ? { isStored: false, why: "versionDiffers" } : { isStored: true, version };
}
