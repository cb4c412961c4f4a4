/** The strings of a live Redis, as `raftkv import` reads them: bounded, in groups, by one connection. */
import { type Argument, Link, Refused, type Reply } from "../../../client/mod.ts";
import { UsageError } from "../usage_error.ts";

const DEFAULT_PORT = 6379;
/** So many keys are asked for at a time. */
const SCAN_COUNT = 256;
/** So many bytes of values are asked for at a time; a single longer value goes alone. */
const GROUP_BYTES_MAX = 4 * 1_048_576;

export interface RedisPlace {
  readonly server: string;
  /** Empty without one. */
  readonly user: string;
  readonly password: string;
  readonly database: number;
}

/** `redis://[USER][:PASSWORD@]HOST[:PORT][/DATABASE]`. @throws {UsageError} what is wrong. */
export function parseRedisUrl(text: string): RedisPlace {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new UsageError(
      "this is no address of a Redis: redis://HOST:PORT, such as redis://127.0.0.1:6379",
    );
  }
  if (url.protocol !== "redis:") {
    const why = url.protocol === "rediss:"
      ? "TLS (rediss:) is not spoken here"
      : "it does not begin with redis://";
    throw new UsageError(`this is no address of a Redis that can be read: ${why}`);
  }
  const database = /^\/?(\d{0,4})$/.exec(url.pathname)?.[1];
  if (url.hostname === "" || database === undefined || url.search !== "" || url.hash !== "") {
    throw new UsageError(
      "after redis:// come HOST:PORT and perhaps /DATABASE, a number, and nothing more",
    );
  }
  return {
    server: `${url.hostname}:${url.port === "" ? DEFAULT_PORT : url.port}`,
    user: decoded(url.username),
    password: decoded(url.password),
    database: Number(database),
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new UsageError("a % in the user or the password of the address is written as %25");
  }
}

/** One string of the source. */
export interface RedisString {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** When it expires, by this machine's clock, ms since 1970; null for never. */
  readonly deadlineMs: number | null;
}

export interface RedisGroup {
  /** Keys that SCAN named for it. */
  readonly named: number;
  readonly strings: readonly RedisString[];
  /** Kinds of the keys that are no strings. */
  readonly otherTypes: readonly string[];
  /** Strings longer than was asked for. */
  readonly tooLong: readonly Uint8Array[];
}

export class RedisSource {
  readonly #link: Link;
  readonly #valueBytesMax: number;

  constructor(link: Link, valueBytesMax: number) {
    this.#link = link;
    this.#valueBytesMax = valueBytesMax;
  }

  /** Says who asks, and for which database. @throws {RaftkvError} in the source's words. */
  async begin({ user, password, database }: RedisPlace): Promise<void> {
    if (password !== "") {
      await this.#link.request(user === "" ? ["AUTH", password] : ["AUTH", user, password]);
    }
    if (database > 0) await this.#link.request(["SELECT", `${database}`]);
  }

  /** It is one of several nodes that have a part of the keys each. */
  async isPartOfCluster(): Promise<boolean> {
    const reply = await orRefusal(this.#link.request(["INFO", "server"]), "");
    if (!(reply instanceof Uint8Array)) return false;
    const text = new TextDecoder().decode(reply);
    // raftkv speaks as such a node does, and each has all keys.
    return /^redis_mode:cluster\r?$/m.test(text) && !/^raftkv:/m.test(text);
  }

  async count(): Promise<number> {
    const reply = await this.#link.request(["DBSIZE"]);
    return typeof reply === "number" ? reply : 0;
  }

  /** All keys, with the guarantees of SCAN: one that is there all the while is there, perhaps twice. */
  async *groups(): AsyncGenerator<RedisGroup, void, undefined> {
    let cursor: Argument = "0";
    do {
      const reply = await this.#link.request(["SCAN", cursor, "COUNT", `${SCAN_COUNT}`]);
      const [next, keys] = Array.isArray(reply) ? reply : [];
      if (!(next instanceof Uint8Array) || !Array.isArray(keys)) throw strange("SCAN");
      cursor = new TextDecoder().decode(next);
      yield* this.#groupsOf(keys.filter((key) => key instanceof Uint8Array));
    } while (cursor !== "0");
  }

  /** The values of `keys`; those that are gone, or no strings by now, are left out. */
  async read(keys: readonly Uint8Array[]): Promise<RedisString[]> {
    const found: RedisString[] = [];
    const asked = keys.map((key) => {
      const value = orRefusal(this.#link.request(["GET", key]));
      const time = this.#link.request(["PTTL", key]).then((left) => ({ left, nowMs: Date.now() }));
      return { key, both: Promise.all([value, time]) };
    });
    for (const { key, both } of asked) {
      const [value, { left, nowMs }] = await both;
      if (!(value instanceof Uint8Array) || typeof left !== "number" || left === -2) continue;
      found.push({ key, value, deadlineMs: left < 0 ? null : nowMs + left });
    }
    return found;
  }

  async *#groupsOf(keys: readonly Uint8Array[]): AsyncGenerator<RedisGroup, void, undefined> {
    const lengths = await Promise.all(
      keys.map((key) => orRefusal(this.#link.request(["STRLEN", key]))),
    );
    const others = keys.filter((_, i) => lengths[i] instanceof Refused);
    const types = await Promise.all(others.map((key) => this.#link.request(["TYPE", key])));
    const tooLong: Uint8Array[] = [];
    let group: Uint8Array[] = [];
    let bytes = 0;
    let named = keys.length;
    let otherTypes = types.map(String).filter((type) => type !== "none" && type !== "string");
    const give = async (): Promise<RedisGroup> => {
      const strings = await this.read(group);
      const given = { named, strings, otherTypes, tooLong: tooLong.splice(0) };
      [group, bytes, named, otherTypes] = [[], 0, 0, []];
      return given;
    };
    for (const [i, key] of keys.entries()) {
      const length = lengths[i];
      if (typeof length !== "number") continue;
      if (length > this.#valueBytesMax) {
        tooLong.push(key);
        continue;
      }
      if (group.length > 0 && bytes + length > GROUP_BYTES_MAX) yield await give();
      group.push(key);
      bytes += length;
    }
    yield await give();
  }
}

/** What the source refuses, such as the wrong kind of key, is an answer too. `code`: "" for any. */
function orRefusal(reply: Promise<Reply>, code = "WRONGTYPE"): Promise<Reply | Refused> {
  return reply.catch((error) => {
    if (error instanceof Refused && (code === "" || error.code === code)) return error;
    throw error;
  });
}

function strange(command: string): Error {
  return new Error(`what the source answers to ${command} is not understood: is it a Redis?`);
}
