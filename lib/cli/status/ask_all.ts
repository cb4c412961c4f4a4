/** The cluster as its servers describe it now: what status, top and check begin with. */
import { askStatus } from "../connect/ask_status.ts";
import { chooseServers, type ServerChoice, type ServerFlags } from "../connect/servers.ts";
import type { Tool } from "../tool.ts";
import { type ClusterView, clusterView } from "./cluster_view.ts";
import { type Answer, ANSWER_MS, gather } from "./gather.ts";

export interface ClusterNow {
  readonly choice: ServerChoice;
  readonly answers: readonly Answer[];
  readonly view: ClusterView;
}

export async function askAll(tool: Tool, flags: ServerFlags): Promise<ClusterNow> {
  return await askServers(tool, await chooseServers(flags, tool.host));
}

export async function askServers(tool: Tool, choice: ServerChoice): Promise<ClusterNow> {
  const { tls, credentials } = choice;
  const answers = await gather(
    choice.servers,
    (server, timeoutMs) => askStatus(server, { timeoutMs, tls, credentials, signal: tool.signal }),
    ANSWER_MS,
  );
  tool.signal.throwIfAborted();
  return { choice, answers, view: clusterView(answers) };
}
