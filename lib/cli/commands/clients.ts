/** `raftkv clients …`: flags. What they do is in ../run/clients.ts, loaded when it runs. */
import { buildCommand, buildRouteMap } from "@stricli/core";
import { OUTPUT_FLAG, SERVER_FLAGS, SERVERS_HELP } from "../connect/flags.ts";
import { ID_FLAG, ON_FLAG } from "../connect/id_flags.ts";
import type { CliContext } from "../context.ts";
import type { ClientsFlags, KillFlags } from "../run/clients.ts";

const listCommand = buildCommand<ClientsFlags, [], CliContext>({
  loader: async () => (await import("../run/clients.ts")).runClients,
  parameters: { flags: { ...SERVER_FLAGS, ...OUTPUT_FLAG } },
  docs: {
    brief: "Show who is connected to which server",
    customUsage: ["[flags]"],
    fullDescription: [
      "Asks all servers at the same time for their client connections, and prints them as a table:",
      "where each comes from, its name and user, for how long it is there and idle, its last",
      "command, what waits to be taken by it, and the memory that it takes. Servers that were not",
      "named are found through those that were. --output raw prints what CLIENT LIST answers.",
      "",
      SERVERS_HELP,
    ].join("\n"),
  },
});

const killCommand = buildCommand<KillFlags, [string?], CliContext>({
  loader: async () => (await import("../run/clients.ts")).runClientsKill,
  parameters: {
    flags: {
      ...SERVER_FLAGS,
      ...ON_FLAG,
      ...ID_FLAG,
      user: {
        kind: "parsed",
        parse: String,
        brief: "All connections of this user",
        placeholder: "NAME",
        optional: true,
      },
    },
    positional: {
      kind: "tuple",
      parameters: [{
        brief: "The client's address and port, as raftkv clients shows it",
        parse: String,
        placeholder: "ADDRESS",
        optional: true,
      }],
    },
  },
  docs: {
    brief: "End connections of clients at once",
    customUsage: ["ADDRESS [flags]", "--on N --id ID [flags]", "--user NAME [flags]"],
    fullDescription: [
      "Ends the connections that all of it is true of, on all servers or on server N, and prints",
      "how many there were. Replies that wait are lost; a write that is in the log by then is done",
      "all the same. Ids are a server's own: --id needs --on.",
      "",
      SERVERS_HELP,
    ].join("\n"),
  },
});

export const clientsRoutes = buildRouteMap({
  routes: { list: listCommand, kill: killCommand },
  defaultCommand: "list",
  docs: { brief: "Show who is connected; end connections" },
});
