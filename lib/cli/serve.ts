/** `raftkv serve`: its flags. What it does is in run_server.ts, loaded when it runs. */
import { buildCommand } from "@stricli/core";
import type { CliContext } from "./context.ts";
import { parseServerId } from "./server_id.ts";
import type { ServeFlags } from "./settings.ts";

export const serveCommand = buildCommand<ServeFlags, [], CliContext>({
  loader: async () => (await import("./run_server.ts")).runServer,
  parameters: {
    flags: {
      id: {
        kind: "parsed",
        parse: parseServerId,
        brief: "Which server of the cluster file this is [RAFTKV_ID]",
        placeholder: "N",
        optional: true,
      },
      config: {
        kind: "parsed",
        parse: String,
        brief: "The cluster file; cluster.json by default [RAFTKV_CONFIG]",
        placeholder: "FILE",
        optional: true,
      },
      data: {
        kind: "parsed",
        parse: String,
        brief: "Replaces the file's path: server N keeps its state in DIR/N [RAFTKV_DATA]",
        placeholder: "DIR",
        optional: true,
      },
      holdClusterVersion: {
        kind: "boolean",
        brief: "Keep the cluster version as it is, so that the build before can be started again",
        withNegated: false,
        optional: true,
      },
    },
  },
  docs: {
    brief: "Run one server of the cluster",
    fullDescription: [
      "Runs one server of the cluster until SIGTERM or SIGINT.",
      "",
      "Flags can also be given by the environment variable in brackets. A flag overrides its",
      "variable, and both override the cluster file. Logs go to standard error:",
      "RAFTKV_LOG=text|json (text on a terminal, otherwise JSON lines),",
      "RAFTKV_LOG_LEVEL=debug|info|warning|error (info).",
    ].join("\n"),
  },
});
