/** What is answered to questions about scripts before, or without, running one. */
import { Access } from "../../kv/users/command_numbers.ts";
import { ClientError } from "../../wire/command_batch.ts";
import type { EvalRequest, ScriptAnswer, ScriptEngine, ScriptRequest } from "../../wire/scripts.ts";
import type { NodeSession } from "../session/session_host.ts";

/** What SCRIPT asks of the engine alone: the reply, as lines of the Redis protocol. */
export function engineReply(
  engine: ScriptEngine,
  request: Exclude<ScriptRequest, EvalRequest>,
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

/** Why a client may not run a script on the keys that it declares; 0 where it may. */
export function keyDenial(
  { access }: NodeSession,
  request: EvalRequest,
): ClientError | 0 {
  const needed = request.isReadOnly ? Access.read : Access.both;
  const areOpen = request.keys.every((key) => access.mayTouchText(needed, key));
  return areOpen ? 0 : ClientError.notPermittedKey;
}

/** A line of the Redis protocol, or several. */
export function replyOf(reply: string): ScriptAnswer {
  return { kind: "script", reply };
}
