/** Ranges: the bounds of a prefix, and pages from replies. */
import { kept } from "./arguments.ts";
import type { Key, Page, Versioned } from "./calls.ts";
import { toBulk, toList } from "./replies.ts";
import type { Reply } from "./reply_parser.ts";
import type { Argument } from "./request_writer.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A bound of a range as bytes; empty for none. @throws {TypeError} where it is no key. */
export function bound(what: string, key: Key): Uint8Array {
  const argument = kept(what, key);
  return typeof argument === "string" ? encoder.encode(argument) : argument;
}

/** What comes after all keys that begin with `prefix`; empty where that is nothing. */
export function endOfPrefix(prefix: Uint8Array): Uint8Array {
  let length = prefix.length;
  while (length > 0 && prefix[length - 1] === 0xff) length--;
  const end = prefix.slice(0, length);
  if (length > 0) end[length - 1]!++;
  return end;
}

/** The later of the prefix and what comes directly after `after`. */
export function startAfter(prefix: Uint8Array, after: Key | undefined): Uint8Array {
  if (after === undefined) return prefix;
  const key = bound("after", after);
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return isBefore(next, prefix) ? prefix : next;
}

export function rangeRequest(start: Argument, end: Argument, limit: number): Argument[] {
  return ["RAFTKV.RANGE", start, end, "LIMIT", `${limit}`];
}

/** Reads pages whose values `versioned` reads. Throws `ProtocolProblem` where the reply is something else. */
export function pageReplies<Out>(versioned: (reply: Reply) => Versioned<Out> | null) {
  return (reply: Reply): Page<Out> => {
    const [next, entries] = toList(reply);
    return {
      next: next === null ? null : toBulk(next).slice(),
      entries: toList(entries).map((entry) => {
        const [key, ...rest] = toList(entry);
        const keyBytes = toBulk(key).slice();
        return { key: decoder.decode(keyBytes), keyBytes, ...versioned(rest)! };
      }),
    };
  };
}

function isBefore(a: Uint8Array, b: Uint8Array): boolean {
  const most = Math.min(a.length, b.length);
  for (let i = 0; i < most; i++) if (a[i] !== b[i]) return a[i]! < b[i]!;
  return a.length < b.length;
}
