/** `raftkv completion`, once its arguments are parsed. */
import type { Shell } from "../completion/shells.ts";
import { STUBS } from "../completion/stubs.ts";
import type { CliContext } from "../context.ts";
import { runTool } from "../tool.ts";

export async function runCompletion(
  this: CliContext,
  _flags: Record<never, never>,
  shell: Shell,
): Promise<void> {
  await runTool(this, ({ print }) => print(STUBS[shell]));
}
