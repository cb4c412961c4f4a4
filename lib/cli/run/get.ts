/** `raftkv get`, once its flags are parsed. */
import type { ClientFlags, OutputFlags } from "../connect/flag_types.ts";
import { withClient } from "../connect/with_client.ts";
import type { CliContext } from "../context.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { visibleText } from "../output/escape.ts";
import { recordLine } from "../output/records.ts";
import { printValue } from "../output/value.ts";
import { outputForm, runTool } from "../tool.ts";
import { keyTable } from "./getm.ts";

export type GetFlags = ClientFlags & OutputFlags;

/** @throws {CliError} where there is no such key. */
export async function runGet(this: CliContext, flags: GetFlags, key: string): Promise<void> {
  await runTool(this, async (tool) => {
    const form = outputForm(flags.output, tool.host, undefined);
    if (form === undefined || form === "raw") {
      const value = await withClient(tool, flags, ({ client, rest }) => client.get(key, rest()));
      if (value === null) throw noSuchKey(key);
      return await printValue(tool, value, form);
    }
    const found = await withClient(tool, flags, ({ client, rest }) => client.getm(key, rest()));
    if (found === null) throw noSuchKey(key);
    const { value, version, timeToLiveMs: ttlMs } = found;
    const record = { key: new TextEncoder().encode(key), value, version, ttlMs };
    await tool.print(form === "json" ? recordLine(record) : keyTable([record]));
  });
}

export function noSuchKey(key: string): CliError {
  return new CliError(EXIT.refused, `there is no key ${visibleText(key)}`);
}
