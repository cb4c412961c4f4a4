/**
 * Times of the Redis protocol: deadlines and times to live as arguments, the options of SET and its kin,
 * and the bounds of EXPIRE and its kin, which are those of Redis 7.0 but for times beyond 2^53 ms.
 */
import {
  COMMAND_HEAD_BYTES,
  type Comparison,
  ExpiryKind,
  SetFlag,
} from "../../kv/commands/command.ts";
import { type ByteWriter, writeU64 } from "../../util/bytes.ts";
import { Int64 } from "../../util/int64.ts";
import { comparisonAt } from "./resp_comparison.ts";
import type { RespRequest } from "./resp_request.ts";

const SYNTAX = "ERR syntax error";
const FIRST_FIELD = COMMAND_HEAD_BYTES;

/** The latest deadline: every time is a whole number that is exact. The year 287396. */
const DEADLINE_MS_MAX = Number.MAX_SAFE_INTEGER;
/**
 * The longest time to live: from now on, until the year 2248, it ends no later than that. So no
 * deadline is ever cut short, by a clock that nobody knows when the command comes in.
 */
export const TIME_TO_LIVE_MS_MAX = DEADLINE_MS_MAX - 2 ** 43;

/** The least number of seconds that Redis takes: in ms it fits 64 bits. */
const SECONDS_MIN = new Int64();
SECONDS_MIN.parse(new TextEncoder().encode("-9223372036854775"), 0, 17);

/** What the options of SET, GETEX and MSETEX come to. */
interface Options {
  flags: number;
  /** What has to hold for the value that is there; 0 where nothing has to. */
  comparison: Comparison | 0;
  /** The argument that it is compared with. */
  comparedWith: number;
  hasExpiry: boolean;
  persists: boolean;
  kind: ExpiryKind;
  ms: number;
}

export const options: Options = {
  flags: 0,
  comparison: 0,
  comparedWith: 0,
  hasExpiry: false,
  persists: false,
  kind: ExpiryKind.never,
  ms: 0,
};

/** Writes an operation's expiry: it stands at the same place in all that have one. */
export function putExpiry(out: ByteWriter, at: number, kind: ExpiryKind, ms: number): void {
  out.bytes[at + FIRST_FIELD] = kind;
  writeU64(out.bytes, at + FIRST_FIELD + 1, ms);
}

/** Reads the options, from argument `from`; false where they are wrong, with an error as the reply. */
export function readOptions(
  r: RespRequest,
  from: number,
  name: "set" | "getex" | "msetex",
): boolean {
  const isSet = name !== "getex";
  options.flags = 0;
  options.comparison = 0;
  options.hasExpiry = false;
  options.persists = false;
  options.kind = ExpiryKind.never;
  options.ms = 0;
  let expiryWord = "";
  let expiryAt = 0;
  const refuse = () => {
    r.error(SYNTAX);
    return false;
  };
  for (let i = from; i < r.count; i++) {
    const flag = isSet ? setFlag(r, i, name === "set") : 0;
    if (flag !== 0) {
      if (clashesWithCondition(flag)) return refuse();
      if (flag === SetFlag.keepExpiry && expiryWord !== "") return refuse();
      options.flags |= flag;
      continue;
    }
    const comparison = name === "set" ? comparisonAt(r, i) : 0;
    if (comparison !== 0) {
      const clashes = (options.flags & IF_FLAGS) !== 0 ||
        (options.comparison !== 0 && options.comparison !== comparison);
      if (clashes || i + 1 === r.count) return refuse();
      options.comparison = comparison;
      options.comparedWith = ++i;
      continue;
    }
    if (!isSet && r.is(i, "persist")) {
      if (expiryWord !== "") return refuse();
      options.persists = true;
      continue;
    }
    const word = EXPIRY_WORDS.find((one) => r.is(i, one));
    const clashes = expiryWord !== "" && expiryWord !== word;
    const keeps = options.persists || (options.flags & SetFlag.keepExpiry) !== 0;
    if (word === undefined || clashes || keeps || i + 1 === r.count) return refuse();
    expiryWord = word;
    expiryAt = ++i;
  }
  if (expiryWord === "") return true;
  const unitMs = expiryWord.startsWith("p") ? 1 : 1000;
  const isAbsolute = expiryWord.endsWith("at");
  const ms = isAbsolute
    ? deadlineMs(r, expiryAt, unitMs, name)
    : timeToLiveMs(r, expiryAt, unitMs, name);
  if (ms < 0) return false;
  options.hasExpiry = true;
  options.kind = isAbsolute ? ExpiryKind.absolute : ExpiryKind.relative;
  options.ms = ms;
  return true;
}

const EXPIRY_WORDS = ["ex", "px", "exat", "pxat"];
const IF_FLAGS = SetFlag.ifAbsent | SetFlag.ifPresent;

/** Of NX, XX and the comparisons there can be one. */
function clashesWithCondition(flag: number): boolean {
  if ((flag & IF_FLAGS) === 0) return false;
  return options.comparison !== 0 || (options.flags & IF_FLAGS & ~flag) !== 0;
}

function setFlag(r: RespRequest, i: number, mayShowOld: boolean): number {
  if (r.is(i, "nx")) return SetFlag.ifAbsent;
  if (r.is(i, "xx")) return SetFlag.ifPresent;
  if (mayShowOld && r.is(i, "get")) return SetFlag.returnOld;
  return r.is(i, "keepttl") ? SetFlag.keepExpiry : 0;
}

/** Argument `i` as a time to live in ms, above 0; -1 where it is none, with an error as the reply. */
export function timeToLiveMs(r: RespRequest, i: number, unitMs: number, name: string): number {
  return positiveMs(r, i, unitMs, TIME_TO_LIVE_MS_MAX, name);
}

/** Argument `i` as a deadline in ms since 1970, above 0; -1 where it is none, with an error as the reply. */
function deadlineMs(r: RespRequest, i: number, unitMs: number, name: string): number {
  return positiveMs(r, i, unitMs, DEADLINE_MS_MAX, name);
}

function positiveMs(
  r: RespRequest,
  i: number,
  unitMs: number,
  maximum: number,
  name: string,
): number {
  if (!r.integer(i)) return -1;
  const ms = r.number.toNumber() * unitMs;
  if (ms > 0 && ms <= maximum) return ms;
  r.error(invalidTime(name));
  return -1;
}

/**
 * Argument `i` as EXPIRE and its kin take it: what is past is 0, which is now for a time to live and
 * 1970 for a deadline, so the key is gone either way. -1 where it is no such time, with an error as
 * the reply.
 */
export function expireMs(
  r: RespRequest,
  i: number,
  unitMs: number,
  kind: ExpiryKind,
  name: string,
): number {
  if (!r.integer(i)) return -1;
  const ms = r.number.toNumber() * unitMs;
  const maximum = kind === ExpiryKind.absolute ? DEADLINE_MS_MAX : TIME_TO_LIVE_MS_MAX;
  const isTooLow = unitMs !== 1 && r.number.isBelow(SECONDS_MIN);
  if (ms <= maximum && !isTooLow) return Math.max(0, ms);
  r.error(invalidTime(name));
  return -1;
}

function invalidTime(name: string): string {
  return `ERR invalid expire time in '${name}' command`;
}
