/** What COMMAND tells of the commands. */
import { commandNamed } from "../../kv/users/command_numbers.ts";
import type { ByteWriter } from "../../util/bytes.ts";
import {
  writeArray,
  writeInteger,
  writeLine,
  writeMap,
  writeNull,
  writeText,
} from "./resp_bytes.ts";
import { COMMANDS, type RespCommand } from "./resp_table.ts";

/** Appends the reply; `argument` is the subcommand and the names, a line each, in lower case. */
export function writeCommandInfo(out: ByteWriter, isResp3: boolean, argument: string): void {
  const [subcommand, ...names] = argument.split("\n");
  const asked = names.length === 0
    ? COMMANDS
    : names.map((name) => COMMANDS.find((one) => one.name === name) ?? null);
  switch (subcommand) {
    case "count":
      return writeInteger(out, COMMANDS.length);
    case "list":
      writeArray(out, COMMANDS.length);
      for (const { name } of COMMANDS) writeText(out, name);
      return;
    case "docs": {
      const known = asked.filter((one) => one !== null);
      writeMap(out, known.length, isResp3);
      for (const one of known) writeDocs(out, one, isResp3);
      return;
    }
    default:
      writeArray(out, asked.length);
      for (const one of asked) writeInfo(out, one, isResp3);
  }
}

function writeInfo(out: ByteWriter, one: RespCommand | null, isResp3: boolean): void {
  if (one === null) return writeNull(out, isResp3);
  writeArray(out, 10);
  writeText(out, one.name);
  writeInteger(out, one.arity);
  writeArray(out, one.flags.length);
  for (const flag of one.flags) writeLine(out, `+${flag}`);
  writeInteger(out, one.firstKey);
  writeInteger(out, one.lastKey);
  writeInteger(out, one.keyStep);
  const categories = commandNamed(one.name)?.categories ?? [];
  writeArray(out, categories.length);
  for (const category of categories) writeLine(out, `+@${category}`);
  // Tips, specifications of keys, subcommands: none are told.
  for (let i = 0; i < 3; i++) writeArray(out, 0);
}

function writeDocs(out: ByteWriter, one: RespCommand, isResp3: boolean): void {
  writeText(out, one.name);
  writeMap(out, 3, isResp3);
  for (const field of ["summary", "since", "group"] as const) {
    writeText(out, field);
    writeText(out, one[field]);
  }
}
