/** How the libraries' functions look at what they are called with, and what they say of it. */
import type { Machine } from "./machine.ts";
import { LuaFunction, LuaTable, toNumber, typeName, type Value } from "./values.ts";

/** A library's function: it has a name for its errors. */
export type Native = (args: Arguments) => Value[];

export class Arguments {
  readonly machine: Machine;
  readonly values: Value[];
  readonly #name: string;

  constructor(machine: Machine, name: string, values: Value[]) {
    this.machine = machine;
    this.values = values;
    this.#name = name;
  }

  get count(): number {
    return this.values.length;
  }

  /** @throws {LuaError} always: argument `i` (from 0) is wrong. */
  fail(i: number, problem: string): never {
    this.machine.failHere(`bad argument #${i + 1} to '${this.#name}' (${problem})`);
  }

  #expected(i: number, type: string): never {
    const found = i < this.values.length ? typeName(this.values[i]) : "no value";
    this.fail(i, `${type} expected, got ${found}`);
  }

  any(i: number): Value {
    if (i >= this.values.length) this.fail(i, "value expected");
    return this.values[i];
  }

  table(i: number): LuaTable {
    const value = this.values[i];
    return value instanceof LuaTable ? value : this.#expected(i, "table");
  }

  function(i: number): LuaFunction {
    const value = this.values[i];
    return value instanceof LuaFunction ? value : this.#expected(i, "function");
  }

  /** A string, or a number as one. */
  string(i: number): string {
    const value = this.values[i];
    if (typeof value === "string") return value;
    return typeof value === "number" ? this.machine.shown(value) : this.#expected(i, "string");
  }

  number(i: number): number {
    return toNumber(this.values[i]) ?? this.#expected(i, "number");
  }

  /** A number, its fraction left out. */
  integer(i: number): number {
    const number = Math.trunc(this.number(i));
    return Number.isNaN(number) ? 0 : number;
  }

  integerOr(i: number, otherwise: number): number {
    return this.values[i] === undefined ? otherwise : this.integer(i);
  }
}

/** Puts functions into a library. */
export function addAll(
  machine: Machine,
  library: LuaTable,
  functions: Readonly<Record<string, Native>>,
): void {
  for (const [name, native] of Object.entries(functions)) {
    library.set(
      name,
      new LuaFunction((values) => {
        const results = native(new Arguments(machine, name, values));
        return results;
      }),
    );
  }
}
