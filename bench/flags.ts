/** The flags of a benchmark's command line, told by their defaults. */
import { parseArgs } from "node:util";

/** What every benchmark that starts servers takes, for `parseArgs`. */
export const COMMON_OPTIONS = {
  executable: { type: "string" },
  directory: { type: "string" },
  json: { type: "string" },
  quick: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

/** A number's flag takes a positive number, a boolean's none; "" stands for text not given. */
type Defaults = Readonly<Record<string, string | number | boolean>>;
type Widened<T> = T extends number ? number : T extends boolean ? boolean : string;
export type Flags<D extends Defaults> = { readonly [K in keyof D]: Widened<D[K]> };

/** `valueBytes` as `value-bytes`. */
function flagName(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/**
 * The values of the flags: what was given, else what `defaults` say.
 * @throws {Error} where a flag is unknown or its value is none.
 */
export function readFlags<const D extends Defaults>(
  args: readonly string[],
  defaults: D,
): Flags<D> {
  const keys = Object.keys(defaults);
  const options = Object.fromEntries(keys.map((key) => {
    const type = typeof defaults[key] === "boolean" ? "boolean" : "string";
    return [flagName(key), { type } as const];
  }));
  const { values } = parseArgs({ args: [...args], options });
  const read = keys.map((key) => {
    const given = values[flagName(key)];
    if (given === undefined) return [key, defaults[key]];
    if (typeof defaults[key] !== "number") return [key, given];
    const number = Number(given);
    if (number > 0) return [key, number];
    throw new Error(`--${flagName(key)}: ${JSON.stringify(given)} is no positive number`);
  });
  return Object.fromEntries(read) as Flags<D>;
}

/** The same from this process's own command line; prints `help` and ends where it is asked for. */
export function parseFlags<const D extends Defaults>(help: string, defaults: D): Flags<D> {
  if (Deno.args.includes("--help")) {
    console.log(help);
    Deno.exit(0);
  }
  try {
    return readFlags(Deno.args, defaults);
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${help}`);
    Deno.exit(2);
  }
}
