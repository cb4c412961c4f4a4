/** `raftkv leader move`, once its flags are parsed. */
import type { ClientFlags } from "../connect/flag_types.ts";
import { withClient } from "../connect/with_client.ts";
import type { CliContext } from "../context.ts";
import { runTool } from "../tool.ts";

export type LeaderMoveFlags = ClientFlags & { readonly to?: number };

export async function runLeaderMove(this: CliContext, flags: LeaderMoveFlags): Promise<void> {
  await runTool(this, async (tool) => {
    const { to } = flags;
    const leader = await withClient(
      tool,
      flags,
      ({ client, rest }) => client.moveLeader({ ...rest(), ...(to === undefined ? {} : { to }) }),
    );
    await tool.print(
      `server ${leader} leads\n`,
      `it was done all the same: server ${leader} leads`,
    );
  });
}
