/**
 * The engine: runs scripts of the Redis protocol, which are Lua 5.1, one at a time and to its end. A script
 * reaches nothing but its arguments, these libraries and the commands of its caller. Loaded by import() with
 * a server's first script.
 */
import type { ScriptCalls, ScriptEngine, ScriptOutcome, ScriptRun } from "../wire/scripts.ts";
import { addCjson } from "./cjson.ts";
import { oneLine, valueToReply } from "./conversions.ts";
import { addBase } from "./lua/base_library.ts";
import { Machine, plainText } from "./lua/machine.ts";
import { addMath } from "./lua/math_library.ts";
import { LimitError } from "./lua/meter.ts";
import { compileScript } from "./lua/statements.ts";
import { addStrings } from "./lua/string_library.ts";
import { addTables } from "./lua/table_library.ts";
import { LuaError, LuaFunction, LuaTable, type Value } from "./lua/values.ts";
import { addRedis, sha1Hex } from "./redis_library.ts";

/** Scripts that are kept, and the bytes of their sources; the one that was used least lately goes first. */
const SCRIPTS_MAX = 1_000;
const SCRIPT_BYTES_MAX = 8_388_608;
/** The longest source. */
const SOURCE_BYTES_MAX = 65_536;
/** What compiling a byte takes: 0.5 to 2 µs. */
const COMPILE_STEPS_A_BYTE = 20;

interface Script {
  readonly source: string;
  readonly fn: LuaFunction;
  readonly hash: string;
  readonly writesNothing: boolean;
}

export class LuaEngine implements ScriptEngine {
  readonly #machine = new Machine();
  readonly #byHash = new Map<string, Script>();
  readonly #bySource = new Map<string, Script>();
  #bytes = 0;
  /** The one that was used last. */
  #latest: Script | null = null;
  #calls: ScriptCalls | null = null;
  #seed = 1;
  compileSteps = 0;

  constructor() {
    const machine = this.#machine;
    addBase(machine);
    addStrings(machine);
    addTables(machine);
    addMath(machine, () => this.#random());
    addCjson(machine);
    addRedis(machine, () => this.#calls!);
    machine.globals.meta = unknownGlobals(machine);
    machine.globals.isReadOnly = true;
  }

  load(source: string): { readonly hash: string } | { readonly problem: string } {
    const script = this.#find(source);
    return "problem" in script ? script : { hash: script.hash };
  }

  find(hash: string): string | null {
    return (this.#byHash.get(hash) ?? this.#byHash.get(hash.toLowerCase()))?.source ?? null;
  }

  writesNothing(source: string): boolean {
    const script = this.#find(source);
    return !("problem" in script) && script.writesNothing;
  }

  flush(): void {
    this.#byHash.clear();
    this.#bySource.clear();
    this.#bytes = 0;
    this.#latest = null;
  }

  run({ script: source, keys, args, isResp3 }: ScriptRun, calls: ScriptCalls): ScriptOutcome {
    const script = this.#find(source);
    if ("problem" in script) return { reply: `${script.problem}\r\n`, isKept: false, steps: 1_000 };
    const machine = this.#machine;
    machine.reset();
    this.#seed = 1;
    this.#calls = calls;
    machine.globals.set("KEYS", listOf(keys));
    machine.globals.set("ARGV", listOf(args));
    try {
      const value = machine.call(script.fn, [], 0, "")[0];
      return this.#ended(valueToReply(machine, value, isResp3), true);
    } catch (error) {
      if (error instanceof LuaError) return this.#ended(errorReply(error, script.hash), true);
      if (!(error instanceof LimitError) && !isStackOverflow(error)) throw error;
      const why = error instanceof LimitError ? error.why : "its calls are too deep";
      return this.#ended(`-ERR the script was stopped: ${why}, nothing was done\r\n`, false);
    }
  }

  #ended(reply: string, isKept: boolean): ScriptOutcome {
    this.#calls = null;
    return { reply, isKept, steps: this.#machine.meter.steps };
  }

  /** The script, compiled; or its error as a line. */
  #find(source: string): Script | { readonly problem: string } {
    if (this.#latest?.source === source) return this.#latest;
    const known = this.#bySource.get(source);
    if (known !== undefined) {
      this.#bySource.delete(source);
      this.#bySource.set(source, known);
      this.#latest = known;
      return known;
    }
    if (source.length > SOURCE_BYTES_MAX) {
      return { problem: `-ERR a script has more than ${SOURCE_BYTES_MAX} bytes` };
    }
    this.compileSteps += COMPILE_STEPS_A_BYTE * source.length;
    const head = headOf(source);
    if ("problem" in head) return head;
    let fn: LuaFunction;
    try {
      fn = compileScript(this.#machine, head.body);
    } catch (error) {
      if (error instanceof LuaError) {
        const text = oneLine(String(error.value));
        return { problem: `-ERR Error compiling script (new function): ${text}` };
      }
      if (!isStackOverflow(error)) throw error;
      return { problem: "-ERR Error compiling script (new function): it is nested too deeply" };
    }
    const script = { source, fn, hash: sha1Hex(source), writesNothing: head.writesNothing };
    this.#keep(script);
    return script;
  }

  #keep(script: Script): void {
    this.#bySource.set(script.source, script);
    this.#byHash.set(script.hash, script);
    this.#bytes += script.source.length;
    this.#latest = script;
    for (const oldest of this.#bySource.values()) {
      if (this.#bySource.size <= SCRIPTS_MAX && this.#bytes <= SCRIPT_BYTES_MAX) return;
      this.#bySource.delete(oldest.source);
      this.#byHash.delete(oldest.hash);
      this.#bytes -= oldest.source.length;
    }
  }

  /** As Redis has it, each run draws the same numbers. */
  #random(): number {
    this.#seed = (Math.imul(this.#seed, 1_664_525) + 1_013_904_223) >>> 0;
    return this.#seed / 0x1_0000_0000;
  }
}

/** Reading a global that is not there is an error, as scripts can make none. */
function unknownGlobals(machine: Machine): LuaTable {
  const meta = new LuaTable();
  const unknown = new LuaFunction(([, key]) => {
    const name = typeof key === "string" ? key : machine.text(key);
    machine.failHere(`Script attempted to access nonexistent global variable '${name}'`);
  });
  meta.set("__index", unknown);
  meta.isReadOnly = true;
  return meta;
}

/** Deep expressions use up this program's own stack. */
function isStackOverflow(error: unknown): boolean {
  return error instanceof RangeError && error.message.includes("call stack");
}

function listOf(texts: readonly string[]): LuaTable {
  const table = new LuaTable();
  for (let i = 0; i < texts.length; i++) table.items.push(texts[i]);
  return table;
}

function errorReply({ value, line }: LuaError, hash: string): string {
  const error = textOf(value);
  const place = line > 0 ? ` script: ${hash}, on @user_script:${line}.` : "";
  return `-${oneLine(error)}${place}\r\n`;
}

function textOf(value: Value): string {
  if (value instanceof LuaTable) {
    const error = value.get("err");
    if (typeof error === "string") return error;
    return "ERR unknown error";
  }
  return `ERR ${plainText(value)}`;
}

/** What the first line says of a script that begins with `#!lua`. */
function headOf(
  source: string,
): { readonly body: string; readonly writesNothing: boolean } | { readonly problem: string } {
  if (!source.startsWith("#!")) return { body: source, writesNothing: false };
  const end = source.indexOf("\n");
  if (end < 0) return { problem: "-ERR Invalid script shebang" };
  const [engine, ...options] = source.slice(2, end).trim().split(/\s+/);
  if (engine !== "lua") {
    return { problem: `-ERR Unexpected engine in script shebang: #!${oneLine(engine ?? "")}` };
  }
  let writesNothing = false;
  for (const option of options) {
    if (!option.startsWith("flags=")) {
      return { problem: `-ERR Unknown lua shebang option: ${oneLine(option)}` };
    }
    for (const flag of option.slice(6).split(",")) {
      if (flag === "no-writes") writesNothing = true;
      else if (
        !["allow-oom", "allow-stale", "no-cluster", "allow-cross-slot-keys", ""].includes(flag)
      ) {
        return { problem: `-ERR Unexpected flag in script shebang: ${oneLine(flag)}` };
      }
    }
  }
  return { body: source.slice(end), writesNothing };
}
