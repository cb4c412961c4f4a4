/** What SCRIPT asks of the engine alone: which scripts it knows, and has to. */
import type { ScriptEngine, ScriptRequest } from "../../wire/scripts.ts";

/** The reply, as lines of the Redis protocol. */
export function engineReply(
  engine: ScriptEngine,
  request: Exclude<ScriptRequest, { readonly kind: "eval" }>,
): string {
  switch (request.kind) {
    case "loadScript": {
      const loaded = engine.load(request.script);
      if ("problem" in loaded) return `${loaded.problem}\r\n`;
      return `$${loaded.hash.length}\r\n${loaded.hash}\r\n`;
    }
    case "scriptsExist": {
      const known = request.hashes.map((hash) => engine.find(hash) === null ? ":0" : ":1");
      return [`*${known.length}`, ...known, ""].join("\r\n");
    }
    case "flushScripts":
      engine.flush();
      return "+OK\r\n";
  }
}
