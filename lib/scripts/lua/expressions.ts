/** From expressions of the tree to functions that evaluate them. */
import { Cell, type Evaluate, type EvaluateAll, type Frame } from "./frame.ts";
import { compute, type Machine } from "./machine.ts";
import type { Expression, FunctionBody } from "./tree.ts";
import { isTrue, LuaFunction, type Value } from "./values.ts";

/** How a function's body is compiled: statements.ts, which needs this file. */
export type CompileFunction = (
  machine: Machine,
  body: FunctionBody,
) => (outers: readonly Cell[]) => (args: Value[]) => Value[];

export class ExpressionCompiler {
  readonly #machine: Machine;
  readonly #compileFunction: CompileFunction;
  /** How many nodes were compiled: what a statement takes at least. */
  nodes = 0;

  constructor(machine: Machine, compileFunction: CompileFunction) {
    this.#machine = machine;
    this.#compileFunction = compileFunction;
  }

  one(node: Expression): Evaluate {
    this.nodes++;
    const machine = this.#machine;
    switch (node.kind) {
      case "constant": {
        const { value } = node;
        return () => value;
      }
      case "local": {
        const { slot, isShared } = node.local;
        if (isShared) return (frame) => (frame.slots[slot] as Cell).value;
        return (frame) => frame.slots[slot] as Value;
      }
      case "outer": {
        const { index } = node;
        return (frame) => frame.outers[index]!.value;
      }
      case "global": {
        const { name, line } = node;
        return () => machine.index(machine.globals, name, "", line);
      }
      case "index": {
        const { line } = node;
        const what = describe(node.object);
        const object = this.one(node.object);
        const key = this.one(node.key);
        return (frame) => machine.index(object(frame), key(frame), what, line);
      }
      case "rest":
        return (frame) => frame.rest[0];
      case "call":
      case "method": {
        const all = this.#call(node);
        return (frame) => all(frame)[0];
      }
      case "one":
        return this.one(node.inner);
      case "function":
        return this.closure(node.body);
      case "unary":
        return this.#unary(node);
      case "binary":
        return this.#binary(node);
      case "table":
        return this.#table(node);
    }
  }

  /** All values of a call or of `...`; of anything else its only one. */
  all(node: Expression): EvaluateAll {
    if (node.kind === "rest") return (frame) => frame.rest.slice();
    if (node.kind === "call" || node.kind === "method") {
      this.nodes++;
      return this.#call(node);
    }
    const one = this.one(node);
    return (frame) => [one(frame)];
  }

  /** The values of a list: the last expression gives all of its own. */
  list(nodes: readonly Expression[]): EvaluateAll {
    const last = nodes.at(-1);
    if (last === undefined) return () => [];
    if (nodes.length === 1) return this.all(last);
    const ones = nodes.slice(0, -1).map((node) => this.one(node));
    const count = ones.length;
    if (!isMany(last)) {
      const end = this.one(last);
      return (frame) => {
        const values: Value[] = [];
        for (let i = 0; i < count; i++) values.push(ones[i]!(frame));
        values.push(end(frame));
        return values;
      };
    }
    const all = this.all(last);
    return (frame) => {
      const values: Value[] = [];
      for (let i = 0; i < count; i++) values.push(ones[i]!(frame));
      for (const value of all(frame)) values.push(value);
      return values;
    };
  }

  closure(body: FunctionBody): Evaluate {
    const make = this.#compileFunction(this.#machine, body);
    const { outers } = body;
    const { meter } = this.#machine;
    return (frame) => {
      meter.make(64);
      const cells = outers.map(({ isLocal, index }) => {
        return isLocal ? frame.slots[index] as Cell : frame.outers[index]!;
      });
      return new LuaFunction(make(cells));
    };
  }

  #call(node: Expression & { readonly kind: "call" | "method" }): EvaluateAll {
    const machine = this.#machine;
    const { line } = node;
    const list = this.list(node.args);
    if (node.kind === "call") {
      const callee = this.one(node.callee);
      const what = describe(node.callee);
      return (frame) => {
        const fn = callee(frame);
        return machine.call(fn, list(frame), line, what);
      };
    }
    const { name } = node;
    const object = this.one(node.object);
    const [whatObject, what] = [describe(node.object), `method '${name}'`];
    return (frame) => {
      const self = object(frame);
      const fn = machine.index(self, name, whatObject, line);
      const args = list(frame);
      args.unshift(self);
      return machine.call(fn, args, line, what);
    };
  }

  #unary(node: Expression & { readonly kind: "unary" }): Evaluate {
    const machine = this.#machine;
    const { operator, line } = node;
    const what = describe(node.operand);
    const operand = this.one(node.operand);
    if (operator === "not") return (frame) => !isTrue(operand(frame));
    if (operator === "#") return (frame) => machine.length(operand(frame), what, line);
    return (frame) => {
      const value = operand(frame);
      if (typeof value === "number") return -value;
      return machine.arithmetic("neg", value, value, what, what, line);
    };
  }

  #binary(node: Expression & { readonly kind: "binary" }): Evaluate {
    const machine = this.#machine;
    const { operator, line } = node;
    const [whatLeft, whatRight] = [describe(node.left), describe(node.right)];
    const left = this.one(node.left);
    const right = this.one(node.right);
    switch (operator) {
      case "and":
        return (frame) => {
          const value = left(frame);
          return isTrue(value) ? right(frame) : value;
        };
      case "or":
        return (frame) => {
          const value = left(frame);
          return isTrue(value) ? value : right(frame);
        };
      case "==":
        return (frame) => machine.equals(left(frame), right(frame), line);
      case "~=":
        return (frame) => !machine.equals(left(frame), right(frame), line);
      case "<":
        return (frame) => machine.isLess(left(frame), right(frame), false, line);
      case "<=":
        return (frame) => machine.isLess(left(frame), right(frame), true, line);
      case ">":
        return (frame) => {
          const value = left(frame);
          return machine.isLess(right(frame), value, false, line);
        };
      case ">=":
        return (frame) => {
          const value = left(frame);
          return machine.isLess(right(frame), value, true, line);
        };
      case "..":
        return (frame) => {
          return machine.concatenate(left(frame), right(frame), whatLeft, whatRight, line);
        };
      default:
        return (frame) => {
          const [a, b] = [left(frame), right(frame)];
          if (typeof a === "number" && typeof b === "number") return compute(operator, a, b);
          return machine.arithmetic(operator, a, b, whatLeft, whatRight, line);
        };
    }
  }

  #table(node: Expression & { readonly kind: "table" }): Evaluate {
    const machine = this.#machine;
    const { line } = node;
    const fields = node.fields.map(([key, value]) => [this.one(key), this.one(value)] as const);
    const items = this.list(node.items);
    return (frame: Frame) => {
      const table = machine.table();
      for (const [key, value] of fields) {
        machine.rawSet(table, key(frame), value(frame), line);
      }
      const values = items(frame);
      for (let i = 0; i < values.length; i++) machine.rawSet(table, i + 1, values[i], line);
      return table;
    };
  }
}

function isMany({ kind }: Expression): boolean {
  return kind === "call" || kind === "method" || kind === "rest";
}

/** The words that errors have for what an expression gives; "" where there are none. */
export function describe(node: Expression): string {
  switch (node.kind) {
    case "local":
      return `local '${node.local.name}'`;
    case "outer":
      return `upvalue '${node.name}'`;
    case "global":
      return `global '${node.name}'`;
    case "method":
      return "";
    case "index":
      return node.key.kind === "constant" && typeof node.key.value === "string"
        ? `field '${node.key.value}'`
        : "field '?'";
    default:
      return "";
  }
}
