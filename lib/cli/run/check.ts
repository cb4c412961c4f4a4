/** `raftkv check`, once its flags are parsed. */
import type { OutputFlags } from "../connect/flag_types.ts";
import type { ServerFlags } from "../connect/servers.ts";
import type { CliContext } from "../context.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { counted } from "../output/units.ts";
import { askAll } from "../status/ask_all.ts";
import { checks } from "../status/checks.ts";
import type { Finding, Verdict } from "../status/findings.ts";
import { fileSystems } from "../status/local_checks.ts";
import { type OutputForm, outputForm, runTool } from "../tool.ts";

export type CheckFlags = ServerFlags & OutputFlags;

/** @throws {CliError} where something is wrong, having printed what. */
export async function runCheck(this: CliContext, flags: CheckFlags): Promise<void> {
  await runTool(this, async (tool) => {
    const form = outputForm(flags.output, tool.host, "table");
    const now = await askAll(tool, flags);
    const found = [
      ...checks(now),
      ...fileSystems(tool.host, flags.config, now, (path) => tool.console.mountPoint(path)),
    ];
    await tool.print(textOf(found, form));
    const count = (verdict: Verdict) => found.filter((one) => one.verdict === verdict).length;
    const [faults, warnings] = [count("fault"), count("warning")];
    if (now.answers.every(({ status }) => status === null)) {
      throw new CliError(EXIT.connection, `no server answers (servers from ${now.choice.from})`);
    }
    if (faults + warnings > 0) {
      const message = `${counted(faults, "fault")}, ${counted(warnings, "warning")}`;
      throw new CliError(EXIT.unhealthy, message);
    }
  });
}

/** `raw`: a line each. */
function textOf(found: readonly Finding[], form: OutputForm): string {
  if (form === "table") return found.map(lines).join("");
  if (form === "json") return `${JSON.stringify(found, null, 2)}\n`;
  return found.map((one) => `${JSON.stringify(one)}\n`).join("");
}

const MARKS: Readonly<Record<Verdict, string>> = {
  ok: "ok     ",
  warning: "WARNING",
  fault: "FAULT  ",
  unknown: "unknown",
};

/** One line, and a second one that says what to do. */
function lines({ probe, verdict, found, advice }: Finding): string {
  const first = `${MARKS[verdict]}  ${probe}: ${found}\n`;
  return advice === "" ? first : `${first}${" ".repeat(9)}→ ${advice}\n`;
}
