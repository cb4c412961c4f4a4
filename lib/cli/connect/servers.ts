/**
 * Which servers a command talks to: `--servers`, else RAFTKV_SERVERS, else the cluster file, else the
 * three default ones.
 */
import type { HostProcess } from "../../host/process.ts";
import { DEFAULT_CLIENT_PORT, parseServers, type ServerAddress } from "../client_ports.ts";
import { CliError } from "../exit_codes.ts";
import { UsageError } from "../usage_error.ts";
import { type Credentials, credentialsOf } from "./credentials.ts";
import type { TlsOptions } from "../../../client/mod.ts";
import { checkPairOfFiles, clientTls, type TlsFlags } from "../client_tls.ts";

export interface ServerChoice {
  readonly servers: readonly ServerAddress[];
  /** Where they were named, for sentences: "--servers", "RAFTKV_SERVERS", "cluster.json", "the defaults". */
  readonly from: string;
  /** Undefined: their client ports speak no TLS. */
  readonly tls?: TlsOptions | undefined;
  /** Who asks them, where they have users. */
  readonly credentials?: Credentials;
}

export interface ServerFlags extends TlsFlags {
  readonly servers?: readonly ServerAddress[];
  readonly config?: string;
  /** Who asks. */
  readonly user?: string;
}

/** Where the servers are from where nobody named any. */
export const DEFAULTS = "the defaults";
const DEFAULT_PORTS = [DEFAULT_CLIENT_PORT, 9002, 9004];

/**
 * @throws {UsageError} where the variable is wrong, or what TLS takes is not all given.
 * @throws {ConfigError} where the cluster file can't be used.
 * @throws {CliError} where it, or a file of TLS, can't be read.
 */
export async function chooseServers(flags: ServerFlags, host: HostProcess): Promise<ServerChoice> {
  const credentials = credentialsOf(flags.user, host);
  return { ...await serversOf(flags, host), credentials };
}

/** The same, for who asks as nobody. */
export async function serversOf(flags: ServerFlags, host: HostProcess): Promise<ServerChoice> {
  const choice = await choiceOf(flags, host);
  await checkPairOfFiles(choice.tls, flags, host);
  return choice;
}

async function choiceOf(flags: ServerFlags, host: HostProcess): Promise<ServerChoice> {
  if (flags.servers !== undefined) {
    return { servers: flags.servers, from: "--servers", tls: clientTls(flags, host) };
  }
  // A flag goes before every variable.
  if (flags.config !== undefined) return await serversOfFile(flags.config, flags, host);
  const listed = host.environment("RAFTKV_SERVERS");
  if (listed !== undefined) {
    try {
      const servers = parseServers(listed);
      return { servers, from: "RAFTKV_SERVERS", tls: clientTls(flags, host) };
    } catch (error) {
      if (error instanceof UsageError || error instanceof CliError) throw error;
      throw new UsageError(`RAFTKV_SERVERS: ${(error as Error).message}`);
    }
  }
  return await serversOfFile(host.environment("RAFTKV_CONFIG"), flags, host);
}

async function serversOfFile(
  wanted: string | undefined,
  flags: TlsFlags,
  host: HostProcess,
): Promise<ServerChoice> {
  // The file's rules are large; who names servers does not load them.
  if (wanted === undefined && !isThere("cluster.json", host)) {
    const servers = DEFAULT_PORTS.map((port) => ({ hostname: "127.0.0.1", port }));
    return { servers, from: DEFAULTS, tls: clientTls(flags, host) };
  }
  const { readClusterFile } = await import("../cluster_file.ts");
  const { config, configFile } = readClusterFile(wanted, host);
  const servers = config.servers.map(({ hostname, clientPort }) => ({
    hostname,
    port: clientPort,
  }));
  const ids = config.servers.map(({ id }) => id);
  const tls = clientTls(flags, host, config.tls?.client, ids);
  return { servers, from: configFile ?? DEFAULTS, tls };
}

/** True too where it can't be read: whoever reads it says why. */
function isThere(file: string, host: HostProcess): boolean {
  try {
    return host.readTextFile(file) !== null;
  } catch {
    return true;
  }
}
