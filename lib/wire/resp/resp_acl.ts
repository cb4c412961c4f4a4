/** ACL: users and what they may do. docs/redis.md has what differs from Redis. */
import { CATEGORIES, COMMAND_NUMBERS } from "../../kv/users/command_numbers.ts";
import { isUserName } from "../../kv/users/rules.ts";
import { encodeDeleteUser } from "../../kv/users/operations.ts";
import { Action } from "../command_batch.ts";
import { questionText } from "../questions.ts";
import { arity } from "./resp_connection.ts";
import { help } from "./resp_help.ts";
import { RespMode } from "./resp_replies.ts";
import type { RespRequest } from "./resp_request.ts";

const HELP = [
  "ACL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
  "CAT [<category>]",
  "    List all commands that belong to <category>, or all command categories",
  "    when no category is specified.",
  "DELUSER <username> [<username> ...]",
  "    Delete a list of users.",
  "DRYRUN <username> <command> [<arg> ...]",
  "    Returns whether the user can execute the given command without executing the command.",
  "GETUSER <username>",
  "    Get the user's details.",
  "GENPASS [<bits>]",
  "    Generate a secure 256-bit user password. The optional `bits` argument can",
  "    be used to specify a different size.",
  "LIST",
  "    Show users details in config file format.",
  "SETUSER <username> <attribute> [<attribute> ...]",
  "    Create or modify a user with the specified attributes.",
  "USERS",
  "    List all the registered usernames.",
  "WHOAMI",
  "    Return the current connection username.",
  "HELP",
  "    Prints this help.",
];

const USER_HELP = [
  "RAFTKV.USER <subcommand> [<arg> ...]. Subcommands are:",
  "RESET <secret> <username> <attribute> [<attribute> ...]",
  "    As ACL SETUSER, once, by the secret that raftkv user reset leaves in the leader's data",
  "    directory, over a loopback connection.",
  "HELP",
  "    Prints this help.",
];

/** Of users that are deleted at once. */
const NAMES_MAX = 1_000;
/** Of rules in one change. */
const RULES_MAX = 2_000;

const IN_TRANSACTION = "ERR this command is not supported within a transaction";
const GENPASS_BITS_DEFAULT = 256;
const GENPASS_BITS_MAX = 4_096;
const GENPASS_PROBLEM = "ERR ACL GENPASS argument must be the number of bits for the output " +
  "password, a positive number up to 4096";
/** Subcommands that show users, with their number of arguments; at least that many where negative. */
const SHOWN: Readonly<Record<string, number>> = { list: 2, users: 2, getuser: 3, dryrun: -4 };

export function acl(r: RespRequest): void {
  if (r.is(1, "whoami")) {
    if (arity(r, 2, "whoami")) r.bulk(r.access.name);
    return;
  }
  if (r.is(1, "cat")) return cat(r);
  if (r.is(1, "genpass")) return genpass(r);
  if (r.is(1, "setuser")) return setUser(r);
  if (r.is(1, "deluser")) return deleteUser(r);
  if (r.is(1, "help")) {
    if (arity(r, 2, "help")) help(r, HELP);
    return;
  }
  for (const [name, count] of Object.entries(SHOWN)) {
    if (!r.is(1, name)) continue;
    if (arity(r, count, name)) ask(r, { kind: "users" });
    return;
  }
  r.refuse(`ERR unknown subcommand '${r.shortText(1, 128)}'. Try ACL HELP.`);
}

function cat(r: RespRequest): void {
  if (r.count > 3) {
    return r.refuse("ERR unknown subcommand or wrong number of arguments for 'CAT'. Try ACL HELP.");
  }
  if (r.count === 2) return list(r, CATEGORIES);
  const wanted = r.shortText(2, 128);
  const category = wanted.toLowerCase();
  if (!CATEGORIES.includes(category)) return r.error(`ERR Unknown category '${wanted}'`);
  list(r, COMMAND_NUMBERS.filter((one) => one.categories.includes(category)).map(nameOf));
}

function nameOf({ name }: { readonly name: string }): string {
  return name;
}

function list(r: RespRequest, names: readonly string[]): void {
  r.line([`*${names.length}`, ...names.map((name) => `$${name.length}\r\n${name}`)].join("\r\n"));
}

function genpass(r: RespRequest): void {
  if (r.count > 3) {
    return r.refuse(
      "ERR unknown subcommand or wrong number of arguments for 'GENPASS'. Try ACL HELP.",
    );
  }
  let bits = GENPASS_BITS_DEFAULT;
  if (r.count === 3) {
    if (!r.integer(2)) return;
    bits = r.number.toNumber();
    if (bits < 1 || bits > GENPASS_BITS_MAX) return r.error(GENPASS_PROBLEM);
  }
  r.local(RespMode.genpass, `${Math.ceil(bits / 4)}`);
}

/** RAFTKV.USER: what whoever has the leader's data directory can do, though nobody can authenticate. */
export function user(r: RespRequest): void {
  if (r.is(1, "help")) {
    if (arity(r, 2, "help")) help(r, USER_HELP);
    return;
  }
  if (!r.is(1, "reset")) {
    return r.refuse(`ERR unknown subcommand '${r.shortText(1, 128)}'. Try RAFTKV.USER HELP.`);
  }
  if (!arity(r, -5, "reset") || !isNameAt(r, 3)) return;
  if (!r.access.isLoopback) {
    return r.error(
      "ERR a user is reset on the machine that the leader runs on, over a loopback connection: " +
        "nothing was done",
    );
  }
  const rules = rulesFrom(r, 4);
  if (rules === null) return;
  const [secret, name] = [r.latin1(2), r.latin1(3)];
  // What the reply is about. The secret is in none.
  r.aclArguments = ["acl", "setuser", name, ...rules];
  r.local(RespMode.acl, questionText({ kind: "resetUser", secret, name, rules }), Action.ask);
}

function isNameAt(r: RespRequest, at: number): boolean {
  const name = r.latin1(at);
  if (isUserName(name)) return true;
  r.error(
    /[\0\s]/.test(name)
      ? "ERR Usernames can't contain spaces or null characters"
      : "ERR a user's name has 1 to 64 bytes, printable ones of ASCII",
  );
  return false;
}

/** The rules from argument `from` on; null where there are too many, which is said. */
function rulesFrom(r: RespRequest, from: number): string[] | null {
  if (r.count > RULES_MAX) {
    r.error(`ERR more than ${RULES_MAX} rules at once`);
    return null;
  }
  return Array.from({ length: r.count - from }, (_, i) => r.latin1(from + i));
}

function setUser(r: RespRequest): void {
  if (!arity(r, -3, "setuser") || !isNameAt(r, 2)) return;
  const { access } = r;
  if (access.userId === 0 && !access.isLoopback) {
    return r.error(
      "ERR the first user is made on the machine that the leader runs on, over a loopback " +
        "connection: nothing was done",
    );
  }
  const rules = rulesFrom(r, 3);
  if (rules !== null) ask(r, { kind: "changeUser", name: r.latin1(2), rules });
}

function deleteUser(r: RespRequest): void {
  if (!arity(r, -3, "deluser")) return;
  if (r.queue !== null) return r.refuse(IN_TRANSACTION);
  if (r.count > NAMES_MAX) return r.error(`ERR more than ${NAMES_MAX} names at once`);
  const names: string[] = [];
  for (let i = 2; i < r.count; i++) names.push(r.latin1(i));
  const at = encodeDeleteUser(r.begin(), names.filter(isUserName));
  r.write(at, RespMode.deleteUsers, 0);
}

function ask(r: RespRequest, question: Parameters<typeof questionText>[0]): void {
  if (r.queue === null) {
    const all: string[] = [];
    for (let i = 0; i < r.count; i++) all.push(r.latin1(i));
    r.aclArguments = all;
  }
  r.local(RespMode.acl, questionText(question), Action.ask);
}
