/** `raftkv restore`: its flags. What it does is in ../run/restore.ts, loaded when it runs. */
import { buildCommand } from "@stricli/core";
import type { CliContext } from "../context.ts";
import type { RestoreFlags } from "../run/restore.ts";
import { parseServerId } from "../server_id.ts";
import { GAP_FLAG } from "./recover.ts";

const SERVERS_MAX = 15;

/** @throws {Error} where the text is no list of different ids. */
function parseServerIds(text: string): number[] {
  const ids = text.split(",").map(parseServerId).sort((a, b) => a - b);
  if (new Set(ids).size !== ids.length) throw new Error(`${JSON.stringify(text)} names one twice`);
  if (ids.length <= SERVERS_MAX) return ids;
  throw new Error(`${JSON.stringify(text)} names more than ${SERVERS_MAX} servers`);
}

/** @throws {Error} where the text is none that `restore` has made. */
function parseToken(text: string): string {
  if (/^[0-9a-f]{32}$/.test(text)) return text;
  throw new Error(
    `${JSON.stringify(text)} is no token: 32 hexadecimal digits, as the first restore prints them`,
  );
}

export const restoreCommand = buildCommand<RestoreFlags, [string], CliContext>({
  loader: async () => (await import("../run/restore.ts")).runRestore,
  parameters: {
    flags: {
      data: {
        kind: "parsed",
        parse: String,
        brief: "Server N keeps its state in DIR/N, which must not be there yet",
        placeholder: "DIR",
      },
      id: {
        kind: "parsed",
        parse: parseServerId,
        brief: "The id that the server will have",
        placeholder: "N",
      },
      servers: {
        kind: "parsed",
        parse: parseServerIds,
        brief: "All servers of the new cluster, such as 1,2,3; this one alone unless given",
        placeholder: "N,N,...",
        optional: true,
      },
      token: {
        kind: "parsed",
        parse: parseToken,
        brief: "With --servers: what the first of these commands printed",
        placeholder: "TOKEN",
        optional: true,
      },
      gap: GAP_FLAG,
    },
    positional: {
      kind: "tuple",
      parameters: [{
        brief: "The backup, a file that raftkv backup made",
        parse: String,
        placeholder: "FILE",
      }],
    },
  },
  docs: {
    brief: "Found a new cluster from a backup",
    customUsage: ["FILE --data DIR --id N [--servers N,N,N [--token TOKEN]]"],
    fullDescription: [
      "For the day when a cluster is lost. Makes the data directory of one server of a new",
      "cluster, with all that is in the backup, every byte of which is checked. The new cluster",
      "has an id of its own: nobody of the old one can join it by mistake. Revisions and versions",
      "jump by a gap, so that none is given twice.",
      "",
      "A cluster of three takes one command for each: the first with --servers 1,2,3 and no token,",
      "the others with the token that it prints. See docs/recovery.md.",
    ].join("\n"),
  },
});
