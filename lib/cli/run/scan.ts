/** `raftkv scan`, once its flags are parsed. */
import type { Entry } from "../../../client/mod.ts";
import { escapeUnseen } from "../../util/unseen.ts";
import type { ClientFlags, OutputFlags } from "../connect/flag_types.ts";
import { withClient } from "../connect/with_client.ts";
import type { CliContext } from "../context.ts";
import { exactText, shellWord, visible } from "../output/escape.ts";
import { type KeyRecord, recordLine } from "../output/records.ts";
import { outputForm, runTool } from "../tool.ts";
import { groupsOf } from "../transfer/groups.ts";
import { keyTable } from "./getm.ts";

export type ScanFlags = ClientFlags & OutputFlags & {
  readonly limit?: number;
  readonly after?: string;
};

/** Keys that are printed at a time, each table with a head of its own. */
const GROUP_KEYS = 1_000;
const LIMIT_DEFAULT = 1_000;
const LF = 10;

export async function runScan(this: CliContext, flags: ScanFlags, prefix = ""): Promise<void> {
  await runTool(this, async (tool) => {
    const form = outputForm(flags.output, tool.host, "table");
    await withClient(tool, flags, async ({ client, each }) => {
      const { limit = LIMIT_DEFAULT, after } = flags;
      // One more than is shown tells whether there are more.
      const keysAtATime = Math.min(limit + 1, GROUP_KEYS);
      const options = { ...each, keysAtATime, ...(after !== undefined && { after }) };
      let left = limit;
      let last: Uint8Array | null = null;
      for await (const group of groupsOf(client.scan(prefix, options), GROUP_KEYS)) {
        const records = group.slice(0, left).map(toRecord);
        const hasMore = group.length > left;
        left -= records.length;
        last = records.at(-1)?.key ?? last;
        if (form === "json") await tool.print(records.map(recordLine).join(""));
        else if (form === "raw") { for (const { key } of records) await tool.print(line(key)); }
        else if (records.length > 0) await tool.print(keyTable(records));
        if (!hasMore) continue;
        tool.say(`there are more: ${nextPage(last!)}`);
        break;
      }
    });
  });
}

/** How to see the keys after `last`: by a word that a shell takes as it is shown, if it has one. */
function nextPage(last: Uint8Array): string {
  const text = exactText(last);
  if (text !== null && escapeUnseen(text) === text) return `--after ${shellWord(text)} shows them`;
  return `a higher --limit shows them; --after can't name the key ${visible(last)}`;
}

function toRecord({ keyBytes, value, version, timeToLiveMs }: Entry<Uint8Array>): KeyRecord {
  return { key: keyBytes, value, version, ttlMs: timeToLiveMs };
}

function line(key: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(key.length + 1);
  bytes.set(key);
  bytes[key.length] = LF;
  return bytes;
}
