/**
 * One question to one server, such as RAFTKV.STATUS. Every server answers it itself, so nothing is followed
 * anywhere; what failed is said with the phase in which it did.
 */
import {
  type Argument,
  ask,
  RaftkvError,
  Refused,
  type Reply,
  type TlsOptions,
} from "../../../client/mod.ts";
import { visibleText } from "../output/escape.ts";
import { type ServerAddress, serverText } from "../client_ports.ts";
import type { Credentials } from "./credentials.ts";

export interface AskServerOptions {
  readonly timeoutMs: number;
  readonly tls?: TlsOptions | undefined;
  readonly credentials?: Credentials | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** @throws {Error} with half a sentence: where it failed, and why. */
export async function askStatus(
  server: ServerAddress,
  options: AskServerOptions,
): Promise<string> {
  const reply = await askServer(server, ["RAFTKV.STATUS"], options);
  if (reply instanceof Uint8Array) return new TextDecoder().decode(reply);
  throw new Error("what it answers is no status: is it a raftkv server?");
}

/** @throws {Error} as `askStatus`. */
export async function askServer(
  server: ServerAddress,
  request: readonly Argument[],
  { credentials, ...options }: AskServerOptions,
): Promise<Reply> {
  try {
    return await ask(serverText(server), request, { ...options, ...credentials });
  } catch (error) {
    throw new Error(fault(error, `${request[0]}`, options.timeoutMs), { cause: error });
  }
}

function fault(error: unknown, command: string, timeoutMs: number): string {
  if (!(error instanceof RaftkvError)) return (error as Error).message;
  const ms = Math.round(timeoutMs);
  if (error instanceof Refused) {
    return /unknown command/i.test(error.message)
      ? `it does not know ${command}: an older build, or no raftkv server`
      : visibleText(error.message);
  }
  if (error.code === "deadline") {
    return error.phase === "reply"
      ? `it took the connection and said nothing for ${ms} ms: it is frozen, or far too busy`
      : `no connection within ${ms} ms: nothing at that address answers`;
  }
  if (error.code === "lost" && error.phase === "reply") {
    return "it closed the connection: is this a client port, and does it speak TLS (--tls-ca)?";
  }
  const why = error.cause instanceof Error ? error.cause : error;
  const code = "code" in why ? String(why.code) : "";
  if (code === "ECONNREFUSED") return "connection refused: nothing listens there";
  if (code === "ENOTFOUND") return `the name ${nameIn(error)} is unknown`;
  const before = new RegExp(`^${command.replace(".", "\\.")}[^:]*: `);
  return visibleText(error.message.replace(before, "").replace(/; it may .*$/, ""));
}

/** The host of `name:9000: it can't be reached: …`. */
function nameIn(error: RaftkvError): string {
  return visibleText(/([^\s:]+):\d+: it can't/.exec(error.message)?.[1] ?? "of the server");
}
