/**
 * One question to one server: RAFTKV.STATUS. Every server answers it itself, so nothing is followed
 * anywhere; what failed is said with the phase in which it did.
 */
import { ask, RaftkvError, Refused, Unknown } from "../../../client/mod.ts";
import { visibleText } from "../output/escape.ts";
import { type ServerAddress, serverText } from "./servers.ts";

/** @throws {Error} with half a sentence: where it failed, and why. */
export async function askStatus(
  server: ServerAddress,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<string> {
  try {
    const options = signal === undefined ? { timeoutMs } : { timeoutMs, signal };
    const reply = await ask(serverText(server), ["RAFTKV.STATUS"], options);
    if (reply instanceof Uint8Array) return new TextDecoder().decode(reply);
    throw new Error("what it answers is no status: is it a raftkv server?");
  } catch (error) {
    throw new Error(fault(error, timeoutMs), { cause: error });
  }
}

function fault(error: unknown, timeoutMs: number): string {
  if (!(error instanceof RaftkvError)) return (error as Error).message;
  const ms = Math.round(timeoutMs);
  if (error instanceof Refused) {
    return /unknown command/i.test(error.message)
      ? "it does not know RAFTKV.STATUS: an older build, or no raftkv server"
      : visibleText(error.message);
  }
  if (error.code === "deadline") {
    return error.phase === "reply"
      ? `it took the connection and said nothing for ${ms} ms: it is frozen, or far too busy`
      : `no connection within ${ms} ms: nothing at that address answers`;
  }
  if (error instanceof Unknown && error.code === "lost") {
    return "it closed the connection: is this a client port?";
  }
  const why = error.cause instanceof Error ? error.cause : error;
  const code = "code" in why ? String(why.code) : "";
  if (code === "ECONNREFUSED") return "connection refused: nothing listens there";
  if (code === "ENOTFOUND") return `the name ${nameIn(error)} is unknown`;
  return visibleText(
    error.message.replace(/^RAFTKV\.STATUS[^:]*: /, "").replace(/; it may .*$/, ""),
  );
}

/** The host of `name:9000: it can't be reached: …`. */
function nameIn(error: RaftkvError): string {
  return visibleText(/([^\s:]+):\d+: it can't/.exec(error.message)?.[1] ?? "of the server");
}
