/** Commands of the Redis protocol that ask about the server and the cluster. */
import { Glob } from "../kv/glob.ts";
import { ByteWriter } from "../util/bytes.ts";
import { arity } from "./resp_connection.ts";
import { writeArray, writeLine, writeMap, writeNull, writeText } from "./resp_replies.ts";
import { RespMode } from "./resp_replies.ts";
import { writeInteger } from "./resp_replies.ts";
import type { RespRequest } from "./resp_request.ts";
import { COMMANDS, findCommand, type RespCommand } from "./resp_table.ts";

/** What clients and tools ask for when they connect. */
const CONFIG: readonly (readonly [string, (r: RespRequest) => string])[] = [
  ["appendfsync", () => "always"],
  ["appendonly", () => "yes"],
  ["cluster-enabled", () => "yes"],
  ["databases", () => "1"],
  ["maxmemory", () => "0"],
  ["maxmemory-policy", () => "noeviction"],
  ["proto-max-bulk-len", (r) => `${r.limits.valueBytesMax}`],
  ["save", () => ""],
  ["timeout", () => "0"],
];

const encoder = new TextEncoder();

export function info(r: RespRequest): void {
  const sections: string[] = [];
  for (let i = 1; i < r.count; i++) sections.push(r.text(i).toLowerCase());
  r.local(RespMode.info, sections.join(" "));
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
  const globs: Glob[] = [];
  for (let i = 2; i < r.count; i++) {
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

const CLUSTER_MODES: Readonly<Record<string, RespMode>> = {
  info: RespMode.clusterInfo,
  nodes: RespMode.clusterNodes,
  slots: RespMode.clusterSlots,
  shards: RespMode.clusterShards,
  myid: RespMode.clusterMyId,
};

export function cluster(r: RespRequest): void {
  if (r.is(1, "keyslot")) {
    if (arity(r, 3, "keyslot")) r.line(`:${r.slot(2)}`);
    return;
  }
  for (const [name, mode] of Object.entries(CLUSTER_MODES)) {
    if (!r.is(1, name)) continue;
    if (arity(r, 2, name)) r.local(mode);
    return;
  }
  r.refuse(`ERR unknown subcommand '${r.text(1).slice(0, 128)}'. Try CLUSTER HELP.`);
}

export function command(r: RespRequest): void {
  const isResp3 = r.version === 3;
  const out = new ByteWriter();
  if (r.count === 1) writeCommands(out, COMMANDS, isResp3);
  else if (r.is(1, "count")) {
    if (!arity(r, 2, "count")) return;
    writeInteger(out, COMMANDS.length);
  } else if (r.is(1, "list") && r.count === 2) {
    writeArray(out, COMMANDS.length);
    for (const { name } of COMMANDS) writeText(out, name);
  } else if (r.is(1, "info")) {
    writeCommands(out, r.count === 2 ? COMMANDS : named(r), isResp3);
  } else if (r.is(1, "docs")) {
    const asked = r.count === 2 ? COMMANDS : named(r).filter((one) => one !== null);
    writeMap(out, asked.length, isResp3);
    for (const one of asked) writeDocs(out, one, isResp3);
  } else {
    return r.refuse(`ERR unknown subcommand '${r.text(1).slice(0, 128)}'. Try COMMAND HELP.`);
  }
  r.reply(out.copy());
}

/** The commands that the arguments from the third on name, null for an unknown one. */
function named(r: RespRequest): (RespCommand | null)[] {
  const found: (RespCommand | null)[] = [];
  for (let i = 2; i < r.count && found.length < COMMANDS.length; i++) {
    found.push(findCommand(r, i));
  }
  return found;
}

function writeCommands(
  out: ByteWriter,
  commands: readonly (RespCommand | null)[],
  isResp3: boolean,
): void {
  writeArray(out, commands.length);
  for (const one of commands) {
    if (one === null) {
      writeNull(out, isResp3);
      continue;
    }
    writeArray(out, 10);
    writeText(out, one.name);
    writeInteger(out, one.arity);
    writeArray(out, one.flags.length);
    for (const flag of one.flags) writeLine(out, `+${flag}`);
    writeInteger(out, one.firstKey);
    writeInteger(out, one.lastKey);
    writeInteger(out, one.keyStep);
    // Categories of access, tips, specifications of keys, subcommands: none are told.
    for (let i = 0; i < 4; i++) writeArray(out, 0);
  }
}

function writeDocs(out: ByteWriter, one: RespCommand, isResp3: boolean): void {
  writeText(out, one.name);
  writeMap(out, 3, isResp3);
  for (const field of ["summary", "since", "group"] as const) {
    writeText(out, field);
    writeText(out, one[field]);
  }
}
