/** How the keys of encoded commands begin: enough to see whose they are, not enough to know them. */
import {
  afterWatches,
  commandLength,
  GROUP_COMMANDS_OFFSET,
  innerOf,
  keyLength,
  keyOffset,
  Op,
} from "../kv/commands/command.ts";
import { deletedNames } from "../kv/users/operations.ts";
import { latin1 } from "../util/latin1.ts";

export interface TouchedKeys {
  readonly keys: number;
  /** Each once. */
  readonly prefixes: readonly string[];
}

const PREFIX_BYTES_MAX = 16;
const PREFIXES_MAX = 8;
const COLON = 0x3a;
const GROUPS: ReadonlySet<number> = new Set([
  Op.group,
  Op.deleteGroup,
  Op.setAll,
  Op.readGroup,
]);
/** What stands in the place of a key is none: a pattern, a user's name. */
const KEYLESS: ReadonlySet<number> = new Set([Op.scan, Op.keys, Op.range, Op.changeUser]);

/** Of the command at `bytes[offset]`, with its user before it or without. */
export function keysOf(bytes: Uint8Array, offset: number): TouchedKeys {
  const at = innerOf(bytes, offset);
  const op = bytes[at + 4]!;
  const found = new Set<string>();
  if (!GROUPS.has(op)) {
    if (KEYLESS.has(op) || keyLength(bytes, at) === 0) return { keys: 0, prefixes: [] };
    return { keys: 1, prefixes: [prefixOf(bytes, at)] };
  }
  const end = at + commandLength(bytes, at);
  let keys = 0;
  for (let one = at + GROUP_COMMANDS_OFFSET; one < end; one += commandLength(bytes, one)) {
    keys++;
    if (found.size < PREFIXES_MAX) found.add(prefixOf(bytes, one));
  }
  return { keys, prefixes: [...found] };
}

/** Of each command in the transaction at `bytes[offset]`, in their order. */
export function queuedIn(bytes: Uint8Array, offset: number): TouchedKeys[] {
  const at = innerOf(bytes, offset);
  const all: TouchedKeys[] = [];
  const end = at + commandLength(bytes, at);
  for (let tag = afterWatches(bytes, at); tag < end; tag += 1 + commandLength(bytes, tag + 1)) {
    all.push(keysOf(bytes, tag + 1));
  }
  return all;
}

/** The names in the deleteUser at `bytes[offset]`; undefined where that does something else. */
export function deletedUsers(bytes: Uint8Array, offset: number): string | undefined {
  const at = innerOf(bytes, offset);
  return bytes[at + 4] === Op.deleteUser ? deletedNames(bytes, at).join(" ") : undefined;
}

function prefixOf(bytes: Uint8Array, at: number): string {
  const start = keyOffset(bytes, at);
  const end = start + Math.min(PREFIX_BYTES_MAX, keyLength(bytes, at));
  const colon = bytes.subarray(start, end).indexOf(COLON);
  return latin1(bytes.subarray(start, colon < 0 ? end : start + colon + 1));
}
