/** The commands of the Redis protocol that this server knows, with what COMMAND tells of them. */
import { backup } from "./resp_backup.ts";
import { client } from "./resp_client.ts";
import * as members from "./resp_members.ts";
import { COMMAND_NUMBERS, commandNamed } from "../../kv/users/command_numbers.ts";
import { acl, user } from "./resp_acl.ts";
import * as authentication from "./resp_authentication.ts";
import * as conditions from "./resp_conditions.ts";
import * as connection from "./resp_connection.ts";
import * as keys from "./resp_keys.ts";
import { range } from "./resp_ranges.ts";
import type { RespRequest } from "./resp_request.ts";
import * as scripts from "./resp_scripts.ts";
import * as server from "./resp_server.ts";
import * as sessions from "./resp_sessions.ts";
import * as subscribing from "./resp_subscribing.ts";
import * as strings from "./resp_strings.ts";
import * as transactions from "./resp_transactions.ts";
import * as versions from "./resp_versions.ts";
import * as watching from "./resp_watching.ts";

export type RespHandler = (request: RespRequest) => void;

export interface Subcommand {
  /** In lower case. */
  readonly name: string;
  readonly number: number;
}

export interface RespCommand {
  readonly name: string;
  /** Arguments in all, the name included; at least that many where negative. */
  readonly arity: number;
  readonly flags: readonly string[];
  /** Where its keys are: the first, the last (negative: from the end), and every how many. */
  readonly firstKey: number;
  readonly lastKey: number;
  readonly keyStep: number;
  readonly group: string;
  readonly since: string;
  readonly summary: string;
  readonly run: RespHandler;
  /** Done at once within a transaction, not queued. */
  readonly isImmediate: boolean;
  /** Its number where permissions are asked, and those of its subcommands. */
  readonly number: number;
  readonly subcommands: readonly Subcommand[] | null;
  /** Everybody may run it, also who is not authenticated: one gets in by it, or out. */
  readonly isFree: boolean;
  /** So may who is not authenticated and connects from the leader's machine: it takes another proof. */
  readonly isFreeOnLoopback: boolean;
  /** Whether the user may run it is decided where it is done: by the store. */
  readonly isJudgedLater: boolean;
}

/** name, arity, flags, first key, last key, step, since, summary */
type Row = readonly [string, number, string, number, number, number, string, string, RespHandler];

const STRINGS: readonly Row[] = [
  ["append", 3, "write denyoom fast", 1, 1, 1, "2.0.0", "Append a value to a key", strings.append],
  ["decr", 2, "write denyoom fast", 1, 1, 1, "1.0.0", "Subtract 1 from a number", strings.decr],
  ["decrby", 3, "write denyoom fast", 1, 1, 1, "1.0.0", "Subtract from a number", strings.decrby],
  ["delex", -2, "write fast", 1, 1, 1, "8.4.0", "Delete a key by its value", conditions.delex],
  ["digest", 2, "readonly fast", 1, 1, 1, "8.4.0", "A value's XXH3", conditions.digest],
  ["get", 2, "readonly fast", 1, 1, 1, "1.0.0", "Get the value of a key", strings.get],
  ["getdel", 2, "write fast", 1, 1, 1, "6.2.0", "Get a value and delete its key", strings.getdel],
  ["getex", -2, "write fast", 1, 1, 1, "6.2.0", "Get a value and set its expiry", strings.getex],
  ["getrange", 4, "readonly", 1, 1, 1, "2.4.0", "Get a part of a value", strings.getrange],
  ["getset", 3, "write denyoom fast", 1, 1, 1, "1.0.0", "Set a value, get the old", strings.getset],
  ["incr", 2, "write denyoom fast", 1, 1, 1, "1.0.0", "Add 1 to a number", strings.incr],
  ["incrby", 3, "write denyoom fast", 1, 1, 1, "1.0.0", "Add to a number", strings.incrby],
  [
    "incrbyfloat",
    3,
    "write denyoom fast",
    1,
    1,
    1,
    "2.6.0",
    "Add to a decimal number",
    strings.incrbyfloat,
  ],
  ["mget", -2, "readonly fast", 1, -1, 1, "1.0.0", "Get many values", strings.mget],
  ["mset", -3, "write denyoom", 1, -1, 2, "1.0.1", "Set many values", strings.mset],
  [
    "msetex",
    -4,
    "write denyoom movablekeys",
    0,
    0,
    0,
    "8.4.0",
    "Set many values for some time",
    conditions.msetex,
  ],
  ["msetnx", -3, "write denyoom", 1, -1, 2, "1.0.1", "Set many new values", strings.msetnx],
  ["psetex", 4, "write denyoom", 1, 1, 1, "2.6.0", "Set a value for some ms", strings.psetex],
  ["set", -3, "write denyoom", 1, 1, 1, "1.0.0", "Set the value of a key", strings.set],
  ["setex", 4, "write denyoom", 1, 1, 1, "2.0.0", "Set a value for some seconds", strings.setex],
  ["setnx", 3, "write denyoom fast", 1, 1, 1, "1.0.0", "Set a new value", strings.setnx],
  ["setrange", 4, "write denyoom", 1, 1, 1, "2.2.0", "Overwrite a part", strings.setrange],
  ["strlen", 2, "readonly fast", 1, 1, 1, "2.2.0", "Get the length of a value", strings.strlen],
];

const GENERIC: readonly Row[] = [
  ["del", -2, "write", 1, -1, 1, "1.0.0", "Delete keys", keys.del],
  ["delifeq", 3, "write fast", 1, 1, 1, "9.0.0", "Delete a key that has a value", keys.delifeq],
  ["exists", -2, "readonly fast", 1, -1, 1, "1.0.0", "Count the keys that exist", keys.exists],
  ["expire", -3, "write fast", 1, 1, 1, "1.0.0", "Expire in seconds", keys.expire],
  ["expireat", -3, "write fast", 1, 1, 1, "1.2.0", "Expire at a second", keys.expireat],
  ["expiretime", 2, "readonly fast", 1, 1, 1, "7.0.0", "When it expires, s", keys.expiretime],
  ["keys", 2, "readonly", 0, 0, 0, "1.0.0", "Find the keys of a pattern", keys.keys],
  ["persist", 2, "write fast", 1, 1, 1, "2.2.0", "Let a key expire no more", keys.persist],
  ["pexpire", -3, "write fast", 1, 1, 1, "2.6.0", "Expire in ms", keys.pexpire],
  ["pexpireat", -3, "write fast", 1, 1, 1, "2.6.0", "Expire at a ms", keys.pexpireat],
  ["pexpiretime", 2, "readonly fast", 1, 1, 1, "7.0.0", "When it expires, ms", keys.pexpiretime],
  ["pttl", 2, "readonly fast", 1, 1, 1, "2.6.0", "Time to live in ms", keys.pttl],
  ["randomkey", 1, "readonly", 0, 0, 0, "1.0.0", "Some key", keys.randomkey],
  ["scan", -2, "readonly", 0, 0, 0, "2.8.0", "Walk over the keys", keys.scan],
  ["touch", -2, "readonly fast", 1, -1, 1, "3.2.1", "Count the keys that exist", keys.exists],
  ["ttl", 2, "readonly fast", 1, 1, 1, "1.0.0", "Time to live in seconds", keys.ttl],
  ["type", 2, "readonly fast", 1, 1, 1, "1.0.0", "The kind of a value", keys.type],
  ["unlink", -2, "write fast", 1, -1, 1, "4.0.0", "Delete keys", keys.del],
  ["wait", 3, "", 0, 0, 0, "3.0.0", "How many servers hold the writes", server.wait],
];

const CONNECTION: readonly Row[] = [
  ["auth", -2, "noscript loading stale fast no_auth", 0, 0, 0, "1.0.0", "", authentication.auth],
  ["client", -2, "noscript loading stale", 0, 0, 0, "2.4.0", "", client],
  ["echo", 2, "loading stale fast", 0, 0, 0, "1.0.0", "Say a text again", connection.echo],
  ["hello", -1, "noscript loading stale fast no_auth", 0, 0, 0, "6.0.0", "", authentication.hello],
  ["ping", -1, "fast", 0, 0, 0, "1.0.0", "Ask for a sign of life", connection.ping],
  ["quit", -1, "noscript loading stale fast no_auth", 0, 0, 0, "1.0.0", "", connection.quit],
  ["reset", 1, "noscript loading stale fast no_auth", 0, 0, 0, "6.2.0", "", connection.reset],
  ["select", 2, "loading stale fast", 0, 0, 0, "1.0.0", "", connection.select],
];

const SERVER: readonly Row[] = [
  ["acl", -2, "noscript loading stale", 0, 0, 0, "6.0.0", "Users and what they may do", acl],
  ["command", -1, "loading stale", 0, 0, 0, "2.8.13", "The commands", server.command],
  ["config", -2, "admin noscript loading stale", 0, 0, 0, "2.0.0", "", server.config],
  ["dbsize", 1, "readonly fast", 0, 0, 0, "1.0.0", "How many keys there are", keys.dbsize],
  ["flushall", -1, "write", 0, 0, 0, "1.0.0", "Delete all keys", keys.flushall],
  ["flushdb", -1, "write", 0, 0, 0, "1.0.0", "Delete all keys", keys.flushall],
  ["info", -1, "loading stale", 0, 0, 0, "1.0.0", "About the server", server.info],
  [
    "raftkv.backup",
    -2,
    "admin noscript",
    0,
    0,
    0,
    "0.1.0",
    "The contents of this server at one index",
    backup,
  ],
  ["raftkv.leader", -2, "admin noscript", 0, 0, 0, "0.1.0", "Move the leadership", members.leader],
  ["raftkv.member", -2, "admin noscript", 0, 0, 0, "0.1.0", "Who the members are", members.member],
  [
    "raftkv.status",
    1,
    "noscript loading stale",
    0,
    0,
    0,
    "1.0.0",
    "How this server and the others are, as JSON",
    server.status,
  ],
  [
    "raftkv.user",
    -2,
    "admin noscript",
    0,
    0,
    0,
    "0.1.0",
    "Change a user by a secret from the data directory",
    user,
  ],
  [
    "role",
    1,
    "noscript loading stale fast",
    0,
    0,
    0,
    "2.8.12",
    "Who leads, who follows",
    server.role,
  ],
  ["time", 1, "loading stale fast", 0, 0, 0, "2.6.0", "The server's clock", server.time],
];

const CLUSTER: readonly Row[] = [
  ["cluster", -2, "", 0, 0, 0, "3.0.0", "About the cluster", server.cluster],
  ["readonly", 1, "loading stale fast", 0, 0, 0, "3.0.0", "", connection.readonly],
  ["readwrite", 1, "loading stale fast", 0, 0, 0, "3.0.0", "", connection.readwrite],
];

const TRANSACTIONS: readonly Row[] = [
  ["discard", 1, "noscript loading stale fast", 0, 0, 0, "2.0.0", "", transactions.discard],
  ["exec", 1, "noscript loading stale skip_slowlog", 0, 0, 0, "1.2.0", "", transactions.exec],
  ["multi", 1, "noscript loading stale fast", 0, 0, 0, "1.2.0", "", transactions.multi],
  ["unwatch", 1, "noscript loading stale fast", 0, 0, 0, "2.2.0", "", transactions.unwatch],
  ["watch", -2, "noscript loading stale fast", 1, -1, 1, "2.2.0", "", transactions.watch],
];

const OF_SCRIPTS = "noscript stale skip_monitor movablekeys";
const SCRIPTS: readonly Row[] = [
  ["eval", -3, OF_SCRIPTS, 0, 0, 0, "2.6.0", "Run a script", scripts.evaluate],
  [
    "eval_ro",
    -3,
    OF_SCRIPTS,
    0,
    0,
    0,
    "7.0.0",
    "Run one that only reads",
    scripts.evaluateReadOnly,
  ],
  ["evalsha", -3, OF_SCRIPTS, 0, 0, 0, "2.6.0", "Run a known script", scripts.evaluateByHash],
  [
    "evalsha_ro",
    -3,
    OF_SCRIPTS,
    0,
    0,
    0,
    "7.0.0",
    "Run a known script that only reads",
    scripts.evaluateReadOnlyByHash,
  ],
  ["script", -2, "noscript", 0, 0, 0, "2.6.0", "Which scripts are known", scripts.script],
];

/** Of this server alone: what the lines have and Redis has not. `since` is this server's version. */
const VERSIONS: readonly Row[] = [
  ["raftkv.cas", -4, "write denyoom fast", 1, 1, 1, "0.1.0", "Set a version's value", versions.cas],
  ["raftkv.get", 2, "readonly fast", 1, 1, 1, "0.1.0", "Version, time, value", versions.get],
  ["raftkv.range", -3, "readonly", 0, 0, 0, "0.1.0", "Keys in order, from one to another", range],
  ["raftkv.session", -2, "noscript", 0, 0, 0, "0.1.0", "Do each write once", sessions.session],
  ["raftkv.unwatch", -1, "pubsub noscript loading stale", 0, 0, 0, "0.1.0", "", watching.unwatch],
  ["raftkv.watch", -2, "pubsub noscript", 0, 0, 0, "0.1.0", "Be told of changes", watching.watch],
  ["raftkv.set", -3, "write denyoom fast", 1, 1, 1, "0.1.0", "Set, get the version", versions.set],
];

const OF_CHANNELS = "pubsub noscript loading stale";
const PUBSUB: readonly Row[] = [
  ["psubscribe", -2, OF_CHANNELS, 0, 0, 0, "2.0.0", "", subscribing.psubscribe],
  ["publish", 3, "pubsub loading stale fast", 0, 0, 0, "2.0.0", "", subscribing.publish],
  ["pubsub", -2, "", 0, 0, 0, "2.8.0", "Who subscribes to what", subscribing.pubsub],
  ["punsubscribe", -1, OF_CHANNELS, 0, 0, 0, "2.0.0", "", subscribing.punsubscribe],
  ["subscribe", -2, OF_CHANNELS, 0, 0, 0, "2.0.0", "", subscribing.subscribe],
  ["unsubscribe", -1, OF_CHANNELS, 0, 0, 0, "2.0.0", "", subscribing.unsubscribe],
];

const IMMEDIATE = new Set(["multi", "exec", "discard", "watch", "quit", "reset"]);
const FREE_ON_LOOPBACK = new Set(["raftkv.user"]);

function toCommand(group: string, row: Row): RespCommand {
  const [name, arity, flags, firstKey, lastKey, keyStep, since, summary, run] = row;
  const isImmediate = IMMEDIATE.has(name);
  const flagList = flags === "" ? [] : flags.split(" ");
  const about = { group, since, summary: summary === "" ? `${name.toUpperCase()}` : summary };
  const { number, isFree } = commandNamed(name)!;
  const inStore = flagList.includes("readonly") || flagList.includes("write") || name === "watch";
  const isFreeOnLoopback = FREE_ON_LOOPBACK.has(name);
  const subcommands = subcommandsOf(number);
  const judged = { number, isFree, isFreeOnLoopback, isJudgedLater: inStore, subcommands };
  const keys = { firstKey, lastKey, keyStep };
  return { name, arity, flags: flagList, run, isImmediate, ...keys, ...about, ...judged };
}

function subcommandsOf(container: number): readonly Subcommand[] | null {
  const found = COMMAND_NUMBERS.filter((one) => one.container === container);
  if (found.length === 0) return null;
  return found.map(({ name, number }) => ({ name: name.slice(name.indexOf("|") + 1), number }));
}

export const COMMANDS: readonly RespCommand[] = [
  ...STRINGS.map((row) => toCommand("string", row)),
  ...GENERIC.map((row) => toCommand("generic", row)),
  ...CONNECTION.map((row) => toCommand("connection", row)),
  ...SERVER.map((row) => toCommand("server", row)),
  ...CLUSTER.map((row) => toCommand("cluster", row)),
  ...TRANSACTIONS.map((row) => toCommand("transactions", row)),
  ...SCRIPTS.map((row) => toCommand("scripting", row)),
  ...PUBSUB.map((row) => toCommand("pubsub", row)),
  ...VERSIONS.map((row) => toCommand("raftkv", row)),
];

const NAME_BYTES_MAX = Math.max(...COMMANDS.map(({ name }) => name.length));
/** By the hash of the name, so that no string is made for each request. */
const BY_HASH = new Map<number, RespCommand[]>();
for (const command of COMMANDS) {
  const hash = hashOf(new TextEncoder().encode(command.name), 0, command.name.length);
  BY_HASH.set(hash, [...(BY_HASH.get(hash) ?? []), command]);
}

/** The command that the first argument names, in any case; null where there is none. */
export function findCommand(r: RespRequest): RespCommand | null {
  const start = r.starts[0]!;
  const end = r.ends[0]!;
  if (end - start > NAME_BYTES_MAX) return null;
  const found = BY_HASH.get(hashOf(r.bytes, start, end));
  if (found === undefined) return null;
  for (const command of found) if (r.is(0, command.name)) return command;
  return null;
}

/** The number of a request's command: that of the subcommand, where it names one that has its own. */
export function commandNumber({ number, subcommands }: RespCommand, r: RespRequest): number {
  if (subcommands === null || r.count < 2) return number;
  // Compared as bytes: no string is made for each write of a client session.
  for (const one of subcommands) if (r.is(1, one.name)) return one.number;
  return number;
}

/** FNV-1a over the letters in lower case; bit 5 of other bytes does not matter to a hash. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at]! | 0x20), 0x01000193);
  return hash >>> 0;
}
