/** What `serve` runs with: a flag overrides the environment, which overrides the cluster file. */
import { findServer } from "../config.ts";
import type { EnvironmentName, HostProcess } from "../host/process.ts";
import { LOG_LEVELS, type LogFormat } from "../logging.ts";
import type { LogEvent } from "../node/api.ts";
import { type ClusterFile, loadClusterFile } from "./cluster_file.ts";
import { parseServerId } from "./server_id.ts";
import { UsageError } from "./usage_error.ts";

export interface ServeFlags {
  readonly id?: number;
  readonly config?: string;
  readonly data?: string;
  readonly holdClusterVersion?: boolean;
}

export interface ServeSettings extends ClusterFile {
  readonly serverId: number;
}

/**
 * @throws {UsageError} where no id is given or a variable is wrong.
 * @throws {ConfigError} where the cluster file can't be used or lists no such server.
 */
export function serveSettings(flags: ServeFlags, host: HostProcess): ServeSettings {
  const serverId = flags.id ?? environmentId(host);
  if (serverId === undefined) {
    throw new UsageError("Which server is this? Give its id: raftkv --id 1, or RAFTKV_ID=1");
  }
  const wanted = flags.config ?? host.environment("RAFTKV_CONFIG");
  const { config, configFile } = loadClusterFile(wanted, host);
  findServer(config, serverId);
  const path = flags.data ?? host.environment("RAFTKV_DATA") ?? config.path;
  if (path === "") throw new UsageError("--data names no directory");
  const held = flags.holdClusterVersion === true ? { holdClusterVersion: true } : {};
  return { serverId, config: { ...config, path, ...held }, configFile };
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

function environmentId(host: HostProcess): number | undefined {
  const text = host.environment("RAFTKV_ID");
  if (text === undefined) return undefined;
  try {
    return parseServerId(text);
  } catch (error) {
    throw new UsageError(`RAFTKV_ID: ${(error as Error).message}`);
  }
}
