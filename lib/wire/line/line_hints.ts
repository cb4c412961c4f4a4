/**
 * What people type into a connection of lines that is none of its commands, and what clients of other
 * protocols send: worth an answer that helps. Anything else gets the plain error, as programs expect.
 */
import { encodeCommand, Op } from "../../kv/commands/command.ts";
import { Action, ClientError, type CommandBatch } from "../command_batch.ts";
import { latin1 } from "../../util/latin1.ts";

/** Commands of Redis and memcached, and words for "how does this work" and "let me out". */
const WORDS = new Set(
  (
    "? add append auth bye cas client cluster command config dbsize decr decrby del " +
    "delete discard echo eval exec exists exit expire flush flush_all flushall flushdb " +
    "gat gats get getm gets h hello hget hset incr incrby info key keys list llen lpush " +
    "man me mget mn monitor mset multi persist ping prepend psubscribe publish put quit " +
    "randomkey readonly remove replace reset role save scan select set setex setnx show " +
    "shutdown slaves stat stats status strlen subscribe time touch ttl type unwatch usage " +
    "verbosity version watch"
  ).split(" "),
);
const WORD_BYTES_MAX = 10;
const HELP = "help";
const AUTH = "auth";
/** The reply mode of `help`, the only command that the codec of lines answers by itself. */
const HELP_MODE = 16;
const NO_BYTES = new Uint8Array(0);
const STAR = 0x2a;
const DOLLAR = 0x24;

/** True where the verb `bytes[start, end)` is `help`, in any case. */
export function isHelp(bytes: Uint8Array, start: number, end: number): boolean {
  return end - start === HELP.length && lowerCase(bytes, start, end) === HELP;
}

/** True where the verb `bytes[start, end)` is `auth`, in lower case as commands are. */
export function isAuth(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== AUTH.length) return false;
  for (let i = 0; i < AUTH.length; i++) if (bytes[start + i] !== AUTH.charCodeAt(i)) return false;
  return true;
}

/**
 * True for a line that is empty or begins with one of the words, in any case (the commands of lines
 * are in lower case only), or with what begins an array of the Redis protocol. `bytes[start, verbEnd)`
 * is its verb, which is no command.
 */
function mayBeTyped(
  bytes: Uint8Array,
  start: number,
  verbEnd: number,
  lineEnd: number,
): boolean {
  if (start === lineEnd) return true;
  if (bytes[start] === STAR || bytes[start] === DOLLAR) return true;
  return verbEnd - start <= WORD_BYTES_MAX && WORDS.has(lowerCase(bytes, start, verbEnd));
}

export function refuse(
  batch: CommandBatch,
  error: ClientError = ClientError.command,
  isSilent = false,
): void {
  batch.add(isSilent ? Action.refuseSilently : Action.refuse, error, batch.bytes.length);
}

/** Refuses a line that begins with no command; where a person may have typed it, in words that help. */
export function refuseOther(
  batch: CommandBatch,
  bytes: Uint8Array,
  start: number,
  verbEnd: number,
  lineEnd: number,
): void {
  if (mayBeTyped(bytes, start, verbEnd, lineEnd)) refuseWithHint(batch);
  else refuse(batch);
}

/** Refuses what `mayBeTyped`. */
export function refuseWithHint(batch: CommandBatch): void {
  batch.add(Action.refuse, ClientError.hint, batch.bytes.length);
}

/** Adds a `help`: its reply is long where the line is short, so it is written when its turn comes. */
export function addHelp(batch: CommandBatch): void {
  const from = encodeCommand(batch.bytes, Op.constant, NO_BYTES, 0, 0, 0, 0);
  batch.add(Action.local, HELP_MODE, from);
}

function lowerCase(bytes: Uint8Array, start: number, end: number): string {
  return latin1(bytes, start, end).toLowerCase();
}
