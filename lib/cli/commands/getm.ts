/** `raftkv getm`: its flags. What it does is in ../run/getm.ts, loaded when it runs. */
import { buildCommand } from "@stricli/core";
import { CLIENT_FLAGS, KEY_ARGUMENT, OUTPUT_FLAG, SERVERS_HELP } from "../connect/flags.ts";
import type { CliContext } from "../context.ts";
import type { GetmFlags } from "../run/getm.ts";

export const getmCommand = buildCommand<GetmFlags, string[], CliContext>({
  loader: async () => (await import("../run/getm.ts")).runGetm,
  parameters: {
    flags: { ...CLIENT_FLAGS, ...OUTPUT_FLAG },
    positional: { kind: "array", parameter: KEY_ARGUMENT, minimum: 1 },
  },
  docs: {
    brief: "Print version, time to live and value of keys",
    customUsage: ["[flags] KEY..."],
    fullDescription: [
      "Prints a table of the keys with version, time to live and value. --output json prints one",
      "JSON document a line. Exit code 1 where one of them is not there; the others are printed.",
      "",
      SERVERS_HELP,
    ].join("\n"),
  },
});
