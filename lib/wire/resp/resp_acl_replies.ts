/** What ACL shows of users, and what it says of a change. No hash of a password is ever shown. */
import type { Result } from "../../kv/commands/result.ts";
import { Status } from "../../kv/commands/result.ts";
import type { User } from "../../kv/users/user.ts";
import { latin1Bytes } from "../../util/latin1.ts";
import { UserProblem } from "../../kv/users/user_changes.ts";
import { parseRule } from "../../kv/users/rules.ts";
import type { ByteWriter } from "../../util/bytes.ts";
import { printable, ruleProblem } from "../acl.ts";
import { writeDryRun } from "./resp_dry_run.ts";
import {
  writeArray,
  writeBulk,
  writeInteger,
  writeLine,
  writeMap,
  writeNull,
} from "./resp_bytes.ts";
import type { RespRequest } from "./resp_request.ts";

/** Stands for a password: it can't be taken for one, as SETUSER refuses it. */
const HIDDEN = "#scrypt";

/** What is wrong, after "Error in ACL SETUSER modifier '…': " where a modifier is what is wrong. */
const PROBLEMS: Readonly<Record<UserProblem, string>> = {
  [UserProblem.keysAfterAll]:
    "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not " +
    "have any effect. Try 'resetkeys' to start with an empty list of patterns",
  [UserProblem.channelsAfterAll]:
    "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does " +
    "not have any effect. Try 'resetchannels' to start with an empty list of channels",
  [UserProblem.noSuchPassword]:
    "The password you are trying to remove from the user does not exist",
  [UserProblem.noAdministrator]:
    "nobody would be left who can authenticate and run ACL SETUSER: nothing was done",
  [UserProblem.tooManyPasswords]: "a user has at most 16 passwords: nothing was done",
  [UserProblem.tooManyRules]: "a user has at most 1000 rules, of 64 KiB in all: nothing was done",
  [UserProblem.tooManyUsers]: "there are as many users as there may be: nothing was done",
  [UserProblem.noRoom]: "all users together take as much as they may: nothing was done",
  [UserProblem.notFirst]: "there are users by now: authenticate as one of them; nothing was done",
};
const OF_A_MODIFIER: ReadonlySet<UserProblem> = new Set([
  UserProblem.keysAfterAll,
  UserProblem.channelsAfterAll,
  UserProblem.noSuchPassword,
]);

/** Appends the reply to what asked about users; they are the present ones. */
export function writeAclReply(out: ByteWriter, r: RespRequest, isResp3: boolean): void {
  const [, subcommand = "", name = "", ...words] = r.aclArguments;
  r.aclArguments = [];
  const { users } = r.access;
  const all = users?.list() ?? [];
  switch (subcommand.toLowerCase()) {
    case "users":
      return writeTexts(out, all.map((user) => user.name));
    case "list":
      return writeTexts(out, all.map(describeUser));
    case "getuser": {
      const user = users?.byName(name);
      if (user === undefined) return writeNull(out, isResp3);
      return writeUser(out, user, isResp3);
    }
    default: {
      const user = users?.byName(name);
      if (user === undefined) return writeLine(out, `-ERR User '${printable(name)}' not found`);
      return writeDryRun(out, words, user);
    }
  }
}

/** Appends the reply to an ACL SETUSER that was decided. */
export function writeAclResult(out: ByteWriter, r: RespRequest, result: Result): void {
  const [, , , ...rules] = r.aclArguments;
  r.aclArguments = [];
  if (result.status !== Status.userProblem) return writeLine(out, "+OK");
  const problem = result.version as UserProblem;
  const why = PROBLEMS[problem];
  if (!OF_A_MODIFIER.has(problem)) return writeLine(out, `-ERR ${why}`);
  const done = rules.filter((text) => parseRule(text).kind !== "nothing");
  writeLine(out, ruleProblem(done[result.cursor] ?? "", why));
}

/** Appends the reply to an ACL DELUSER that was decided. */
export function writeDeleted(out: ByteWriter, result: Result): void {
  if (result.status !== Status.userProblem) writeInteger(out, result.integer.toNumber());
  else writeLine(out, `-ERR ${PROBLEMS[result.version as UserProblem]}`);
}

function describeUser(user: User): string {
  return [
    `user ${user.name}`,
    ...flagsOf(user),
    ...user.passwords.map(() => HIDDEN),
    ...user.keyRules(),
    ...(user.allChannels ? ["&*"] : ["resetchannels", ...channelsOf(user)]),
    ...user.commandRules,
  ].join(" ");
}

function flagsOf(user: User): string[] {
  return [user.isOn ? "on" : "off", ...(user.hasNoPassword ? ["nopass"] : [])];
}

function channelsOf(user: User): string[] {
  return user.allChannels ? ["&*"] : user.channels.map((pattern) => `&${pattern}`);
}

function writeUser(out: ByteWriter, user: User, isResp3: boolean): void {
  writeMap(out, 6, isResp3);
  writeLatin1(out, "flags");
  writeTexts(out, flagsOf(user));
  writeLatin1(out, "passwords");
  writeTexts(out, user.passwords.map(() => HIDDEN));
  writeLatin1(out, "commands");
  writeLatin1(out, user.commandRules.join(" "));
  writeLatin1(out, "keys");
  writeLatin1(out, user.keyRules().join(" "));
  writeLatin1(out, "channels");
  writeLatin1(out, channelsOf(user).join(" "));
  writeLatin1(out, "selectors");
  writeArray(out, 0);
}

function writeTexts(out: ByteWriter, texts: readonly string[]): void {
  writeArray(out, texts.length);
  for (const text of texts) writeLatin1(out, text);
}

function writeLatin1(out: ByteWriter, text: string): void {
  const bytes = latin1Bytes(text);
  writeBulk(out, bytes, 0, bytes.length);
}
