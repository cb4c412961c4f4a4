/** `raftkv clients` and `raftkv clients kill`, once their flags are parsed. */
import type { Argument, Reply } from "../../../client/mod.ts";
import { type ClientRow, clientRow, clientsText } from "../status/client_table.ts";
import { askServer } from "../connect/ask_status.ts";
import type { OutputFlags } from "../connect/flag_types.ts";
import type { ServerFlags } from "../connect/servers.ts";
import type { CliContext } from "../context.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { counted } from "../output/units.ts";
import { askAll } from "../status/ask_all.ts";
import { ANSWER_MS } from "../status/gather.ts";
import { serverText } from "../client_ports.ts";
import { outputForm, runTool, type Tool } from "../tool.ts";
import { UsageError } from "../usage_error.ts";

export type ClientsFlags = ServerFlags & OutputFlags;

export interface KillFlags extends ServerFlags {
  readonly on?: number;
  readonly id?: number;
  readonly user?: string;
}

/** What one server answered, or why it did not, as half a sentence. */
interface Heard {
  readonly server: number | null;
  readonly address: string;
  readonly reply: Reply;
  readonly failure: string | null;
}

export async function runClients(this: CliContext, flags: ClientsFlags): Promise<void> {
  await runTool(this, async (tool) => {
    const form = outputForm(flags.output, tool.host, "table");
    const heard = await askEach(tool, flags, undefined, ["CLIENT", "LIST"]);
    const lines = heard.filter(({ failure }) => failure === null).flatMap(({ server, reply }) =>
      linesOf(reply).map((line) => ({ server: server ?? 0, line }))
    );
    const rows = lines.map(({ server, line }) => clientRow(server, line));
    await tool.print(form === "raw" ? rawText(lines) : shownAs(form, rows));
    throwIfSilent(tool, heard);
  });
}

export async function runClientsKill(
  this: CliContext,
  flags: KillFlags,
  address?: string,
): Promise<void> {
  await runTool(this, async (tool) => {
    // Here --user names whose connections end; who asks is in the variable.
    const { on, id, user, ...common } = flags;
    if (address === undefined && id === undefined && user === undefined) {
      throw new UsageError("whose connections? Give an ADDRESS, --user, or --on and --id");
    }
    if (id !== undefined && on === undefined) {
      throw new UsageError("ids are a server's own: --id needs --on, which names the server");
    }
    const wanted: Argument[] = ["CLIENT", "KILL", "SKIPME", "yes"];
    if (address !== undefined) wanted.push("ADDR", address);
    if (id !== undefined) wanted.push("ID", `${id}`);
    if (user !== undefined) wanted.push("USER", user);
    const heard = await askEach(tool, common, on, wanted);
    if (on !== undefined && heard.length === 0) {
      throw new CliError(EXIT.connection, `no server answers as server ${on}`);
    }
    let count = 0;
    for (const { server, reply, failure } of heard) {
      const here = failure === null ? Number(reply) : 0;
      count += here;
      if (here === 0) continue;
      const text = `server ${server}: ${counted(here, "connection")} ended`;
      await tool.print(`${text}\n`, `it was done all the same: ${text}`);
    }
    throwIfSilent(tool, heard);
    if (count === 0) throw new CliError(EXIT.refused, "there is no such connection");
  });
}

/** The same request to all servers that are found; `on`: to that one alone. */
async function askEach(
  tool: Tool,
  flags: ServerFlags,
  on: number | undefined,
  request: readonly Argument[],
): Promise<Heard[]> {
  const { answers, choice: { tls, credentials } } = await askAll(tool, flags);
  const options = { timeoutMs: ANSWER_MS, tls, credentials, signal: tool.signal };
  const wanted = answers.filter(({ status }) => {
    return on === undefined || status?.serverId === on;
  });
  const heard = wanted.map(async ({ server, status, failure }): Promise<Heard> => {
    const about = { server: status?.serverId ?? null, address: serverText(server) };
    if (failure !== null) return { ...about, reply: null, failure };
    try {
      const reply = await askServer(server, request, options);
      return { ...about, reply, failure: null };
    } catch (error) {
      return { ...about, reply: null, failure: (error as Error).message };
    }
  });
  const all = await Promise.all(heard);
  tool.signal.throwIfAborted();
  return all;
}

/** Servers that gave no answer are said, and are the exit code where none gave one. */
function throwIfSilent(tool: Tool, heard: readonly Heard[]): void {
  const silent = heard.filter(({ failure }) => failure !== null);
  for (const { address, failure } of silent) tool.say(`${address}: ${failure}`);
  if (silent.length === heard.length) throw new CliError(EXIT.connection, "no server answers");
  if (silent.length > 0) throw new CliError(EXIT.unhealthy);
}

function linesOf(reply: Reply): string[] {
  const text = reply instanceof Uint8Array ? new TextDecoder().decode(reply) : "";
  return text.split("\n").filter((line) => line !== "");
}

/** CLIENT LIST, with the server in front of each line. */
function rawText(lines: readonly { readonly server: number; readonly line: string }[]): string {
  return lines.map(({ server, line }) => `server=${server} ${line}\n`).join("");
}

function shownAs(form: "table" | "json", rows: readonly ClientRow[]): string {
  return form === "json" ? `${JSON.stringify(rows, null, 2)}\n` : clientsText(rows);
}
