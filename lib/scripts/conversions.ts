/** Between replies of the Redis protocol and values of Lua, as Redis 7.0 converts them. */
import { STRING_BYTES_MAX } from "./lua/meter.ts";
import type { Machine } from "./lua/machine.ts";
import { generalText, LuaTable, type Value } from "./lua/values.ts";

/** Of tables within tables in a reply. */
const DEPTH_MAX = 100;
const LEAST = -(2 ** 63);

/**
 * What `redis.call` gives for a reply, which is of version 2. An error becomes a table with `err`; nothing is
 * false, or nil where the script asked for version 3 (`isResp3`).
 */
export function replyToValue(machine: Machine, reply: string, isResp3: boolean): Value {
  if (reply === "+OK\r\n") return fieldTable(machine, "ok", "OK");
  return new ReplyReader(machine, reply, isResp3 ? undefined : false).value();
}

class ReplyReader {
  readonly #machine: Machine;
  readonly #reply: string;
  readonly #nothing: Value;
  #at = 0;

  constructor(machine: Machine, reply: string, nothing: Value) {
    this.#nothing = nothing;
    this.#machine = machine;
    this.#reply = reply;
  }

  value(): Value {
    const kind = this.#reply[this.#at];
    const end = this.#reply.indexOf("\r\n", this.#at);
    const line = this.#reply.slice(this.#at + 1, end);
    this.#at = end + 2;
    switch (kind) {
      case ":":
        return Number(line);
      case "$": {
        const length = Number(line);
        if (length < 0) return this.#nothing;
        const text = this.#reply.slice(this.#at, this.#at + length);
        this.#machine.meter.string(length);
        this.#at += length + 2;
        return text;
      }
      case "*": {
        const count = Number(line);
        if (count < 0) return this.#nothing;
        const table = this.#machine.table();
        for (let i = 1; i <= count; i++) this.#machine.rawSet(table, i, this.value(), 0);
        return table;
      }
      default:
        return fieldTable(this.#machine, kind === "-" ? "err" : "ok", line);
    }
  }
}

export function fieldTable(machine: Machine, name: string, text: string): LuaTable {
  const table = machine.table();
  machine.rawSet(table, name, text, 0);
  return table;
}

/** The reply for what a script returns. */
export function valueToReply(machine: Machine, value: Value, isResp3: boolean): string {
  if (typeof value === "number") {
    machine.meter.step(1);
    const text = `:${wholeText(value)}\r\n`;
    machine.meter.make(text.length);
    return text;
  }
  const parts: string[] = [];
  const nothing = isResp3 ? "_\r\n" : "$-1\r\n";
  // Who has asked for version 3 means what is so, or not; else false is nothing.
  const [yes, no] = !machine.isResp3
    ? [":1\r\n", nothing]
    : isResp3
    ? ["#t\r\n", "#f\r\n"]
    : [":1\r\n", ":0\r\n"];
  let bytes = 0;
  const add = (part: string) => {
    bytes += part.length;
    machine.meter.make(part.length);
    if (bytes > STRING_BYTES_MAX) machine.meter.string(bytes);
    parts.push(part);
  };
  /** A map with its values, or a set; in version 2 all of it one after the other. */
  const putKeys = (table: LuaTable, sign: string, ofEach: number, depth: number): void => {
    const keys: Value[] = [];
    for (let key = table.next(undefined); key !== undefined && key !== null;) {
      machine.meter.step(1);
      keys.push(key);
      key = table.next(key);
    }
    add(isResp3 ? `${sign}${keys.length}\r\n` : `*${ofEach * keys.length}\r\n`);
    for (const key of keys) {
      put(key, depth + 1);
      if (ofEach === 2) put(table.get(key), depth + 1);
    }
  };
  const put = (one: Value, depth: number): void => {
    machine.meter.step(1);
    if (typeof one === "string") return add(bulk(one));
    if (typeof one === "number") return add(`:${wholeText(one)}\r\n`);
    if (typeof one === "boolean") return add(one ? yes : no);
    if (!(one instanceof LuaTable)) return add(nothing);
    if (depth >= DEPTH_MAX) return add("-ERR reached lua stack limit\r\n");
    const error = one.get("err");
    if (typeof error === "string") return add(`-${oneLine(error)}\r\n`);
    const ok = one.get("ok");
    if (typeof ok === "string") return add(`+${oneLine(ok)}\r\n`);
    const double = one.get("double");
    if (typeof double === "number") {
      const text = generalText(double, 17, false);
      return add(isResp3 ? `,${text}\r\n` : bulk(text));
    }
    const map = one.get("map");
    if (map instanceof LuaTable) return putKeys(map, "%", 2, depth);
    const set = one.get("set");
    if (set instanceof LuaTable) return putKeys(set, "~", 1, depth);
    const bigNumber = one.get("big_number");
    if (typeof bigNumber === "string") {
      return add(isResp3 ? `(${oneLine(bigNumber)}\r\n` : bulk(oneLine(bigNumber)));
    }
    const verbatim = verbatimOf(one.get("verbatim_string"));
    if (verbatim !== null) return add(isResp3 ? verbatim.shown : bulk(verbatim.text));
    let count = 0;
    while (one.get(count + 1) !== undefined) count++;
    add(`*${count}\r\n`);
    for (let i = 1; i <= count; i++) put(one.get(i), depth + 1);
  };
  put(value, 0);
  return parts.join("");
}

function bulk(text: string): string {
  return `$${text.length}\r\n${text}\r\n`;
}

/** What a `verbatim_string` shows, in version 3 and alone; null where it is none. */
function verbatimOf(value: Value): { readonly shown: string; readonly text: string } | null {
  if (!(value instanceof LuaTable)) return null;
  const [text, format] = [value.get("string"), value.get("format")];
  if (typeof text !== "string" || typeof format !== "string") return null;
  // The format takes three letters, whatever is given.
  return { shown: `=${text.length + 4}\r\n${format.slice(0, 3).padEnd(3)}:${text}\r\n`, text };
}

export function oneLine(text: string): string {
  return text.replace(/[\r\n]/g, " ");
}

/** A number without its fraction, as C makes a `long long` of it. */
function wholeText(value: number): string {
  const whole = Math.trunc(value);
  if (Number.isSafeInteger(whole)) return String(whole === 0 ? 0 : whole);
  return BigInt(whole >= LEAST && whole < -LEAST ? whole : LEAST).toString();
}
