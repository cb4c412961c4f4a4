/** CLIENT TRACKING and what belongs to it: a client that keeps what it reads is told what to forget. */
import { type Result, Status } from "../../kv/commands/result.ts";
import { latin1Bytes } from "../../util/latin1.ts";
import type { ByteWriter } from "../../util/bytes.ts";
import { Action } from "../command_batch.ts";
import { keysRead } from "../read_keys.ts";
import type { ClientSubscriptions } from "../subscribing.ts";
import type { ClientTracking, TrackingMode, TrackingOption, TrackingRefusal } from "../tracking.ts";
import {
  writeArray,
  writeBulk,
  writeInteger,
  writeLine,
  writeMap,
  writeText,
} from "./resp_bytes.ts";
import { RespMode } from "./resp_replies.ts";
import type { RespRequest } from "./resp_request.ts";

const TILDE = 0x7e;

/** CLIENT TRACKING ON|OFF [REDIRECT id] [PREFIX prefix]… [BCAST] [OPTIN] [OPTOUT] [NOLOOP] */
export function track(r: RespRequest): void {
  const isOn = r.is(2, "on");
  // What the leader reads for a client, this server does not see.
  if (isOn && r.identity.isForwarding === true) return r.error(NOT_FORWARDED);
  const prefixes: string[] = [];
  let [isBroadcast, isNoLoop, redirect] = [false, false, 0];
  const options = new Set<TrackingOption>();
  for (let i = 3; i < r.count; i++) {
    const hasMore = i + 1 < r.count;
    if (r.is(i, "redirect") && hasMore) {
      if (redirect !== 0) return r.error("ERR A client can only redirect to a single other client");
      if (!r.integer(++i)) return;
      redirect = r.number.toNumber();
      if (redirect <= 0) return r.error(NO_REDIRECT);
    } else if (r.is(i, "prefix") && hasMore) {
      if (r.length(++i) > r.limits.keyBytesMax) {
        return r.error(`ERR a prefix has more than ${r.limits.keyBytesMax} bytes`);
      }
      prefixes.push(r.latin1(i));
    } else if (r.is(i, "bcast")) isBroadcast = true;
    else if (r.is(i, "noloop")) isNoLoop = true;
    else if (r.is(i, "optin")) options.add("optin");
    else if (r.is(i, "optout")) options.add("optout");
    else return r.error("ERR syntax error");
  }
  if (!isOn && !r.is(2, "off")) return r.error("ERR syntax error");
  if (isOn && !isBroadcast && prefixes.length > 0) {
    return r.error("ERR PREFIX option requires BCAST mode to be enabled");
  }
  const given = prefixes.length === 0 ? [""] : prefixes;
  const [first = null] = options;
  const option = options.size > 1 ? "both" : first;
  const mode: TrackingMode = { prefixes: isBroadcast ? given : null, isNoLoop, option, redirect };
  r.local(RespMode.tracking, JSON.stringify(isOn ? mode : null));
}

const NOT_FORWARDED = "ERR tracking is not there on a forward port: use the client port";
const NO_REDIRECT = "ERR The client ID you want redirect to does not exist";

export function getRedirection(r: RespRequest): void {
  r.local(RespMode.trackingInfo, "redirect");
}

export function trackingInfo(r: RespRequest): void {
  r.local(RespMode.trackingInfo, "all");
}

export function caching(r: RespRequest): void {
  if (r.is(2, "yes")) r.local(RespMode.trackingInfo, "YES OPTIN");
  else if (r.is(2, "no")) r.local(RespMode.trackingInfo, "NO OPTOUT");
  else r.local(RespMode.trackingInfo, "?");
}

/** Appends the reply to a CLIENT CACHING; `argument`: what `caching` has made of it. */
function writeCaching(out: ByteWriter, argument: string, tracking: ClientTracking): void {
  const { mode } = tracking;
  const [word, option = ""] = argument.split(" ");
  if (mode === null) writeLine(out, NO_CACHING);
  else if (option === "") writeLine(out, "-ERR syntax error");
  else if (mode.option !== option.toLowerCase()) {
    writeLine(
      out,
      `-ERR CLIENT CACHING ${word} is only valid when tracking is enabled in ${option} mode.`,
    );
  } else {
    tracking.cache();
    writeLine(out, "+OK");
  }
}

const NO_CACHING = "-ERR CLIENT CACHING can be called only when the client is in tracking mode " +
  "with OPTIN or OPTOUT mode enabled";

/** Appends the reply to a CLIENT TRACKING; `argument`: what `track` has made of it. */
export function writeTracking(
  out: ByteWriter,
  isResp3: boolean,
  argument: string,
  subscriptions: ClientSubscriptions,
): void {
  const mode = JSON.parse(argument) as TrackingMode | null; // nobody else wrote it
  subscriptions.flush(out);
  subscriptions.isResp3 = isResp3;
  const { tracking } = subscriptions;
  if (mode === null) tracking.turnOff();
  const refusal = mode === null ? null : tracking.turnOn(mode);
  writeLine(out, refusal === null ? "+OK" : `-${wordsOf(refusal)}`);
}

function wordsOf(refusal: TrackingRefusal): string {
  switch (refusal) {
    case "noRedirect":
      return NO_REDIRECT;
    case "otherUser":
      return "NOPERM the client that you want to redirect to is another user's";
    case "otherMode":
      return "ERR You can't switch BCAST mode on/off before disabling tracking for this client, " +
        "and then re-enabling it with a different mode.";
    case "optionWithPrefixes":
      return "ERR OPTIN and OPTOUT are not compatible with BCAST";
    case "bothOptions":
      return "ERR You can't specify both OPTIN mode and OPTOUT mode";
    case "otherOption":
      return "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, " +
        "and then re-enabling it with a different mode.";
    case "tooMany":
      return "ERR there are as many as limits.subscriptionsPerConnectionMax lets there be";
    case "tooManyInAll":
      return "ERR there are as many as limits.subscriptionsMax lets there be";
    default: {
      const [prefix, other] = [refusal.prefix, refusal.overlaps]
        .map((text) => text.replace(/[^\x20-\x7e]/g, " "));
      return `ERR Prefix '${prefix}' overlaps with ${
        refusal.isGiven ? "another provided" : "an existing"
      } prefix '${other}'. Prefixes for a single client must not overlap.`;
    }
  }
}

/** Appends how the connection is told, or to whom it redirects. */
export function writeTrackingInfo(
  out: ByteWriter,
  isResp3: boolean,
  argument: string,
  tracking: ClientTracking,
): void {
  const { mode, isBroken, isCaching } = tracking;
  const redirect = mode === null ? -1 : mode.redirect;
  if (argument === "redirect") return writeInteger(out, redirect);
  if (argument !== "all") return writeCaching(out, argument, tracking);
  const flags = [mode === null ? "off" : "on"];
  if (mode !== null && mode.prefixes !== null) flags.push("bcast");
  if (mode !== null && mode.option !== null) {
    flags.push(mode.option);
    if (isCaching) flags.push(mode.option === "optin" ? "caching-yes" : "caching-no");
  }
  if (mode?.isNoLoop === true) flags.push("noloop");
  if (isBroken) flags.push("broken_redirect");
  writeMap(out, 3, isResp3);
  writeText(out, "flags");
  const at = out.length;
  writeArray(out, flags.length);
  if (isResp3) out.bytes[at] = TILDE;
  for (const flag of flags) writeText(out, flag);
  writeText(out, "redirect");
  writeInteger(out, redirect);
  writeText(out, "prefixes");
  // That of all keys is none that was given.
  const prefixes = (mode?.prefixes ?? []).toSorted((a, b) => a < b ? -1 : 1);
  writeArray(out, prefixes.length);
  for (const prefix of prefixes) {
    const bytes = latin1Bytes(prefix);
    writeBulk(out, bytes, 0, bytes.length);
  }
}

/** What the transactions read whose replies are not written yet, where their connection tracks that. */
export class TrackedTransactions {
  #keys: (readonly string[])[] = [];

  /** An EXEC was put into the batch, or refused. */
  sent({ batch, subscriptions }: RespRequest): void {
    if (subscriptions === null || subscriptions.tracking.mode === null) return;
    const last = batch.count - 1;
    if (batch.actions[last] !== Action.transaction) return;
    this.#keys.push(keysRead(batch.bytes.bytes, batch.starts[last]!));
  }

  /** The reply to the next one is written, just after it was applied. */
  answered({ subscriptions }: RespRequest, result: Result): void {
    const keys = this.#keys.shift();
    if (keys === undefined || result.status !== Status.list) return;
    subscriptions?.tracking.read(keys);
  }

  refused(): void {
    this.#keys.shift();
  }
}
