/** Lua's mathematical functions, and the operations on bits that Redis's scripts have. */
import { addAll, type Native } from "./arguments.ts";
import type { Machine } from "./machine.ts";
import { LuaTable } from "./values.ts";

export function addMath(machine: Machine, random: () => number): void {
  const library = new LuaTable();
  const unary = (fn: (x: number) => number): Native => (args) => [fn(args.number(0))];
  const best = (pick: (a: number, b: number) => number): Native => (args) => {
    let found = args.number(0);
    for (let i = 1; i < args.count; i++) found = pick(found, args.number(i));
    return [found];
  };
  addAll(machine, library, {
    abs: unary(Math.abs),
    acos: unary(Math.acos),
    asin: unary(Math.asin),
    atan: unary(Math.atan),
    atan2: (args) => [Math.atan2(args.number(0), args.number(1))],
    ceil: unary(Math.ceil),
    cos: unary(Math.cos),
    cosh: unary(Math.cosh),
    deg: unary((x) => x * 180 / Math.PI),
    exp: unary(Math.exp),
    floor: unary(Math.floor),
    fmod: (args) => [args.number(0) % args.number(1)],
    mod: (args) => [args.number(0) % args.number(1)],
    frexp: (args) => frexp(args.number(0)),
    ldexp: (args) => [args.number(0) * 2 ** args.integer(1)],
    log: unary(Math.log),
    log10: unary(Math.log10),
    max: best((a, b) => b > a ? b : a),
    min: best((a, b) => b < a ? b : a),
    modf: (args) => {
      const x = args.number(0);
      const whole = Math.trunc(x);
      return [whole, Number.isFinite(x) ? x - whole : 0];
    },
    pow: (args) => [args.number(0) ** args.number(1)],
    rad: unary((x) => x * Math.PI / 180),
    random: (args) => {
      if (args.count === 0) return [random()];
      const low = args.count === 1 ? 1 : args.integer(0);
      const high = args.integer(args.count === 1 ? 0 : 1);
      if (low > high) args.fail(args.count === 1 ? 0 : 1, "interval is empty");
      return [Math.floor(random() * (high - low + 1)) + low];
    },
    randomseed: () => [],
    sin: unary(Math.sin),
    sinh: unary(Math.sinh),
    sqrt: unary(Math.sqrt),
    tan: unary(Math.tan),
    tanh: unary(Math.tanh),
  });
  library.set("huge", Infinity);
  library.set("pi", Math.PI);
  library.isReadOnly = true;
  machine.globals.set("math", library);
  addBits(machine);
}

function frexp(x: number): number[] {
  if (x === 0 || !Number.isFinite(x)) return [x, 0];
  let exponent = Math.max(-1023, Math.floor(Math.log2(Math.abs(x))) + 1);
  let mantissa = x * 2 ** -exponent;
  while (Math.abs(mantissa) < 0.5) {
    mantissa *= 2;
    exponent--;
  }
  while (Math.abs(mantissa) >= 1) {
    mantissa /= 2;
    exponent++;
  }
  return [mantissa, exponent];
}

/** The lowest 32 bits of a number, with their sign. */
function toBits(x: number): number {
  return Number.isFinite(x) ? Number(BigInt.asIntN(32, BigInt(Math.round(x)))) : 0;
}

function addBits(machine: Machine): void {
  const library = new LuaTable();
  const all = (pick: (a: number, b: number) => number): Native => (args) => {
    let found = toBits(args.number(0));
    for (let i = 1; i < args.count; i++) found = pick(found, toBits(args.number(i)));
    return [found];
  };
  const shift = (move: (a: number, n: number) => number): Native => (args) => {
    return [move(toBits(args.number(0)), toBits(args.number(1)) & 31)];
  };
  addAll(machine, library, {
    arshift: shift((a, n) => a >> n),
    band: all((a, b) => a & b),
    bnot: (args) => [~toBits(args.number(0))],
    bor: all((a, b) => a | b),
    bswap: (args) => {
      const a = toBits(args.number(0));
      return [(a << 24) | ((a & 0xff00) << 8) | ((a >>> 8) & 0xff00) | (a >>> 24)];
    },
    bxor: all((a, b) => a ^ b),
    lshift: shift((a, n) => a << n),
    rol: shift((a, n) => n === 0 ? a : (a << n) | (a >>> (32 - n))),
    ror: shift((a, n) => n === 0 ? a : (a >>> n) | (a << (32 - n))),
    rshift: shift((a, n) => (a >>> n) | 0),
    tobit: (args) => [toBits(args.number(0))],
    tohex: (args) => {
      const digits = args.values[1] === undefined ? 8 : args.integer(1);
      const text = (toBits(args.number(0)) >>> 0).toString(16).padStart(8, "0");
      const count = Math.min(8, Math.abs(digits));
      const shown = text.slice(8 - count);
      return [digits < 0 ? shown.toUpperCase() : shown];
    },
  });
  library.isReadOnly = true;
  machine.globals.set("bit", library);
}
