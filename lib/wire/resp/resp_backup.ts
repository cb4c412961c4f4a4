/**
 * `RAFTKV.BACKUP`: the contents of this server at one index, piece by piece as they are asked for. So the
 * client sets the pace, and what it has not asked for takes no memory here.
 */
import type { ByteWriter } from "../../util/bytes.ts";
import { type BackupSource, LATER } from "../backup.ts";
import { arity } from "./resp_connection.ts";
import { help } from "./resp_help.ts";
import { writeArray, writeBulk, writeInteger, writeLine, writeText } from "./resp_bytes.ts";
import { RespMode } from "./resp_replies.ts";
import type { RespRequest } from "./resp_request.ts";

/** Subcommands, with their number of arguments in all. */
const SUBCOMMANDS: Readonly<Record<string, number>> = {
  index: 2,
  begin: 3,
  state: 3,
  read: 3,
  end: 3,
};
/** Those that tell of the contents, or have them made. */
const OF_CONTENTS: ReadonlySet<string> = new Set(["begin", "state", "read"]);
const DIGITS_MAX = 16;
const HELP = [
  "RAFTKV.BACKUP <subcommand> [<arg> ...]. Subcommands are:",
  "INDEX",
  "    Of which cluster this server is, and up to where it has the log.",
  "BEGIN <index>",
  "    Begins a backup that holds at least that index; answers its number.",
  "STATE <number>",
  "    Whether the contents can be read, of which index they are, and how long.",
  "READ <number>",
  "    The next piece of the contents; an empty one at the end; LATER where it is not",
  "    written yet.",
  "END <number>",
  "    The backup is not needed any more.",
  "HELP",
  "    Prints this help.",
];

export function backup(r: RespRequest): void {
  if (r.is(1, "help")) {
    if (arity(r, 2, "help")) help(r, HELP);
    return;
  }
  for (const [name, count] of Object.entries(SUBCOMMANDS)) {
    if (!r.is(1, name)) continue;
    if (!arity(r, count, name)) return;
    const number = count === 2 ? "0" : r.shortText(2, DIGITS_MAX + 1);
    const isNumber = /^\d+$/.test(number) && number.length <= DIGITS_MAX &&
      Number.isSafeInteger(Number(number));
    if (!isNumber) return r.error("ERR value is not an integer or out of range");
    return r.local(RespMode.backup, `${name} ${number}`);
  }
  r.refuse(`ERR unknown subcommand '${r.text(1).slice(0, 128)}'. Try RAFTKV.BACKUP HELP.`);
}

/** Whether the subcommand that `words` begin with needs leave to read all keys. */
export function showsContents(words: string): boolean {
  return OF_CONTENTS.has(words.split(" ", 1)[0]!.toLowerCase());
}

/** Appends the reply; `argument` is what `backup` made of the request. */
export function writeBackupReply(
  out: ByteWriter,
  argument: string,
  source: BackupSource | null,
): void {
  if (source === null) {
    return writeLine(out, "-LOADING This server has nothing yet: try another one");
  }
  const [name, number] = argument.split(" ");
  const id = Number(number);
  switch (name) {
    case "index":
      return writeFacts(out, source);
    case "begin": {
      const begun = source.begin(id);
      if (begun !== null) return writeInteger(out, begun);
      const busy = "as many backups as may be are taken of this server: try later, or another one";
      return writeLine(out, `-TRYAGAIN ${busy}`);
    }
    case "end":
      source.end(id);
      return writeLine(out, "+OK");
    case "state":
      return writeState(out, id, source);
    case "read": {
      const bytes = source.next(id);
      if (bytes === null) return writeGone(out);
      return bytes === LATER ? writeLine(out, `+${LATER}`) : writeBulk(out, bytes, 0, bytes.length);
    }
  }
}

function writeFacts(out: ByteWriter, source: BackupSource): void {
  const { clusterId, serverId, appliedIndex, version, hashSeed, keys } = source.facts();
  writeArray(out, 6);
  writeText(out, clusterId);
  writeInteger(out, serverId);
  writeInteger(out, appliedIndex);
  writeText(out, version);
  writeInteger(out, hashSeed);
  writeInteger(out, keys);
}

function writeState(out: ByteWriter, id: number, source: BackupSource): void {
  const state = source.state(id);
  if (state === null) return writeGone(out);
  const { isReady, index, term, takenMs, bytes, madeBytes } = state;
  writeArray(out, 6);
  writeText(out, isReady ? "ready" : "waiting");
  for (const number of [index, term, takenMs, bytes, madeBytes]) {
    writeInteger(out, Math.floor(number));
  }
}

function writeGone(out: ByteWriter): void {
  writeLine(
    out,
    "-ERR this backup is not under way here, or not any more: begin again",
  );
}
