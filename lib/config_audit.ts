/** `audit` in the cluster file: whether an account is kept of what clients do, where, and of what. */
import * as v from "valibot";
import { pathOf, section, wholeNumber } from "./config_sections.ts";
import { CATEGORIES, commandNamed } from "./kv/users/command_numbers.ts";

/** audit_log.ts. */
export interface AuditConfig {
  /** The directory of the files. Relative to the working directory. */
  readonly path: string;
  /** A file that has so many bytes is followed by another one. */
  readonly fileBytesMax: number;
  /** So many files of this server stay, the one that is written to included. */
  readonly keep: number;
  /** Names of commands, and categories after an @. */
  readonly commands: readonly string[];
}

const COMMANDS = "is no list of commands (set) and categories (@write, @all)";

function isKnown(text: string): boolean {
  if (!text.startsWith("@")) return commandNamed(text) !== undefined;
  return text === "@all" || CATEGORIES.includes(text.slice(1));
}

const AUDIT_KEYS = {
  path: pathOf("is no directory (a name of 1 to 4096 characters)"),
  fileBytesMax: v.optional(
    wholeNumber(1_048_576, 1_073_741_824, "whole number of bytes"),
    67_108_864,
  ),
  keep: v.optional(wholeNumber(1, 1_000, "number of files to keep"), 10),
  commands: v.optional(
    v.pipe(
      v.array(
        v.pipe(v.string(COMMANDS), v.check(isKnown, "is no command and no category")),
        COMMANDS,
      ),
      v.check((all) => all.length > 0 && all.length <= 1_000, COMMANDS),
    ),
    ["@all"],
  ),
};

export const AUDIT = section(AUDIT_KEYS, "audit log");
export const AUDIT_KNOWN_KEYS = { audit: Object.keys(AUDIT_KEYS) };
