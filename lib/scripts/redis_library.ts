/** The library `redis` of scripts. */
import { createHash } from "node:crypto";
import { addAll, type Arguments, type Native } from "./lua/arguments.ts";
import type { Machine } from "./lua/machine.ts";
import { generalText, LuaError, LuaTable, typeName, type Value } from "./lua/values.ts";
import type { ScriptCalls } from "../wire/scripts.ts";
import { fieldTable, replyToValue } from "./conversions.ts";

/** What a command takes at least, in steps. */
const CALL_STEPS = 50;
/** What a SHA-1 takes: 1.3 µs, and 2.3 ns a letter. */
const HASH_STEPS = 30;
const HASHED_LETTERS_A_STEP = 16;
/** Of what a script's writes would go to: here they go to all servers, whatever it says. */
const REPLICATION = { REPL_NONE: 0, REPL_AOF: 1, REPL_SLAVE: 2, REPL_REPLICA: 2, REPL_ALL: 3 };
/** The version whose scripts these are. */
const [MAJOR, MINOR, PATCH] = [7, 0, 15];
const VERSION = {
  REDIS_VERSION: `${MAJOR}.${MINOR}.${PATCH}`,
  REDIS_VERSION_NUM: (MAJOR << 16) | (MINOR << 8) | PATCH,
};
const LEVELS = { LOG_DEBUG: 0, LOG_VERBOSE: 1, LOG_NOTICE: 2, LOG_WARNING: 3 } as const;

/**
 * The SHA-1 of a text of a letter for each byte, by which the Redis protocol names scripts: 40 hexadecimal
 * digits.
 */
export function sha1Hex(text: string): string {
  return createHash("sha1").update(text, "latin1").digest("hex");
}

/** `calls`: those of the run that is under way. */
export function addRedis(machine: Machine, calls: () => ScriptCalls): void {
  const library = new LuaTable();
  const call = (args: Arguments): Value => {
    const words = wordsOf(machine, args);
    machine.meter.step(CALL_STEPS);
    if (words.length === 1 && words[0]!.toLowerCase() === "time") {
      const table = machine.table();
      for (const [i, part] of calls().time().entries()) table.set(i + 1, String(part));
      return table;
    }
    return replyToValue(machine, calls().call(words), machine.isResp3);
  };
  const safely = (args: Arguments): Value => {
    try {
      return call(args);
    } catch (error) {
      if (error instanceof LuaError && error.value instanceof LuaTable) return error.value;
      throw error;
    }
  };
  addAll(machine, library, {
    call: (args) => {
      const value = call(args);
      if (value instanceof LuaTable && typeof value.get("err") === "string") {
        throw new LuaError(value, machine.lines.at(-1) ?? 0);
      }
      return [value];
    },
    pcall: (args) => [safely(args)],
    error_reply: (args) => {
      const text = args.values[0];
      if (args.count !== 1 || typeof text !== "string") {
        return [fieldTable(machine, "err", "ERR wrong number or type of arguments")];
      }
      machine.meter.look(text.length);
      return [fieldTable(machine, "err", errorText(text))];
    },
    log: (args) => log(machine, args, calls),
    setresp: (args) => {
      if (args.count !== 1) raise(machine, "redis.setresp() requires one argument.");
      const version = Math.trunc(Number(args.values[0]));
      if (version !== 2 && version !== 3) raise(machine, "RESP version must be 2 or 3.");
      machine.isResp3 = version === 3;
      return [];
    },
    sha1hex: (args) => {
      if (args.count !== 1) raise(machine, "wrong number of arguments");
      const text = args.string(0);
      machine.meter.step(HASH_STEPS + text.length / HASHED_LETTERS_A_STEP);
      return [sha1Hex(text)];
    },
    status_reply: (args) => {
      const text = args.values[0];
      if (args.count !== 1 || typeof text !== "string") {
        return [fieldTable(machine, "err", "ERR wrong number or type of arguments")];
      }
      return [fieldTable(machine, "ok", text)];
    },
    acl_check_cmd: (args) => checkPermission(machine, args, calls),
    ...replication(machine),
    // Nobody debugs a script here.
    breakpoint: () => [false],
    debug: () => [],
  });
  for (const [name, value] of Object.entries({ ...LEVELS, ...REPLICATION, ...VERSION })) {
    library.set(name, value);
  }
  library.isReadOnly = true;
  machine.globals.set("redis", library);
}

/** Whether the script's user may do what is given. */
function checkPermission(machine: Machine, args: Arguments, calls: () => ScriptCalls): Value[] {
  const words = wordsOf(machine, args);
  machine.meter.step(CALL_STEPS);
  const mayRun = calls().mayRun(words);
  if (mayRun === null) raise(machine, "Invalid command passed to redis.acl_check_cmd()");
  return [mayRun];
}

/** What scripts for older versions say about replication, which has no such choices here. */
function replication(machine: Machine): Readonly<Record<string, Native>> {
  return {
    replicate_commands: () => [true],
    set_repl: (args) => {
      if (args.count !== 1) raise(machine, "redis.set_repl() requires two arguments.");
      const flags = Math.trunc(Number(args.values[0])) || 0;
      if ((flags & ~REPLICATION.REPL_ALL) === 0) return [];
      const known = "REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE";
      raise(machine, `Invalid replication flags. Use ${known}.`);
    },
  };
}

/** An error's first word is its code; ERR where it is one word in all. */
function errorText(text: string): string {
  const error = text.startsWith("-") ? text.slice(1) : text;
  return error.includes(" ") ? error : `ERR ${error}`;
}

function wordsOf(machine: Machine, args: Arguments): string[] {
  if (args.count === 0) {
    raise(machine, "Please specify at least one argument for this redis lib call");
  }
  const words: string[] = [];
  let bytes = 0;
  for (let i = 0; i < args.count; i++) {
    const word = wordOf(machine, args.values[i]);
    bytes += word.length;
    words.push(word);
  }
  // They are copied for the command, and again if it is put into the log.
  machine.meter.step(words.length);
  machine.meter.make(bytes);
  return words;
}

function wordOf(machine: Machine, value: Value): string {
  if (typeof value === "string") return value;
  if (typeof value === "number") {
    const isPlain = Number.isSafeInteger(value) && !Object.is(value, -0);
    return isPlain ? String(value) : generalText(value, 17, false);
  }
  raise(machine, "Lua redis lib command arguments must be strings or integers");
}

/** An error of Redis's, as a script catches it. */
function raise(machine: Machine, text: string): never {
  throw new LuaError(fieldTable(machine, "err", `ERR ${text}`), machine.lines.at(-1) ?? 0);
}

function log(machine: Machine, args: Arguments, calls: () => ScriptCalls): Value[] {
  const level = args.values[0];
  if (args.count < 2) raise(machine, "redis.log() requires two arguments or more.");
  if (typeof level !== "number") {
    raise(machine, "First argument must be a number (log level).");
  }
  if (level < LEVELS.LOG_DEBUG || level > LEVELS.LOG_WARNING) {
    raise(machine, "Invalid debug level.");
  }
  const words = args.values.slice(1).map((value) => {
    return typeof value === "string" || typeof value === "number"
      ? machine.text(value)
      : typeName(value);
  });
  machine.meter.step(CALL_STEPS);
  machine.meter.make(words.reduce((sum, word) => sum + word.length, 0));
  calls().log(level, words.join(" "));
  return [];
}
