/** The calls for values of one kind. */
import { kept } from "./arguments.ts";
import type {
  CallOptions,
  CasOutcome,
  Entry,
  Key,
  KeysOptions,
  Page,
  RangeOptions,
  ScanOptions,
  SetOptions,
  Versioned,
  WatchGroup,
  WatchOptions,
} from "./calls.ts";
import type { Cluster } from "./cluster.ts";
import { bound, endOfPrefix, pageReplies, rangeRequest, startAfter } from "./ranges.ts";
import { textOf } from "./reply_parser.ts";
import type { Reply } from "./reply_parser.ts";
import * as replies from "./replies.ts";
import * as requests from "./requests.ts";
import {
  CALL_OPTIONS,
  checkNames,
  KEYS_OPTIONS,
  RANGE_OPTIONS,
  SCAN_OPTIONS,
  SET_OPTIONS,
} from "./options.ts";
import type { Argument } from "./request_writer.ts";
import { checkCount, type Settings } from "./settings.ts";
import { submitOne } from "./submit.ts";
import { type Transaction, Transactor } from "./transaction.ts";
import { watchGroups } from "./watch.ts";
import { toText, type ValueKind } from "./values.ts";

/** The calls, with values that are shown as `Out` and given as `In`. */
export class Values<Out, In> {
  readonly #cluster: Cluster;
  readonly #settings: Settings;
  readonly #kind: ValueKind<Out, In>;
  readonly #replies: replies.ValueReplies<Out>;

  /** Use `connect`, then `client`, `client.text` or `client.json()`. */
  constructor(cluster: Cluster, settings: Settings, kind: ValueKind<Out, In>) {
    this.#cluster = cluster;
    this.#settings = settings;
    this.#kind = kind;
    this.#replies = replies.valueReplies(kind);
  }

  /** The value; null where there is no such key. */
  get(key: Key, options?: CallOptions): Promise<Out | null> {
    return this.call(["GET", requests.keptKey(key)], false, this.#replies.value, options);
  }

  /** The value with its version and time to live; null where there is no such key. */
  getm(key: Key, options?: CallOptions): Promise<Versioned<Out> | null> {
    return this.call(
      ["RAFTKV.GET", requests.keptKey(key)],
      false,
      this.#replies.versioned,
      options,
    );
  }

  /** The values of many keys, at one moment, in the order of the keys. */
  mget(keys: readonly Key[], options?: CallOptions): Promise<(Out | null)[]> {
    const request = requests.mget(keys);
    checkNames(options, CALL_OPTIONS);
    if (keys.length === 0) return Promise.resolve([]);
    return this.call(request, false, this.#replies.values, options);
  }

  /** Sets the value, whatever was there; gives the key's new version. */
  set(key: Key, value: In, options?: SetOptions): Promise<number> {
    const request = requests.set(key, this.#kind.encode(value), options);
    return this.call(request, true, replies.toNumber, options, SET_OPTIONS);
  }

  /**
   * Sets the value where the key still has `version`; version 0: where there is no such key. Whether it
   * was stored is an outcome, not an error.
   */
  cas(key: Key, value: In, version: number, options?: SetOptions): Promise<CasOutcome> {
    const request = requests.cas(key, this.#kind.encode(value), version, options);
    return this.call(request, true, replies.toCasOutcome, options, SET_OPTIONS);
  }

  /** Deletes the key; false where there was none. */
  delete(key: Key, options?: CallOptions): Promise<boolean> {
    return this.call(requests.del(key), true, replies.toWasDeleted, options);
  }

  /** Adds to a number of 64 bits, 0 where there is no such key; gives the sum. */
  incr(key: Key, by: number | bigint = 1, options?: CallOptions): Promise<bigint> {
    return this.call(requests.incr(key, by), true, replies.toBigint, options);
  }

  /**
   * The keys, in no order, as text: those that are there all the while surely, each of them once or more;
   * those that come or go meanwhile perhaps.
   * @throws {BadValue} where a key is no UTF-8: use `keyBytes`.
   */
  async *keys(options?: KeysOptions): AsyncGenerator<string, void, undefined> {
    for await (const key of this.keyBytes(options)) yield toText(key);
  }

  /** As `keys`, for keys of any bytes. */
  async *keyBytes(options?: KeysOptions): AsyncGenerator<Uint8Array, void, undefined> {
    checkNames(options, KEYS_OPTIONS);
    const { match } = options ?? {};
    const keysAtATime = checkCount("keysAtATime", options?.keysAtATime, 1_000);
    const pattern = match === undefined ? [] : ["MATCH", kept("match", match)];
    let cursor = "0";
    do {
      const request = ["SCAN", cursor, "COUNT", `${keysAtATime}`, ...pattern];
      const page = await this.call(request, false, toPage, options, KEYS_OPTIONS);
      yield* page.keys;
      ({ cursor } = page);
    } while (cursor !== "0");
  }

  /**
   * The keys from `start` on, up to `end`, which is left out, in the order of their bytes: a page of them, as
   * they are at one moment. No bound where one is empty.
   */
  range(start: Key, end: Key, options?: RangeOptions): Promise<Page<Out>> {
    const limit = checkCount("limit", options?.limit, 1_000);
    const request = rangeRequest(bound("start", start), bound("end", end), limit);
    return this.call(request, false, pageReplies(this.#replies.versioned), options, RANGE_OPTIONS);
  }

  /**
   * All keys that begin with `prefix`, in the order of their bytes, with their values. Each page is asked for
   * as it is needed, and is a moment of its own: a key that is there all the while comes exactly once.
   */
  async *scan(prefix: Key, options?: ScanOptions): AsyncGenerator<Entry<Out>, void, undefined> {
    checkNames(options, SCAN_OPTIONS);
    const limit = checkCount("keysAtATime", options?.keysAtATime, 1_000);
    const first = bound("a prefix", prefix);
    const end = endOfPrefix(first);
    const decode = pageReplies(this.#replies.versioned);
    for (let start: Uint8Array | null = startAfter(first, options?.after); start !== null;) {
      const request = rangeRequest(start, end, limit);
      const page: Page<Out> = await this.call(request, false, decode, options, SCAN_OPTIONS);
      yield* page.entries;
      start = page.next;
    }
  }

  /**
   * What happens to a key, or with a star at the end to all keys that begin so, in groups of one entry of
   * the log: once and in order, over reconnects, changes of leader and of server. It goes on until the loop
   * is left, `signal` is aborted or the client is closed.
   * @throws {Refused} code COMPACTED: changes that it would have to tell are kept nowhere any more.
   * @throws {NotDone} where no server can be watched within `timeoutMs` at first, or it was ended.
   */
  watch(what: Key, options?: WatchOptions): AsyncGenerator<WatchGroup<Out>, void, undefined> {
    return watchGroups(this.#cluster, this.#settings, this.#kind, what, options);
  }

  /**
   * Runs `body`, which reads and gathers writes, and does all writes at one moment, if nothing that was
   * read has changed meanwhile; else `body` runs again, until the deadline. Gives what `body` gave.
   */
  transact<T>(
    body: (transaction: Transaction<Out, In>) => T | Promise<T>,
    options?: CallOptions,
  ): Promise<T> {
    const transactor = new Transactor(this.#cluster, this.#settings, this.#kind, this.#replies);
    return transactor.run(body, options);
  }

  /** @internal */
  protected call<T>(
    request: readonly Argument[],
    isWrite: boolean,
    decode: (reply: Reply) => T,
    options: CallOptions | undefined,
    known: ReadonlySet<string> = CALL_OPTIONS,
  ): Promise<T> {
    checkNames(options, known);
    const name = nameOf(request);
    const what = { request, name, isWrite, isSessionWrite: isWrite, decode };
    return submitOne(this.#cluster, this.#settings, what, options);
  }
}

export function nameOf([name]: readonly Argument[]): string {
  return typeof name === "string" ? name : new TextDecoder().decode(name?.subarray(0, 32));
}

function toPage(reply: Reply): { cursor: string; keys: Uint8Array[] } {
  const [cursor, keys] = replies.toList(reply);
  return {
    cursor: textOf(cursor),
    keys: replies.toList(keys).map((key) => replies.toBulk(key).slice()),
  };
}
