/** Keys for a shell's completion: one request, little time, silent where it fails. */
import { withClient } from "../connect/with_client.ts";
import { parseServers, type ServerFlags } from "../connect/servers.ts";
import type { CliContext } from "../context.ts";
import { exactText } from "../output/escape.ts";
import { runTool } from "../tool.ts";

/** For all of it: finding the leader, and the request. */
const PROPOSE_MS = 300;
/** Keys that one request looks at. */
const LOOKED_AT = 1_000;

/** The keys that begin with `partial`, of those that one request sees. */
export async function keysWithPrefix(context: CliContext, partial: string): Promise<string[]> {
  const flags = { ...typedFlags(context.host.args), timeout: PROPOSE_MS };
  const found: string[] = [];
  try {
    await runTool(context, async (tool) => {
      await withClient(tool, flags, async ({ command }) => {
        const match = `${partial.replace(/[\\*?[\]^]/g, "\\$&")}*`;
        const request = ["SCAN", "0", "COUNT", `${LOOKED_AT}`, "MATCH", match];
        const reply = await command(request, false);
        const keys = Array.isArray(reply) && Array.isArray(reply[1]) ? reply[1] : [];
        for (const key of keys) {
          const text = key instanceof Uint8Array ? exactText(key) : null;
          if (text !== null) found.push(text);
        }
      });
    });
  } catch {
    // A tab that proposes nothing says enough.
  }
  return found.sort();
}

/** `--servers` and `--config` of the line that is being typed. @throws where they are wrong. */
function typedFlags(args: readonly string[]): ServerFlags {
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
  };
}
