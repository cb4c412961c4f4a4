/** The words of a Lua 5.1 source, which is a text of a letter for each byte. */
import { LuaError, parseNumber } from "./values.ts";

export type TokenKind = "name" | "string" | "number" | "word" | "end";

export const CHUNK = "user_script";

const KEYWORDS = new Set(
  ("and break do else elseif end false for function if in local nil not or repeat return then " +
    "true until while").split(" "),
);
const LONG_OPERATORS = ["...", "..", "==", "~=", "<=", ">="];
const OPERATORS = "+-*/%^#<>=(){}[];:,.";
const ESCAPES: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

export class Lexer {
  kind: TokenKind = "end";
  /** The word, the name, or the string's contents. */
  text = "";
  number = 0;
  /** Of the token. */
  line = 1;
  /** Of the token before. */
  lastLine = 1;
  readonly #source: string;
  #at = 0;
  #line = 1;
  #start = 0;

  constructor(source: string) {
    this.#source = source;
    this.advance();
  }

  /** Where it stands, to look further and come back. */
  mark(): readonly [number, number, number] {
    return [this.#start, this.line, this.lastLine];
  }

  reset([at, line, lastLine]: readonly [number, number, number]): void {
    this.#at = at;
    this.#line = line;
    this.advance();
    this.lastLine = lastLine;
  }

  /** Reads the next token. @throws {LuaError} */
  advance(): void {
    this.lastLine = this.line;
    this.#skip();
    this.line = this.#line;
    this.#start = this.#at;
    const source = this.#source;
    const first = source[this.#at];
    if (first === undefined) {
      this.kind = "end";
      this.text = "<eof>";
    } else if (/[A-Za-z_]/.test(first)) this.#name();
    else if (/[0-9]/.test(first) || (first === "." && /[0-9]/.test(source[this.#at + 1] ?? ""))) {
      this.#number();
    } else if (first === '"' || first === "'") this.#string(first);
    else if (first === "[" && /^\[=*\[/.test(source.slice(this.#at, this.#at + 64))) {
      this.text = this.#long();
      this.kind = "string";
    } else this.#operator(first);
  }

  is(word: string): boolean {
    return this.kind === "word" && this.text === word;
  }

  /** True where the token is `word`, which is passed over. */
  take(word: string): boolean {
    if (!this.is(word)) return false;
    this.advance();
    return true;
  }

  expect(word: string): void {
    if (!this.take(word)) this.fail(`'${word}' expected`);
  }

  name(): string {
    if (this.kind !== "name") this.fail("'<name>' expected");
    const { text } = this;
    this.advance();
    return text;
  }

  /** @throws {LuaError} always: the token is not what has to stand here. */
  fail(problem: string): never {
    const isEnd = this.kind === "end" && this.#start >= this.#source.length;
    const token = isEnd ? "<eof>" : this.#source.slice(this.#start, this.#at);
    this.#fail(`${problem} near '${token.slice(0, 80)}'`, this.line);
  }

  #fail(problem: string, line = this.#line): never {
    throw new LuaError(`${CHUNK}:${line}: ${problem}`, line);
  }

  #skip(): void {
    const source = this.#source;
    for (;;) {
      const letter = source[this.#at];
      if (letter === "\n") {
        this.#line++;
        this.#at++;
      } else if (
        letter === " " || letter === "\t" || letter === "\r" || letter === "\v" || letter === "\f"
      ) {
        this.#at++;
      } else if (letter === "-" && source[this.#at + 1] === "-") this.#comment();
      else return;
    }
  }

  #comment(): void {
    this.#at += 2;
    if (/^\[=*\[/.test(this.#source.slice(this.#at, this.#at + 64))) {
      this.#long();
      return;
    }
    const end = this.#source.indexOf("\n", this.#at);
    this.#at = end < 0 ? this.#source.length : end;
  }

  /** The token up to `end`, as errors show it. */
  #shown(end: number): string {
    return this.#source.slice(this.#start, end).slice(0, 80);
  }

  #name(): void {
    const source = this.#source;
    let end = this.#at + 1;
    while (end < source.length && /[A-Za-z0-9_]/.test(source[end]!)) end++;
    this.text = source.slice(this.#at, end);
    this.kind = KEYWORDS.has(this.text) ? "word" : "name";
    this.#at = end;
  }

  #number(): void {
    const source = this.#source;
    let end = this.#at;
    while (end < source.length && /[0-9A-Za-z_.]/.test(source[end]!)) {
      const isExponent = /[eE]/.test(source[end]!) && !/^0[xX]/.test(source.slice(this.#at, end));
      end += isExponent && /[-+]/.test(source[end + 1] ?? "") ? 2 : 1;
    }
    const text = source.slice(this.#at, end);
    const number = /^[0-9.]/.test(text) ? parseNumber(text) : undefined;
    this.#at = end;
    if (number === undefined) this.#fail(`malformed number near '${text.slice(0, 80)}'`);
    this.kind = "number";
    this.text = text;
    this.number = number;
  }

  #operator(first: string): void {
    const three = this.#source.slice(this.#at, this.#at + 3);
    const long = LONG_OPERATORS.find((one) => three.startsWith(one));
    if (long === undefined && !OPERATORS.includes(first)) {
      this.kind = "word";
      this.text = first;
      this.#at++;
      return;
    }
    this.kind = "word";
    this.text = long ?? first;
    this.#at += this.text.length;
  }

  #string(quote: string): void {
    const source = this.#source;
    const start = this.#at++;
    const unfinished = (): never =>
      this.#fail(`unfinished string near '${source.slice(start, this.#at).slice(0, 80)}'`);
    const parts: string[] = [];
    for (;;) {
      let end = this.#at;
      while (end < source.length && !/["'\\\n]/.test(source[end]!)) end++;
      parts.push(source.slice(this.#at, end));
      this.#at = end;
      const letter = source[end];
      if (letter === undefined) this.#fail("unfinished string near '<eof>'");
      if (letter === "\n") unfinished();
      this.#at++;
      if (letter === quote) break;
      parts.push(letter === "\\" ? this.#escape() : letter!);
    }
    this.kind = "string";
    this.text = parts.join("");
  }

  #escape(): string {
    const source = this.#source;
    const letter = source[this.#at] ?? "";
    if (/[0-9]/.test(letter)) {
      const digits = /^[0-9]{1,3}/.exec(source.slice(this.#at, this.#at + 3))![0];
      this.#at += digits.length;
      const code = Number(digits);
      if (code > 255) {
        this.#fail(`escape sequence too large near '${this.#shown(this.#at - digits.length - 1)}'`);
      }
      return String.fromCharCode(code);
    }
    this.#at++;
    if (letter === "\n") this.#line++;
    return ESCAPES[letter] ?? letter;
  }

  /** `[[ … ]]`, with as many = as it begins with. */
  #long(): string {
    const source = this.#source;
    const level = /^\[(=*)\[/.exec(source.slice(this.#at, this.#at + 64))![1]!;
    let start = this.#at + level.length + 2;
    const end = source.indexOf(`]${level}]`, start);
    if (end < 0) this.#fail("unfinished long string/comment near '<eof>'");
    this.#at = end + level.length + 2;
    if (source[start] === "\r") start++;
    const begin = source[start] === "\n" ? start + 1 : start;
    for (let at = start; at < end; at++) if (source[at] === "\n") this.#line++;
    return source.slice(Math.min(begin, end), end);
  }
}
