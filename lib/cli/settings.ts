/** What `serve` runs with: a flag overrides the environment, which overrides the cluster file. */
import { isContents } from "../util/file_names.ts";
import { type Config, ConfigError, defaultConfig, findServer, soleServer } from "../config.ts";
import type { EnvironmentName, HostProcess } from "../host/process.ts";
import { LOG_LEVELS, type LogFormat } from "../logging.ts";
import type { LogEvent } from "../node/api.ts";
import { openPorts } from "../open_ports.ts";
import type { PortName } from "../port_names.ts";
import { provesSecret, type SecretSource } from "../secret_source.ts";
import { parseServers, type ServerAddress } from "./client_ports.ts";
import { type ClusterFile, loadClusterFile } from "./cluster_file.ts";
import type { TlsOptions } from "../../client/mod.ts";
import { clientTls, type TlsFlags, typedTlsFlags } from "./client_tls.ts";
import { ownEntry, type OwnEntryFlags, parseInsecure, typedNames, variable } from "./own_entry.ts";
import { parseServerId } from "./server_id.ts";
import { UsageError } from "./usage_error.ts";

export interface ServeFlags extends OwnEntryFlags, TlsFlags {
  readonly id?: number;
  readonly config?: string;
  readonly data?: string;
  readonly holdClusterVersion?: boolean;
  readonly join?: readonly ServerAddress[];
  readonly insecure?: readonly PortName[];
}

export interface ServeSettings extends ClusterFile {
  readonly serverId: number;
  /** Client ports of the cluster that it is to become a member of; null: the file's own cluster. */
  readonly join: readonly ServerAddress[] | null;
  /** Where the secret is that the servers prove to each other; null: they prove none. */
  readonly secret: SecretSource | null;
  /** Where the token is that the admin port wants; null: it wants none. */
  readonly adminToken: SecretSource | null;
  /** How it asks that cluster; undefined without TLS. */
  readonly joinTls?: TlsOptions;
}

/**
 * @throws {UsageError} where no id is given or a variable is wrong.
 * @throws {ConfigError} where the cluster file can't be used or lists no such server.
 */
export function serveSettings(flags: ServeFlags, host: HostProcess): ServeSettings {
  const serverId = flags.id ?? variable("RAFTKV_ID", parseServerId, host);
  if (serverId === undefined) {
    throw new UsageError("Which server is this? Give its id: raftkv --id 1, or RAFTKV_ID=1");
  }
  const wanted = flags.config ?? host.environment("RAFTKV_CONFIG");
  const join = flags.join ?? variable("RAFTKV_JOIN", parseServers, host) ?? null;
  const own = ownEntry(flags, host);
  if (join === null) refuseAlone([...typedNames(own), ...typedTlsFlags(flags)]);
  const { config, configFile } = join === null
    ? loadClusterFile(wanted, host)
    : joiningFile(serverId, wanted, own, host);
  findServer(config, serverId);
  const path = flags.data ?? host.environment("RAFTKV_DATA") ?? config.path;
  if (path === "") throw new UsageError("--data names no directory");
  const held = flags.holdClusterVersion === true ? { holdClusterVersion: true } : {};
  const secret = secretSource(config, host);
  const adminToken = adminTokenSource(config, host);
  const insecure = flags.insecure ?? variable("RAFTKV_INSECURE", parseInsecure, host);
  const open = insecure === undefined ? {} : { insecure };
  const chosen = { ...config, path, ...held, ...open };
  const given = {
    provesSecret: provesSecret(chosen, secret),
    hasAdminToken: adminToken !== null,
  };
  const { faults } = openPorts(chosen, serverId, given);
  if (faults.length > 0) {
    // All of them: whoever mends one at a time would start as often.
    const all = join === null
      ? faults
      : faults.map((fault) => fault.replace(/^servers\[0\]\./, ""));
    const text = all.join("; ");
    throw new ConfigError(`${configFile ?? "the settings"}: ${text}`);
  }
  const joinTls = join === null
    ? undefined
    : clientTls(flags, host, config.tls?.client, [serverId]);
  const asking = joinTls === undefined ? {} : { joinTls };
  return { serverId, config: chosen, configFile, join, secret, adminToken, ...asking };
}

/** @throws {UsageError} where it is given twice, or said to be optional and not given. */
function secretSource(
  { secretFile, secretOptional }: Config,
  host: HostProcess,
): SecretSource | null {
  const variable = "RAFTKV_CLUSTER_SECRET";
  const text = host.environment(variable);
  const named = host.environment(`${variable}_FILE`);
  if (text !== undefined && named !== undefined) {
    throw new UsageError(`${variable} and ${variable}_FILE are both set: one of them is meant`);
  }
  if (text !== undefined) return { text, variable };
  const file = named ?? secretFile;
  if (file !== undefined) {
    if (isContents(file)) throw new UsageError(`${variable}_FILE names a file`);
    return { file };
  }
  if (secretOptional !== true) return null;
  throw new UsageError(
    `secretOptional without a secret: give the cluster file a secretFile, or set ${variable}_FILE`,
  );
}

/** The variable goes before the file. */
function adminTokenSource({ adminTokenFile }: Config, host: HostProcess): SecretSource | null {
  const variable = "RAFTKV_ADMIN_TOKEN";
  const text = host.environment(variable);
  if (text !== undefined) return { text, variable };
  return adminTokenFile === undefined ? null : { file: adminTokenFile };
}

/** @throws {UsageError} where there is any: without --join a file says where this server is. */
function refuseAlone(given: readonly string[]): void {
  if (given.length === 0) return;
  throw new UsageError(
    `${
      given.join(", ")
    } without --join: there the cluster file says where a server is, and its TLS`,
  );
}

/** Of a file only what is named counts, and of its list this server's entry alone. */
function joiningFile(
  id: number,
  wanted: string | undefined,
  own: OwnEntryFlags,
  host: HostProcess,
): ClusterFile {
  const file = wanted === undefined
    ? { config: defaultConfig(), configFile: null }
    : loadClusterFile(wanted, host);
  const listed = file.configFile === null
    ? undefined
    : file.config.servers.find((server) => server.id === id);
  const { hostname = "127.0.0.1", clientPort = 9000 } = { ...listed, ...own };
  const entry = { hostname, clientPort, logPort: clientPort + 1, ...listed, ...own, id };
  return { ...file, config: soleServer(file.config, entry) };
}

export interface LogSettings {
  readonly format: LogFormat;
  readonly level: LogEvent["level"];
}

/** @throws {UsageError} where a variable is wrong. */
export function logSettings(host: HostProcess): LogSettings {
  return {
    format: choice(host, "RAFTKV_LOG", ["text", "json"], host.errorIsTerminal ? "text" : "json"),
    level: choice(host, "RAFTKV_LOG_LEVEL", LOG_LEVELS, "info"),
  };
}

function choice<T extends string>(
  host: HostProcess,
  name: EnvironmentName,
  allowed: readonly T[],
  otherwise: T,
): T {
  const value = host.environment(name);
  if (value === undefined) return otherwise;
  const found = allowed.find((word) => word === value);
  if (found !== undefined) return found;
  throw new UsageError(`${name}: ${JSON.stringify(value)} is none of ${allowed.join(", ")}`);
}
