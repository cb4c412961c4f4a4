/** `raftkv delete`, once its flags are parsed. */
import type { ClientFlags, OutputFlags } from "../connect/flag_types.ts";
import { withClient } from "../connect/with_client.ts";
import type { CliContext } from "../context.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { visibleText } from "../output/escape.ts";
import { bytesField } from "../output/records.ts";
import { counted } from "../output/units.ts";
import { outputForm, runTool } from "../tool.ts";

export type DeleteFlags = ClientFlags & OutputFlags;

/** @throws {CliError} where one of the keys was not there; the others are deleted. */
export async function runDelete(
  this: CliContext,
  flags: DeleteFlags,
  ...keys: string[]
): Promise<void> {
  await runTool(this, async (tool) => {
    const form = outputForm(flags.output, tool.host, "table");
    const missing: string[] = [];
    let deleted = 0;
    await withClient(tool, flags, async ({ client, each }) => {
      // One after another, so that a failure says which were done: those that were printed.
      for (const key of keys) {
        const isDeleted = await client.delete(key, each);
        if (isDeleted) deleted++;
        else missing.push(key);
        const done = deleted === 0
          ? "nothing was deleted"
          : `${counted(deleted, "key")} deleted all the same, up to ${visibleText(key)}`;
        if (form === "json") {
          const field = bytesField("key", new TextEncoder().encode(key));
          await tool.print(`${JSON.stringify({ ...field, isDeleted })}\n`, done);
        } else if (isDeleted) await tool.print("DELETED\n", done);
      }
    });
    if (missing.length === 0) return;
    const what = missing.length === 1 ? "is no key" : "are no keys";
    throw new CliError(EXIT.refused, `there ${what} ${missing.map(visibleText).join(", ")}`);
  });
}
