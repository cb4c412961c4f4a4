/** `raftkv delete`: its flags. What it does is in ../run/delete.ts, loaded when it runs. */
import { buildCommand } from "@stricli/core";
import { CLIENT_FLAGS, KEY_ARGUMENT, OUTPUT_FLAG, SERVERS_HELP } from "../connect/flags.ts";
import type { CliContext } from "../context.ts";
import type { DeleteFlags } from "../run/delete.ts";

export const deleteCommand = buildCommand<DeleteFlags, string[], CliContext>({
  loader: async () => (await import("../run/delete.ts")).runDelete,
  parameters: {
    flags: { ...CLIENT_FLAGS, ...OUTPUT_FLAG },
    positional: { kind: "array", parameter: KEY_ARGUMENT, minimum: 1 },
  },
  docs: {
    brief: "Delete keys",
    customUsage: ["[flags] KEY..."],
    fullDescription: [
      "Deletes the keys, one after another, and prints DELETED for each. Exit code 1 where one of",
      "them was not there; the others are deleted.",
      "",
      SERVERS_HELP,
    ].join("\n"),
  },
});
