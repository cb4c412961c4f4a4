/**
 * `RAFTKV.SESSION`: client sessions, by which a write that is sent again is done once (docs/sessions.md).
 * RUN is a prefix: the codec then looks at the command that follows it.
 */
import {
  encodeCloseSession,
  encodeOpenSession,
  encodePingSession,
  InSessionFlag,
  SESSION_TTL_MS_DEFAULT,
  SESSION_TTL_MS_MAX,
  SESSION_TTL_MS_MIN,
  type SessionPlace,
} from "../../kv/sessions/operations.ts";
import { arity } from "./resp_connection.ts";
import { help } from "./resp_help.ts";
import { RespMode } from "./resp_replies.ts";
import type { RespRequest } from "./resp_request.ts";

const HELP = [
  "RAFTKV.SESSION <subcommand> [<arg> ...]. Subcommands are:",
  "OPEN [<ms>]",
  "    Opens a session, and answers its number. It ends once nothing was heard of it for",
  `    that long: ${SESSION_TTL_MS_DEFAULT} ms, unless given.`,
  "CLOSE <session>",
  "    Ends it, with the keys that are bound to it.",
  "PING <session>",
  "    Keeps it alive; answers how many ms it had left.",
  "RUN <session> <sequence> <lowest> [BIND] <command> [<arg> ...]",
  "    Runs a command that writes, or EXEC, once: if it was run under that sequence before, its",
  "    reply is given again. All writes below the lowest sequence are answered. BIND: the key",
  "    that it writes goes with the session, unless it is written again before.",
  "HELP",
  "    Prints this help.",
];

/** Of RUN: the arguments up to the lowest sequence. */
export const RUN_HEAD = 5;

export function session(r: RespRequest): void {
  if (r.is(1, "run")) return run(r);
  if (r.is(1, "help")) {
    if (arity(r, 2, "help")) help(r, HELP);
    return;
  }
  if (r.queue !== null) return r.refuse("ERR a session is no part of a transaction");
  if (r.is(1, "open")) return open(r);
  if (r.is(1, "close")) return withId(r, "close");
  if (r.is(1, "ping")) return withId(r, "ping");
  r.refuse(`ERR unknown subcommand '${r.shortText(1, 128)}'. Try RAFTKV.SESSION HELP.`);
}

function open(r: RespRequest): void {
  if (r.count > 3) return void arity(r, 3, "open");
  const ttlMs = r.count === 3 ? number(r, 2, SESSION_TTL_MS_MAX) : SESSION_TTL_MS_DEFAULT;
  if (ttlMs < SESSION_TTL_MS_MIN) {
    return r.refuse(
      `ERR a session lives for ${SESSION_TTL_MS_MIN} to ${SESSION_TTL_MS_MAX} ms: give a number`,
    );
  }
  r.write(encodeOpenSession(r.begin(), ttlMs), RespMode.integer, 0);
}

function withId(r: RespRequest, name: "close" | "ping"): void {
  if (!arity(r, 3, name)) return;
  const id = number(r, 2, Number.MAX_SAFE_INTEGER);
  if (id < 1) return r.refuse("ERR a session is a number that RAFTKV.SESSION OPEN has given");
  if (name === "close") return r.write(encodeCloseSession(r.begin(), id), RespMode.integer, 0);
  // A follower does not know whether it is over, and keeps nothing alive.
  const wasReadonly = r.isReadonly;
  r.isReadonly = false;
  r.read(encodePingSession(r.begin(), id), RespMode.integer, 0);
  r.isReadonly = wasReadonly;
}

/** Leaves the command in the place of the request's arguments, and its session in `r.runsIn`. */
function run(r: RespRequest): void {
  const place = r.count > RUN_HEAD ? placeOf(r) : null;
  if (place === null) {
    return r.refuse(
      "ERR RAFTKV.SESSION RUN takes a session, a sequence, the lowest one that is not answered, " +
        "which is not above it, and a command",
    );
  }
  const from = place.flags === InSessionFlag.bind ? RUN_HEAD + 1 : RUN_HEAD;
  r.dropArguments(from);
  r.runsIn = place;
}

function placeOf(r: RespRequest): SessionPlace | null {
  const most = Number.MAX_SAFE_INTEGER;
  const id = number(r, 2, most);
  const sequence = number(r, 3, most);
  const lowest = number(r, 4, most);
  const flags = r.is(RUN_HEAD, "bind") ? InSessionFlag.bind : 0;
  const isWhole = r.count > (flags === 0 ? RUN_HEAD : RUN_HEAD + 1);
  if (!isWhole || id < 1 || lowest < 1 || lowest > sequence) return null;
  return { id, sequence, lowest, flags };
}

/** Argument `i` as a whole number from 0 to `most`; -1 where it is none. */
function number(r: RespRequest, i: number, most: number): number {
  if (!r.number.parse(r.bytes, r.starts[i]!, r.ends[i]!)) return -1;
  const value = r.number.toNumber();
  return value >= 0 && value <= most ? value : -1;
}
