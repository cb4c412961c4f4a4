/** Commands of the Redis protocol that ask about the server and the cluster. */
import { Glob, PATTERN_BYTES_MAX } from "../../kv/commands/glob.ts";
import { ByteWriter } from "../../util/bytes.ts";
import { Action } from "../command_batch.ts";
import { arity } from "./resp_connection.ts";
import { writeMap, writeText } from "./resp_bytes.ts";
import { RespMode } from "./resp_replies.ts";
import type { RespRequest } from "./resp_request.ts";

/** What clients and tools ask for when they connect. */
const CONFIG: readonly (readonly [string, (r: RespRequest) => string])[] = [
  ["appendfsync", () => "always"],
  ["appendonly", () => "yes"],
  ["cluster-enabled", (r) => r.identity.isForwarding === true ? "no" : "yes"],
  ["databases", () => "1"],
  ["maxmemory", () => "0"],
  ["maxmemory-policy", () => "noeviction"],
  ["proto-max-bulk-len", (r) => `${r.limits.valueBytesMax}`],
  ["save", () => ""],
  ["timeout", () => "0"],
];

/** The most names that COMMAND tells of at once, and the longest that it looks at. */
const NAMES_MAX = 100;
const WORD_BYTES_MAX = 32;

const encoder = new TextEncoder();

export function info(r: RespRequest): void {
  const sections: string[] = [];
  for (let i = 1; i < r.count; i++) sections.push(r.text(i).toLowerCase());
  r.local(RespMode.info, sections.join(" "));
}

export function role(r: RespRequest): void {
  r.local(RespMode.role);
}

export function status(r: RespRequest): void {
  r.local(RespMode.status);
}

export function time(r: RespRequest): void {
  r.local(RespMode.time);
}

export function wait(r: RespRequest): void {
  if (!r.integer(1) || !r.integer(2, "ERR timeout is not an integer or out of range")) return;
  if (r.number.isNegative) return r.error("ERR timeout is negative");
  r.local(RespMode.wait);
}

export function config(r: RespRequest): void {
  if (!r.is(1, "get")) {
    return r.refuse(`ERR unknown subcommand '${r.text(1).slice(0, 128)}'. Try CONFIG HELP.`);
  }
  if (!arity(r, -3, "get")) return;
  if (r.count - 2 > NAMES_MAX) {
    return r.error(`ERR more than ${NAMES_MAX} names at once are not looked for`);
  }
  const globs: Glob[] = [];
  for (let i = 2; i < r.count; i++) {
    if (!isPattern(r, i)) return;
    const pattern = encoder.encode(r.text(i).toLowerCase());
    globs.push(new Glob(pattern, 0, pattern.length));
  }
  const found = CONFIG.filter(([name]) => {
    const bytes = encoder.encode(name);
    return globs.some((glob) => glob.matches(bytes, 0, bytes.length));
  });
  const out = new ByteWriter();
  writeMap(out, found.length, r.version === 3);
  for (const [name, value] of found) {
    writeText(out, name);
    writeText(out, value(r));
  }
  r.reply(out.copy());
}

/** True where argument `i` is no longer than a pattern may be; answers with an error where it is. */
export function isPattern(r: RespRequest, i: number): boolean {
  if (r.length(i) <= PATTERN_BYTES_MAX) return true;
  r.error(`ERR a pattern has more than ${PATTERN_BYTES_MAX} bytes`);
  return false;
}

const CLUSTER_MODES: Readonly<Record<string, RespMode>> = {
  info: RespMode.clusterInfo,
  nodes: RespMode.clusterNodes,
  slots: RespMode.clusterSlots,
  shards: RespMode.clusterShards,
  myid: RespMode.clusterMyId,
};

/** What can't be told before a leader was known. */
const LAYOUTS: ReadonlySet<RespMode> = new Set([
  RespMode.clusterNodes,
  RespMode.clusterSlots,
  RespMode.clusterShards,
]);

export function cluster(r: RespRequest): void {
  if (r.identity.isForwarding === true) {
    return r.refuse("ERR This instance has cluster support disabled");
  }
  if (r.is(1, "keyslot")) {
    if (arity(r, 3, "keyslot")) r.line(`:${r.slot(2)}`);
    return;
  }
  for (const [name, mode] of Object.entries(CLUSTER_MODES)) {
    if (!r.is(1, name)) continue;
    if (arity(r, 2, name)) r.local(mode, "", LAYOUTS.has(mode) ? Action.layout : Action.local);
    return;
  }
  r.refuse(`ERR unknown subcommand '${r.text(1).slice(0, 128)}'. Try CLUSTER HELP.`);
}

/** The reply is long where the request is short: it is written when its turn comes, not before. */
export function command(r: RespRequest): void {
  const subcommand = r.count === 1 ? "" : r.shortText(1, WORD_BYTES_MAX).toLowerCase();
  if (subcommand === "count" && !arity(r, 2, "count")) return;
  if (!["", "count", "list", "info", "docs"].includes(subcommand)) {
    return r.refuse(`ERR unknown subcommand '${r.text(1).slice(0, 128)}'. Try COMMAND HELP.`);
  }
  const words = [subcommand];
  for (let i = 2; i < r.count && i < NAMES_MAX; i++) words.push(r.shortText(i, WORD_BYTES_MAX));
  r.local(RespMode.command, words.join("\n").toLowerCase());
}
