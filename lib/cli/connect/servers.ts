/**
 * Which servers a command talks to: `--servers`, else RAFTKV_SERVERS, else the cluster file, else the
 * three default ones.
 */
import type { HostProcess } from "../../host/process.ts";
import { addressText } from "../../util/address.ts";
import { UsageError } from "../usage_error.ts";

/** A client port. */
export interface ServerAddress {
  readonly hostname: string;
  readonly port: number;
}

export interface ServerChoice {
  readonly servers: readonly ServerAddress[];
  /** Where they were named, for sentences: "--servers", "RAFTKV_SERVERS", "cluster.json", "the defaults". */
  readonly from: string;
}

export interface ServerFlags {
  readonly servers?: readonly ServerAddress[];
  readonly config?: string;
}

const DEFAULT_CLIENT_PORT = 9000;
const DEFAULT_PORTS = [DEFAULT_CLIENT_PORT, 9002, 9004];
const SERVERS_MAX = 100;
const NAME = /^[A-Za-z0-9._-]{1,253}$/;

export function serverText({ hostname, port }: ServerAddress): string {
  return addressText(hostname, port);
}

/** `host:port,[::1]:9002,host`: the port is 9000 where it is left out. @throws {Error} what is wrong. */
export function parseServers(text: string): ServerAddress[] {
  const found: ServerAddress[] = [];
  for (const part of text.split(",").map((one) => one.trim())) {
    const server = parseServer(part);
    if (!found.some((one) => serverText(one) === serverText(server))) found.push(server);
  }
  if (found.length > SERVERS_MAX) throw new Error(`more than ${SERVERS_MAX} servers`);
  return found;
}

function parseServer(text: string): ServerAddress {
  const meant = `${JSON.stringify(text)} is no server: HOST:PORT, such as 127.0.0.1:9000`;
  const bracketed = /^\[([0-9A-Fa-f:.]+)\](?::(\d{1,5}))?$/.exec(text);
  const [hostname, port] = bracketed !== null
    ? [bracketed[1]!, bracketed[2]]
    : text.split(":").length > 2
    ? [text, undefined]
    : text.split(":") as [string, string?];
  const isName = NAME.test(hostname) || /^[0-9A-Fa-f:.]+$/.test(hostname);
  const number = port === undefined ? DEFAULT_CLIENT_PORT : /^\d{1,5}$/.test(port) ? +port : 0;
  if (!isName || number < 1 || number > 65_535) throw new Error(meant);
  return { hostname, port: number };
}

/**
 * @throws {UsageError} where the variable is wrong.
 * @throws {ConfigError} where the cluster file can't be used.
 * @throws {CliError} where it can't be read.
 */
export async function chooseServers(flags: ServerFlags, host: HostProcess): Promise<ServerChoice> {
  if (flags.servers !== undefined) return { servers: flags.servers, from: "--servers" };
  // A flag goes before every variable.
  if (flags.config !== undefined) return await serversOfFile(flags.config, host);
  const listed = host.environment("RAFTKV_SERVERS");
  if (listed !== undefined) {
    try {
      return { servers: parseServers(listed), from: "RAFTKV_SERVERS" };
    } catch (error) {
      throw new UsageError(`RAFTKV_SERVERS: ${(error as Error).message}`);
    }
  }
  return await serversOfFile(host.environment("RAFTKV_CONFIG"), host);
}

async function serversOfFile(
  wanted: string | undefined,
  host: HostProcess,
): Promise<ServerChoice> {
  // The file's rules are large; who names servers does not load them.
  if (wanted === undefined && !isThere("cluster.json", host)) {
    const servers = DEFAULT_PORTS.map((port) => ({ hostname: "127.0.0.1", port }));
    return { servers, from: "the defaults" };
  }
  const { readClusterFile } = await import("../cluster_file.ts");
  const { config, configFile } = readClusterFile(wanted, host);
  const servers = config.servers.map(({ hostname, clientPort }) => ({
    hostname,
    port: clientPort,
  }));
  return { servers, from: configFile ?? "the defaults" };
}

/** True too where it can't be read: whoever reads it says why. */
function isThere(file: string, host: HostProcess): boolean {
  try {
    return host.readTextFile(file) !== null;
  } catch {
    return true;
  }
}
