/**
 * A server that runs with --join asks the cluster to take it in, once a second, until it is a member: the
 * leader remembers for a few seconds who has asked, and an operator says yes with `raftkv member add`.
 */
import { type Client, open, type TlsOptions } from "../../../client/mod.ts";
import type { JoinEvents, JoinRequest } from "../../joining.ts";
import type { Timing } from "../../node/limits.ts";
import { type ServerAddress, serverText } from "../client_ports.ts";
import type { Credentials } from "../connect/credentials.ts";
import { failureOf } from "../connect/failures.ts";
import { pause } from "../output/pause.ts";
import { type JoinAnswer, readJoinAnswer } from "./join_answer.ts";
import { JoinLines } from "./join_lines.ts";

const ASK_MS = 1_000;
/** Of one question: finding the leader, and its answer. */
const TIMEOUT_MS = 3_000;

export interface JoinOptions {
  /** Client ports of any servers of the cluster. */
  readonly servers: readonly ServerAddress[];
  /** Undefined: their client ports speak no TLS. */
  readonly tls?: TlsOptions | undefined;
  /** This server's own, to be compared with the cluster's. */
  readonly timing: Timing;
  readonly request: JoinRequest;
  readonly events: JoinEvents;
  /** Who asks, where the cluster has users. */
  readonly credentials?: Credentials;
}

/** Resolves once this server is a member, or the signal of `events` is aborted. */
export async function askToJoin(options: JoinOptions): Promise<void> {
  const { tls, credentials } = options;
  const servers = options.servers.map(serverText);
  const client = open({ servers, timeoutMs: TIMEOUT_MS, tls, ...credentials });
  try {
    await askUntilMember(client, options);
  } catch (error) {
    if (!options.events.signal.aborted) throw error;
  } finally {
    client.close();
  }
}

async function askUntilMember(
  client: Client,
  { servers, timing, request, events }: JoinOptions,
): Promise<void> {
  const { log, answered, isMember, signal } = events;
  const lines = new JoinLines(request, timing, log);
  lines.compareAddresses(servers);
  while (!isMember()) {
    const answer = await askOnce(client, request, signal);
    signal.throwIfAborted();
    lines.note(answer);
    if (!(answer instanceof Error)) answered(answer.clusterId);
    await pause(ASK_MS, signal);
  }
  lines.joined();
}

/** What the leader answered, or why there is no answer, in a sentence. */
async function askOnce(
  client: Client,
  request: JoinRequest,
  signal: AbortSignal,
): Promise<JoinAnswer | Error> {
  try {
    const { serverId, incarnation, hostname, clientPort, logPort } = request;
    const own = [`${serverId}`, incarnation, hostname, `${clientPort}`, `${logPort}`];
    // Asked twice it is as good as once.
    const options = { isWrite: false, signal };
    return readJoinAnswer(await client.command(["RAFTKV.MEMBER", "JOIN", ...own], options));
  } catch (error) {
    return withHint(failureOf(error) as Error);
  }
}

/** A log port closes without a word on whoever does not speak as a server does. */
function withHint(error: Error): Error {
  if (!/: it closed the connection/.test(error.message)) return error;
  const hint = "--join names client ports, and a log port closes the connection like that";
  return new Error(`${error.message}: ${hint}`, { cause: error });
}
