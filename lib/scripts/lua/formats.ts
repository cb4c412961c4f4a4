/** `string.format`, as C's printf shows things. */
import type { Arguments } from "./arguments.ts";
import { exponential, exponentText, fixed, generalText } from "./values.ts";

const DIRECTIVE = /^([-+ #0]*)(\d{0,2})(?:\.(\d{0,2}))?/;
/** More letters than there are flags: one is twice, says Lua. */
const FLAGS_MAX = 5;

interface Directive {
  readonly flags: string;
  readonly width: number;
  /** -1: none is given. */
  readonly precision: number;
}

/** The text that argument 0 describes, with the others put in. */
export function format(args: Arguments): string {
  const template = args.string(0);
  const parts: string[] = [];
  let used = 0;
  let made = 0;
  const add = (text: string) => {
    args.machine.meter.step(5);
    made += text.length;
    args.machine.meter.string(text.length);
    parts.push(text);
  };
  for (let at = 0; at < template.length;) {
    const percent = template.indexOf("%", at);
    const end = percent < 0 ? template.length : percent;
    if (end > at) add(template.slice(at, end));
    if (percent < 0) break;
    if (template[percent + 1] === "%") {
      add("%");
      at = percent + 2;
      continue;
    }
    if (++used >= args.count) args.fail(used, "no value");
    const [text, flags, width, precision] = DIRECTIVE.exec(
      template.slice(percent + 1, percent + 32),
    )!;
    const kind = template[percent + 1 + text.length] ?? "\0";
    if (flags!.length > FLAGS_MAX) args.machine.failHere("invalid format (repeated flags)");
    if (/\d/.test(kind)) args.machine.failHere("invalid format (width or precision too long)");
    const directive = {
      flags: flags!,
      width: Number(width),
      precision: precision === undefined ? -1 : Number(precision),
    };
    add(one(args, used, kind, directive));
    at = percent + 2 + text.length;
  }
  args.machine.meter.string(made);
  return parts.join("");
}

function invalid(args: Arguments, kind: string): never {
  // C ends the text where it ends.
  args.machine.failHere(`invalid option '%${kind === "\0" ? "" : kind}' to 'format'`);
}

function one(args: Arguments, i: number, kind: string, directive: Directive): string {
  switch (kind) {
    case "c":
      return padded(String.fromCharCode(args.integer(i) & 0xff), directive);
    case "d":
    case "i":
      return integer(BigInt(toWhole(args.number(i))), 10, directive, true);
    case "u":
      return integer(BigInt.asUintN(64, BigInt(toWhole(args.number(i)))), 10, directive, false);
    case "o":
      return integer(BigInt.asUintN(64, BigInt(toWhole(args.number(i)))), 8, directive, false);
    case "x":
    case "X": {
      const text = integer(
        BigInt.asUintN(64, BigInt(toWhole(args.number(i)))),
        16,
        directive,
        false,
      );
      return kind === "X" ? text.toUpperCase() : text;
    }
    case "e":
    case "E":
    case "f":
    case "F":
    case "g":
    case "G":
      args.machine.meter.step(100);
      return float(args.number(i), kind, directive);
    case "q":
      args.machine.meter.step(args.string(i).length / 4);
      return quoted(args.string(i));
    case "s": {
      const text = args.string(i);
      const { precision } = directive;
      return padded(precision < 0 ? text : text.slice(0, precision), directive);
    }
    default:
      invalid(args, kind);
  }
}

/** What C makes of a number that is no whole one, or too large, when it is cast. */
function toWhole(value: number): number {
  if (!Number.isFinite(value)) return -(2 ** 63);
  return Math.trunc(value);
}

function integer(value: bigint, base: number, directive: Directive, isSigned: boolean): string {
  const { flags, precision } = directive;
  let digits = (value < 0n ? -value : value).toString(base);
  if (precision >= 0) digits = digits.padStart(precision, "0");
  if (flags.includes("#") && base === 16 && value !== 0n) digits = `0x${digits}`;
  const sign = value < 0n ? "-" : isSigned ? signOf(flags) : "";
  return filled(sign, digits, directive, precision < 0);
}

function float(value: number, kind: string, directive: Directive): string {
  const { flags } = directive;
  const precision = directive.precision < 0 ? 6 : directive.precision;
  const size = Math.abs(value);
  let digits: string;
  const lower = kind.toLowerCase();
  const isFinite = Number.isFinite(value);
  if (!isFinite) digits = Number.isNaN(value) ? "nan" : "inf";
  else if (lower === "f") digits = size < 1e21 ? fixed(size, precision) : large(size, precision);
  else if (lower === "e") {
    const [mantissa, power] = exponential(size, precision).split("e") as [string, string];
    digits = `${mantissa}e${exponentText(Number(power))}`;
  } else digits = generalText(size, precision, flags.includes("#"));
  if (kind !== lower) digits = digits.toUpperCase();
  const isNegative = value < 0 || Object.is(value, -0) || Number.isNaN(value);
  return filled(isNegative ? "-" : signOf(flags), digits, directive, isFinite);
}

/** All digits of a number that `toFixed` would show with an exponent. */
function large(size: number, precision: number): string {
  const fraction = precision > 0 ? `.${"0".repeat(precision)}` : "";
  return BigInt(size).toString() + fraction;
}

function signOf(flags: string): string {
  if (flags.includes("+")) return "+";
  return flags.includes(" ") ? " " : "";
}

function filled(sign: string, digits: string, directive: Directive, mayBeZeros: boolean): string {
  const { flags, width } = directive;
  if (mayBeZeros && flags.includes("0") && !flags.includes("-")) {
    return sign + digits.padStart(width - sign.length, "0");
  }
  return padded(sign + digits, directive);
}

function padded(text: string, { flags, width }: Directive): string {
  return flags.includes("-") ? text.padEnd(width) : text.padStart(width);
}

function quoted(text: string): string {
  const inner = text.replace(/["\\\n\r\0]/g, (letter) => {
    if (letter === "\r") return "\\r";
    return letter === "\0" ? "\\000" : `\\${letter}`;
  });
  return `"${inner}"`;
}
