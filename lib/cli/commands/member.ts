/** `raftkv member …`: flags. What they do is in ../run/, loaded when it runs. */
import { buildCommand, buildRouteMap } from "@stricli/core";
import { CLIENT_FLAGS, OUTPUT_FLAG, SERVERS_HELP } from "../connect/flags.ts";
import type { ClientFlags, OutputFlags } from "../connect/flag_types.ts";
import { MEMBER_ARGUMENT, WAITING_ARGUMENT } from "../connect/id_flags.ts";
import type { CliContext } from "../context.ts";
import type { AddFlags } from "../run/member_add.ts";

const ONE_MEMBER = { kind: "tuple", parameters: [MEMBER_ARGUMENT] } as const;

const listCommand = buildCommand<ClientFlags & OutputFlags, [], CliContext>({
  loader: async () => (await import("../run/member_list.ts")).runMemberList,
  parameters: { flags: { ...CLIENT_FLAGS, ...OUTPUT_FLAG } },
  docs: {
    brief: "Show the members, and which servers ask to become one",
    customUsage: ["[flags]"],
    fullDescription: [
      "Shows the members as the leader knows them: id, role, addresses, how far each has come; and",
      "the servers that run with --join and wait for an add or a replace.",
      "",
      SERVERS_HELP,
    ].join("\n"),
  },
});

const addCommand = buildCommand<AddFlags, [number], CliContext>({
  loader: async () => (await import("../run/member_add.ts")).runMemberAdd,
  parameters: {
    flags: {
      ...CLIENT_FLAGS,
      learner: {
        kind: "boolean",
        brief: "It stays a learner: it gets all writes, serves reads, and has no vote",
        default: false,
        withNegated: false,
      },
    },
    positional: { kind: "tuple", parameters: [WAITING_ARGUMENT] },
  },
  docs: {
    brief: "Take a server in that was started with --join",
    customUsage: ["N [--learner] [flags]"],
    fullDescription: [
      "Takes server N in, which runs with raftkv serve --id N --join HOST:PORT; where it does not",
      "ask yet, the command waits for it. It begins as a learner, without a vote, and gets a",
      "snapshot and the log; the leader makes it a voter once it keeps up. The command shows how",
      "far it is, and ends when it votes. Interrupted, it does no harm: what was begun continues,",
      "and the same command looks on again. --timeout is for each of its requests.",
      "",
      SERVERS_HELP,
    ].join("\n"),
  },
});

const removeCommand = buildCommand<ClientFlags, [number], CliContext>({
  loader: async () => (await import("../run/member_change.ts")).runMemberRemove,
  parameters: { flags: CLIENT_FLAGS, positional: ONE_MEMBER },
  docs: {
    brief: "Take a member out for good",
    customUsage: ["N [flags]"],
    fullDescription: [
      "Takes server N out: it has no vote any more, gets no writes, and is told so. It may be the",
      "leader: another one leads then. The leader refuses what would leave too few servers that",
      "answer, and names those that are missing. Stop the server afterwards; its data directory is",
      "of no use to this cluster any more.",
      "",
      SERVERS_HELP,
    ].join("\n"),
  },
});

const replaceCommand = buildCommand<ClientFlags, [number], CliContext>({
  loader: async () => (await import("../run/member_replace.ts")).runMemberReplace,
  parameters: { flags: CLIENT_FLAGS, positional: ONE_MEMBER },
  docs: {
    brief: "Put a server with an empty disk in the place of a member whose data is lost",
    customUsage: ["N [flags]"],
    fullDescription: [
      "For a server whose disk is gone. Start it on an empty data directory under its old id, with",
      "raftkv serve --id N --join HOST:PORT; then this takes the old one out, the new one in as a",
      "learner, and ends when it votes. It refuses while the old one answers. Interrupted at any",
      "step, the same command continues.",
      "",
      SERVERS_HELP,
    ].join("\n"),
  },
});

const promoteCommand = buildCommand<ClientFlags, [number], CliContext>({
  loader: async () => (await import("../run/member_change.ts")).runMemberPromote,
  parameters: { flags: CLIENT_FLAGS, positional: ONE_MEMBER },
  docs: {
    brief: "Make a learner a voter",
    customUsage: ["N [flags]"],
    fullDescription: [
      "Makes a learner a voter that was added with --learner, or demoted. The leader refuses while",
      "it lags behind: a voter that can't acknowledge would hold every write.",
      "",
      SERVERS_HELP,
    ].join("\n"),
  },
});

const demoteCommand = buildCommand<ClientFlags, [number], CliContext>({
  loader: async () => (await import("../run/member_change.ts")).runMemberDemote,
  parameters: { flags: CLIENT_FLAGS, positional: ONE_MEMBER },
  docs: {
    brief: "Make a voter a learner, which it stays",
    customUsage: ["N [flags]"],
    fullDescription: [
      "Takes a voter's vote: it gets all writes and serves reads as before. raftkv member promote",
      "gives the vote back.",
      "",
      SERVERS_HELP,
    ].join("\n"),
  },
});

export const memberRoutes = buildRouteMap({
  routes: {
    list: listCommand,
    add: addCommand,
    remove: removeCommand,
    replace: replaceCommand,
    promote: promoteCommand,
    demote: demoteCommand,
  },
  docs: { brief: "Show the members; add, remove, replace, promote and demote them" },
});
