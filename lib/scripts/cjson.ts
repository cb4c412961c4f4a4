/** The library `cjson`, as far as Redis's scripts use it: encode, decode, null. */
import { addAll } from "./lua/arguments.ts";
import type { Machine } from "./lua/machine.ts";
import { generalText, LuaTable, LuaUserdata, typeName, type Value } from "./lua/values.ts";

const DEPTH_MAX = 128;
/** That are read or written in the time of one step. */
const LETTERS_A_STEP = 8;
/** A table whose highest whole key is beyond this many times its keys is no list. */
const SPARSE_RATIO = 2;
const SPARSE_SAFE = 10;

/** null in JSON, which nil could not be: a table has no room for that. */
const NULL = new LuaUserdata("NULL");

export function addCjson(machine: Machine): void {
  const library = new LuaTable();
  addAll(machine, library, {
    decode: (args) => [new Decoder(machine, args.string(0)).whole()],
    encode: (args) => [new Encoder(machine).text(args.any(0))],
  });
  library.set("null", NULL);
  library.isReadOnly = true;
  machine.globals.set("cjson", library);
}

class Encoder {
  readonly #machine: Machine;
  readonly #parts: string[] = [];

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  text(value: Value): string {
    this.#put(value, 0);
    return this.#parts.join("");
  }

  #add(text: string): void {
    this.#machine.meter.step(2 + text.length / LETTERS_A_STEP);
    this.#machine.meter.string(text.length);
    this.#parts.push(text);
  }

  #put(value: Value, depth: number): void {
    this.#machine.meter.step(1);
    if (value === undefined || value === NULL) return this.#add("null");
    if (typeof value === "boolean") return this.#add(String(value));
    if (typeof value === "string") return this.#add(quoted(value));
    if (typeof value === "number") return this.#number(value);
    if (!(value instanceof LuaTable)) {
      this.#machine.failHere(`Cannot serialise ${typeName(value)}: type not supported`);
    }
    if (depth >= DEPTH_MAX) {
      this.#machine.failHere(`Cannot serialise, excessive nesting (${depth + 1})`);
    }
    const length = this.#listLength(value);
    if (length > 0) this.#list(value, length, depth);
    else this.#map(value, depth);
  }

  #number(value: number): void {
    if (!Number.isFinite(value)) {
      this.#machine.failHere("Cannot serialise number: must not be NaN or Inf");
    }
    this.#add(this.#machine.shown(value));
  }

  /** How long the list is that the table is; -1 where it is none, or an empty table. */
  #listLength(table: LuaTable): number {
    let [highest, count] = [0, 0];
    for (let key = table.next(undefined); key != null; key = table.next(key)) {
      this.#machine.meter.step(0.5);
      if (typeof key !== "number" || !Number.isInteger(key) || key < 1) return -1;
      highest = Math.max(highest, key);
      count++;
    }
    if (count === 0) return -1;
    if (highest > count * SPARSE_RATIO && highest > SPARSE_SAFE) {
      this.#machine.failHere("Cannot serialise table: excessively sparse array");
    }
    return highest;
  }

  #list(table: LuaTable, length: number, depth: number): void {
    this.#add("[");
    for (let i = 1; i <= length; i++) {
      if (i > 1) this.#add(",");
      this.#put(table.get(i), depth + 1);
    }
    this.#add("]");
  }

  #map(table: LuaTable, depth: number): void {
    this.#add("{");
    let isFirst = true;
    for (let key = table.next(undefined); key != null; key = table.next(key)) {
      if (!isFirst) this.#add(",");
      isFirst = false;
      if (typeof key === "number") this.#add(`"${generalText(key, 14, false)}"`);
      else if (typeof key === "string") this.#add(quoted(key));
      else {
        this.#machine.failHere(
          `Cannot serialise ${typeName(key)}: table key must be a number or string`,
        );
      }
      this.#add(":");
      this.#put(table.get(key), depth + 1);
    }
    this.#add("}");
  }
}

const SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "/": "\\/",
  "\b": "\\b",
  "\t": "\\t",
  "\n": "\\n",
  "\f": "\\f",
  "\r": "\\r",
};

/** What stands in a string of JSON as it is. */
const PLAIN = /^[ !#-.0-[\]-~\u0080-\u00ff]*$/;

function quoted(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`;
  const inner = text.replace(/[^ !#-.0-[\]-~\u0080-\u00ff]/g, (letter) => {
    return SHORT[letter] ?? `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
  return `"${inner}"`;
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09 || code === 0x0a || code === 0x0d;
}

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?/;
const ESCAPED: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};
/** A letter by its number: half of a surrogate pair is none. */
const UNICODE =
  /^\\u(?:[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|(?![dD][89a-fA-F])[\da-fA-F]{4})/;
/** How errors call what they found. */
const TOKENS: readonly (readonly [RegExp, string])[] = [
  [/^$/, "T_END"],
  [/^\{/, "T_OBJ_BEGIN"],
  [/^\}/, "T_OBJ_END"],
  [/^\[/, "T_ARR_BEGIN"],
  [/^\]/, "T_ARR_END"],
  [/^"/, "T_STRING"],
  [/^-?[0-9]/, "T_NUMBER"],
  [/^(?:true|false)/, "T_BOOLEAN"],
  [/^null/, "T_NULL"],
  [/^:/, "T_COLON"],
  [/^,/, "T_COMMA"],
];
const utf8 = new TextEncoder();

class Decoder {
  readonly #machine: Machine;
  readonly #text: string;
  #at = 0;

  constructor(machine: Machine, text: string) {
    this.#machine = machine;
    this.#text = text;
  }

  whole(): Value {
    const value = this.#value(0);
    this.#skip();
    if (this.#at < this.#text.length) this.#fail("the end");
    return value;
  }

  #fail(expected: string): never {
    const rest = this.#text.slice(this.#at, this.#at + 8);
    const token = TOKENS.find(([start]) => start.test(rest))?.[1] ?? "invalid token";
    this.#failAt(this.#at, expected, token);
  }

  #failAt(at: number, expected: string, found: string): never {
    this.#machine.failHere(`Expected ${expected} but found ${found} at character ${at + 1}`);
  }

  #skip(): void {
    const text = this.#text;
    const start = this.#at;
    let at = start;
    while (isSpace(text.charCodeAt(at))) at++;
    this.#at = at;
    if (at > start) this.#machine.meter.step((at - start) / LETTERS_A_STEP);
  }

  #take(letter: string): boolean {
    this.#skip();
    if (this.#text[this.#at] !== letter) return false;
    this.#at++;
    return true;
  }

  #word(word: string): boolean {
    if (!this.#text.startsWith(word, this.#at)) return false;
    this.#at += word.length;
    return true;
  }

  #value(depth: number): Value {
    this.#machine.meter.step(10);
    if (depth > DEPTH_MAX) {
      this.#machine.failHere(`Found too many nested data structures (${depth})`);
    }
    this.#skip();
    const first = this.#text[this.#at];
    if (first === '"') return this.#string("value");
    if (first === "{") return this.#map(depth);
    if (first === "[") return this.#list(depth);
    if (this.#word("true")) return true;
    if (this.#word("false")) return false;
    if (this.#word("null")) return NULL;
    const number = NUMBER.exec(this.#text.slice(this.#at, this.#at + 400));
    if (number === null) this.#fail("value");
    this.#at += number[0].length;
    return Number(number[0]);
  }

  #map(depth: number): Value {
    const table = this.#machine.table();
    this.#at++;
    if (this.#take("}")) return table;
    do {
      this.#skip();
      if (this.#text[this.#at] !== '"') this.#fail("object key string");
      const key = this.#string("object key string");
      if (!this.#take(":")) this.#fail("colon");
      this.#machine.rawSet(table, key, this.#value(depth + 1), 0);
    } while (this.#take(","));
    if (!this.#take("}")) this.#fail("comma or object end");
    return table;
  }

  #list(depth: number): Value {
    const table = this.#machine.table();
    this.#at++;
    if (this.#take("]")) return table;
    let i = 1;
    do this.#machine.rawSet(table, i++, this.#value(depth + 1), 0); while (this.#take(","));
    if (!this.#take("]")) this.#fail("comma or array end");
    return table;
  }

  #string(expected: string): string {
    const text = this.#text;
    const parts: string[] = [];
    let at = this.#at + 1;
    for (;;) {
      const start = at;
      while (at < text.length && text[at] !== '"' && text[at] !== "\\") at++;
      this.#machine.meter.step(5 + (at - start) / LETTERS_A_STEP);
      this.#machine.meter.string(at - start);
      parts.push(text.slice(start, at));
      if (at >= text.length) this.#failAt(at, expected, "unexpected end of string");
      if (text[at++] === '"') break;
      if (text[at] === "u") {
        const units = UNICODE.exec(text.slice(at - 1, at + 11))?.[0];
        if (units === undefined) this.#failAt(at - 1, expected, "invalid unicode escape code");
        const codes = units.slice(2).split("\\u").map((hex) => parseInt(hex, 16));
        parts.push(String.fromCharCode(...utf8.encode(String.fromCharCode(...codes))));
        at += units.length - 1;
        continue;
      }
      const plain = ESCAPED[text[at] ?? ""];
      if (plain === undefined) this.#failAt(at - 1, expected, "invalid escape code");
      parts.push(plain);
      at++;
    }
    this.#at = at;
    return parts.join("");
  }
}
