/** What of the line that is being typed says which servers are asked. */
import { parseServers } from "../client_ports.ts";
import type { ServerFlags } from "../connect/servers.ts";

/** For all that a proposal may take: finding the leader, and the request. */
const PROPOSE_MS = 300;

/** `--servers` and `--config` of the line that is being typed. @throws where they are wrong. */
export function typedFlags(args: readonly string[]): ServerFlags & { readonly timeout: number } {
  const valueOf = (name: string): string | undefined => {
    const joined = args.find((arg) => arg.startsWith(`--${name}=`));
    if (joined !== undefined) return joined.slice(name.length + 3);
    const at = args.indexOf(`--${name}`);
    return at < 0 ? undefined : args[at + 1];
  };
  const [servers, config] = [valueOf("servers"), valueOf("config")];
  return {
    ...(servers !== undefined && { servers: parseServers(servers) }),
    ...(config !== undefined && { config }),
    timeout: PROPOSE_MS,
  };
}
