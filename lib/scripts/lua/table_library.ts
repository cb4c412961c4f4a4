/** Lua's table functions. */
import { addAll, type Arguments } from "./arguments.ts";
import type { Machine } from "./machine.ts";
import { STRING_BYTES_MAX } from "./meter.ts";
import { isTrue, LuaTable, typeName, type Value } from "./values.ts";

/** More are not sorted, nor moved at once. */
const SORTED_MAX = 100_000;

export function addTables(machine: Machine): void {
  const library = new LuaTable();
  addAll(machine, library, {
    concat: (args) => [concat(machine, args)],
    getn: (args) => [args.table(0).length],
    insert: (args) => insert(machine, args),
    maxn: (args) => {
      let most = 0;
      const table = args.table(0);
      for (let key = table.next(undefined); key != null; key = table.next(key)) {
        machine.meter.step(1);
        if (typeof key === "number" && key > most) most = key;
      }
      return [most];
    },
    remove: (args) => remove(machine, args),
    sort: (args) => sort(machine, args),
  });
  library.isReadOnly = true;
  machine.globals.set("table", library);
}

function writable(args: Arguments): LuaTable {
  const table = args.table(0);
  if (table.isReadOnly) args.machine.fail("Attempt to modify a readonly table", 0);
  return table;
}

function concat(machine: Machine, args: Arguments): string {
  const table = args.table(0);
  const separator = args.values[1] === undefined ? "" : args.string(1);
  const from = args.integerOr(2, 1);
  const to = args.values[3] === undefined ? table.length : args.integer(3);
  const parts: string[] = [];
  let length = 0;
  for (let i = from; i <= to; i++) {
    machine.meter.step(0.5);
    const value = table.get(i);
    if (typeof value !== "string" && typeof value !== "number") {
      const type = typeName(value);
      machine.failHere(`invalid value (${type}) at index ${i} in table for 'concat'`);
    }
    const text = typeof value === "number" ? machine.shown(value) : value;
    const partBytes = text.length + (i < to ? separator.length : 0);
    length += partBytes;
    machine.meter.make(partBytes);
    if (length > STRING_BYTES_MAX) machine.meter.string(length);
    parts.push(text);
  }
  return parts.join(separator);
}

function insert(machine: Machine, args: Arguments): Value[] {
  const table = writable(args);
  const end = table.length + 1;
  if (args.count === 2) {
    machine.rawSet(table, end, args.values[1], 0);
    return [];
  }
  if (args.count !== 3) machine.failHere("wrong number of arguments to 'insert'");
  const at = args.integer(1);
  const last = Math.max(end, at);
  machine.meter.step(Math.max(0, (last - at) / 4));
  for (let i = last; i > at; i--) machine.rawSet(table, i, table.get(i - 1), 0);
  machine.rawSet(table, at, args.values[2], 0);
  return [];
}

function remove(machine: Machine, args: Arguments): Value[] {
  const table = writable(args);
  const end = table.length;
  const at = args.integerOr(1, end);
  if (at < 1 || at > end) return [];
  const value = table.get(at);
  machine.meter.step((end - at) / 4);
  for (let i = at; i < end; i++) machine.rawSet(table, i, table.get(i + 1), 0);
  machine.rawSet(table, end, undefined, 0);
  return [value];
}

function sort(machine: Machine, args: Arguments): Value[] {
  const table = writable(args);
  const count = table.length;
  if (count > SORTED_MAX) machine.failHere("array too big");
  const by = args.values[1] === undefined ? null : args.function(1);
  const isLess = (a: Value, b: Value): boolean => {
    machine.meter.step(1);
    if (by === null) return machine.isLess(a, b, false, 0);
    return isTrue(machine.call(by, [a, b], 0, "")[0]);
  };
  machine.meter.make(16 * count);
  const values: Value[] = [];
  for (let i = 1; i <= count; i++) values.push(table.get(i));
  const sorted = mergeSort(values, isLess);
  for (let i = 0; i < count; i++) machine.rawSet(table, i + 1, sorted[i], 0);
  return [];
}

/** Whatever `isLess` says, it ends; and undefined values go through it like others. */
function mergeSort(values: Value[], isLess: (a: Value, b: Value) => boolean): Value[] {
  if (values.length < 2) return values;
  const middle = values.length >> 1;
  const left = mergeSort(values.slice(0, middle), isLess);
  const right = mergeSort(values.slice(middle), isLess);
  const merged: Value[] = [];
  let [i, k] = [0, 0];
  while (i < left.length && k < right.length) {
    merged.push(isLess(right[k], left[i]) ? right[k++] : left[i++]);
  }
  while (i < left.length) merged.push(left[i++]);
  while (k < right.length) merged.push(right[k++]);
  return merged;
}
