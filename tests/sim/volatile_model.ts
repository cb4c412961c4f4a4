/**
 * What one transaction on short-lived keys has to answer. It begins by looking at its keys, so that
 * all that follows is decided: each command is held against that, in the order of the commands, by
 * the value that its reply had when it came. Times are compared with that of the transaction itself,
 * which a key of its own shows.
 */
import { digestText } from "../kv/digest_text.ts";
import type { Reply } from "../process/redis_socket.ts";

/** What is known of a key: null where it is not there; whether its time is limited. */
export interface KeyState {
  readonly value: string | null;
  readonly expires: boolean;
}

const ABSENT: KeyState = { value: null, expires: false };
/** How long the key lives that shows the time of its transaction, in ms. */
export const PROBE_MS = 1_000;
export const PROBE = "volatile-probe";

/** What a command has to answer, and what its key is behind it. */
export interface Step {
  readonly reply: Reply;
  readonly after: KeyState;
}

/** The commands that clients of short-lived keys use, on one key each. */
export function stepOf(args: readonly string[], before: KeyState): Step {
  const [name, , first, ...options] = args as [string, string, string?, ...string[]];
  const { value, expires } = before;
  const isThere = value !== null;
  const same = (reply: Reply): Step => ({ reply, after: before });
  switch (name) {
    case "GET":
      return same(value);
    case "SET": {
      const keeps = options.includes("KEEPTTL") && isThere && expires;
      const isRefused = (options.includes("XX") && !isThere) ||
        (options.includes("NX") && isThere) || !isMet(value, options);
      const shows = options.includes("GET");
      if (isRefused) return same(shows ? value : null);
      const after = { value: first!, expires: keeps || options.includes("PX") };
      return { reply: shows ? value : "OK", after };
    }
    case "GETSET":
      return { reply: value, after: { value: first!, expires: false } };
    case "GETDEL":
      return { reply: value, after: ABSENT };
    case "DELIFEQ":
      return isThere && value === first ? { reply: 1, after: ABSENT } : same(0);
    case "DELEX":
      return isThere && isMet(value, args.slice(2)) ? { reply: 1, after: ABSENT } : same(0);
    case "DIGEST":
      return same(isThere ? digestText(value) : null);
    case "INCRBY": {
      const sum = Number(value ?? 0) + Number(first);
      return { reply: sum, after: { value: `${sum}`, expires: isThere && expires } };
    }
    case "PEXPIRE":
      return isThere ? { reply: 1, after: { value, expires: true } } : same(0);
    case "PERSIST":
      return isThere && expires ? { reply: 1, after: { value, expires: false } } : same(0);
    default:
      throw new Error(`The model knows no ${name}`);
  }
}

/** Whether the condition among the options holds, where there is one. */
function isMet(value: string | null, options: readonly string[]): boolean {
  const at = options.findIndex((option) => /^IFD?(EQ|NE)$/.test(option));
  if (at < 0) return true;
  const name = options[at]!;
  const held = value !== null && name.startsWith("IFD") ? digestText(value) : value;
  return (held === options[at + 1]) === name.endsWith("EQ");
}

/** A look at a key within a transaction: these two commands. */
export function look(key: string): string[][] {
  return [["GET", key], ["PEXPIRETIME", key]];
}

/** The commands that show what time it is within a transaction. */
export const PROBE_COMMANDS = [["SET", PROBE, "x", "PX", `${PROBE_MS}`], ["PEXPIRETIME", PROBE]];

/**
 * What is wrong with the replies to a transaction of looks at `keys`, `commands`, looks again and the
 * probe, or null. `watched`: what was seen of a key behind its watch; it can't be anything else now.
 */
export function transactionProblem(
  keys: readonly string[],
  commands: readonly (readonly string[])[],
  replies: readonly Reply[],
  watched: { readonly key: string; readonly value: string | null } | null,
): string | null {
  const nowMs = Number(replies.at(-1)) - PROBE_MS;
  const states = new Map<string, KeyState>();
  for (const [at, key] of keys.entries()) {
    const seen = seenAt(replies, 2 * at, nowMs);
    if (typeof seen === "string") return `${key} at first: ${seen}`;
    if (watched?.key === key && watched.value !== seen.value) {
      return `${key} was ${watched.value} when it was watched, and is ${seen.value} now`;
    }
    states.set(key, seen);
  }
  for (const [at, command] of commands.entries()) {
    const key = command[1]!;
    const got = replies[2 * keys.length + at];
    if (command[0] === "MSETEX") {
      const { reply, after } = storedAll(command, keys, states);
      if (got !== reply) return `${command.join(" ")} answered ${show(got)}, and not ${reply}`;
      for (const [one, state] of after) states.set(one, state);
      continue;
    }
    if (command[0] === "MGET") {
      const wanted = command.slice(1).map((one) => states.get(one)!.value);
      if (show(got) === show(wanted)) continue;
      return `${command.join(" ")} answered ${show(got)}, and not ${show(wanted)}`;
    }
    const { reply, after } = stepOf(command, states.get(key)!);
    if (got !== reply) return `${command.join(" ")} answered ${show(got)}, and not ${show(reply)}`;
    states.set(key, after);
  }
  for (const [at, key] of keys.entries()) {
    const seen = seenAt(replies, 2 * (keys.length + at) + commands.length, nowMs);
    if (typeof seen === "string") return `${key} in the end: ${seen}`;
    const { value, expires } = states.get(key)!;
    if (seen.value !== value || seen.expires !== expires) {
      return `${key} is ${stateText(seen)} in the end, and not ${stateText({ value, expires })}`;
    }
  }
  return null;
}

/** An MSETEX of all keys: what it answers, and what they are behind it. */
function storedAll(
  command: readonly string[],
  keys: readonly string[],
  states: ReadonlyMap<string, KeyState>,
): { readonly reply: number; readonly after: ReadonlyMap<string, KeyState> } {
  const options = command.slice(2 + 2 * keys.length);
  const there = keys.filter((key) => states.get(key)!.value !== null).length;
  const isRefused = (options.includes("NX") && there > 0) ||
    (options.includes("XX") && there < keys.length);
  const after = new Map<string, KeyState>();
  if (isRefused) return { reply: 0, after };
  for (const [i, key] of keys.entries()) {
    const { value, expires } = states.get(key)!;
    const keeps = options.includes("KEEPTTL") && value !== null && expires;
    after.set(key, { value: command[3 + 2 * i]!, expires: keeps || options.includes("PX") });
  }
  return { reply: 1, after };
}

/** What a look saw, or what can't be. */
function seenAt(replies: readonly Reply[], at: number, nowMs: number): KeyState | string {
  const value = replies[at];
  const deadlineMs = replies[at + 1];
  if (typeof deadlineMs !== "number" || (value !== null && typeof value !== "string")) {
    return `${show(value)}, and a time of ${show(deadlineMs)}`;
  }
  if ((value === null) !== (deadlineMs === -2)) return `${show(value)} until ${deadlineMs}`;
  if (value === null) return ABSENT;
  const leftMs = deadlineMs - nowMs;
  if (deadlineMs !== -1 && leftMs <= 0) return `it is there, ${-leftMs} ms behind its time`;
  return { value, expires: deadlineMs !== -1 };
}

function show(reply: unknown): string {
  return reply instanceof Error ? reply.message : JSON.stringify(reply) ?? "nothing";
}

function stateText({ value, expires }: KeyState): string {
  return value === null ? "absent" : `${value}${expires ? " for a while" : " for good"}`;
}
