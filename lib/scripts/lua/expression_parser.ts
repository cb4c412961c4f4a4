/** Reads expressions of Lua 5.1. */
import type { Lexer } from "./lexer.ts";
import type { Scope } from "./scope.ts";
import type { Expression, FunctionBody } from "./tree.ts";

/** Of statements and expressions within each other. */
const LEVELS_MAX = 150;

/** How tightly an operator binds what is before and after it. */
const PRIORITIES: ReadonlyMap<string, readonly [number, number]> = new Map([
  ["or", [1, 1]],
  ["and", [2, 2]],
  ["<", [3, 3]],
  [">", [3, 3]],
  ["<=", [3, 3]],
  [">=", [3, 3]],
  ["~=", [3, 3]],
  ["==", [3, 3]],
  ["..", [5, 4]],
  ["+", [6, 6]],
  ["-", [6, 6]],
  ["*", [7, 7]],
  ["/", [7, 7]],
  ["%", [7, 7]],
  ["^", [10, 9]],
]);
const UNARY_PRIORITY = 8;

export abstract class ExpressionParser {
  protected readonly lexer: Lexer;
  protected readonly scope: Scope;
  protected levels: number;

  constructor(lexer: Lexer, scope: Scope, levels: number) {
    this.lexer = lexer;
    this.scope = scope;
    this.levels = levels;
  }

  /** Parameters and body of a function, up to its end. */
  abstract body(isMethod: boolean, line: number): FunctionBody;

  protected enter(): void {
    if (++this.levels > LEVELS_MAX) this.lexer.fail("chunk has too many syntax levels");
  }

  protected close(word: string, opener: string, line: number): void {
    const lexer = this.lexer;
    if (lexer.take(word)) return;
    if (line === lexer.line) lexer.fail(`'${word}' expected`);
    lexer.fail(`'${word}' expected (to close '${opener}' at line ${line})`);
  }

  protected expressions(): Expression[] {
    const list = [this.expression()];
    while (this.lexer.take(",")) list.push(this.expression());
    return list;
  }

  protected expression(limit = 0): Expression {
    const lexer = this.lexer;
    this.enter();
    let left: Expression;
    if (lexer.is("not") || lexer.is("-") || lexer.is("#")) {
      const { text: operator, line } = lexer;
      lexer.advance();
      const operand = this.expression(UNARY_PRIORITY);
      const isNegative = operator === "-" && operand.kind === "constant" &&
        typeof operand.value === "number";
      left = isNegative
        ? { kind: "constant", value: -(operand.value as number) }
        : { kind: "unary", operator, operand, line };
    } else left = this.simple();
    for (;;) {
      const priority = lexer.kind === "word" ? PRIORITIES.get(lexer.text) : undefined;
      if (priority === undefined || priority[0] <= limit) break;
      const { text: operator, line } = lexer;
      lexer.advance();
      const right = this.expression(priority[1]);
      left = { kind: "binary", operator, left, right, line };
    }
    this.levels--;
    return left;
  }

  protected simple(): Expression {
    const lexer = this.lexer;
    const { kind, text, number, line } = lexer;
    if (kind === "number" || kind === "string") {
      lexer.advance();
      return { kind: "constant", value: kind === "number" ? number : text };
    }
    if (lexer.take("nil")) return { kind: "constant", value: undefined };
    if (lexer.take("true")) return { kind: "constant", value: true };
    if (lexer.take("false")) return { kind: "constant", value: false };
    if (lexer.is("...")) {
      if (!this.scope.isVariadic) lexer.fail("cannot use '...' outside a vararg function");
      lexer.advance();
      return { kind: "rest" };
    }
    if (lexer.is("{")) return this.table();
    if (lexer.take("function")) return { kind: "function", body: this.body(false, line) };
    return this.suffixed();
  }

  /** A name or something in parentheses, and what is taken from it or called. */
  protected suffixed(): Expression {
    const lexer = this.lexer;
    let left = this.prefix();
    for (;;) {
      const { line } = lexer;
      if (lexer.take(".")) {
        left = {
          kind: "index",
          object: left,
          key: { kind: "constant", value: lexer.name() },
          line,
        };
      } else if (lexer.take("[")) {
        const key = this.expression();
        lexer.expect("]");
        left = { kind: "index", object: left, key, line };
      } else if (lexer.take(":")) {
        const name = lexer.name();
        left = { kind: "method", object: left, name, line: lexer.line, args: this.arguments() };
      } else if (lexer.kind === "string" || lexer.is("{") || lexer.is("(")) {
        left = { kind: "call", callee: left, line, args: this.arguments() };
      } else return left;
    }
  }

  protected prefix(): Expression {
    const lexer = this.lexer;
    const { line } = lexer;
    if (lexer.kind === "name") return this.variable(lexer.name(), line);
    if (!lexer.take("(")) return lexer.fail("unexpected symbol");
    const inner = this.expression();
    this.close(")", "(", line);
    return { kind: "one", inner };
  }

  protected arguments(): Expression[] {
    const lexer = this.lexer;
    const { line } = lexer;
    if (lexer.kind === "string") {
      const { text } = lexer;
      lexer.advance();
      return [{ kind: "constant", value: text }];
    }
    if (lexer.is("{")) return [this.table()];
    if (!lexer.is("(")) lexer.fail("function arguments expected");
    if (lexer.line !== lexer.lastLine) {
      lexer.fail("ambiguous syntax (function call x new statement)");
    }
    lexer.advance();
    if (lexer.take(")")) return [];
    const args = this.expressions();
    this.close(")", "(", line);
    return args;
  }

  protected table(): Expression {
    const lexer = this.lexer;
    const { line } = lexer;
    lexer.expect("{");
    const items: Expression[] = [];
    const fields: (readonly [Expression, Expression])[] = [];
    while (!lexer.is("}")) {
      if (lexer.take("[")) {
        const key = this.expression();
        lexer.expect("]");
        lexer.expect("=");
        fields.push([key, this.expression()]);
      } else if (lexer.kind === "name" && this.isField()) {
        const key: Expression = { kind: "constant", value: lexer.name() };
        lexer.expect("=");
        fields.push([key, this.expression()]);
      } else items.push(this.expression());
      if (!lexer.take(",") && !lexer.take(";")) break;
    }
    this.close("}", "{", line);
    return { kind: "table", items, fields, line };
  }

  /** True where an = stands after the name. */
  protected isField(): boolean {
    const lexer = this.lexer;
    const mark = lexer.mark();
    lexer.advance();
    const isField = lexer.is("=");
    lexer.reset(mark);
    return isField;
  }

  protected variable(name: string, line: number): Expression {
    const local = this.scope.find(name);
    if (local !== null) return { kind: "local", local };
    const index = this.scope.outer(name);
    return index < 0 ? { kind: "global", name, line } : { kind: "outer", index, name };
  }
}
