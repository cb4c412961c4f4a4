/** Lua's string functions, without `string.dump`. */
import { addAll, type Arguments } from "./arguments.ts";
import { format } from "./formats.ts";
import type { Machine } from "./machine.ts";
import { Matcher } from "./patterns.ts";
import { isTrue, LuaFunction, LuaTable, numberText, typeName, type Value } from "./values.ts";

const SPECIAL = /[\^$*+?.()[\]%-]/;

export function addStrings(machine: Machine): void {
  const library = new LuaTable();
  const { meter } = machine;
  const made = (text: string): Value[] => {
    meter.step(5);
    meter.string(text.length);
    return [text];
  };
  addAll(machine, library, {
    byte: (args) => {
      const text = args.string(0);
      const from = args.integerOr(1, 1);
      const [start, end] = range(text.length, from, args.integerOr(2, from));
      if (end - start > 7_999) machine.failHere("string slice too long");
      meter.step(end - start);
      const codes: Value[] = [];
      for (let i = start; i < end; i++) codes.push(text.charCodeAt(i));
      return codes;
    },
    char: (args) => {
      meter.step(args.count);
      const codes = args.values.map((_, i) => {
        const code = args.integer(i);
        return code >= 0 && code <= 255 ? code : args.fail(i, "invalid value");
      });
      return made(String.fromCharCode(...codes));
    },
    find: (args) => find(machine, args, true),
    format: (args) => [format(args)],
    gmatch: (args) => gmatch(machine, args),
    gsub: (args) => gsub(machine, args),
    len: (args) => [args.string(0).length],
    lower: (args) => made(inCase(machine, args.string(0), /[A-Z]+/g, (run) => run.toLowerCase())),
    match: (args) => find(machine, args, false),
    rep: (args) => {
      const text = args.string(0);
      const count = Math.max(0, args.integer(1));
      meter.string(text.length * count);
      return [text.length === 0 ? "" : text.repeat(count)];
    },
    reverse: (args) => {
      const text = args.string(0);
      meter.string(text.length);
      meter.step(text.length / 4);
      return [text.split("").reverse().join("")];
    },
    sub: (args) => {
      const text = args.string(0);
      const [start, end] = range(text.length, args.integer(1), args.integerOr(2, -1));
      return made(text.slice(start, end));
    },
    upper: (args) => made(inCase(machine, args.string(0), /[a-z]+/g, (run) => run.toUpperCase())),
  });
  library.isReadOnly = true;
  machine.globals.set("string", library);
  machine.strings.set("__index", library);
  machine.strings.isReadOnly = true;
}

/** The text with its runs of letters changed; no letter beyond ASCII has a case in Lua. */
function inCase(
  machine: Machine,
  text: string,
  letters: RegExp,
  change: (run: string) => string,
): string {
  machine.meter.look(text.length);
  if (/^[\0-\x7f]*$/.test(text)) return change(text);
  // Every second letter may be a run of its own.
  machine.meter.step(text.length);
  return text.replace(letters, change);
}

/** The places from `from` to `to`, as Lua counts them, as [start, end) from 0. */
function range(length: number, from: number, to: number): readonly [number, number] {
  const start = from < 0 ? Math.max(from + length + 1, 1) : Math.max(from, 1);
  const end = to < 0 ? to + length + 1 : Math.min(to, length);
  return [start - 1, Math.max(start - 1, end)];
}

/** Where to begin in a text, from 0: argument `i`, as Lua counts. */
function startOf(args: Arguments, i: number, length: number): number {
  const given = args.integerOr(i, 1);
  const start = given < 0 ? Math.max(0, length + given) : Math.max(0, given - 1);
  return Math.min(start, length);
}

function find(machine: Machine, args: Arguments, showsPlace: boolean): Value[] {
  const [source, pattern] = [args.string(0), args.string(1)];
  let at = startOf(args, 2, source.length);
  machine.meter.look(pattern.length);
  if (showsPlace && (isTrue(args.values[3]) || !SPECIAL.test(pattern))) {
    machine.meter.look(source.length - at);
    const found = source.indexOf(pattern, at);
    return found < 0 ? [undefined] : [found + 1, found + pattern.length];
  }
  const matcher = new Matcher(machine, source, pattern);
  const isAnchored = pattern.startsWith("^");
  const from = isAnchored ? 1 : 0;
  do {
    machine.meter.step(1);
    const end = matcher.match(at, from);
    if (end >= 0) {
      if (!showsPlace) return matcher.all(at, end);
      const captures = matcher.captures === 0 ? [] : matcher.all(at, end);
      return [at + 1, end, ...captures];
    }
    at++;
  } while (at <= source.length && !isAnchored);
  return [undefined];
}

function gmatch(machine: Machine, args: Arguments): Value[] {
  const [source, pattern] = [args.string(0), args.string(1)];
  const matcher = new Matcher(machine, source, pattern);
  let at = 0;
  const next = () => {
    for (; at <= source.length; at++) {
      machine.meter.step(1);
      const end = matcher.match(at, 0);
      if (end < 0) continue;
      const values = matcher.all(at, end);
      at = end === at ? end + 1 : end;
      return values;
    }
    return [undefined];
  };
  return [new LuaFunction(next)];
}

function gsub(machine: Machine, args: Arguments): Value[] {
  const [source, pattern] = [args.string(0), args.string(1)];
  const by = args.values[2];
  if (!["string", "number", "table", "function"].includes(typeName(by))) {
    args.fail(2, "string/function/table expected");
  }
  const most = args.values[3] === undefined ? source.length + 1 : args.integer(3);
  const matcher = new Matcher(machine, source, pattern);
  const isAnchored = pattern.startsWith("^");
  const parts: string[] = [];
  let [at, count] = [0, 0];
  while (count < most) {
    machine.meter.step(1);
    const end = matcher.match(at, isAnchored ? 1 : 0);
    if (end >= 0) {
      count++;
      parts.push(replacement(machine, matcher, by, at, end, source));
    }
    if (end > at) at = end;
    else if (at < source.length) parts.push(source[at++]!);
    else break;
    if (isAnchored) break;
  }
  parts.push(source.slice(at));
  machine.meter.string(parts.reduce((sum, part) => sum + part.length, 0));
  return [parts.join(""), count];
}

function replacement(
  machine: Machine,
  matcher: Matcher,
  by: Value,
  start: number,
  end: number,
  source: string,
): string {
  let value: Value;
  if (by instanceof LuaFunction) {
    value = machine.call(by, matcher.all(start, end), machine.lines.at(-1) ?? 0, "")[0];
  } else if (by instanceof LuaTable) {
    const line = machine.lines.at(-1) ?? 0;
    value = machine.index(by, matcher.capture(0, start, end), "", line);
  } else {
    const template = typeof by === "number" ? numberText(by) : by as string;
    return filled(machine, matcher, template, start, end, source);
  }
  if (!isTrue(value)) return source.slice(start, end);
  if (typeof value === "string") return value;
  if (typeof value === "number") return numberText(value);
  machine.failHere(`invalid replacement value (a ${typeName(value)})`);
}

/** The template with captures in the places that %1 to %9 name, and the whole match in that of %0. */
function filled(
  machine: Machine,
  matcher: Matcher,
  template: string,
  start: number,
  end: number,
  source: string,
): string {
  const { meter } = machine;
  meter.look(template.length);
  if (!template.includes("%")) return template;
  // Before it is made: there is one for each match.
  meter.string(template.length);
  return template.replace(/%([\s\S]?)/g, (_, letter: string) => {
    meter.step(1);
    if (letter === "" || letter < "0" || letter > "9") return letter;
    if (letter === "0") {
      meter.string(end - start);
      return source.slice(start, end);
    }
    const value = matcher.capture(Number(letter) - 1, start, end);
    return typeof value === "number" ? numberText(value) : value as string;
  });
}
