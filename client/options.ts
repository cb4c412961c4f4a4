/**
 * The options that calls are given. From plain JavaScript they may be anything, and one that is written
 * wrongly would be as good as not given: a deadline or a time to live that nobody keeps.
 */
import { wrongKind } from "./arguments.ts";
import type {
  AddMemberOptions,
  AskOptions,
  CallOptions,
  CommandOptions,
  KeysOptions,
  MoveLeaderOptions,
  RangeOptions,
  ScanOptions,
  SetOptions,
  WatchOptions,
} from "./calls.ts";

/** Names of options, from an object, so that the compiler tells where one is missing. */
export function optionNames<Options>(
  table: Readonly<Record<keyof Options & string, true>>,
): ReadonlySet<string> {
  return new Set(Object.keys(table));
}

const ALL = { timeoutMs: true, signal: true } as const;

export const CALL_OPTIONS: ReadonlySet<string> = optionNames<CallOptions>(ALL);
/** Of `ask`, which makes a connection of its own. */
export const ASK_OPTIONS: ReadonlySet<string> = optionNames<AskOptions>({
  ...ALL,
  tls: true,
  user: true,
  password: true,
});
export const SET_OPTIONS: ReadonlySet<string> = optionNames<SetOptions>({
  ...ALL,
  timeToLiveMs: true,
});
export const KEYS_OPTIONS: ReadonlySet<string> = optionNames<KeysOptions>({
  ...ALL,
  match: true,
  keysAtATime: true,
});
export const RANGE_OPTIONS: ReadonlySet<string> = optionNames<RangeOptions>({
  ...ALL,
  limit: true,
});
export const SCAN_OPTIONS: ReadonlySet<string> = optionNames<ScanOptions>({
  ...ALL,
  after: true,
  keysAtATime: true,
});
export const ADD_MEMBER_OPTIONS: ReadonlySet<string> = optionNames<AddMemberOptions>({
  ...ALL,
  learner: true,
});
export const MOVE_LEADER_OPTIONS: ReadonlySet<string> = optionNames<MoveLeaderOptions>({
  ...ALL,
  to: true,
});
export const WATCH_OPTIONS: ReadonlySet<string> = optionNames<WatchOptions>({
  after: true,
  values: true,
  marks: true,
  signal: true,
});
export const COMMAND_OPTIONS: ReadonlySet<string> = optionNames<CommandOptions>({
  ...ALL,
  isWrite: true,
});
/** Of a write inside a transaction, which has the transaction's deadline. */
export const WRITE_OPTIONS: ReadonlySet<string> = optionNames<Pick<SetOptions, "timeToLiveMs">>({
  timeToLiveMs: true,
});

/** @throws {TypeError} where it is no object, or has an option that is not among `known`. */
export function checkNames(options: unknown, known: ReadonlySet<string>): void {
  if (options === undefined) return;
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    const [example] = known;
    throw wrongKind("the options argument", `an object such as { ${example}: … }`, options, "");
  }
  // Inherited ones count: a program may keep its own in a prototype, and then they are meant.
  for (const name in options) {
    if (known.has(name) || name in Object.prototype) continue;
    const near = [...known].find((one) => isNear(name, one));
    const hint = near === undefined ? `there are ${[...known].join(", ")}` : `is ${near} meant?`;
    throw new TypeError(`"${name.slice(0, 64)}" is no option here: ${hint}`);
  }
}

/** @throws {TypeError} where it is no signal. */
export function checkSignal(signal: unknown): AbortSignal | undefined {
  if (signal === undefined || isSignal(signal)) return signal;
  const hasOne = typeof signal === "object" && signal !== null && "signal" in signal;
  throw wrongKind("signal", "an AbortSignal", signal, hasOne ? "give its .signal" : "");
}

/** Also one of another realm. */
function isSignal(given: unknown): given is AbortSignal {
  return typeof given === "object" && given !== null && "aborted" in given &&
    "addEventListener" in given && typeof given.addEventListener === "function";
}

/** @throws {TypeError} where it is neither true nor false. */
export function checkFlag(name: string, given: unknown): boolean | undefined {
  if (given === undefined || typeof given === "boolean") return given;
  throw wrongKind(name, "true or false", given, "");
}

const LETTERS_MAX = 2;
/** Whoever writes this much of a name means it. */
const BEGINNING_MIN = 4;
/** Longer ones are nobody's slip. */
const NAME_LENGTH_MAX = 32;

/** The same but for case and separators, or for two letters; or its beginning. */
function isNear(given: string, known: string): boolean {
  if (given.length > NAME_LENGTH_MAX) return false;
  const [a, b] = [given, known].map((name) => name.toLowerCase().replace(/[^a-z0-9]/g, ""));
  if (a!.length >= BEGINNING_MIN && b!.startsWith(a!)) return true;
  return lettersApart(a!, b!) <= LETTERS_MAX;
}

/** How many letters have to be changed, added or left out to make `b` of `a` (Levenshtein). */
function lettersApart(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let row = 1; row <= a.length; row++) {
    const line = [row];
    for (let at = 1; at <= b.length; at++) {
      const changed = above[at - 1]! + Number(a[row - 1] !== b[at - 1]);
      line.push(Math.min(changed, above[at]! + 1, line[at - 1]! + 1));
    }
    above = line;
  }
  return above[b.length]!;
}
