/**
 * Values of Lua 5.1. nil is `undefined`, a string has a letter for each of its bytes, and there is nothing in
 * a value that leads to an object of the engine or of this server.
 */

export type Value =
  | undefined
  | boolean
  | number
  | string
  | LuaTable
  | LuaFunction
  | LuaUserdata;

export class LuaFunction {
  readonly run: (args: Value[]) => Value[];

  constructor(run: (args: Value[]) => Value[]) {
    this.run = run;
  }
}

/** Something that a script may hand on and compare, and no more: `cjson.null`. */
export class LuaUserdata {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** What a script threw, or what it did wrong: `pcall` catches it. */
export class LuaError {
  readonly value: Value;
  /** Where in the script; 0: nowhere in it. */
  readonly line: number;

  constructor(value: Value, line: number) {
    this.value = value;
    this.line = line;
  }
}

/** Up to so many keys, looking at each takes less than a map of them does. */
const SEARCHED_KEYS_MAX = 8;
/** Longer ones are in a map: texts of one length that differ at their ends take long to compare. */
const SEARCHED_LETTERS_MAX = 64;
const ABSENT = -1;

/**
 * A table: what has the keys 1 to n lies in `items`, everything else in the order in which it came. What is
 * removed leaves its key, so that a walk over the table may remove as it goes.
 */
export class LuaTable {
  meta: LuaTable | null = null;
  /** Of the libraries and of the globals: scripts share them. */
  isReadOnly = false;
  readonly items: Value[] = [];
  #keys: Value[] = [];
  #values: Value[] = [];
  /** Where each key is in `#keys`; null of a few short ones, which are looked for one after the other. */
  #places: Map<Value, number> | null = null;
  #removed = 0;

  get(key: Value): Value {
    if (typeof key === "number" && key > 0 && key <= this.items.length) {
      const item = this.items[key - 1];
      if (item !== undefined || Number.isInteger(key)) return item;
    }
    const place = this.#placeOf(key);
    return place === ABSENT ? undefined : this.#values[place];
  }

  /** `key` is neither nil nor NaN. Returns true where the table grew. */
  set(key: Value, value: Value): boolean {
    const { items } = this;
    if (typeof key === "number" && Number.isInteger(key) && key > 0) {
      if (key <= items.length) {
        items[key - 1] = value;
        while (items.length > 0 && items[items.length - 1] === undefined) items.pop();
        return false;
      }
      if (key === items.length + 1 && value !== undefined) {
        if (this.#placeOf(key) !== ABSENT) this.#setKeyed(key, undefined);
        items.push(value);
        this.#pullItems();
        return true;
      }
    }
    return this.#setKeyed(key, value);
  }

  /** A border, as the operator # gives it. */
  get length(): number {
    return this.items.length;
  }

  /** The key after `key` that has a value; undefined at the end, null where `key` is not there. */
  next(key: Value): Value | null {
    let at = 0;
    if (key !== undefined) {
      const isItem = typeof key === "number" && Number.isInteger(key) && key > 0 &&
        key <= this.items.length;
      if (!isItem) {
        const place = this.#placeOf(key);
        // It may have been the last item, and was removed on the way.
        if (place === ABSENT) return typeof key === "number" ? this.#keyFrom(0) : null;
        return this.#keyFrom(place + 1);
      }
      at = key;
    }
    for (; at < this.items.length; at++) if (this.items[at] !== undefined) return at + 1;
    return this.#keyFrom(0);
  }

  #keyFrom(place: number): Value {
    for (let at = place; at < this.#keys.length; at++) {
      if (this.#values[at] !== undefined) return this.#keys[at];
    }
    return undefined;
  }

  /** Where it is in `#keys`, which has a removed one still; or ABSENT. */
  #placeOf(key: Value): number {
    if (this.#places !== null) return this.#places.get(key) ?? ABSENT;
    const keys = this.#keys;
    for (let at = 0; at < keys.length; at++) if (keys[at] === key) return at;
    return ABSENT;
  }

  #setKeyed(key: Value, value: Value): boolean {
    const place = this.#placeOf(key);
    if (place !== ABSENT) {
      const before = this.#values[place];
      if (before !== undefined && value === undefined) this.#removed++;
      if (before === undefined && value !== undefined) this.#removed--;
      this.#values[place] = value;
      return false;
    }
    if (value === undefined) return false;
    if (this.#removed > 8 && this.#removed > this.#keys.length / 2) this.#compact();
    this.#add(key, value);
    return true;
  }

  /** Adds a key that is not there. */
  #add(key: Value, value: Value): void {
    const keys = this.#keys;
    this.#places?.set(key, keys.length);
    keys.push(key);
    this.#values.push(value);
    const isLong = typeof key === "string" && key.length > SEARCHED_LETTERS_MAX;
    if (this.#places !== null || (keys.length <= SEARCHED_KEYS_MAX && !isLong)) return;
    const places = this.#places = new Map<Value, number>();
    for (let at = 0; at < keys.length; at++) places.set(keys[at], at);
  }

  /** Moves what follows the last item over to the items. */
  #pullItems(): void {
    if (this.#keys.length === 0) return;
    for (;;) {
      const key = this.items.length + 1;
      const place = this.#placeOf(key);
      if (place === ABSENT || this.#values[place] === undefined) return;
      this.items.push(this.#values[place]);
      this.#values[place] = undefined;
      this.#removed++;
    }
  }

  #compact(): void {
    const [keys, values] = [this.#keys, this.#values];
    this.#places = null;
    this.#keys = [];
    this.#values = [];
    this.#removed = 0;
    for (let at = 0; at < keys.length; at++) {
      if (values[at] !== undefined) this.#add(keys[at], values[at]);
    }
  }
}

export function typeName(value: Value): string {
  if (value === undefined) return "nil";
  if (value instanceof LuaTable) return "table";
  if (value instanceof LuaFunction) return "function";
  if (value instanceof LuaUserdata) return "userdata";
  return typeof value;
}

export function isTrue(value: Value): boolean {
  return value !== undefined && value !== false;
}

/** A number as Lua 5.1 shows it: `%.14g`. */
export function numberText(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e14) {
    return Object.is(value, -0) ? "-0" : String(value);
  }
  // The shortest text that means this number, where that has no more digits than are shown.
  const size = Math.abs(value);
  if (size >= 1e-4 && size < 1e14) {
    const text = String(value);
    if (text.length <= 14) return text;
  }
  return generalText(value, 14, false);
}

/** `%.<digits>g`; with the zeros at the end where `keepsZeros`. */
export function generalText(value: number, digits: number, keepsZeros: boolean): string {
  if (Number.isNaN(value)) return "-nan"; // as 0/0 is on the processors that servers have
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  const precision = digits === 0 ? 1 : digits;
  const [mantissa, power] = exponential(value, precision - 1).split("e") as [string, string];
  const exponent = Number(power);
  const trim = (text: string) =>
    keepsZeros || !text.includes(".") ? text : text.replace(/\.?0+$/, "");
  if (exponent < -4 || exponent >= precision) {
    return `${trim(mantissa)}e${exponentText(exponent)}`;
  }
  const text = trim(fixed(value, Math.min(100, precision - 1 - exponent)));
  return Object.is(value, -0) ? `-${text}` : text;
}

/** Digits that are looked at beyond those that are shown: a double that is a tie ends before them. */
const MORE_DIGITS = 25;

/** `%.<digits>f` of a number below 10^21: of two texts that are as near the even one, as C has it. */
export function fixed(value: number, digits: number): string {
  return toEven(value.toFixed(digits), value.toFixed(Math.min(100, digits + MORE_DIGITS)), digits);
}

/** `%.<digits>e` with the exponent as JavaScript shows it. */
export function exponential(value: number, digits: number): string {
  const text = value.toExponential(digits);
  const [mantissa, power] = text.split("e") as [string, string];
  const [longer, longerPower] = value.toExponential(Math.min(100, digits + MORE_DIGITS))
    .split("e") as [string, string];
  if (power !== longerPower) return text;
  return `${toEven(mantissa, longer, digits)}e${power}`;
}

/** `text`, which has `digits` after the point and was rounded up in a tie, rounded to the even one. */
function toEven(text: string, longer: string, digits: number): string {
  const end = longer.indexOf(".") + 1 + digits;
  if (!/^50*$/.test(longer.slice(end))) return text;
  const cut = longer.slice(0, digits === 0 ? end - 1 : end);
  return /[02468]$/.test(cut) ? cut : text;
}

/** An exponent as C shows it: with its sign and at least two digits. */
export function exponentText(exponent: number): string {
  const digits = String(Math.abs(exponent)).padStart(2, "0");
  return `${exponent < 0 ? "-" : "+"}${digits}`;
}

const DECIMAL = /^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/;
const HEXADECIMAL = /^([-+]?)0[xX]([0-9a-fA-F]+)$/;
const NAMED = /^([-+]?)(inf|infinity|nan)$/i;
const SPACE = /^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g;

/** The number that a text shows, or undefined. */
export function parseNumber(text: string): number | undefined {
  if (text.length > 400) return undefined;
  const trimmed = text.replace(SPACE, "");
  if (DECIMAL.test(trimmed)) return Number(trimmed);
  const hex = HEXADECIMAL.exec(trimmed);
  if (hex !== null) return (hex[1] === "-" ? -1 : 1) * Number(`0x${hex[2]}`);
  const named = NAMED.exec(trimmed);
  if (named === null) return undefined;
  if (named[2]!.toLowerCase() === "nan") return NaN;
  return named[1] === "-" ? -Infinity : Infinity;
}

/** The value as a number, where it is one or a string that shows one. */
export function toNumber(value: Value): number | undefined {
  if (typeof value === "number") return value;
  return typeof value === "string" ? parseNumber(value) : undefined;
}
