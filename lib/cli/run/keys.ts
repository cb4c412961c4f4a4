/** `raftkv keys`, once its flags are parsed. */
import type { ClientFlags, OutputFlags } from "../connect/flag_types.ts";
import { withClient } from "../connect/with_client.ts";
import type { CliContext } from "../context.ts";
import { visible } from "../output/escape.ts";
import { bytesField } from "../output/records.ts";
import { type OutputForm, outputForm, runTool } from "../tool.ts";
import { groupsOf } from "../transfer/groups.ts";

export type KeysFlags = ClientFlags & OutputFlags & { readonly limit?: number };

export async function runKeys(this: CliContext, flags: KeysFlags, pattern?: string): Promise<void> {
  await runTool(this, async (tool) => {
    const form = outputForm(flags.output, tool.host, undefined);
    const isForPerson = form === "table" || (form === undefined && tool.console.outIsTerminal);
    await withClient(tool, flags, async ({ client, each }) => {
      let left = flags.limit ?? Infinity;
      const match = pattern === undefined ? {} : { match: pattern };
      for await (const group of groupsOf(client.keyBytes({ ...each, ...match }), GROUP_KEYS)) {
        const keys = group.slice(0, left);
        left -= keys.length;
        await tool.print(lines(keys, isForPerson ? "table" : form ?? "raw"));
        if (left === 0) break;
      }
    });
  });
}

/** Keys that are printed at a time: what a server gives in one step. */
const GROUP_KEYS = 1_000;
const LF = 10;

function lines(keys: readonly Uint8Array[], form: OutputForm): string | Uint8Array {
  if (form === "json") {
    return keys.map((key) => `${JSON.stringify(bytesField("key", key))}\n`).join("");
  }
  if (form === "table") return keys.map((key) => `${visible(key)}\n`).join("");
  const bytes = new Uint8Array(keys.reduce((sum, key) => sum + key.length + 1, 0));
  let at = 0;
  for (const key of keys) {
    bytes.set(key, at);
    at += key.length;
    bytes[at++] = LF;
  }
  return bytes;
}
