/** `raftkv getm`, once its flags are parsed. */
import type { ClientFlags, OutputFlags } from "../connect/flag_types.ts";
import { withClient } from "../connect/with_client.ts";
import type { CliContext } from "../context.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { visible, visibleText } from "../output/escape.ts";
import { type KeyRecord, recordLine } from "../output/records.ts";
import { table } from "../output/table.ts";
import { secondsText } from "../output/units.ts";
import { outputForm, runTool } from "../tool.ts";

export type GetmFlags = ClientFlags & OutputFlags;

/** @throws {CliError} where one of the keys is not there; the others are printed before. */
export async function runGetm(
  this: CliContext,
  flags: GetmFlags,
  ...keys: string[]
): Promise<void> {
  await runTool(this, async (tool) => {
    const form = outputForm(flags.output, tool.host, "table");
    const found: KeyRecord[] = [];
    const missing: string[] = [];
    await withClient(tool, flags, async ({ client, rest }) => {
      const options = rest();
      const answers = await Promise.all(keys.map((key) => client.getm(key, options)));
      for (const [at, answer] of answers.entries()) {
        const key = keys[at]!;
        if (answer === null) missing.push(key);
        else found.push(toRecord(key, answer));
      }
    });
    if (form === "json") await tool.print(found.map(recordLine).join(""));
    else if (form === "raw") { for (const { value } of found) await tool.print(value); }
    else if (found.length > 0) await tool.print(keyTable(found));
    if (missing.length > 0) {
      const what = missing.length === 1 ? "is no key" : "are no keys";
      throw new CliError(
        EXIT.refused,
        `there ${what} ${missing.map(visibleText).join(", ")}`,
      );
    }
  });
}

function toRecord(
  key: string,
  { value, version, timeToLiveMs: ttlMs }: {
    readonly value: Uint8Array;
    readonly version: number;
    readonly timeToLiveMs: number | null;
  },
): KeyRecord {
  return { key: new TextEncoder().encode(key), value, version, ttlMs };
}

/** KEY, VERSION, TTL, VALUE. */
export function keyTable(records: readonly KeyRecord[]): string {
  return table(
    [
      { title: "KEY" },
      { title: "VERSION", right: true },
      { title: "TTL", right: true },
      { title: "VALUE" },
    ],
    records.map(({ key, version, ttlMs, value }) => [
      visible(key),
      String(version),
      ttlMs === null ? "-" : secondsText(Math.ceil(ttlMs / 1_000)),
      visible(value),
    ]),
  );
}
