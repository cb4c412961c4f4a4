/** What an error that a server answered means for the call. */
import { formatAddress, isAddress } from "./address.ts";
import type { Call } from "./call.ts";
import { ReplyError } from "./reply_parser.ts";

/** Why a call may be sent again: nothing was done, or it changes nothing. */
export type Retry =
  /** Another server leads: HOST:PORT, or null where what it said is no address. */
  | { readonly why: "moved"; readonly leader: string | null }
  /** No leader is known there. */
  | { readonly why: "noLeader" }
  /** The server has too much to do, or nothing to show yet. */
  | { readonly why: "busy" }
  /** Its client session is not known any more: it was not done now. */
  | { readonly why: "session" };

/**
 * Settles the call with the error that its last request was answered with, or says why it may be sent
 * again.
 */
export function judge(call: Call, reply: ReplyError): Retry | null {
  // Of a transaction that was not begun, the reason why not decides.
  const error = reply.code === "EXECABORT" && call.problem !== null ? call.problem : reply;
  const { text } = error;
  switch (error.code) {
    case "MOVED":
      return { why: "moved", leader: leaderOf(text) };
    case "CLUSTERDOWN":
      return { why: "noLeader" };
    case "SESSION":
      if (call.place !== null) return { why: "session" };
      break;
    case "TRYAGAIN":
      // Whoever asks for a session does without, or hears of it.
      if (
        (!call.isWrite || call.namesItsPlace) &&
        text.startsWith("TRYAGAIN too many client sessions")
      ) break;
      return { why: "busy" };
    case "BUSY":
    case "LOADING":
      return { why: "busy" };
  }
  if (text.startsWith("ERR outcome unknown")) {
    if (call.hasPlace) call.mayBeDone = true;
    if (!call.isWrite || call.hasPlace) return { why: "busy" };
    call.giveUp("unknown", `${call.server} says: ${text}`, "reply");
  } else if (text.startsWith("ERR this was done")) {
    call.giveUp("leftOut", `${call.server} says: ${text}`, "reply");
  } else call.refuse(text);
  return null;
}

/**
 * Whether a server that answers so to the first request of a connection may let in the next one: it has too
 * much to do or too many connections, knows no leader, or stops.
 */
export function mayLetInLater({ code, text }: ReplyError): boolean {
  return ["TRYAGAIN", "BUSY", "LOADING", "CLUSTERDOWN"].includes(code) ||
    /^ERR (max number of clients reached|this server is stopping)/.test(text);
}

/** `MOVED 0 HOST:PORT`; the host may be an IPv6 address, without brackets. */
function leaderOf(text: string): string | null {
  const match = /^MOVED \d+ (\S+):(\d+)$/.exec(text);
  if (match === null) return null;
  const address = formatAddress(match[1]!.replace(/^\[(.*)\]$/, "$1"), Number(match[2]));
  return isAddress(address) ? address : null;
}
