/** `raftkv user …`: flags. What they do is in ../run/user.ts, loaded when it runs. */
import { buildCommand, buildRouteMap } from "@stricli/core";
import { CLIENT_FLAGS, OUTPUT_FLAG, SERVERS_HELP } from "../connect/flags.ts";
import type { ClientFlags, OutputFlags } from "../connect/flag_types.ts";
import type { CliContext } from "../context.ts";
import type { AddUserFlags, PasswordFlags } from "../run/user.ts";
import type { ResetFlags } from "../run/user_reset.ts";

const GENERATE_FLAG = {
  generate: {
    kind: "boolean",
    brief: "Have a password drawn, and print it; else it is the first line of standard input",
    default: false,
    withNegated: false,
  },
} as const;

/** A user's name, and then more of a kind. */
function nameAnd(more: string, brief: string) {
  const parameter = { brief: `The user's name, then ${brief}`, parse: String, placeholder: more };
  return { kind: "array", parameter, minimum: 1 } as const;
}

const RULES = "what it may do, as ACL SETUSER takes it: +@read, ~app:*, %R~price:*";
const PASSWORD_HELP = [
  "The password is the first line of standard input, or --generate has one drawn and prints it.",
  "It is never an argument, which others on this machine could see.",
].join("\n");
const RULES_HELP = [
  "Rules are those of ACL SETUSER: +@read, +set, ~app:* (keys), %R~price:* (keys to read), ~* and",
  "+@all for everything. Those that begin with - come after --, as in: bob -- -@dangerous.",
].join("\n");

const addCommand = buildCommand<AddUserFlags, string[], CliContext>({
  loader: async () => (await import("../run/user.ts")).runUserAdd,
  parameters: {
    flags: {
      ...CLIENT_FLAGS,
      ...GENERATE_FLAG,
      admin: {
        kind: "boolean",
        brief: "It may do everything: ~* &* +@all",
        default: false,
        withNegated: false,
      },
    },
    positional: nameAnd("NAME RULE", RULES),
  },
  docs: {
    brief: "Make a user",
    customUsage: ["NAME [RULE...] [--admin] [--generate] [flags]"],
    fullDescription: [
      "Makes a user that is on and has one password; without rules it may do nothing. The first",
      "user of a cluster has to be an --admin, made on the machine that the leader runs on: from",
      "then on every command has to say who asks, with --user or RAFTKV_USER, and with",
      "RAFTKV_PASSWORD_FILE.",
      PASSWORD_HELP,
      RULES_HELP,
      "",
      SERVERS_HELP,
    ].join("\n"),
  },
});

const passwdCommand = buildCommand<PasswordFlags, [string], CliContext>({
  loader: async () => (await import("../run/user.ts")).runUserPasswd,
  parameters: {
    flags: {
      ...CLIENT_FLAGS,
      ...GENERATE_FLAG,
      keep: {
        kind: "boolean",
        brief: "Those that it has stay good, so that clients can change over; later again without",
        default: false,
        withNegated: false,
      },
    },
    positional: {
      kind: "tuple",
      parameters: [{ brief: "The user's name", parse: String, placeholder: "NAME" }],
    },
  },
  docs: {
    brief: "Give a user another password",
    customUsage: ["NAME [--keep] [--generate] [flags]"],
    fullDescription: [
      "Replaces the passwords of a user by one. Connections that are open stay.",
      PASSWORD_HELP,
      "",
      SERVERS_HELP,
    ].join("\n"),
  },
});

const grantCommand = buildCommand<ClientFlags, string[], CliContext>({
  loader: async () => (await import("../run/user.ts")).runUserGrant,
  parameters: { flags: CLIENT_FLAGS, positional: nameAnd("NAME RULE", RULES) },
  docs: {
    brief: "Let a user do more",
    customUsage: ["NAME RULE... [flags]"],
    fullDescription: [
      "Adds rules to those that the user has. They count at once, on open connections too.",
      RULES_HELP,
      "",
      SERVERS_HELP,
    ].join("\n"),
  },
});

const revokeCommand = buildCommand<ClientFlags, string[], CliContext>({
  loader: async () => (await import("../run/user.ts")).runUserRevoke,
  parameters: {
    flags: CLIENT_FLAGS,
    positional: nameAnd("NAME COMMAND", "commands and @categories; keys: all of its keys"),
  },
  docs: {
    brief: "Take leave from a user",
    customUsage: ["NAME COMMAND|@CATEGORY|keys... [flags]"],
    fullDescription: [
      "Takes commands (set), categories (@write) or, by the word keys, all patterns of keys from a",
      "user. It counts at once, on open connections too: what is applied later is not done.",
      "",
      SERVERS_HELP,
    ].join("\n"),
  },
});

const listCommand = buildCommand<ClientFlags & OutputFlags, [], CliContext>({
  loader: async () => (await import("../run/user.ts")).runUserList,
  parameters: { flags: { ...CLIENT_FLAGS, ...OUTPUT_FLAG } },
  docs: {
    brief: "Show the users, and what they may do",
    customUsage: ["[flags]"],
    fullDescription: [
      "Shows the users with their rules; of passwords it shows how many there are.",
      "",
      SERVERS_HELP,
    ].join("\n"),
  },
});

const removeCommand = buildCommand<ClientFlags, string[], CliContext>({
  loader: async () => (await import("../run/user.ts")).runUserRemove,
  parameters: { flags: CLIENT_FLAGS, positional: nameAnd("NAME", "others") },
  docs: {
    brief: "Remove users, and end their connections",
    customUsage: ["NAME... [flags]"],
    fullDescription: [
      "Removes users for good and ends their connections. The last one who can authenticate and",
      "run ACL SETUSER can't be removed.",
      "",
      SERVERS_HELP,
    ].join("\n"),
  },
});

// Who resets a user has no password that is good.
const { user: _user, ...NOBODY_FLAGS } = CLIENT_FLAGS;

const resetCommand = buildCommand<ResetFlags, [string, string?], CliContext>({
  loader: async () => (await import("../run/user_reset.ts")).runUserReset,
  parameters: {
    flags: { ...NOBODY_FLAGS, ...GENERATE_FLAG },
    positional: {
      kind: "tuple",
      parameters: [
        { brief: "The leader's data directory: PATH/ID", parse: String, placeholder: "DIR" },
        {
          brief: "The administrator's name; without it the secret is printed",
          parse: String,
          placeholder: "NAME",
          optional: true,
        },
      ],
    },
  },
  docs: {
    brief: "Let an administrator in again whose password is lost",
    customUsage: ["DIR [NAME] [--generate] [flags]"],
    fullDescription: [
      "For when nobody can authenticate any more who may change users. Gives user NAME another",
      "password, turns it on, and lets it do everything, as user add --admin does; makes it where",
      "there is none. The proof is access to DIR, the data directory of the server that leads,",
      "while it runs: run this on its machine and as its user; its client port has to be reached",
      "there over loopback (--servers 127.0.0.1:9000). Where another server leads, the sentence",
      "names it. RAFTKV_USER and RAFTKV_PASSWORD don't matter.",
      PASSWORD_HELP,
      "",
      "Without NAME the secret is left for 15 minutes, and printed: once, and over loopback, it is",
      "good for RAFTKV.USER RESET SECRET NAME RULE...",
      "",
      SERVERS_HELP,
    ].join("\n"),
  },
});

export const userRoutes = buildRouteMap({
  routes: {
    list: listCommand,
    add: addCommand,
    passwd: passwdCommand,
    grant: grantCommand,
    revoke: revokeCommand,
    remove: removeCommand,
    reset: resetCommand,
  },
  docs: { brief: "Show the users; add, change and remove them" },
});
