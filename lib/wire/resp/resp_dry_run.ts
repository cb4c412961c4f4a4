/** What would become of a command that a user sent, by the rules alone: for ACL DRYRUN, and for scripts. */
import { mayRead, readWatched } from "../watching.ts";
import { Access, commandNumbered } from "../../kv/users/command_numbers.ts";
import { mayUseChannel } from "../../kv/users/channel_rules.ts";
import type { User } from "../../kv/users/user.ts";
import { latin1Bytes } from "../../util/latin1.ts";
import type { ByteWriter } from "../../util/bytes.ts";
import { showsContents } from "./resp_backup.ts";
import { isComparison } from "./resp_comparison.ts";
import { writeBulk, writeLine } from "./resp_bytes.ts";
import { RUN_HEAD } from "./resp_sessions.ts";
import { COMMANDS, type RespCommand } from "./resp_table.ts";

/** What commands without keys of their own need of all keys. */
const OF_ALL_KEYS: Readonly<Record<string, Access>> = {
  dbsize: Access.read,
  flushall: Access.write,
  flushdb: Access.write,
};

/** Their third word says how many keys follow. */
const SCRIPTS: ReadonlySet<string> = new Set(["eval", "evalsha", "eval_ro", "evalsha_ro"]);

/** A command that there is none of, or without all its arguments, is judged by nobody. */
export type DryRun =
  | { readonly kind: "allowed" }
  | { readonly kind: "unknown" | "incomplete" | "denied"; readonly why: string };

/** Appends the reply to ACL DRYRUN; `words` are the command's, a letter for each byte. */
export function writeDryRun(out: ByteWriter, words: readonly string[], user: User): void {
  const run = dryRun(words, user);
  if (run.kind === "allowed") return writeLine(out, "+OK");
  if (run.kind !== "denied") return writeLine(out, `-ERR ${run.why}`);
  const bytes = latin1Bytes(run.why);
  writeBulk(out, bytes, 0, bytes.length);
}

/** Whether the user could do it, and why not. */
export function dryRun(words: readonly string[], user: User): DryRun {
  const name = words[0]!.toLowerCase();
  const command = COMMANDS.find((one) => one.name === name);
  if (command === undefined) {
    const why = `Command '${name.replace(/[^\x20-\x7e]/g, " ")}' not found`;
    return { kind: "unknown", why };
  }
  const { arity, subcommands } = command;
  if (arity > 0 ? words.length !== arity : words.length < -arity) {
    return { kind: "incomplete", why: `wrong number of arguments for '${name}' command` };
  }
  const subcommand = (words[1] ?? "").toLowerCase();
  const number = subcommands?.find((one) => one.name === subcommand)?.number ?? command.number;
  if (!user.allowsCommand(number)) {
    const shown = commandNumbered(number)!.name;
    return denied(`run the '${shown}' command`);
  }
  const isOfContents = name === "raftkv.backup" && showsContents(words[1]!);
  const ofAll = isOfContents ? Access.read : OF_ALL_KEYS[name];
  if (ofAll !== undefined && !user.allowsAllKeys(ofAll)) {
    return denied("access all keys");
  }
  if (name === "raftkv.watch") {
    const pattern = latin1Bytes(words[1]!);
    if (!mayRead(user, readWatched(pattern, 0, pattern.length))) {
      return denied(`access the '${words[1]}' key`);
    }
  }
  const closed = closedChannel(name, words, user);
  if (closed !== undefined) {
    return denied(`access the '${closed}' channel`);
  }
  const write = sessionWrite(words);
  if (write.length > 0) return dryRun(write, user);
  const access = accessOf(number, words);
  for (const key of keysOf(command, words)) {
    const bytes = latin1Bytes(key);
    if (user.allowsKey(access, bytes, 0, bytes.length)) continue;
    return denied(`access the '${key}' key`);
  }
  return { kind: "allowed" };
}

/** The first channel, or pattern of channels, that the user may not use; undefined where it may use all. */
function closedChannel(name: string, words: readonly string[], user: User): string | undefined {
  if (name !== "publish" && name !== "subscribe" && name !== "psubscribe") return undefined;
  const channels = name === "publish" ? words.slice(1, 2) : words.slice(1);
  return channels.find((one) => !mayUseChannel(user, one, name === "psubscribe"));
}

function accessOf(number: number, words: readonly string[]): Access {
  const { access, name } = commandNumbered(number)!;
  const options = name === "set" ? words.slice(3) : name === "delex" ? words.slice(2) : [];
  const tellsOld = options.map((word) => word.toLowerCase())
    .some((word) => word === "get" || isComparison(word));
  return tellsOld ? Access.both : access;
}

/**
 * The command that a client session is to run; empty where it is none. A session within a session is refused
 * whoever asks, so it is not looked into.
 */
function sessionWrite(words: readonly string[]): string[] {
  const at = (i: number) => words[i]?.toLowerCase();
  if (at(0) !== "raftkv.session" || at(1) !== "run") return [];
  const from = at(RUN_HEAD) === "bind" ? RUN_HEAD + 1 : RUN_HEAD;
  return at(from) === "raftkv.session" ? [] : words.slice(from);
}

function keysOf(command: RespCommand, words: readonly string[]): string[] {
  const { name, firstKey, lastKey, keyStep } = command;
  if (name === "msetex") {
    const pairs = /^\d{1,9}$/.test(words[1]!) ? Number(words[1]) : 0;
    return words.filter((_, i) => i >= 2 && i < 2 + 2 * pairs && i % 2 === 0);
  }
  if (SCRIPTS.has(name)) {
    const keys = /^\d{1,9}$/.test(words[2]!) ? Number(words[2]) : 0;
    // With fewer words it fails whoever sends it, as in Redis.
    return keys <= words.length - 3 ? words.slice(3, 3 + keys) : [];
  }
  if (firstKey === 0) return [];
  const last = lastKey < 0 ? words.length + lastKey : lastKey;
  return words.filter((_, i) => i >= firstKey && i <= last && (i - firstKey) % keyStep === 0);
}

function denied(what: string): DryRun {
  return { kind: "denied", why: `This user has no permissions to ${what}` };
}
