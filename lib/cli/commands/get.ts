/** `raftkv get`: its flags. What it does is in ../run/get.ts, loaded when it runs. */
import { buildCommand } from "@stricli/core";
import { CLIENT_FLAGS, KEY_ARGUMENT, OUTPUT_FLAG, SERVERS_HELP } from "../connect/flags.ts";
import type { CliContext } from "../context.ts";
import type { GetFlags } from "../run/get.ts";

export const getCommand = buildCommand<GetFlags, [string], CliContext>({
  loader: async () => (await import("../run/get.ts")).runGet,
  parameters: {
    flags: { ...CLIENT_FLAGS, ...OUTPUT_FLAG },
    positional: { kind: "tuple", parameters: [KEY_ARGUMENT] },
  },
  docs: {
    brief: "Print a key's value",
    customUsage: ["[flags] KEY"],
    fullDescription: [
      "Prints the value: exactly its bytes where standard output is a file or a pipe, escaped and",
      "with a line end on a terminal (--output raw: its bytes there too). --output json and table",
      "show version and time to live as well. Exit code 1 where there is no such key.",
      "",
      SERVERS_HELP,
    ].join("\n"),
  },
});
