/** What an error that a server answered means for the call. */
import type { Call } from "./call.ts";
import { ReplyError } from "./reply_parser.ts";

export type Refusal =
  /** Another server leads: HOST:PORT. Nothing was done. */
  | { readonly kind: "moved"; readonly leader: string }
  /** No leader is known there. Nothing was done. */
  | { readonly kind: "noLeader" }
  /** The server has too much to do, or nothing to show yet. Nothing was done. */
  | { readonly kind: "busy" }
  /** It is in the log, and was not confirmed in time. */
  | { readonly kind: "unknown" }
  /** It was done, and the reply had no room for what it shows. */
  | { readonly kind: "leftOut" }
  /** The command's own error. Nothing was done. */
  | { readonly kind: "refused" };

/** The error that decides: of a transaction that was not begun, the reason why not. */
export function decisive(call: Call, reply: ReplyError): ReplyError {
  return reply.code === "EXECABORT" && call.problem !== null ? call.problem : reply;
}

export function refusalOf(error: ReplyError): Refusal {
  const { text } = error;
  switch (error.code) {
    case "MOVED":
      return { kind: "moved", leader: text.split(" ")[2] ?? "" };
    case "CLUSTERDOWN":
      return { kind: "noLeader" };
    case "TRYAGAIN":
    case "LOADING":
      return { kind: "busy" };
  }
  if (text.startsWith("ERR outcome unknown")) return { kind: "unknown" };
  if (text.startsWith("ERR this was done")) return { kind: "leftOut" };
  return { kind: "refused" };
}
