/** `raftkv watch`: its flags. What it does is in ../run/watch.ts, loaded when it runs. */
import { buildCommand } from "@stricli/core";
import { CLIENT_FLAGS, OUTPUT_FLAG, SERVERS_HELP } from "../connect/flags.ts";
import type { CliContext } from "../context.ts";
import { watchPosition, wholeNumberIn } from "../output/units.ts";
import type { WatchFlags } from "../run/watch.ts";

export const watchCommand = buildCommand<WatchFlags, [string], CliContext>({
  loader: async () => (await import("../run/watch.ts")).runWatch,
  parameters: {
    flags: {
      ...CLIENT_FLAGS,
      ...OUTPUT_FLAG,
      after: {
        kind: "parsed",
        parse: watchPosition,
        brief: "What came after this position, as an event shows it, or after a revision",
        placeholder: "POSITION",
        optional: true,
      },
      limit: {
        kind: "parsed",
        parse: wholeNumberIn(1, Number.MAX_SAFE_INTEGER),
        brief: "Stop after the entry that makes it so many events",
        placeholder: "N",
        optional: true,
      },
    },
    positional: {
      kind: "tuple",
      parameters: [{
        brief: "A key, or what keys begin with and a star: config/*",
        parse: String,
        placeholder: "KEY",
      }],
    },
  },
  docs: {
    brief: "Print what happens to a key, or to all keys with a prefix",
    customUsage: ["[flags] KEY"],
    fullDescription: [
      "Prints one line for each change, as it happens: the revision, what it is (set, delete,",
      "expire, flush), the key, its version and the value. Nothing is left out, doubled or out of",
      "order, over lost connections and changes of leader; any server is asked. --after continues",
      "where another run ended: --output json shows each event's position. Where what came after",
      "it is kept nowhere any more, it ends with that error. docs/watches.md has the rest.",
      "",
      SERVERS_HELP,
    ].join("\n"),
  },
});
