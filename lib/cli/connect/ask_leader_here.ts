/**
 * One write to the leader from its own machine, over loopback, by who is nobody. The client does not serve:
 * it has to be let in first, and follows a leader to wherever that is.
 */
import { type Argument, ask, RaftkvError, Refused, type Reply } from "../../../client/mod.ts";
import { addressText, isLoopback } from "../../util/address.ts";
import { type ServerAddress, serverText } from "../client_ports.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { visibleText } from "../output/escape.ts";
import { pause } from "../output/pause.ts";
import type { Tool } from "../tool.ts";
import { failureOf } from "./failures.ts";
import type { ClientFlags } from "./flag_types.ts";
import { type ServerChoice, serversOf } from "./servers.ts";
import { timeoutMsOf } from "./with_client.ts";

/** Between rounds in which no server leads. */
const PAUSE_MS = 200;
/** Where these are answered it is to be asked again: nothing was done. */
const AGAIN: ReadonlySet<string> = new Set(["CLUSTERDOWN", "TRYAGAIN", "BUSY", "LOADING"]);

type NobodyFlags = Omit<ClientFlags, "user">;

/**
 * Asks the servers that are known, each as 127.0.0.1 with its port where its name is no loopback one.
 * @throws {CliError} where the leader is elsewhere, refuses it, or can't be found in time.
 */
export async function askLeaderHere(
  tool: Tool,
  flags: NobodyFlags,
  words: readonly Argument[],
): Promise<Reply> {
  const choice = await serversOf(flags, tool.host);
  const endMs = performance.now() + timeoutMsOf(flags, tool.host);
  let failure: unknown;
  do {
    const asked = new Set<string>();
    const waiting = choice.servers.map((server) => ({ server, named: server.hostname }));
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { server, named } = next;
      const here = isLoopback(server.hostname) ? server : { ...server, hostname: "127.0.0.1" };
      if (asked.has(serverText(here))) continue;
      asked.add(serverText(here));
      try {
        const timeoutMs = Math.max(1, endMs - performance.now());
        const options = { tls: tlsFor(choice, named), timeoutMs, signal: tool.signal };
        return await ask(serverText(here), words, options);
      } catch (error) {
        const leader = leaderIn(error);
        if (leader !== null) waiting.unshift({ server: leader, named: leader.hostname });
        else if (!isWorthAnother(error)) throw failureOf(error);
        failure = error;
      }
      if (performance.now() >= endMs) break;
    }
    if (performance.now() < endMs) await pause(PAUSE_MS, tool.signal);
  } while (performance.now() < endMs);
  throw failureOf(failure);
}

/** Its certificate is for the name that it has elsewhere. */
function tlsFor({ tls }: ServerChoice, hostname: string): ServerChoice["tls"] {
  if (tls === undefined || isLoopback(hostname)) return tls;
  return { serverName: hostname, ...tls };
}

function isWorthAnother(error: unknown): boolean {
  if (error instanceof Refused) return AGAIN.has(error.code);
  return error instanceof RaftkvError && error.name === "NotDone" && error.code !== "aborted";
}

/**
 * The leader on this machine that a server has named; null where it has named none.
 * @throws {CliError} where that is elsewhere: nothing is sent there.
 */
function leaderIn(error: unknown): ServerAddress | null {
  if (!(error instanceof Refused) || error.code !== "MOVED") return null;
  const [, hostname, port] = /MOVED \d+ \[?(\S+?)\]?:(\d+)$/.exec(error.message) ?? [];
  if (hostname === undefined) return null;
  if (isLoopback(hostname)) return { hostname, port: Number(port) };
  const said = `${addressText(hostname, Number(port))} leads, as ${error.server} says`;
  const advice = "run this on its machine, with its data directory; nothing was done";
  throw new CliError(EXIT.refused, visibleText(`${said}: ${advice}`));
}
