/** EVAL and its kin, and SCRIPT: docs/scripts.md. They are questions, which the node answers. */
import { endCommand, Op } from "../../kv/commands/command.ts";
import { Action } from "../command_batch.ts";
import {
  encodeEval,
  encodeScriptRequest,
  type EvalRequest,
  type ScriptRequest,
} from "../scripts.ts";
import { arity } from "./resp_connection.ts";
import { help } from "./resp_help.ts";
import { RespMode } from "./resp_replies.ts";
import type { RespRequest } from "./resp_request.ts";

const SCRIPT_HELP = [
  "SCRIPT <subcommand> [<arg> ...]. Subcommands are:",
  "EXISTS <sha1> [<sha1> ...]",
  "    Which of these scripts are loaded.",
  "FLUSH [ASYNC|SYNC]",
  "    All scripts are forgotten.",
  "LOAD <script>",
  "    The script is known from now on, without being run.",
  "HELP",
  "    Prints this help.",
];
const IN_TRANSACTION = "ERR scripts are not supported within a transaction";

export function evaluate(r: RespRequest): void {
  run(r, false, false);
}

export function evaluateByHash(r: RespRequest): void {
  run(r, true, false);
}

export function evaluateReadOnly(r: RespRequest): void {
  run(r, false, true);
}

export function evaluateReadOnlyByHash(r: RespRequest): void {
  run(r, true, true);
}

export function script(r: RespRequest): void {
  if (r.is(1, "load")) {
    if (arity(r, 3, "load")) ask(r, { kind: "loadScript", script: r.latin1(2) });
    return;
  }
  if (r.is(1, "exists")) {
    if (!arity(r, -3, "exists")) return;
    const hashes: string[] = [];
    for (let i = 2; i < r.count; i++) hashes.push(r.shortText(i, 64));
    return ask(r, { kind: "scriptsExist", hashes });
  }
  if (r.is(1, "flush")) {
    const isWhole = r.count === 2 || (r.count === 3 && (r.is(2, "async") || r.is(2, "sync")));
    if (isWhole) return ask(r, { kind: "flushScripts" });
    return r.refuse("ERR SCRIPT FLUSH only support SYNC|ASYNC option");
  }
  if (r.is(1, "kill")) {
    if (arity(r, 2, "kill")) r.line("-NOTBUSY No scripts in execution right now.");
    return;
  }
  if (r.is(1, "help")) {
    if (arity(r, 2, "help")) help(r, SCRIPT_HELP);
    return;
  }
  r.refuse(`ERR unknown subcommand '${r.shortText(1, 128)}'. Try SCRIPT HELP.`);
}

function run(r: RespRequest, isByHash: boolean, isReadOnly: boolean): void {
  if (!r.integer(2)) return;
  const keyCount = r.number.toNumber();
  if (r.number.isNegative) return r.error("ERR Number of keys can't be negative");
  if (keyCount > r.count - 3) {
    return r.error("ERR Number of keys can't be greater than number of args");
  }
  for (let i = 3; i < 3 + keyCount; i++) if (!r.key(i)) return;
  if (r.queue !== null) return r.refuse(IN_TRANSACTION);
  const { batch } = r;
  const at = r.encodeKeyless(batch.bytes, Op.constant);
  encodeEval(batch.bytes, r, keyCount, { isByHash, isReadOnly, isResp3: r.version === 3 });
  added(r, at, keyCount > 0 ? 3 : 0);
}

function ask(r: RespRequest, request: Exclude<ScriptRequest, EvalRequest>): void {
  if (r.queue !== null) return r.refuse(IN_TRANSACTION);
  const { batch } = r;
  const at = r.encodeKeyless(batch.bytes, Op.constant);
  encodeScriptRequest(batch.bytes, request);
  added(r, at, 0);
}

/** The question is all that was encoded since `at`; `key` is its first key, or 0. */
function added(r: RespRequest, at: number, key: number): void {
  endCommand(r.batch.bytes, at);
  r.batch.add(Action.ask, RespMode.script, at, r.slot(key), r.command);
}
