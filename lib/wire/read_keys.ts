/** Which keys an encoded command shows to its client: for those that remember what they have read. */
import {
  afterWatches,
  commandLength,
  GROUP_COMMANDS_OFFSET,
  innerOf,
  keyLength,
  keyOffset,
  Op,
} from "../kv/commands/command.ts";
import { latin1 } from "../util/latin1.ts";

const READS: ReadonlySet<number> = new Set([Op.get, Op.getm, Op.getRange, Op.digest]);

/** The keys that the command at `bytes[offset]` reads, with its user or session before it or without. */
export function keysRead(bytes: Uint8Array, offset: number): string[] {
  const at = innerOf(bytes, offset);
  switch (bytes[at + 4]) {
    case Op.readGroup:
      return keysOfGroup(bytes, at);
    case Op.transaction:
      return keysOfTransaction(bytes, at);
    default:
      return READS.has(bytes[at + 4]!) ? [keyAt(bytes, at)] : [];
  }
}

function keysOfGroup(bytes: Uint8Array, at: number): string[] {
  const keys: string[] = [];
  const end = at + commandLength(bytes, at);
  for (let one = at + GROUP_COMMANDS_OFFSET; one < end; one += commandLength(bytes, one)) {
    keys.push(keyAt(bytes, one));
  }
  return keys;
}

function keysOfTransaction(bytes: Uint8Array, at: number): string[] {
  const keys: string[] = [];
  const end = at + commandLength(bytes, at);
  for (let tag = afterWatches(bytes, at); tag < end; tag += 1 + commandLength(bytes, tag + 1)) {
    keys.push(...keysRead(bytes, tag + 1));
  }
  return keys;
}

function keyAt(bytes: Uint8Array, at: number): string {
  const start = keyOffset(bytes, at);
  return latin1(bytes.subarray(start, start + keyLength(bytes, at)));
}
