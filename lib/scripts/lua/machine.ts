/** What operators do, and functions when they are called, with all of Lua's fallbacks by metatables. */
import { CHUNK } from "./lexer.ts";
import { DEPTH_MAX, LimitError, Meter } from "./meter.ts";
import {
  isTrue,
  LuaError,
  LuaFunction,
  LuaTable,
  numberText,
  toNumber,
  typeName,
  type Value,
} from "./values.ts";

/** That are compared in the time of one step. */
const LETTERS_A_STEP = 16;
/** Of `__index` that lead to each other. */
const CHAIN_MAX = 100;
/** What a call takes at least, whatever it does. */
const CALL_STEPS = 4;
/** Arguments, or results, that are copied in the time of one step. */
export const VALUES_A_STEP = 16;
const TABLE_BYTES = 64;
const FIELD_BYTES = 32;

export class Machine {
  readonly meter = new Meter();
  readonly globals = new LuaTable();
  /** Of all strings. */
  readonly strings = new LuaTable();
  /** Where in the script the functions are called that run now, the innermost last. */
  lines: number[] = [];
  /** The run has asked for replies of that version. */
  isResp3 = false;

  /** Before a run: nothing of the last one is left. */
  reset(): void {
    this.meter.reset();
    this.lines = [];
    this.isResp3 = false;
  }

  /** @throws {LuaError} always, with the place before the text. `line`: 0 within a library's function. */
  fail(problem: string, line: number): never {
    if (line === 0) throw new LuaError(problem, this.lines.at(-1) ?? 0);
    throw new LuaError(`${CHUNK}:${line}: ${problem}`, line);
  }

  /** Of a library's function: the place is where it was called. */
  failHere(problem: string): never {
    this.fail(problem, this.lines.at(-1) ?? 0);
  }

  table(): LuaTable {
    this.meter.make(TABLE_BYTES);
    return new LuaTable();
  }

  metatable(value: Value): LuaTable | null {
    if (value instanceof LuaTable) return value.meta;
    return typeof value === "string" ? this.strings : null;
  }

  handler(value: Value, event: string): Value {
    return this.metatable(value)?.get(event);
  }

  /** `what`: the words for `object`, as "local 'x'"; "" where there are none. */
  index(object: Value, key: Value, what: string, line: number): Value {
    let from = object;
    for (let i = 0; i < CHAIN_MAX; i++) {
      if (from instanceof LuaTable) {
        const value = from.get(key);
        if (value !== undefined || from.meta === null) return value;
      }
      const handler = this.handler(from, "__index");
      if (handler === undefined) {
        if (from instanceof LuaTable) return undefined;
        this.fail(`attempt to index ${described(what, from)}`, line);
      }
      if (handler instanceof LuaFunction) return this.call(handler, [from, key], line, "")[0];
      this.meter.step(2);
      from = handler;
    }
    this.fail("loop in gettable", line);
  }

  setIndex(object: Value, key: Value, value: Value, what: string, line: number): void {
    let to = object;
    for (let i = 0; i < CHAIN_MAX; i++) {
      if (to instanceof LuaTable) {
        const isPlain = to.meta === null || to.get(key) !== undefined;
        const handler = isPlain ? undefined : to.meta!.get("__newindex");
        if (handler === undefined) return this.rawSet(to, key, value, line);
        if (handler instanceof LuaFunction) {
          this.call(handler, [to, key, value], line, "");
          return;
        }
        to = handler;
        continue;
      }
      const handler = this.handler(to, "__newindex");
      if (handler === undefined) this.fail(`attempt to index ${described(what, to)}`, line);
      if (handler instanceof LuaFunction) {
        this.call(handler, [to, key, value], line, "");
        return;
      }
      this.meter.step(2);
      to = handler;
    }
    this.fail("loop in settable", line);
  }

  rawSet(table: LuaTable, key: Value, value: Value, line: number): void {
    if (table.isReadOnly) this.fail("Attempt to modify a readonly table", line);
    if (key === undefined) this.fail("table index is nil", line);
    if (typeof key === "number" && Number.isNaN(key)) this.fail("table index is NaN", line);
    if (table.set(key, value)) this.meter.make(FIELD_BYTES);
  }

  call(callee: Value, args: Value[], line: number, what: string): Value[] {
    let fn = callee;
    if (!(fn instanceof LuaFunction)) {
      fn = this.handler(callee, "__call");
      if (!(fn instanceof LuaFunction)) {
        this.fail(`attempt to call ${described(what, callee)}`, line);
      }
      args.unshift(callee);
    }
    const { lines } = this;
    if (lines.length >= DEPTH_MAX) throw new LimitError("its calls are too deep");
    this.meter.step(CALL_STEPS + args.length / VALUES_A_STEP);
    lines.push(line);
    const results = fn.run(args);
    lines.pop();
    return results;
  }

  arithmetic(
    operator: string,
    a: Value,
    b: Value,
    whatA: string,
    whatB: string,
    line: number,
  ): number | Value {
    const left = toNumber(a);
    const right = toNumber(b);
    if (left !== undefined && right !== undefined) return compute(operator, left, right);
    const event = EVENTS[operator]!;
    let handler = this.handler(a, event);
    if (handler === undefined) handler = this.handler(b, event);
    if (handler !== undefined) return this.call(handler, [a, b], line, "")[0];
    const [what, culprit] = left === undefined ? [whatA, a] : [whatB, b];
    this.fail(`attempt to perform arithmetic on ${described(what, culprit)}`, line);
  }

  concatenate(a: Value, b: Value, whatA: string, whatB: string, line: number): Value {
    const isText = (value: Value) => typeof value === "string" || typeof value === "number";
    if (isText(a) && isText(b)) {
      const left = typeof a === "number" ? this.shown(a) : a as string;
      const right = typeof b === "number" ? this.shown(b) : b as string;
      this.meter.string(left.length + right.length);
      return left + right;
    }
    let handler = this.handler(a, "__concat");
    if (handler === undefined) handler = this.handler(b, "__concat");
    if (handler !== undefined) return this.call(handler, [a, b], line, "")[0];
    const [what, culprit] = isText(a) ? [whatB, b] : [whatA, a];
    this.fail(`attempt to concatenate ${described(what, culprit)}`, line);
  }

  length(value: Value, what: string, line: number): Value {
    if (typeof value === "string") return value.length;
    if (value instanceof LuaTable) return value.length;
    this.fail(`attempt to get length of ${described(what, value)}`, line);
  }

  /** Without metatables. */
  rawEquals(a: Value, b: Value): boolean {
    const areTexts = typeof a === "string" && typeof b === "string";
    if (areTexts && a.length === b.length) this.meter.step(a.length / LETTERS_A_STEP);
    return a === b;
  }

  equals(a: Value, b: Value, line: number): boolean {
    if (this.rawEquals(a, b)) return true;
    if (!(a instanceof LuaTable) || !(b instanceof LuaTable)) return false;
    const handler = a.meta?.get("__eq");
    if (handler === undefined || handler !== b.meta?.get("__eq")) return false;
    return isTrue(this.call(handler, [a, b], line, "")[0]);
  }

  /** a < b, or a <= b where `orEqual`. */
  isLess(a: Value, b: Value, orEqual: boolean, line: number): boolean {
    if (typeof a === "number" && typeof b === "number") return orEqual ? a <= b : a < b;
    if (typeof a === "string" && typeof b === "string") {
      this.meter.step(Math.min(a.length, b.length) / LETTERS_A_STEP);
      return orEqual ? a <= b : a < b;
    }
    const event = orEqual ? "__le" : "__lt";
    const handler = this.handler(a, event);
    if (handler !== undefined && handler === this.handler(b, event)) {
      return isTrue(this.call(handler, [a, b], line, "")[0]);
    }
    const [left, right] = [typeName(a), typeName(b)];
    if (left === right) this.fail(`attempt to compare two ${left} values`, line);
    this.fail(`attempt to compare ${left} with ${right}`, line);
  }

  shown(number: number): string {
    this.meter.show(number);
    return numberText(number);
  }

  /** As `tostring` shows it. */
  text(value: Value): string {
    if (typeof value === "number") return this.shown(value);
    const handler = this.handler(value, "__tostring");
    if (handler !== undefined) {
      const text = this.call(handler, [value], this.lines.at(-1) ?? 0, "")[0];
      if (typeof text !== "string") this.failHere("'tostring' must return a string to 'print'");
      return text;
    }
    return plainText(value);
  }
}

/** As `tostring` has it where there is no metatable. */
export function plainText(value: Value): string {
  if (value === undefined) return "nil";
  if (typeof value === "string") return value;
  if (typeof value === "number") return numberText(value);
  if (typeof value === "boolean") return String(value);
  // Where in memory it is says nothing here.
  return `${typeName(value)}: 0x000000000000`;
}

const EVENTS: Readonly<Record<string, string>> = {
  "+": "__add",
  "-": "__sub",
  "*": "__mul",
  "/": "__div",
  "%": "__mod",
  "^": "__pow",
  neg: "__unm",
};

export function compute(operator: string, a: number, b: number): number {
  switch (operator) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "/":
      return a / b;
    case "%":
      return a - Math.floor(a / b) * b;
    case "^":
      return a ** b;
    default:
      return -a;
  }
}

function described(what: string, value: Value): string {
  const type = typeName(value);
  return what === "" ? `a ${type} value` : `${what} (a ${type} value)`;
}
