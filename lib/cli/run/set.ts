/** `raftkv set`, once its flags are parsed. */
import type { ClientFlags, OutputFlags } from "../connect/flag_types.ts";
import { valueInput } from "../connect/value_input.ts";
import { withClient } from "../connect/with_client.ts";
import type { CliContext } from "../context.ts";
import { type OutputForm, outputForm, runTool, type Tool } from "../tool.ts";

export type SetFlags = ClientFlags & OutputFlags & {
  readonly ttl?: number;
  readonly file?: string;
};

export async function runSet(
  this: CliContext,
  flags: SetFlags,
  key: string,
  argument?: string,
): Promise<void> {
  await runTool(this, async (tool) => {
    const form = outputForm(flags.output, tool.host, "table");
    const value = await valueInput(tool, argument, flags.file);
    const version = await withClient(
      tool,
      flags,
      ({ client, rest }) => client.set(key, value, { ...rest(), ...timeToLive(flags) }),
    );
    await printVersion(tool, form, version);
  });
}

/** For ever where there is none. */
export function timeToLive({ ttl }: SetFlags): { readonly timeToLiveMs?: number } {
  return ttl === undefined ? {} : { timeToLiveMs: ttl };
}

export async function printVersion(tool: Tool, form: OutputForm, version: number): Promise<void> {
  const text = form === "json"
    ? JSON.stringify({ version })
    : form === "raw"
    ? `${version}`
    : `OK ${version}`;
  await tool.print(`${text}\n`, `it was done all the same: the value is set, version ${version}`);
}
