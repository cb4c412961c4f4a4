/** `raftkv member list`, once its flags are parsed. */
import type { MemberInfo, WaitingInfo } from "../../../client/mod.ts";
import type { ClientFlags, OutputFlags } from "../connect/flag_types.ts";
import { withClient } from "../connect/with_client.ts";
import type { CliContext } from "../context.ts";
import { membersText } from "../members/member_table.ts";
import { outputForm, runTool } from "../tool.ts";

export async function runMemberList(
  this: CliContext,
  flags: ClientFlags & OutputFlags,
): Promise<void> {
  await runTool(this, async (tool) => {
    const form = outputForm(flags.output, tool.host, "table");
    const list = await withClient(tool, flags, ({ client, rest }) => client.members(rest()));
    const { outIsTerminal, size } = tool.console;
    await tool.print(
      form === "table"
        ? membersText(list, outIsTerminal ? size().columns : Infinity)
        : form === "json"
        ? `${JSON.stringify(list, null, 2)}\n`
        : linesOf([...list.members, ...list.waiting]),
    );
  });
}

/** A line each, for programs that read by line. */
function linesOf(servers: readonly (MemberInfo | WaitingInfo)[]): string {
  return servers.map((one) => `${JSON.stringify(one)}\n`).join("");
}
