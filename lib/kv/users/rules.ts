/**
 * Redis's rules for users, one at a time: from what a person types to the one form in which the log,
 * snapshots and lists have them. Texts are latin-1: a character is a byte. The forms:
 *
 *   on, off, nopass, resetpass, resetkeys, resetchannels, reset
 *   ~*                       every key              &*    every channel
 *   ~P   %R~P   %W~P         keys, keys to read, keys to write        &P    channels
 *   +@all   -@all   +@category   -@category   +command   -command   +container|subcommand   -…
 *
 * Passwords are no rules: whoever parses hands them on to be hashed.
 */
import { CATEGORIES, COMMAND_NUMBERS, commandNamed, commandNumbered } from "./command_numbers.ts";

const USER_NAME_BYTES_MAX = 64;
/** The longest pattern of keys or channels. */
export const PATTERN_BYTES_MAX = 4_096;

export type ParsedRule =
  | { readonly kind: "rule"; readonly rule: string }
  | { readonly kind: "addPassword" | "removePassword"; readonly password: string }
  /** Known, and of no meaning here: it changes nothing. */
  | { readonly kind: "nothing" }
  /** Half a sentence, for after "Error in ACL SETUSER modifier '…': ". */
  | { readonly kind: "problem"; readonly problem: string };

const SYNTAX_PROBLEM = "Syntax error";
const UNKNOWN_PROBLEM = "Unknown command or category name in ACL";

/** What Redis has other words for, and what they become. */
const WORDS: ReadonlyMap<string, string> = new Map(Object.entries({
  on: "on",
  off: "off",
  nopass: "nopass",
  resetpass: "resetpass",
  resetkeys: "resetkeys",
  resetchannels: "resetchannels",
  reset: "reset",
  allkeys: "~*",
  "~*": "~*",
  allchannels: "&*",
  "&*": "&*",
  allcommands: "+@all",
  "+@all": "+@all",
  nocommands: "-@all",
  "-@all": "-@all",
}));
/** There are no selectors to clear, and no payload to sanitize. */
const NOTHING = new Set(["clearselectors", "sanitize-payload", "skip-sanitize-payload"]);

const CONTAINERS: ReadonlySet<string> = new Set(
  COMMAND_NUMBERS.filter(({ container }) => container > 0)
    .map(({ container }) => commandNumbered(container)!.name),
);

/** What one argument of ACL SETUSER asks for. */
export function parseRule(text: string): ParsedRule {
  const lower = text.length > 32 ? "" : text.toLowerCase();
  const word = WORDS.get(lower);
  if (word !== undefined) return rule(word);
  if (NOTHING.has(lower)) return { kind: "nothing" };
  const rest = text.slice(1);
  switch (text[0]) {
    case ">":
      return { kind: "addPassword", password: rest };
    case "<":
      return { kind: "removePassword", password: rest };
    case "#":
    case "!":
      return problem("passwords are kept as scrypt hashes, which SHA-256 can't be compared with");
    case "(":
      return problem("selectors are not supported: give the user another name for other rules");
    case "~":
    case "%":
      return parseKeys(text);
    case "&":
      return isPattern(rest) ? rule(`&${rest}`) : problem(SYNTAX_PROBLEM);
    case "+":
    case "-":
      return parseCommand(text[0], rest.toLowerCase());
    default:
      return problem(SYNTAX_PROBLEM);
  }
}

/** Whether `name` may be a user's. */
export function isUserName(name: string): boolean {
  return name.length <= USER_NAME_BYTES_MAX && /^[\x21-\x7e]+$/.test(name);
}

/** Whether `text` is a rule in the form that is kept; what comes from a peer or a file may be anything. */
export function isRule(text: string): boolean {
  const parsed = parseRule(text);
  return parsed.kind === "rule" && parsed.rule === text;
}

function parseKeys(text: string): ParsedRule {
  const letters = /^%([RrWw]{1,2})~/.exec(text)?.[1]?.toUpperCase() ??
    (text[0] === "~" ? "RW" : "");
  const pattern = text.slice(text.indexOf("~") + 1);
  if (letters === "" || letters === "RR" || letters === "WW" || !isPattern(pattern)) {
    return problem(SYNTAX_PROBLEM);
  }
  return rule(letters.length === 2 ? `~${pattern}` : `%${letters}~${pattern}`);
}

function parseCommand(sign: string, name: string): ParsedRule {
  if (name.startsWith("@")) {
    const isKnown = CATEGORIES.includes(name.slice(1));
    return isKnown ? rule(sign + name) : problem(UNKNOWN_PROBLEM);
  }
  if (commandNamed(name) !== undefined) return rule(sign + name);
  const [command, argument] = name.split("|", 2);
  if (argument !== undefined && hasNoSubcommands(command!)) {
    return problem("rules for the first argument of a command are not supported");
  }
  return problem(UNKNOWN_PROBLEM);
}

function hasNoSubcommands(name: string): boolean {
  return commandNamed(name) !== undefined && !CONTAINERS.has(name);
}

/** As Redis: spaces and zero bytes are none of a pattern's. */
function isPattern(text: string): boolean {
  return text.length <= PATTERN_BYTES_MAX && !/[\0\t-\r ]/.test(text);
}

function rule(text: string): ParsedRule {
  return { kind: "rule", rule: text };
}

function problem(text: string): ParsedRule {
  return { kind: "problem", problem: text };
}
