/** Servers for a shell's completion: those that the command line would use by itself. */
import { serverText } from "../client_ports.ts";
import { chooseServers } from "../connect/servers.ts";
import type { CliContext } from "../context.ts";

export async function knownServers({ host }: CliContext): Promise<string[]> {
  const { servers } = await chooseServers({}, host);
  const all = servers.map(serverText);
  return all.length > 1 ? [...all, all.join(",")] : all;
}
