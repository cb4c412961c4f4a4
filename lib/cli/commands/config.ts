/** `raftkv config check`: its flags. What it does is in ../run/config_check.ts, loaded when it runs. */
import { buildCommand, buildRouteMap } from "@stricli/core";
import type { CliContext } from "../context.ts";
import type { ConfigCheckFlags } from "../run/config_check.ts";

const checkCommand = buildCommand<ConfigCheckFlags, [string?], CliContext>({
  loader: async () => (await import("../run/config_check.ts")).runConfigCheck,
  parameters: {
    flags: {
      data: {
        kind: "parsed",
        parse: String,
        brief: "A server's data directory, such as data/1: also compare with the formed cluster",
        placeholder: "DIR",
        optional: true,
      },
    },
    positional: {
      kind: "tuple",
      parameters: [{
        brief: "The cluster file; cluster.json unless given",
        parse: String,
        placeholder: "FILE",
        optional: true,
      }],
    },
  },
  docs: {
    brief: "Check a cluster file: everything that is wrong, key by key",
    customUsage: ["[--data DIR] [FILE]"],
    fullDescription: [
      "Prints everything that is wrong with a cluster file, one finding a line with its key, and",
      "what is allowed but probably not meant. With --data also how it differs from the cluster",
      "that the directory belongs to. Exit code 1 where a server would refuse the file. It",
      "changes nothing.",
    ].join("\n"),
  },
});

export const configRoutes = buildRouteMap({
  routes: { check: checkCommand },
  docs: { brief: "Look at a cluster file" },
});
