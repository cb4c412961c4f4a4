/** The cluster file that a command uses: the one that was named, or `cluster.json` here, or none. */
import { type Config, ConfigError, defaultConfig, parseConfig } from "../config.ts";
import type { HostProcess } from "../host/process.ts";
import { CliError, EXIT } from "./exit_codes.ts";

const CONFIG_FILE = "cluster.json";

/** It is not there, or can't be read: nothing is known of what is in it. */
class UnreadableClusterFile extends ConfigError {}

export interface ClusterFile {
  readonly config: Config;
  /** The cluster file; null where there is none and the three default servers are used. */
  readonly configFile: string | null;
}

/**
 * @throws {ConfigError} where it can't be used.
 * @throws {UnreadableClusterFile} where it can't be read, and where the one that was named is not there.
 */
export function loadClusterFile(wanted: string | undefined, host: HostProcess): ClusterFile {
  const file = wanted ?? CONFIG_FILE;
  let text: string | null;
  try {
    text = host.readTextFile(file);
  } catch (error) {
    throw new UnreadableClusterFile(
      `Cannot read the cluster file ${file}: ${(error as Error).message}`,
    );
  }
  if (text !== null) return { config: parseConfig(text, file), configFile: file };
  if (wanted === undefined) return { config: defaultConfig(), configFile: null };
  throw new UnreadableClusterFile(`Cannot read the cluster file ${file}: there is no such file`);
}

/**
 * The same for commands that ask a cluster: a file that can't be read has an exit code of its own there.
 * @throws {ConfigError} where it can't be used.
 * @throws {CliError} where it can't be read.
 */
export function readClusterFile(wanted: string | undefined, host: HostProcess): ClusterFile {
  try {
    return loadClusterFile(wanted, host);
  } catch (error) {
    if (!(error instanceof UnreadableClusterFile)) throw error;
    throw new CliError(EXIT.file, error.message, { cause: error });
  }
}
