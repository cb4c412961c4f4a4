/** `raftkv incr`, once its flags are parsed. */
import type { ClientFlags, OutputFlags } from "../connect/flag_types.ts";
import { withClient } from "../connect/with_client.ts";
import type { CliContext } from "../context.ts";
import { outputForm, runTool } from "../tool.ts";

export type IncrFlags = ClientFlags & OutputFlags;

export async function runIncr(
  this: CliContext,
  flags: IncrFlags,
  key: string,
  by = 1,
): Promise<void> {
  await runTool(this, async (tool) => {
    const form = outputForm(flags.output, tool.host, "table");
    const sum = await withClient(
      tool,
      flags,
      ({ client, rest }) => client.incr(key, by, rest()),
    );
    // Of 64 bits: as a number in JSON it would lose some in most readers.
    await tool.print(
      form === "json" ? `${JSON.stringify({ value: `${sum}` })}\n` : `${sum}\n`,
      `it was done all the same: the counter is ${sum}`,
    );
  });
}
