/** A script as a tree. Which variable a name means is decided while it is read. */

/** A local variable: a place in its function's frame. */
export interface Local {
  readonly name: string;
  readonly slot: number;
  /** A function within refers to it: it lives in a cell of its own. */
  isShared: boolean;
}

/** Where a function gets a variable of the functions around it: from its maker's locals, or outer ones. */
export interface Outer {
  readonly name: string;
  readonly isLocal: boolean;
  readonly index: number;
}

export interface FunctionBody {
  readonly parameters: readonly Local[];
  readonly isVariadic: boolean;
  readonly outers: readonly Outer[];
  readonly body: readonly Statement[];
  readonly slots: number;
}

export type Expression =
  | { readonly kind: "constant"; readonly value: undefined | boolean | number | string }
  | { readonly kind: "rest" }
  | { readonly kind: "function"; readonly body: FunctionBody }
  | { readonly kind: "local"; readonly local: Local }
  | { readonly kind: "outer"; readonly index: number; readonly name: string }
  | { readonly kind: "global"; readonly name: string; readonly line: number }
  | {
    readonly kind: "index";
    readonly object: Expression;
    readonly key: Expression;
    readonly line: number;
  }
  | {
    readonly kind: "call";
    readonly callee: Expression;
    readonly args: readonly Expression[];
    readonly line: number;
  }
  | {
    readonly kind: "method";
    readonly object: Expression;
    readonly name: string;
    readonly args: readonly Expression[];
    readonly line: number;
  }
  | {
    readonly kind: "binary";
    readonly operator: string;
    readonly left: Expression;
    readonly right: Expression;
    readonly line: number;
  }
  | {
    readonly kind: "unary";
    readonly operator: string;
    readonly operand: Expression;
    readonly line: number;
  }
  | {
    readonly kind: "table";
    readonly items: readonly Expression[];
    readonly fields: readonly (readonly [Expression, Expression])[];
    readonly line: number;
  }
  /** In parentheses: one value, whatever is in them. */
  | { readonly kind: "one"; readonly inner: Expression };

export type Statement =
  | {
    readonly kind: "local";
    readonly locals: readonly Local[];
    readonly values: readonly Expression[];
  }
  | {
    readonly kind: "assign";
    readonly targets: readonly Expression[];
    readonly values: readonly Expression[];
    readonly line: number;
  }
  | { readonly kind: "localFunction"; readonly local: Local; readonly body: FunctionBody }
  | { readonly kind: "call"; readonly call: Expression }
  | { readonly kind: "do"; readonly body: readonly Statement[] }
  | {
    readonly kind: "while";
    readonly condition: Expression;
    readonly body: readonly Statement[];
  }
  | {
    readonly kind: "repeat";
    readonly body: readonly Statement[];
    readonly condition: Expression;
  }
  | {
    readonly kind: "if";
    readonly branches: readonly (readonly [Expression, readonly Statement[]])[];
    readonly otherwise: readonly Statement[];
  }
  | {
    readonly kind: "for";
    readonly local: Local;
    readonly from: Expression;
    readonly to: Expression;
    readonly step: Expression | null;
    readonly body: readonly Statement[];
    readonly line: number;
  }
  | {
    readonly kind: "forIn";
    readonly locals: readonly Local[];
    readonly values: readonly Expression[];
    readonly body: readonly Statement[];
    readonly line: number;
  }
  | { readonly kind: "return"; readonly values: readonly Expression[] }
  | { readonly kind: "break" };
