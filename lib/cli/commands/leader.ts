/** `raftkv leader move`: its flags. What it does is in ../run/leader_move.ts, loaded when it runs. */
import { buildCommand, buildRouteMap } from "@stricli/core";
import { CLIENT_FLAGS, SERVERS_HELP } from "../connect/flags.ts";
import type { CliContext } from "../context.ts";
import type { LeaderMoveFlags } from "../run/leader_move.ts";
import { TO_FLAG } from "../connect/id_flags.ts";

const moveCommand = buildCommand<LeaderMoveFlags, [], CliContext>({
  loader: async () => (await import("../run/leader_move.ts")).runLeaderMove,
  parameters: { flags: { ...CLIENT_FLAGS, ...TO_FLAG } },
  docs: {
    brief: "Hand the leadership to another server",
    customUsage: ["[--to N] [flags]"],
    fullDescription: [
      "The leader hands over to another voter, as before its machine is restarted: that takes a",
      "few milliseconds, and no election timeout. Nothing that was acknowledged is lost. Prints",
      "who leads then.",
      "",
      SERVERS_HELP,
    ].join("\n"),
  },
});

export const leaderRoutes = buildRouteMap({
  routes: { move: moveCommand },
  docs: { brief: "Hand the leadership over" },
});
