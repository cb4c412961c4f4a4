/** `raftkv load`: its flags. What it does is in ../run/load.ts, loaded when it runs. */
import { buildCommand } from "@stricli/core";
import { CLIENT_FLAGS, SERVERS_HELP } from "../connect/flags.ts";
import type { CliContext } from "../context.ts";
import type { LoadFlags } from "../run/load.ts";
import { wholeNumberIn } from "../output/units.ts";

export const loadCommand = buildCommand<LoadFlags, [string], CliContext>({
  loader: async () => (await import("../run/load.ts")).runLoad,
  parameters: {
    flags: {
      ...CLIENT_FLAGS,
      from: {
        kind: "parsed",
        parse: wholeNumberIn(1, Number.MAX_SAFE_INTEGER),
        brief: "Begin with this line (JSON) or command (Redis), counted from 1",
        placeholder: "N",
        optional: true,
      },
    },
    positional: {
      kind: "tuple",
      parameters: [{ brief: "The file; - is standard input", parse: String, placeholder: "FILE" }],
    },
  },
  docs: {
    brief: "Load keys and values from a file",
    customUsage: ["[flags] FILE | -"],
    fullDescription: [
      "Loads JSON lines as raftkv dump prints them, or commands of the Redis protocol as",
      "redis-cli --pipe takes them; the first byte tells which (* is Redis). It stops at the",
      "first thing that is wrong, and says then what is done, what was sent without an answer (it",
      "may be done or not), and with which --from to continue. While it runs on a terminal,",
      "standard error shows how far it is.",
      "",
      SERVERS_HELP,
    ].join("\n"),
  },
});
