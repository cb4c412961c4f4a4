/** `raftkv scan`: its flags. What it does is in ../run/scan.ts, loaded when it runs. */
import { buildCommand } from "@stricli/core";
import { CLIENT_FLAGS, OUTPUT_FLAG, SERVERS_HELP } from "../connect/flags.ts";
import type { CliContext } from "../context.ts";
import type { ScanFlags } from "../run/scan.ts";
import { wholeNumberIn } from "../output/units.ts";

export const scanCommand = buildCommand<ScanFlags, [string?], CliContext>({
  loader: async () => (await import("../run/scan.ts")).runScan,
  parameters: {
    flags: {
      ...CLIENT_FLAGS,
      ...OUTPUT_FLAG,
      limit: {
        kind: "parsed",
        parse: wholeNumberIn(1, Number.MAX_SAFE_INTEGER),
        brief: "Stop after so many keys; 1,000 unless given",
        placeholder: "N",
        optional: true,
      },
      after: {
        kind: "parsed",
        parse: String,
        brief: "Begin with the key after this one",
        placeholder: "KEY",
        optional: true,
      },
    },
    positional: {
      kind: "tuple",
      parameters: [{
        brief: "What the keys begin with; all keys unless given",
        parse: String,
        placeholder: "PREFIX",
        optional: true,
      }],
    },
  },
  docs: {
    brief: "Show what is under a prefix, in order",
    customUsage: ["[flags] [PREFIX]"],
    fullDescription: [
      "Prints the keys that begin with PREFIX, in the order of their bytes, with version, time to",
      "live and value: a table, lines of JSON, or with --output raw the keys, one a line. What a",
      "server gives at a time, at most a thousand keys, is as it was at one moment.",
      "",
      SERVERS_HELP,
    ].join("\n"),
  },
});
