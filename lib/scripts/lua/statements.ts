/** From statements of the tree to functions that do them, and from a script to one that runs it. */
import { type CompileFunction, describe, ExpressionCompiler } from "./expressions.ts";
import { Cell, type Execute, Flow, Frame, NOTHING } from "./frame.ts";
import type { Machine } from "./machine.ts";
import { parseScript } from "./parser.ts";
import type { Expression, Local, Statement } from "./tree.ts";
import { isTrue, LuaFunction, toNumber, type Value } from "./values.ts";

type Of<Kind extends Statement["kind"]> = Statement & { readonly kind: Kind };

/** The script as a function without arguments. @throws {LuaError} where it is no Lua. */
export function compileScript(machine: Machine, source: string): LuaFunction {
  return new LuaFunction(compileFunction(machine, parseScript(source))([]));
}

const compileFunction: CompileFunction = (machine, { parameters, isVariadic, body, slots }) => {
  const run = new StatementCompiler(machine).block(body);
  const count = parameters.length;
  const { meter } = machine;
  return (outers) => (args) => {
    meter.make(32 + 8 * slots);
    const rest = isVariadic && args.length > count ? args.slice(count) : NOTHING;
    const frame = new Frame(slots, outers, rest);
    for (let i = 0; i < count; i++) declare(frame, parameters[i]!, args[i]);
    return run(frame) === Flow.back ? frame.results : NOTHING;
  };
};

function declare(frame: Frame, { slot, isShared }: Local, value: Value): void {
  frame.slots[slot] = isShared ? new Cell(value) : value;
}

/** Takes what is to be assigned. */
type Assign = (frame: Frame, value: Value) => void;
/** Evaluates what a target consists of, and gives what assigns to it. */
type Prepare = (frame: Frame) => (value: Value) => void;

class StatementCompiler {
  readonly #machine: Machine;
  readonly #expressions: ExpressionCompiler;

  constructor(machine: Machine) {
    this.#machine = machine;
    this.#expressions = new ExpressionCompiler(machine, compileFunction);
  }

  block(statements: readonly Statement[]): Execute {
    const { meter } = this.#machine;
    const steps: Execute[] = [];
    const costs: number[] = [];
    for (const statement of statements) {
      const before = this.#expressions.nodes;
      steps.push(this.#statement(statement));
      // Nodes within blocks are counted where these are run; to count them here too does no harm.
      costs.push(1 + this.#expressions.nodes - before);
    }
    const count = steps.length;
    return (frame) => {
      for (let i = 0; i < count; i++) {
        meter.step(costs[i]!);
        const flow = steps[i]!(frame);
        if (flow !== Flow.next) return flow;
      }
      return Flow.next;
    };
  }

  #statement(node: Statement): Execute {
    switch (node.kind) {
      case "local":
        return this.#local(node);
      case "assign":
        return this.#assign(node);
      case "localFunction":
        return this.#localFunction(node);
      case "call": {
        const call = this.#expressions.all(node.call);
        return (frame) => {
          call(frame);
          return Flow.next;
        };
      }
      case "do":
        return this.block(node.body);
      case "while":
        return this.#while(node);
      case "repeat":
        return this.#repeat(node);
      case "if":
        return this.#if(node);
      case "for":
        return this.#for(node);
      case "forIn":
        return this.#forIn(node);
      case "return": {
        const list = this.#expressions.list(node.values);
        return (frame) => {
          frame.results = list(frame);
          return Flow.back;
        };
      }
      case "break":
        return () => Flow.stop;
    }
  }

  #local({ locals, values }: Of<"local">): Execute {
    if (locals.length === 1 && values.length === 1) {
      const local = locals[0]!;
      const value = this.#expressions.one(values[0]!);
      return (frame) => {
        declare(frame, local, value(frame));
        return Flow.next;
      };
    }
    const list = this.#expressions.list(values);
    return (frame) => {
      const given = list(frame);
      for (let i = 0; i < locals.length; i++) declare(frame, locals[i]!, given[i]);
      return Flow.next;
    };
  }

  #localFunction({ local, body }: Of<"localFunction">): Execute {
    const make = this.#expressions.closure(body);
    return (frame) => {
      // It may call itself: its variable is there before it is.
      declare(frame, local, undefined);
      const fn = make(frame);
      if (local.isShared) (frame.slots[local.slot] as Cell).value = fn;
      else frame.slots[local.slot] = fn;
      return Flow.next;
    };
  }

  #assign({ targets, values, line }: Of<"assign">): Execute {
    if (targets.length === 1 && values.length === 1) {
      const target = this.#prepare(targets[0]!, line);
      const value = this.#expressions.one(values[0]!);
      return (frame) => {
        const assign = target(frame);
        assign(value(frame));
        return Flow.next;
      };
    }
    const prepared = targets.map((target) => this.#prepare(target, line));
    const list = this.#expressions.list(values);
    return (frame) => {
      const assigns = prepared.map((prepare) => prepare(frame));
      const given = list(frame);
      for (let i = assigns.length - 1; i >= 0; i--) assigns[i]!(given[i]);
      return Flow.next;
    };
  }

  #prepare(target: Expression, line: number): Prepare {
    const machine = this.#machine;
    if (target.kind === "index") {
      const what = describe(target.object);
      const object = this.#expressions.one(target.object);
      const key = this.#expressions.one(target.key);
      return (frame) => {
        const [to, at] = [object(frame), key(frame)];
        return (value) => machine.setIndex(to, at, value, what, line);
      };
    }
    const assign = this.#variable(target, line);
    return (frame) => (value) => assign(frame, value);
  }

  #variable(target: Expression, line: number): Assign {
    const machine = this.#machine;
    switch (target.kind) {
      case "local": {
        const { slot, isShared } = target.local;
        if (isShared) {
          return (frame, value) => {
            (frame.slots[slot] as Cell).value = value;
          };
        }
        return (frame, value) => {
          frame.slots[slot] = value;
        };
      }
      case "outer": {
        const { index } = target;
        return (frame, value) => {
          frame.outers[index]!.value = value;
        };
      }
      case "global": {
        const { name } = target;
        return (_, value) => machine.setIndex(machine.globals, name, value, "", line);
      }
      default:
        return () => machine.fail("this can't be assigned to", line);
    }
  }

  #while({ condition, body }: Of<"while">): Execute {
    const { meter } = this.#machine;
    const test = this.#expressions.one(condition);
    const run = this.block(body);
    return (frame) => {
      while (isTrue(test(frame))) {
        meter.step(1);
        const flow = run(frame);
        if (flow === Flow.back) return flow;
        if (flow === Flow.stop) break;
      }
      return Flow.next;
    };
  }

  #repeat({ condition, body }: Of<"repeat">): Execute {
    const { meter } = this.#machine;
    const run = this.block(body);
    const test = this.#expressions.one(condition);
    return (frame) => {
      do {
        meter.step(1);
        const flow = run(frame);
        if (flow === Flow.back) return flow;
        if (flow === Flow.stop) break;
      } while (!isTrue(test(frame)));
      return Flow.next;
    };
  }

  #if({ branches, otherwise }: Of<"if">): Execute {
    const tests = branches.map(([condition]) => this.#expressions.one(condition));
    const blocks = branches.map(([, body]) => this.block(body));
    const last = otherwise.length === 0 ? null : this.block(otherwise);
    const count = tests.length;
    return (frame) => {
      for (let i = 0; i < count; i++) {
        if (isTrue(tests[i]!(frame))) return blocks[i]!(frame);
      }
      return last === null ? Flow.next : last(frame);
    };
  }

  #for({ local, from, to, step, body, line }: Of<"for">): Execute {
    const machine = this.#machine;
    const first = this.#expressions.one(from);
    const limit = this.#expressions.one(to);
    const by = step === null ? () => 1 : this.#expressions.one(step);
    const run = this.block(body);
    const number = (value: Value, what: string): number => {
      const found = toNumber(value);
      return found ?? machine.fail(`'for' ${what} must be a number`, line);
    };
    return (frame) => {
      let at = number(first(frame), "initial value");
      const end = number(limit(frame), "limit");
      const stride = number(by(frame), "step");
      for (; stride > 0 ? at <= end : end <= at; at += stride) {
        machine.meter.step(1);
        declare(frame, local, at);
        const flow = run(frame);
        if (flow === Flow.back) return flow;
        if (flow === Flow.stop) break;
      }
      return Flow.next;
    };
  }

  #forIn({ locals, values, body, line }: Of<"forIn">): Execute {
    const machine = this.#machine;
    const list = this.#expressions.list(values);
    const run = this.block(body);
    return (frame) => {
      const [next, state, start] = list(frame);
      let control = start;
      for (;;) {
        machine.meter.step(1);
        const given = machine.call(next, [state, control], line, "");
        control = given[0];
        if (control === undefined) return Flow.next;
        for (let i = 0; i < locals.length; i++) declare(frame, locals[i]!, given[i]);
        const flow = run(frame);
        if (flow === Flow.back) return flow;
        if (flow === Flow.stop) return Flow.next;
      }
    };
  }
}
