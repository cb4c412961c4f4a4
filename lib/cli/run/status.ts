/** `raftkv status`, once its flags are parsed. */
import type { OutputFlags } from "../connect/flag_types.ts";
import type { ServerFlags } from "../connect/servers.ts";
import type { CliContext } from "../context.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { askAll, type ClusterNow } from "../status/ask_all.ts";
import { statusText } from "../status/status_table.ts";
import { outputForm, runTool, type Tool } from "../tool.ts";

export type StatusFlags = ServerFlags & OutputFlags;

export async function runStatus(this: CliContext, flags: StatusFlags): Promise<void> {
  await runTool(this, async (tool) => {
    const form = outputForm(flags.output, tool.host, "table");
    const now = await askAll(tool, flags);
    await tool.print(form === "table" ? statusText(now.view, widthOf(tool)) : json(now, form));
    throwIfUnwell(now);
  });
}

/** A report is never broken to fit where it is not looked at. */
function widthOf({ console }: Tool): number {
  return console.outIsTerminal ? console.size().columns : Infinity;
}

/** One document; `raw`: the servers' own answers, a line each. */
function json({ view, answers }: ClusterNow, form: "json" | "raw"): string {
  if (form === "json") return `${JSON.stringify(view, null, 2)}\n`;
  return answers.map((answer) => `${JSON.stringify(answer)}\n`).join("");
}

/** @throws {CliError} with the exit code that scripts look at; the table has said the rest. */
export function throwIfUnwell({ view, choice }: ClusterNow): void {
  if (view.rows.every(({ failure }) => failure !== null)) {
    throw new CliError(EXIT.connection, `no server answers (servers from ${choice.from})`);
  }
  if (view.findings.length > 0) throw new CliError(EXIT.unhealthy);
}
