/** TypeScript read roughly: enough for rules about words and lengths, not a parser. */

/**
 * The source with comments, strings and regular expressions blanked out; line ends stay, so that
 * line numbers hold. Code within a template's `${}` is kept.
 */
export function stripSource(text: string): string {
  let out = "";
  let at = 0;
  /** Depth of braces within each open `${`. */
  const templates: number[] = [];
  let last = "";
  const blank = (end: number) => {
    out += text.slice(at, end).replace(/[^\n]/g, " ");
    at = end;
  };
  const template = () => {
    const end = templateEnd(text, at);
    const opensCode = text.startsWith("${", end);
    blank(end);
    if (opensCode) {
      out += "${";
      at += 2;
      templates.push(0);
    } else {
      out += "`";
      at += 1;
    }
    last = opensCode ? "{" : "`";
  };
  while (at < text.length) {
    const character = text[at]!;
    const two = text.slice(at, at + 2);
    if (two === "//") blank(endOr(text.indexOf("\n", at), text));
    else if (two === "/*") blank(endOr(text.indexOf("*/", at + 2) + 2, text, 1));
    else if (character === '"' || character === "'") {
      const end = stringEnd(text, at, character);
      out += character;
      at++;
      blank(end - 1);
      out += character;
      at = end;
      last = character;
    } else if (character === "`") {
      out += "`";
      at++;
      template();
    } else if (character === "}" && templates.at(-1) === 0) {
      templates.pop();
      out += "}";
      at++;
      template();
    } else if (character === "/" && startsRegex(last, out)) {
      blank(regexEnd(text, at));
      last = "/";
    } else {
      if (templates.length > 0 && character === "{") templates[templates.length - 1]!++;
      if (templates.length > 0 && character === "}") templates[templates.length - 1]!--;
      out += character;
      if (!/\s/.test(character)) last = character;
      at++;
    }
  }
  return out;
}

function endOr(end: number, text: string, least = 0): number {
  return end <= least ? text.length : end;
}

/** Behind the closing quote. */
function stringEnd(text: string, start: number, quote: string): number {
  let at = start + 1;
  while (at < text.length && text[at] !== quote && text[at] !== "\n") {
    at += text[at] === "\\" ? 2 : 1;
  }
  return Math.min(text.length, at + 1);
}

/** At the closing backtick, or at the `${` that comes first. */
function templateEnd(text: string, start: number): number {
  let at = start;
  while (at < text.length && text[at] !== "`" && !text.startsWith("${", at)) {
    at += text[at] === "\\" ? 2 : 1;
  }
  return Math.min(text.length, at);
}

function startsRegex(last: string, before: string): boolean {
  if (/\b(return|typeof|case|in|of)\s*$/.test(before)) return true;
  return last === "" || "(,=:[!&|?{};+~>".includes(last);
}

/** Behind the closing slash and its flags. */
function regexEnd(text: string, start: number): number {
  let at = start + 1;
  let inClass = false;
  while (at < text.length && text[at] !== "\n" && (inClass || text[at] !== "/")) {
    if (text[at] === "[") inClass = true;
    else if (text[at] === "]") inClass = false;
    at += text[at] === "\\" ? 2 : 1;
  }
  at++;
  while (/[a-z]/.test(text[at] ?? "")) at++;
  return Math.min(text.length, at);
}

export interface FunctionLength {
  readonly name: string;
  readonly line: number;
  readonly lines: number;
}

const NO_FUNCTION = new Set([
  "if",
  "for",
  "while",
  "switch",
  "catch",
  "with",
  "function",
  "return",
]);

/** Functions and methods of stripped source, with their lengths from head to closing brace. */
export function functionLengths(stripped: string): FunctionLength[] {
  const found: FunctionLength[] = [];
  const lines = stripped.split("\n");
  for (const [at, text] of lines.entries()) {
    const name = functionName(text);
    if (name === null) continue;
    const end = bodyEnd(lines, at);
    if (end !== null) found.push({ name, line: at + 1, lines: end - at + 1 });
  }
  return found;
}

function functionName(line: string): string | null {
  const named = /^\s*(?:export\s+)?(?:default\s+)?(?:async\s+)?function\s*\*?\s*([\w$]+)/.exec(
    line,
  );
  if (named !== null) return named[1]!;
  const modifiers = "(?:(?:public|private|protected|static|override|async|get|set)\\s+)*\\*?";
  const method = new RegExp(`^\\s+${modifiers}(#?[\\w$]+|\\[[\\w.]+\\])\\s*(?:<[^(]*>)?\\(`).exec(
    line,
  );
  if (method !== null && !NO_FUNCTION.has(method[1]!) && opensBody(line)) return method[1]!;
  const arrow = /^\s*(?:export\s+)?const\s+([\w$]+)\b.*=\s*(?:async\s*)?\(.*=>\s*\{\s*$/.exec(line);
  return arrow === null ? null : arrow[1]!;
}

/** A method's head ends its line with its opening brace, or with the parenthesis of its parameters. */
function opensBody(line: string): boolean {
  return /\{\s*$/.test(line) || /\(\s*$/.test(line);
}

/** The line on which the body that begins at or after `start` ends; null where there is none. */
function bodyEnd(lines: readonly string[], start: number): number | null {
  let parentheses = 0;
  let braces = 0;
  let sawParameters = false;
  let inBody = false;
  let last = "";
  for (let at = start; at < lines.length; at++) {
    for (const character of lines[at]!) {
      if (character === "(") parentheses++;
      else if (character === ")") {
        parentheses--;
        sawParameters ||= parentheses === 0;
      } else if (character === "{") {
        // Behind one of these a brace opens a type: it belongs to the head.
        const opensType = ":<|&,(=".includes(last);
        inBody ||= sawParameters && parentheses === 0 && braces === 0 && !opensType;
        braces++;
      } else if (character === "}") {
        braces--;
        if (inBody && braces === 0 && parentheses === 0) return at;
      } else if (
        character === ";" && !inBody && parentheses === 0 && sawParameters && braces === 0
      ) {
        return null;
      }
      if (character !== " ") last = character;
    }
  }
  return null;
}
