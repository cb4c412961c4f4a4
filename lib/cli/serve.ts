/** `raftkv serve`: its flags. What it does is in run_server.ts, loaded when it runs. */
import { buildCommand } from "@stricli/core";
import { parseServers } from "./client_ports.ts";
import { TLS_FLAGS } from "./client_tls.ts";
import type { CliContext } from "./context.ts";
import { parseAdminPort, parseHostname, parseInsecure, parsePort } from "./own_entry.ts";
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
      join: {
        kind: "parsed",
        parse: parseServers,
        brief: "Join the cluster of these client ports, as raftkv member add lets it [RAFTKV_JOIN]",
        placeholder: "HOST:PORT,…",
        optional: true,
      },
      hostname: {
        kind: "parsed",
        parse: parseHostname,
        brief: "With --join: what others and clients are told; 127.0.0.1 [RAFTKV_HOSTNAME]",
        placeholder: "NAME",
        optional: true,
      },
      clientPort: {
        kind: "parsed",
        parse: parsePort,
        brief: "With --join: where clients connect; 9000 [RAFTKV_CLIENT_PORT]",
        placeholder: "PORT",
        optional: true,
      },
      logPort: {
        kind: "parsed",
        parse: parsePort,
        brief: "With --join: where other servers connect; the client port + 1 [RAFTKV_LOG_PORT]",
        placeholder: "PORT",
        optional: true,
      },
      adminPort: {
        kind: "parsed",
        parse: parseAdminPort,
        brief: "With --join: HTTP; the client port + 100, 0: none [RAFTKV_ADMIN_PORT]",
        placeholder: "PORT",
        optional: true,
      },
      forwardPort: {
        kind: "parsed",
        parse: parsePort,
        brief: "With --join: commands that come here go on to the leader; none " +
          "[RAFTKV_FORWARD_PORT]",
        placeholder: "PORT",
        optional: true,
      },
      clientListen: {
        kind: "parsed",
        parse: parseHostname,
        brief: "With --join: where the client port is opened instead [RAFTKV_CLIENT_LISTEN]",
        placeholder: "NAME",
        optional: true,
      },
      logListen: {
        kind: "parsed",
        parse: parseHostname,
        brief: "With --join: where the log port is opened instead [RAFTKV_LOG_LISTEN]",
        placeholder: "NAME",
        optional: true,
      },
      ...TLS_FLAGS,
      insecure: {
        kind: "parsed",
        parse: parseInsecure,
        brief: "Ports that may be open to the network unprotected: all, or client,log,admin " +
          "[RAFTKV_INSECURE]",
        placeholder: "PORTS",
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
      "With --join it becomes a member of a cluster that runs: it starts on an empty data",
      "directory, needs no cluster file, and waits until raftkv member add N, or replace N, takes",
      "it in. Once it is a member, the same command line starts it again. The flags of TLS are",
      "for asking that cluster; its own ports speak TLS by the cluster file alone.",
      "",
      "Flags can also be given by the environment variable in brackets. A flag overrides its",
      "variable, and both override the cluster file. Logs go to standard error:",
      "RAFTKV_LOG=text|json (text on a terminal, otherwise JSON lines),",
      "RAFTKV_LOG_LEVEL=debug|info|warning|error (info).",
    ].join("\n"),
  },
});
