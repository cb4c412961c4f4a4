/** `raftkv dump`: its flags. What it does is in ../run/dump.ts, loaded when it runs. */
import { buildCommand } from "@stricli/core";
import { CLIENT_FLAGS, SERVERS_HELP } from "../connect/flags.ts";
import type { CliContext } from "../context.ts";
import type { DumpFlags } from "../run/dump.ts";

export const dumpCommand = buildCommand<DumpFlags, [], CliContext>({
  loader: async () => (await import("../run/dump.ts")).runDump,
  parameters: {
    flags: {
      ...CLIENT_FLAGS,
      match: {
        kind: "parsed",
        parse: String,
        brief: "Only keys that match this pattern; all unless given",
        placeholder: "PATTERN",
        optional: true,
      },
      file: {
        kind: "parsed",
        parse: String,
        brief: "Write to this new file; standard output unless given",
        placeholder: "FILE",
        optional: true,
      },
    },
  },
  docs: {
    brief: "Print all keys and values as JSON lines (not one moment)",
    customUsage: ["[flags]"],
    fullDescription: [
      'Prints one JSON document a line: {"key":…,"value":…,"version":…,"ttlMs":…}. What is no',
      "UTF-8 stands in base64, as key64 or value64; ttlMs is there where the key has a time to",
      "live, and is what was left of it. raftkv load takes the file back.",
      "",
      "The lines are NOT ONE MOMENT of the store: keys that change meanwhile are seen early or",
      "late, each by itself, with the guarantees of raftkv keys. It is no backup of data that",
      "hangs together unless nobody writes. While it runs on a terminal, standard error shows how",
      "far it is.",
      "",
      SERVERS_HELP,
    ].join("\n"),
  },
});
