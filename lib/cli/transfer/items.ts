/**
 * What a file to be loaded holds, item by item: lines of JSON, or commands of the Redis protocol. The
 * first byte tells which.
 */
import type { Argument } from "../../../client/mod.ts";
import { exactText, visibleText } from "../output/escape.ts";
import { parseRecord } from "../output/records.ts";
import type { ByteSource } from "./byte_source.ts";
import { latin1 } from "../../util/latin1.ts";

/** One request that a line or command stands for. */
export interface Item {
  /** Of its line or command in the file, from 1. */
  readonly number: number;
  readonly args: readonly Argument[];
  readonly bytes: number;
  /** The key that it writes: never twice under way. Null: it may touch any, so it goes alone. */
  readonly key: string | null;
}

export interface ItemSource {
  /** What an item is called: "line", "command". */
  readonly unit: "line" | "command";
  /** How many were read so far: of all lines or commands, not only of those that stand for something. */
  count(): number;
  items(): AsyncGenerator<Item, void, undefined>;
}

/** The item that can't be read; the ones before it were yielded. */
export class BadItem extends Error {
  override readonly name = "BadItem";
  readonly number: number;

  constructor(number: number, why: string) {
    super(why);
    this.number = number;
  }
}

/** A value of 64 MiB in base64, and its key. */
const LINE_BYTES_MAX = 100 * 1024 * 1024;
const STAR = 0x2a;
/** Some programs begin every text file with it. */
const BYTE_ORDER_MARK = Uint8Array.of(0xef, 0xbb, 0xbf);

interface Read {
  count: number;
}

export async function itemSource(source: ByteSource): Promise<ItemSource> {
  await source.skip(BYTE_ORDER_MARK);
  const isRedis = await source.peek() === STAR;
  const read = { count: 0 };
  const count = () => read.count;
  return isRedis
    ? { unit: "command", count, items: () => commands(source, read) }
    : { unit: "line", count, items: () => lines(source, read) };
}

async function* lines(source: ByteSource, read: Read): AsyncGenerator<Item, void, undefined> {
  for (let number = 1;; number++) {
    let item: Item | null;
    try {
      const line = await source.line(LINE_BYTES_MAX);
      if (line === null) return;
      read.count = number;
      item = lineItem(number, line);
    } catch (error) {
      throw new BadItem(number, (error as Error).message);
    }
    if (item !== null) yield item;
  }
}

/** Null for an empty line. */
function lineItem(number: number, line: Uint8Array): Item | null {
  const text = exactText(line);
  if (text === null) {
    {
      throw new Error("no UTF-8: bytes that are no text belong into key64 and value64");
    }
  }
  if (text.trim() === "") return null;
  const { key, value, ttlMs } = parseRecord(text);
  const expiry = ttlMs === null ? [] : ["PX", `${ttlMs}`];
  const args = ["SET", key, value, ...expiry];
  return { number, args, bytes: key.length + value.length, key: latin1(key) };
}

/** Commands that write the key of their first argument and nothing else. */
const OF_ONE_KEY = new Set(
  ("SET SETEX PSETEX SETNX GETSET APPEND SETRANGE INCR INCRBY INCRBYFLOAT DECR DECRBY GETDEL " +
    "GETEX EXPIRE PEXPIRE EXPIREAT PEXPIREAT PERSIST RAFTKV.SET RAFTKV.CAS").split(" "),
);
const OF_MANY_KEYS = new Set(
  "MSET MSETNX DEL UNLINK RENAME RENAMENX COPY FLUSHALL FLUSHDB".split(" "),
);
const ARGUMENTS_MAX = 1024 * 1024;
const COMMAND_BYTES_MAX = 100 * 1024 * 1024;
const NUMBER_LINE_MAX = 32;

async function* commands(source: ByteSource, read: Read): AsyncGenerator<Item, void, undefined> {
  for (let number = 1;; number++) {
    let item: Item | null;
    try {
      const args = await command(source);
      if (args === null) return;
      read.count = number;
      item = commandItem(number, args);
    } catch (error) {
      throw new BadItem(number, (error as Error).message);
    }
    if (item !== null) yield item;
  }
}

/** The arguments of the next command; null at the end. */
async function command(source: ByteSource): Promise<Uint8Array[] | null> {
  const count = await numberAfter(source, "*", ARGUMENTS_MAX);
  if (count === null) return null;
  const args: Uint8Array[] = [];
  let left = COMMAND_BYTES_MAX;
  for (let at = 0; at < count; at++) {
    const length = await numberAfter(source, "$", left);
    if (length === null) throw new Error("the file ends in the middle of it");
    left -= length;
    args.push((await source.exactly(length)).slice());
    const end = await source.line(NUMBER_LINE_MAX);
    if (end === null || end.length > 0) throw new Error("an argument is longer than it says");
  }
  return args;
}

/** The number on the next line, after `sign`; null at the end of the file. */
async function numberAfter(source: ByteSource, sign: string, most: number): Promise<number | null> {
  const line = await source.line(NUMBER_LINE_MAX);
  if (line === null) return null;
  const text = new TextDecoder().decode(line);
  const value = text.startsWith(sign) && /^.\d{1,9}$/.test(text) ? Number(text.slice(1)) : NaN;
  if (value <= most) return value;
  const what = sign === "*" ? "a command begins with * and its number of arguments" : "an " +
    "argument begins with $ and its length";
  throw new Error(`${what} (up to ${most}), here is ${visibleText(text)}`);
}

/** Null for what changes nothing. @throws {Error} for what can't be loaded. */
function commandItem(number: number, args: readonly Uint8Array[]): Item | null {
  const name = new TextDecoder().decode(args[0] ?? new Uint8Array()).toUpperCase();
  const bytes = args.reduce((sum, one) => sum + one.length, 0);
  const second = args[1];
  if (name === "PING" || name === "") return null;
  if (name === "SELECT" && second !== undefined && exactText(second) === "0") return null;
  if (OF_ONE_KEY.has(name) && second !== undefined) {
    return { number, args, bytes, key: latin1(second) };
  }
  if (OF_MANY_KEYS.has(name)) return { number, args, bytes, key: null };
  throw new Error(
    `${
      visibleText(name.slice(0, 40))
    } can't be loaded: only commands that write keys can, one by ` +
      "one",
  );
}
