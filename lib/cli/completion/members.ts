/** Ids of servers for a shell's completion: one request, little time, silent where it fails. */
import type { MemberList } from "../../../client/mod.ts";
import { withClient } from "../connect/with_client.ts";
import type { CliContext } from "../context.ts";
import { runTool } from "../tool.ts";
import { typedFlags } from "./typed_flags.ts";

export async function memberIds(context: CliContext): Promise<string[]> {
  return await idsIn(context, ({ members }) => members);
}

/** Of the servers that ask to become members. */
export async function waitingIds(context: CliContext): Promise<string[]> {
  return await idsIn(context, ({ waiting }) => waiting);
}

async function idsIn(
  context: CliContext,
  choose: (list: MemberList) => readonly { readonly id: number }[],
): Promise<string[]> {
  let ids: string[] = [];
  try {
    await runTool(context, async (tool) => {
      await withClient(tool, typedFlags(context.host.args), async ({ client, rest }) => {
        ids = choose(await client.members(rest())).map(({ id }) => `${id}`);
      });
    });
  } catch {
    // A tab that proposes nothing says enough.
  }
  return ids;
}
