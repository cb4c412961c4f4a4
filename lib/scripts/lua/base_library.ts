/** Lua's basic functions, as far as a script may have them: nothing that loads, and no environments. */
import { addAll, type Arguments } from "./arguments.ts";
import { CHUNK } from "./lexer.ts";
import { type Machine, VALUES_A_STEP } from "./machine.ts";
import {
  isTrue,
  LuaError,
  LuaFunction,
  LuaTable,
  parseNumber,
  typeName,
  type Value,
} from "./values.ts";

/** `unpack` gives no more values at once. */
const UNPACKED_MAX = 7_999;

export function addBase(machine: Machine): void {
  const { globals } = machine;
  addTableAccess(machine);
  addAll(machine, globals, {
    assert: (args) => {
      if (isTrue(args.any(0))) return args.values;
      const message = args.values[1];
      machine.failHere(message === undefined ? "assertion failed!" : args.string(1));
    },
    error: (args) => raise(machine, args),
    getmetatable: (args) => {
      const meta = machine.metatable(args.any(0));
      if (meta === null) return [undefined];
      return [meta.get("__metatable") ?? meta];
    },
    setmetatable: (args) => {
      const table = args.table(0);
      const given = args.values[1];
      const meta = given instanceof LuaTable ? given : null;
      if (args.count < 2 || (meta === null && given !== undefined)) {
        args.fail(1, "nil or table expected");
      }
      if (table.meta?.get("__metatable") !== undefined) {
        machine.failHere("cannot change a protected metatable");
      }
      if (table.isReadOnly) machine.fail("Attempt to modify a readonly table", 0);
      table.meta = meta;
      return [table];
    },
    pcall: (args) => {
      args.any(0);
      return guarded(
        machine,
        () => machine.call(args.values[0], args.values.slice(1), 0, ""),
        null,
      );
    },
    xpcall: (args) => {
      const handler = args.values[1];
      if (args.count < 2) args.fail(1, "value expected");
      return guarded(machine, () => machine.call(args.values[0], [], 0, ""), handler);
    },
    select: (args) => {
      if (args.values[0] === "#") return [args.count - 1];
      const n = args.integer(0);
      if (n < 0 ? args.count + n < 1 : n === 0) args.fail(0, "index out of range");
      machine.meter.step(args.count / VALUES_A_STEP);
      return args.values.slice(n < 0 ? args.count + n : n);
    },
    tonumber: (args) => [toNumberOf(machine, args)],
    tostring: (args) => [machine.text(args.any(0))],
    type: (args) => [typeName(args.any(0))],
    unpack: (args) => {
      const table = args.table(0);
      const from = args.integerOr(1, 1);
      const to = args.integerOr(2, table.length);
      if (to - from >= UNPACKED_MAX) machine.failHere("too many results to unpack");
      const values: Value[] = [];
      machine.meter.step(Math.max(0, to - from));
      for (let i = from; i <= to; i++) values.push(table.get(i));
      return values;
    },
  });
}

function addTableAccess(machine: Machine): void {
  const { globals } = machine;
  const next = (args: Arguments): Value[] => {
    const table = args.table(0);
    machine.meter.step(1);
    const key = table.next(args.values[1]);
    if (key === null) machine.failHere("invalid key to 'next'");
    return key === undefined ? [undefined] : [key, table.get(key)];
  };
  addAll(machine, globals, {
    next,
    rawequal: (args) => {
      const [a, b] = [args.any(0), args.any(1)];
      return [machine.rawEquals(a, b)];
    },
    rawget: (args) => [args.table(0).get(args.any(1))],
    rawset: (args) => {
      const table = args.table(0);
      machine.rawSet(table, args.any(1), args.any(2), 0);
      return [table];
    },
  });
  const nextFunction = globals.get("next");
  const step = new LuaFunction(([table, index]) => {
    const at = (index as number) + 1;
    const value = (table as LuaTable).get(at);
    return value === undefined ? [undefined] : [at, value];
  });
  addAll(machine, globals, {
    pairs: (args) => [nextFunction, args.table(0), undefined],
    ipairs: (args) => [step, args.table(0), 0],
  });
  globals.set("_VERSION", "Lua 5.1");
  globals.set("_G", globals);
}

function raise(machine: Machine, args: Arguments): never {
  const level = args.integerOr(1, 1);
  const value = args.values[0];
  const line = level > 0 ? machine.lines.at(-level) ?? 0 : 0;
  const at = machine.lines.at(-1) ?? 0;
  const isText = typeof value === "string" || typeof value === "number";
  if (!isText || line === 0) throw new LuaError(value, at);
  throw new LuaError(`${CHUNK}:${line}: ${machine.text(value)}`, at);
}

/** What `call` gives after true; or false and what was thrown, as `handler` makes it where there is one. */
function guarded(machine: Machine, call: () => Value[], handler: Value | null): Value[] {
  const { lines } = machine;
  const depth = lines.length;
  try {
    const results = call();
    return [true, ...results];
  } catch (error) {
    lines.length = depth;
    if (!(error instanceof LuaError)) throw error;
    if (handler === null) return [false, caught(error.value)];
    return [false, ...handled(machine, handler, error)];
  }
}

/** What `handler` makes of an error. One that fails, or is no function, does not get out of `xpcall`. */
function handled(machine: Machine, handler: Value, { value }: LuaError): Value[] {
  const depth = machine.lines.length;
  try {
    return machine.call(handler, [value], 0, "");
  } catch (error) {
    machine.lines.length = depth;
    if (!(error instanceof LuaError)) throw error;
    return ["error in error handling"];
  }
}

/** As Redis has it, of an error of `redis.call` the text is caught. */
function caught(value: Value): Value {
  const text = value instanceof LuaTable ? value.get("err") : undefined;
  return typeof text === "string" ? text : value;
}

function toNumberOf(machine: Machine, args: Arguments): number | undefined {
  const base = args.integerOr(1, 10);
  if (base === 10) {
    const value = args.any(0);
    if (typeof value === "number") return value;
    return typeof value === "string" ? parseNumber(value) : undefined;
  }
  if (base < 2 || base > 36) args.fail(1, "base out of range");
  const given = args.string(0);
  machine.meter.look(given.length);
  const text = given.trim().toLowerCase();
  const digits = base === 16 ? text.replace(/^(-?)0x/, "$1") : text;
  const isNegative = digits.startsWith("-");
  let sum = 0;
  const from = isNegative ? 1 : 0;
  if (digits.length === from || digits.length > 400) return undefined;
  for (let i = from; i < digits.length; i++) {
    const digit = "0123456789abcdefghijklmnopqrstuvwxyz".indexOf(digits[i]!);
    if (digit < 0 || digit >= base) return undefined;
    sum = sum * base + digit;
  }
  return isNegative ? -sum : sum;
}
