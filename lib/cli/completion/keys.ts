/**
 * Keys for a shell's completion: one request, little time, silent where it fails. That request is KEYS,
 * which sees all keys of a store that is not large; of one that is, a second one sees a part of them.
 */
import { Refused } from "../../../client/mod.ts";
import { withClient } from "../connect/with_client.ts";
import { parseServers, type ServerFlags } from "../connect/servers.ts";
import type { CliContext } from "../context.ts";
import { exactText } from "../output/escape.ts";
import { runTool } from "../tool.ts";

/** For all of it: finding the leader, and the request. */
const PROPOSE_MS = 300;
/** Of a store that is too large for KEYS: the keys that one SCAN looks at. */
const LOOKED_AT = 1_000;

/** The keys that begin with `partial`, as far as they are seen. */
export async function keysWithPrefix(context: CliContext, partial: string): Promise<string[]> {
  const flags = { ...typedFlags(context.host.args), timeout: PROPOSE_MS };
  const found: string[] = [];
  try {
    await runTool(context, async (tool) => {
      await withClient(tool, flags, async ({ command }) => {
        const match = `${partial.replace(/[\\*?[\]^]/g, "\\$&")}*`;
        const reply = await command(["KEYS", match], false).catch(async (error) => {
          if (!(error instanceof Refused)) throw error;
          const scan = ["SCAN", "0", "COUNT", `${LOOKED_AT}`, "MATCH", match];
          const page = await command(scan, false);
          return Array.isArray(page) ? page[1] : null;
        });
        for (const key of Array.isArray(reply) ? reply : []) {
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
