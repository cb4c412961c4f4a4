/** `raftkv recover`: its flags. What it does is in ../run/recover.ts, loaded when it runs. */
import { buildCommand } from "@stricli/core";
import type { CliContext } from "../context.ts";
import { wholeNumberIn } from "../output/units.ts";
import type { RecoverFlags } from "../run/recover.ts";
import { parseServerId } from "../server_id.ts";

/** `restore` has it too. */
export const GAP_FLAG = {
  kind: "parsed",
  parse: wholeNumberIn(1, Number.MAX_SAFE_INTEGER),
  brief: "How far revisions and versions jump; 1,000,000,000 unless given",
  placeholder: "N",
  optional: true,
} as const;

export const recoverCommand = buildCommand<RecoverFlags, string[], CliContext>({
  loader: async () => (await import("../run/recover.ts")).runRecover,
  parameters: {
    flags: {
      as: {
        kind: "parsed",
        parse: parseServerId,
        brief: "The id that the server will have; the one that it had unless given",
        placeholder: "N",
        optional: true,
      },
      yes: {
        kind: "boolean",
        brief: "Do it; without this, only say what is there and what would be done",
        default: false,
        withNegated: false,
      },
      data: {
        kind: "parsed",
        parse: String,
        brief: "Where the new directory DIR/N is made; `recovered` beside the old one unless given",
        placeholder: "DIR",
        optional: true,
      },
      gap: GAP_FLAG,
      acceptLoss: {
        kind: "boolean",
        brief: "Take what is sound of a damaged directory: there is no other copy",
        default: false,
        withNegated: false,
      },
      compare: {
        kind: "boolean",
        brief: "Say which of several directories is the best to take",
        default: false,
        withNegated: false,
      },
    },
    positional: {
      kind: "array",
      parameter: {
        brief: "A server's data directory, such as data/1, or a copy of it",
        parse: String,
        placeholder: "directory",
      },
      minimum: 1,
    },
  },
  docs: {
    brief: "Found a new cluster from what a lost quorum left behind",
    customUsage: ["DIR [--as N] [--yes]", "--compare DIR..."],
    fullDescription: [
      "For the day when a majority of the servers is lost for good, and what is left can't elect",
      "a leader any more. Without --yes it only says what the directory holds, what of that is",
      "certain, what may be missing, and what would be done. With --yes it makes a new directory,",
      "of a new cluster that has this one server and all entries of the old one. The old",
      "directory is read and never changed. It refuses while a server runs there.",
      "",
      "Where several directories are left, --compare says first which one to take.",
      "Writes that only the lost servers had are lost: see docs/recovery.md.",
    ].join("\n"),
  },
});
