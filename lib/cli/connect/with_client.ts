/** A client of the cluster for one command, closed when it ends. */
import {
  type Argument,
  type CallOptions,
  type Client,
  open,
  type Reply,
} from "../../../client/mod.ts";
import { UsageError } from "../usage_error.ts";
import { parseTimerMs } from "../output/units.ts";
import type { Tool } from "../tool.ts";
import { failureOf } from "./failures.ts";
import type { ClientFlags } from "./flag_types.ts";
import { serverText } from "../client_ports.ts";
import { chooseServers } from "./servers.ts";
import type { HostProcess } from "../../host/process.ts";

const TIMEOUT_MS = 5_000;

export interface Session {
  readonly client: Client;
  /** Any command, to the leader. `isWrite`: its outcome is unknown where no answer comes. */
  command(args: readonly Argument[], isWrite: boolean): Promise<Reply>;
  /** For one call of many: each has all of `--timeout`. */
  readonly each: CallOptions;
  /** For a command's only call: what is left of `--timeout` after connecting. */
  rest(): CallOptions;
}

/** @throws {UsageError} where the variable is wrong. */
export function timeoutMsOf(flags: Pick<ClientFlags, "timeout">, host: HostProcess): number {
  if (flags.timeout !== undefined) return flags.timeout;
  const text = host.environment("RAFTKV_TIMEOUT");
  if (text === undefined) return TIMEOUT_MS;
  try {
    return parseTimerMs(text);
  } catch (error) {
    throw new UsageError(`RAFTKV_TIMEOUT: ${(error as Error).message}`);
  }
}

/** @throws {CliError} with where it was given up and whether it was done. */
export async function withClient<T>(
  tool: Tool,
  flags: ClientFlags,
  run: (session: Session) => Promise<T>,
): Promise<T> {
  const timeoutMs = timeoutMsOf(flags, tool.host);
  const { servers, tls, credentials } = await chooseServers(flags, tool.host);
  const { signal } = tool;
  const startMs = performance.now();
  // Made without asking first who leads: the first call finds that out, within its own time.
  // One command is not worth a client session: that is an entry of the log more, and outlives it.
  const given = { servers: servers.map(serverText), timeoutMs, tls, sessions: false };
  const client = open({ ...given, ...credentials });
  try {
    return await run({
      client,
      command: (args, isWrite) => client.command(args, { isWrite, signal }),
      each: { timeoutMs, signal },
      rest() {
        return { signal, timeoutMs: Math.max(1, timeoutMs - (performance.now() - startMs)) };
      },
    });
  } catch (error) {
    throw failureOf(error);
  } finally {
    client.close();
  }
}
