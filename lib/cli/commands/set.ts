/** `raftkv set`: its flags. What it does is in ../run/set.ts, loaded when it runs. */
import { buildCommand } from "@stricli/core";
import {
  CLIENT_FLAGS,
  FILE_FLAG,
  KEY_ARGUMENT,
  OUTPUT_FLAG,
  SERVERS_HELP,
  TTL_FLAG,
  VALUE_ARGUMENT,
} from "../connect/flags.ts";
import type { CliContext } from "../context.ts";
import type { SetFlags } from "../run/set.ts";

export const setCommand = buildCommand<SetFlags, [string, string?], CliContext>({
  loader: async () => (await import("../run/set.ts")).runSet,
  parameters: {
    flags: { ...CLIENT_FLAGS, ...OUTPUT_FLAG, ...TTL_FLAG, ...FILE_FLAG },
    positional: { kind: "tuple", parameters: [KEY_ARGUMENT, VALUE_ARGUMENT] },
  },
  docs: {
    brief: "Set a key",
    customUsage: ["[flags] KEY [VALUE | -]"],
    fullDescription: [
      "Sets the key and prints its new version. The value is the argument, or the bytes of",
      "--file, or those of standard input (-, or no argument at all). A value that begins with a",
      "dash comes after --.",
      "",
      SERVERS_HELP,
    ].join("\n"),
  },
});
