/** `raftkv cas`: its flags. What it does is in ../run/cas.ts, loaded when it runs. */
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
import { wholeNumberIn } from "../output/units.ts";
import type { SetFlags } from "../run/set.ts";

export const casCommand = buildCommand<SetFlags, [string, number, string?], CliContext>({
  loader: async () => (await import("../run/cas.ts")).runCas,
  parameters: {
    flags: { ...CLIENT_FLAGS, ...OUTPUT_FLAG, ...TTL_FLAG, ...FILE_FLAG },
    positional: {
      kind: "tuple",
      parameters: [
        KEY_ARGUMENT,
        {
          brief: "The version that the key has to have; 0: only where there is no such key",
          parse: wholeNumberIn(0, Number.MAX_SAFE_INTEGER),
          placeholder: "VERSION",
        },
        VALUE_ARGUMENT,
      ],
    },
  },
  docs: {
    brief: "Set a key only where its version is the given one",
    customUsage: ["[flags] KEY VERSION [VALUE | -]"],
    fullDescription: [
      "Sets the key where its version is still VERSION (getm shows it), and prints the new",
      "version. Exit code 1 where it is another one: nothing was changed then.",
      "",
      SERVERS_HELP,
    ].join("\n"),
  },
});
