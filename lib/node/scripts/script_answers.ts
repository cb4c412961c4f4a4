/** What is answered to questions about scripts before, or without, running one. */
import type { LoadedScripts } from "../../kv/scripts/loaded_scripts.ts";
import { encodeFlushScripts, encodeLoadScript } from "../../kv/scripts/operations.ts";
import { Access } from "../../kv/users/command_numbers.ts";
import { encodeByUser } from "../../kv/users/operations.ts";
import { endCommand } from "../../kv/commands/command.ts";
import { ByteWriter } from "../../util/bytes.ts";
import type { WriteAnswer } from "../../wire/acl.ts";
import { ClientError } from "../../wire/command_batch.ts";
import type { EvalRequest, ScriptAnswer, ScriptEngine, ScriptRequest } from "../../wire/scripts.ts";
import type { NodeSession } from "../session/session_host.ts";

/** What asks for no run. */
export type KeptRequest = Exclude<ScriptRequest, EvalRequest>;

/** Whose command it is: its user, 0 for nobody, and its number. */
export interface Whose {
  readonly userId: number;
  readonly command: number;
}

/** What SCRIPT comes to where scripts are in the log, all of whose committed entries are applied. */
export function loadedAnswer(
  engine: ScriptEngine,
  scripts: LoadedScripts,
  request: KeptRequest,
  whose: Whose,
): ScriptAnswer | WriteAnswer {
  switch (request.kind) {
    case "loadScript": {
      const loaded = engine.load(request.script);
      if ("problem" in loaded) return replyOf(`${loaded.problem}\r\n`);
      return written(whose, (out) => encodeLoadScript(out, loaded.hash, request.script));
    }
    case "scriptsExist":
      return replyOf(existReply(request.hashes, (hash) => scripts.find(hash.toLowerCase())));
    case "flushScripts":
      return written(whose, encodeFlushScripts);
  }
}

function written(
  { userId, command }: Whose,
  encode: (out: ByteWriter) => void,
): WriteAnswer {
  const out = new ByteWriter();
  if (userId !== 0) encodeByUser(out, userId, command);
  encode(out);
  if (userId !== 0) endCommand(out, 0);
  return { kind: "write", bytes: out.copy() };
}

/** The same before: what this server's engine alone knows. The reply, as lines of the Redis protocol. */
export function engineReply(
  engine: ScriptEngine,
  request: KeptRequest,
): string {
  switch (request.kind) {
    case "loadScript": {
      const loaded = engine.load(request.script);
      if ("problem" in loaded) return `${loaded.problem}\r\n`;
      return `$${loaded.hash.length}\r\n${loaded.hash}\r\n`;
    }
    case "scriptsExist":
      return existReply(request.hashes, (hash) => engine.find(hash));
    case "flushScripts":
      engine.flush();
      return "+OK\r\n";
  }
}

function existReply(hashes: readonly string[], find: (hash: string) => string | null): string {
  const known = hashes.map((hash) => find(hash) === null ? ":0" : ":1");
  return [`*${known.length}`, ...known, ""].join("\r\n");
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
