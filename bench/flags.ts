/**
 * Command lines of what is run by hand: benchmarks, the simulator, suites. `--help` prints what there
 * is and ends with exit code 0; a command line that is wrong is one sentence and exit code 2.
 */
import { parseArgs, type ParseArgsConfig } from "node:util";

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

/** What `read` makes of this process's own command line. */
export function commandLine<T>(help: string, read: (args: string[]) => T): T {
  if (Deno.args.includes("--help")) {
    console.log(help.trimEnd());
    Deno.exit(0);
  }
  try {
    return read([...Deno.args]);
  } catch (error) {
    // What Node adds after its first sentence is about positional arguments.
    const [sentence] = (error as Error).message.split(/\.\s/);
    console.error(`${sentence}: --help shows what there is`);
    Deno.exit(2);
  }
}

/** The flags of this process's own command line, told by their defaults. */
export function parseFlags<const D extends Defaults>(help: string, defaults: D): Flags<D> {
  return commandLine(help, (args) => readFlags(args, defaults));
}

type Options = NonNullable<ParseArgsConfig["options"]>;

/** The same, told by descriptions as `parseArgs` takes them. */
export function parseOptions<const O extends Options>(
  help: string,
  options: O,
): ReturnType<typeof parseArgs<{ options: O }>>["values"] {
  return commandLine(help, (args) => parseArgs({ args, options }).values);
}
