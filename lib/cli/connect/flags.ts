/** The flags that the commands share. Each can also be given by the environment variable in brackets. */
import { parseServers } from "../client_ports.ts";
import { TLS_FLAGS } from "../client_tls.ts";
import type { CliContext } from "../context.ts";
import { parseSomeDurationMs } from "../../util/duration.ts";
import { parseTimerMs } from "../output/units.ts";
import { OUTPUT_FORMS } from "../tool.ts";

async function proposeServers(this: CliContext): Promise<string[]> {
  return await (await import("../completion/servers.ts")).knownServers(this);
}

export const SERVER_FLAGS = {
  servers: {
    kind: "parsed",
    parse: parseServers,
    brief: "Client ports of servers, a part of them will do [RAFTKV_SERVERS]",
    placeholder: "HOST:PORT,…",
    optional: true,
    proposeCompletions: proposeServers,
  },
  config: {
    kind: "parsed",
    parse: String,
    brief: "The cluster file that names them; cluster.json by default [RAFTKV_CONFIG]",
    placeholder: "FILE",
    optional: true,
  },
  ...TLS_FLAGS,
  user: {
    kind: "parsed",
    parse: String,
    brief: "Who asks; the password is in RAFTKV_PASSWORD_FILE or RAFTKV_PASSWORD [RAFTKV_USER]",
    placeholder: "NAME",
    optional: true,
  },
} as const;

export const CLIENT_FLAGS = {
  ...SERVER_FLAGS,
  timeout: {
    kind: "parsed",
    parse: parseTimerMs,
    brief: "How long one command may take in all, such as 500ms or 10s; 5s [RAFTKV_TIMEOUT]",
    placeholder: "DURATION",
    optional: true,
  },
} as const;

export const OUTPUT_FLAG = {
  output: {
    kind: "enum",
    values: OUTPUT_FORMS,
    brief: "Form of the output [RAFTKV_OUTPUT]",
    optional: true,
  },
} as const;

export const TTL_FLAG = {
  ttl: {
    kind: "parsed",
    parse: parseSomeDurationMs,
    brief: "Time to live, such as 90s or 2h; for ever unless given",
    placeholder: "DURATION",
    optional: true,
  },
} as const;

export const FILE_FLAG = {
  file: {
    kind: "parsed",
    parse: String,
    brief: "Take the value from this file, byte by byte",
    placeholder: "FILE",
    optional: true,
  },
} as const;

async function proposeKeys(this: CliContext, partial: string): Promise<readonly string[]> {
  return await (await import("../completion/keys.ts")).keysWithPrefix(this, partial);
}

export const KEY_ARGUMENT = {
  brief: "The key",
  parse: parseKey,
  placeholder: "KEY",
  proposeCompletions: proposeKeys,
} as const;

export const VALUE_ARGUMENT = {
  brief: "The value; - or nothing: standard input, to its end",
  parse: String,
  placeholder: "VALUE",
  optional: true,
} as const;

/** @throws {Error} for an empty key, which none of the protocols can name. */
function parseKey(text: string): string {
  if (text !== "") return text;
  throw new Error("a key has at least one byte");
}

/** What ends the help of every command that talks to a cluster. */
export const SERVERS_HELP = [
  "Servers are taken from --servers, else from RAFTKV_SERVERS, else from the cluster file, else",
  "127.0.0.1 with the ports 9000, 9002 and 9004. A flag overrides its variable, and both override",
  "the file. The command finds the leader by itself. Exit codes: docs/cli.md.",
].join("\n");
