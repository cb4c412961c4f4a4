/** `raftkv dump`, once its flags are parsed. */
import type { ClientFlags } from "../connect/flag_types.ts";
import { type Session, withClient } from "../connect/with_client.ts";
import { OutputClosedError } from "../../host/console.ts";
import type { CliContext } from "../context.ts";
import { type KeyRecord, recordLine } from "../output/records.ts";
import { counted } from "../output/units.ts";
import { runTool, withFile } from "../tool.ts";
import { groupsOf } from "../transfer/groups.ts";
import { progressOf } from "./load.ts";

export type DumpFlags = ClientFlags & { readonly match?: string; readonly file?: string };

/** So many values are asked for at a time, and held at most. */
const VALUES_MAX = 32;

export async function runDump(this: CliContext, flags: DumpFlags): Promise<void> {
  await runTool(this, async (tool) => {
    const { file } = flags;
    const progress = progressOf(tool, "key");
    let count = 0;
    try {
      await withClient(tool, flags, async (session) => {
        // Made once a server answers: a name that is wrong leaves no empty file.
        const total = await totalKeys(session);
        const out = file === undefined
          ? tool.console.out
          : await withFile(() => tool.console.createFile(file));
        try {
          for await (const lines of dumpLines(session, flags.match)) {
            await withFile(() => out.write(new TextEncoder().encode(lines.text)));
            count += lines.count;
            progress.show(count, flags.match === undefined && total > 0 ? count / total : null);
          }
        } finally {
          if (file !== undefined) out.close();
        }
      });
    } catch (error) {
      progress.clear();
      const isLeft = error instanceof OutputClosedError;
      if (count > 0 && !isLeft) {
        tool.say(`the dump is not whole: it ends after ${counted(count, "key")}`);
      }
      throw error;
    }
    progress.clear();
    tool.say(`${counted(count, "key")}, not one moment: each as it was when it was read`);
  });
}

async function totalKeys({ command }: Session): Promise<number> {
  const reply = await command(["DBSIZE"], false);
  return typeof reply === "number" ? reply : 0;
}

interface Lines {
  readonly text: string;
  readonly count: number;
}

/** The records in groups; keys that are gone by the time they are read are left out. */
async function* dumpLines(
  { client, each }: Session,
  pattern: string | undefined,
): AsyncGenerator<Lines, void, undefined> {
  const match = pattern === undefined ? {} : { match: pattern };
  for await (const keys of groupsOf(client.keyBytes({ ...each, ...match }), VALUES_MAX)) {
    const found = await Promise.all(keys.map((key) => client.getm(key, each)));
    const records: KeyRecord[] = [];
    for (const [place, one] of found.entries()) {
      if (one === null) continue;
      const { value, version, timeToLiveMs: ttlMs } = one;
      records.push({ key: keys[place]!, value, version, ttlMs });
    }
    yield { text: records.map(recordLine).join(""), count: records.length };
  }
}
