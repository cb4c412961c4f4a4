/** `raftkv cas`, once its flags are parsed. */
import type { SetFlags } from "./set.ts";
import { valueInput } from "../connect/value_input.ts";
import { withClient } from "../connect/with_client.ts";
import type { CliContext } from "../context.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { visibleText } from "../output/escape.ts";
import { outputForm, runTool } from "../tool.ts";
import { noSuchKey } from "./get.ts";
import { printVersion, timeToLive } from "./set.ts";

/** @throws {CliError} where the key has another version, or is not there. */
export async function runCas(
  this: CliContext,
  flags: SetFlags,
  key: string,
  version: number,
  argument?: string,
): Promise<void> {
  await runTool(this, async (tool) => {
    const form = outputForm(flags.output, tool.host, "table");
    const value = await valueInput(tool, argument, flags.file);
    const outcome = await withClient(
      tool,
      flags,
      ({ client, rest }) => client.cas(key, value, version, { ...rest(), ...timeToLive(flags) }),
    );
    if (outcome.isStored) return await printVersion(tool, form, outcome.version);
    if (outcome.why === "notFound") throw noSuchKey(key);
    const why = version === 0 ? "is there already" : `has another version than ${version}`;
    throw new CliError(EXIT.refused, `the key ${visibleText(key)} ${why}: nothing was changed`);
  });
}
