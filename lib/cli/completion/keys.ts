/**
 * Keys for a shell's completion: one request for the first of those that begin as what was typed, little
 * time, silent where it fails. A build that has no ranges is asked for KEYS.
 */
import { Refused } from "../../../client/mod.ts";
import { endOfPrefix } from "../../kv/commands/ranges.ts";
import { withClient } from "../connect/with_client.ts";
import type { CliContext } from "../context.ts";
import { exactText } from "../output/escape.ts";
import { runTool } from "../tool.ts";
import { typedFlags } from "./typed_flags.ts";

/** More are of no use to anybody who types. */
const KEYS_MAX = 1_000;

/** The keys that begin with `partial`, as far as they are seen. */
export async function keysWithPrefix(context: CliContext, partial: string): Promise<string[]> {
  const flags = typedFlags(context.host.args);
  const found: string[] = [];
  try {
    await runTool(context, async (tool) => {
      await withClient(tool, flags, async ({ command }) => {
        const start = new TextEncoder().encode(partial);
        const range = ["RAFTKV.RANGE", start, endOfPrefix(start), "LIMIT", `${KEYS_MAX}`, "KEYS"];
        const reply = await command(range, false)
          .then((page) => Array.isArray(page) ? page[1] : null)
          .catch((error) => {
            if (!(error instanceof Refused)) throw error;
            return command(["KEYS", `${partial.replace(/[\\*?[\]^]/g, "\\$&")}*`], false);
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
