/** From the words of a Lua 5.1 source to its tree. */
import { Lexer } from "./lexer.ts";
import { ExpressionParser } from "./expression_parser.ts";
import { Scope } from "./scope.ts";
import type { Expression, FunctionBody, Local, Statement } from "./tree.ts";

const BLOCK_ENDS = new Set(["end", "else", "elseif", "until"]);

/** The script as a function. @throws {LuaError} with what is wrong and where. */
export function parseScript(source: string): FunctionBody {
  const lexer = new Lexer(source);
  const parser = new Parser(lexer, new Scope(null, true), 0);
  const body = parser.block();
  if (lexer.kind !== "end") lexer.fail("'<eof>' expected");
  return parser.finish([], body);
}

class Parser extends ExpressionParser {
  finish(parameters: readonly Local[], body: readonly Statement[]): FunctionBody {
    const { isVariadic, outers, slots } = this.scope;
    return { parameters, isVariadic, outers, body, slots };
  }

  /** Statements up to the end of their block; the variables that they declare end with it. */
  block(): Statement[] {
    const { active } = this.scope;
    const before = active.length;
    const statements = this.#statements();
    active.length = before;
    return statements;
  }

  #statements(): Statement[] {
    const lexer = this.lexer;
    const statements: Statement[] = [];
    this.enter();
    while (!this.#isBlockEnd()) {
      const isLast = lexer.is("return") || lexer.is("break");
      statements.push(this.#statement());
      lexer.take(";");
      if (isLast) break;
    }
    this.levels--;
    return statements;
  }

  #isBlockEnd(): boolean {
    const { kind, text } = this.lexer;
    return kind === "end" || (kind === "word" && BLOCK_ENDS.has(text));
  }

  #statement(): Statement {
    const lexer = this.lexer;
    const { line } = lexer;
    if (lexer.kind !== "word") return this.#callOrAssignment();
    switch (lexer.text) {
      case "if":
        return this.#if(line);
      case "while": {
        lexer.advance();
        const condition = this.expression();
        lexer.expect("do");
        return { kind: "while", condition, body: this.#loop("while", line) };
      }
      case "do": {
        lexer.advance();
        const body = this.block();
        this.close("end", "do", line);
        return { kind: "do", body };
      }
      case "for":
        return this.#for(line);
      case "repeat":
        return this.#repeat(line);
      case "function":
        return this.#function(line);
      case "local":
        lexer.advance();
        return lexer.take("function") ? this.#localFunction(line) : this.#local();
      case "return": {
        lexer.advance();
        const isEmpty = lexer.is(";") || this.#isBlockEnd();
        return { kind: "return", values: isEmpty ? [] : this.expressions() };
      }
      case "break":
        if (this.scope.loops === 0) {
          lexer.advance();
          lexer.fail("no loop to break");
        }
        lexer.advance();
        return { kind: "break" };
      default:
        return this.#callOrAssignment();
    }
  }

  #loop(opener: string, line: number): Statement[] {
    this.scope.loops++;
    const body = this.block();
    this.scope.loops--;
    this.close("end", opener, line);
    return body;
  }

  #if(line: number): Statement {
    const lexer = this.lexer;
    const branches: (readonly [Expression, readonly Statement[]])[] = [];
    do {
      lexer.advance();
      const condition = this.expression();
      lexer.expect("then");
      branches.push([condition, this.block()]);
    } while (lexer.is("elseif"));
    const otherwise = lexer.take("else") ? this.block() : [];
    this.close("end", "if", line);
    return { kind: "if", branches, otherwise };
  }

  #repeat(line: number): Statement {
    const scope = this.scope;
    this.lexer.advance();
    const before = scope.active.length;
    scope.loops++;
    const body = this.#statements();
    scope.loops--;
    this.close("until", "repeat", line);
    // The condition sees what the body has declared.
    const condition = this.expression();
    scope.active.length = before;
    return { kind: "repeat", body, condition };
  }

  #for(line: number): Statement {
    const lexer = this.lexer;
    const scope = this.scope;
    lexer.advance();
    const names = [lexer.name()];
    if (lexer.take("=")) {
      const from = this.expression();
      lexer.expect(",");
      const to = this.expression();
      const step = lexer.take(",") ? this.expression() : null;
      lexer.expect("do");
      const local = scope.declare(names[0]!);
      const body = this.#loop("for", line);
      scope.active.pop();
      return { kind: "for", local, from, to, step, body, line };
    }
    while (lexer.take(",")) names.push(lexer.name());
    if (!lexer.is("in")) lexer.fail("'=' or 'in' expected");
    lexer.advance();
    const values = this.expressions();
    lexer.expect("do");
    const locals = names.map((name) => scope.declare(name));
    const body = this.#loop("for", line);
    scope.active.length -= locals.length;
    return { kind: "forIn", locals, values, body, line };
  }

  #function(line: number): Statement {
    const lexer = this.lexer;
    lexer.advance();
    let target = this.variable(lexer.name(), line);
    let isMethod = false;
    while (lexer.is(".") || lexer.is(":")) {
      isMethod = lexer.is(":");
      lexer.advance();
      const key: Expression = { kind: "constant", value: lexer.name() };
      target = { kind: "index", object: target, key, line };
      if (isMethod) break;
    }
    const body = this.body(isMethod, line);
    return { kind: "assign", targets: [target], values: [{ kind: "function", body }], line };
  }

  #localFunction(line: number): Statement {
    const local = this.scope.declare(this.lexer.name());
    return { kind: "localFunction", local, body: this.body(false, line) };
  }

  #local(): Statement {
    const lexer = this.lexer;
    const names = [lexer.name()];
    while (lexer.take(",")) names.push(lexer.name());
    const values = lexer.take("=") ? this.expressions() : [];
    return { kind: "local", values, locals: names.map((name) => this.scope.declare(name)) };
  }

  #callOrAssignment(): Statement {
    const lexer = this.lexer;
    const { line } = lexer;
    const first = this.suffixed();
    if (first.kind === "call" || first.kind === "method") return { kind: "call", call: first };
    const targets: Expression[] = [first];
    while (lexer.take(",")) targets.push(this.suffixed());
    for (const { kind } of targets) {
      if (kind !== "local" && kind !== "outer" && kind !== "global" && kind !== "index") {
        lexer.fail("syntax error");
      }
    }
    lexer.expect("=");
    return { kind: "assign", targets, values: this.expressions(), line };
  }

  /** Parameters and body of a function, up to its end. */
  override body(isMethod: boolean, line: number): FunctionBody {
    const lexer = this.lexer;
    lexer.expect("(");
    const names = isMethod ? ["self"] : [];
    let isVariadic = false;
    while (!lexer.is(")")) {
      if (lexer.take("...")) {
        isVariadic = true;
        break;
      }
      names.push(lexer.name());
      if (!lexer.take(",")) break;
      if (lexer.is(")")) lexer.fail("'<name>' expected");
    }
    lexer.expect(")");
    const scope = new Scope(this.scope, isVariadic);
    const parameters = names.map((name) => scope.declare(name));
    const parser = new Parser(lexer, scope, this.levels);
    const body = parser.block();
    parser.close("end", "function", line);
    return parser.finish(parameters, body);
  }
}
