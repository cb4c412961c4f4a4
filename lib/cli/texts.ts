/** What the command line says where it is wrong: one sentence, with what was probably meant. */
import {
  AliasNotFoundError,
  type ApplicationText,
  ArgumentParseError,
  EnumValidationError,
  FlagNotFoundError,
  text_en,
  UnexpectedPositionalError,
  UnsatisfiedFlagError,
  UnsatisfiedPositionalError,
} from "@stricli/core";
import { nearest } from "../util/near_words.ts";
import { escapeUnseen } from "../util/unseen.ts";

export interface CommandLine {
  readonly args: readonly string[];
  /** The names of the commands that are known here, each with those of its group: `config` has `check`. */
  readonly commands: ReadonlyMap<string, readonly string[]>;
}

/** What other programs call it. */
const SYNONYMS: Readonly<Record<string, string>> = {
  put: "set",
  add: "set",
  del: "delete",
  rm: "delete",
  remove: "delete",
  unlink: "delete",
  range: "scan",
  list: "keys",
  ls: "keys",
  mget: "getm",
  inc: "incr",
  incrby: "incr",
  import: "load",
  export: "dump",
  backup: "dump",
  health: "check",
  doctor: "check",
  info: "status",
  members: "member list",
  promote: "member promote",
  demote: "member demote",
  replace: "member replace",
  transfer: "leader move",
  benchmark: "bench",
  run: "serve",
  start: "serve",
  server: "serve",
};

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Sentences get the program's name; an error without a message says nothing. The names of files in them
 * may hold anything.
 */
function sentence(error: unknown): string {
  const message = messageOf(error);
  return message === "" ? "" : `raftkv: ${escapeUnseen(message)}`;
}

export function texts(line: CommandLine): ApplicationText {
  const isFirst = onlyFirst();
  return {
    ...text_en,
    formatException: messageOf,
    exceptionWhileRunningCommand: sentence,
    commandErrorResult: sentence,
    noCommandRegisteredForInput: ({ input, corrections }) =>
      unknownCommand(line.args[0] ?? "", input, nearest(input, corrections.map(asWord))),
    exceptionWhileParsingArguments(error, ansiColor) {
      if (!isFirst()) return "";
      if (error instanceof UnexpectedPositionalError) return tooMany(line, error);
      const what = argumentFault(error, line.args) ??
        text_en.exceptionWhileParsingArguments.call(this, error, ansiColor);
      return `raftkv: ${escapeUnseen(what)}${/[?.]$/.test(what) ? "" : "."} Try ${helpOf(line)}`;
    },
  };
}

/** The parser says each fault by itself: the first is the sentence, and help has the rest. */
export function onlyFirst(): () => boolean {
  let hasSaid = false;
  return () => !hasSaid && (hasSaid = true);
}

/** What is wrong with one of `args`, in words; null where the parser's own have to do. */
export function argumentFault(error: unknown, args: readonly string[]): string | null {
  if (error instanceof ArgumentParseError) {
    const name: string = error.externalFlagNameOrPlaceholder;
    const place = /^[a-z]/.test(name) ? `--${name}` : name;
    return `${place}: ${messageOf(error.exception)}`;
  }
  if (error instanceof UnsatisfiedPositionalError) return `${error.placeholder} is missing`;
  if (error instanceof UnsatisfiedFlagError) {
    const flag = `--${error.externalFlagName}`;
    return args.includes(flag) ? `${flag} needs a value` : `${flag} is missing`;
  }
  if (error instanceof EnumValidationError) {
    const { externalFlagName, input, values } = error;
    return `--${externalFlagName}: ${JSON.stringify(input)} is none of ${values.join(", ")}`;
  }
  if (error instanceof AliasNotFoundError) return `there is no flag -${shown(error.input)}`;
  if (error instanceof FlagNotFoundError) {
    const meant = nearest(error.input, error.corrections.map(asWord));
    const hint = meant === null ? "" : `: did you mean --${meant}?`;
    return `there is no flag --${shown(error.input)}${hint}`;
  }
  return null;
}

/** The command of the line, or serve where none is named. */
function commandOf({ args, commands }: CommandLine): string {
  const [first = "", second = ""] = args;
  const group = commands.get(first);
  if (group === undefined) return "serve";
  return group.includes(second) ? `${first} ${second}` : first;
}

function helpOf(line: CommandLine): string {
  return `raftkv ${commandOf(line)} --help`;
}

function tooMany(line: CommandLine, error: UnexpectedPositionalError): string {
  const command = commandOf(line);
  if (command !== line.args[0] && command === "serve") {
    const meant = Object.hasOwn(SYNONYMS, error.input)
      ? SYNONYMS[error.input]!
      : nearest(error.input, [...line.commands.keys()]);
    return unknownCommand("", error.input, meant);
  }
  return `raftkv: ${command}: ${JSON.stringify(error.input)} is one argument too many. Try ${
    helpOf(line)
  }`;
}

/** What the parser offers far too freely, as it offers it: `check`, --servers. */
function asWord(correction: string): string {
  return correction.replaceAll("`", "").replace(/^--/, "");
}

/** What somebody typed, as a word where it is one. */
function shown(input: string): string {
  return /^[\w.-]{1,64}$/.test(input) ? input : JSON.stringify(input);
}

function unknownCommand(group: string, input: string, meant: string | null): string {
  const at = group === "" || group === input ? "raftkv" : `raftkv ${group}`;
  const hint = meant === null ? "" : ` did you mean ${meant}?`;
  return `raftkv: unknown command ${shown(input)}:${hint} try ${at} --help`;
}
