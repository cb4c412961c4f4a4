/** `raftkv config check`, once its flags are parsed. */
import { adminAddress } from "../../admin_address.ts";
import { type Config, configFaults, parseConfig, type ServerConfig } from "../../config.ts";
import { doubtsAbout } from "../../config_checks.ts";
import { escapeUnseen } from "../../util/unseen.ts";
import type { CliContext } from "../context.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { counted } from "../output/units.ts";
import { isUnusedDirectory, readDirectory } from "../read_directory.ts";
import { runTool, withFile } from "../tool.ts";
import type { DirectoryReport } from "../../storage/inspection/inspect.ts";

export interface ConfigCheckFlags {
  readonly data?: string;
}

/** @throws {CliError} where a server would refuse the file, having printed why. */
export async function runConfigCheck(
  this: CliContext,
  flags: ConfigCheckFlags,
  named?: string,
): Promise<void> {
  await runTool(this, async ({ host, print }) => {
    const file = named ?? host.environment("RAFTKV_CONFIG") ?? "cluster.json";
    const text = await withFile(() => {
      const found = host.readTextFile(file);
      if (found === null) throw new Error(`there is no file ${file}`);
      return found;
    });
    const faults = configFaults(text);
    const config = faults.length > 0 ? null : parseConfig(text, file);
    const servers = config?.servers ?? [];
    const notes = doubtsAbout(servers).map((one) => `note: ${one}`);
    if (config !== null) notes.push(...withoutAdminPort(config).map((one) => `note: ${one}`));
    for (const key of config?.withoutEffect ?? []) {
      notes.push(`note: ${key} has no effect any more, and can be left out`);
    }
    if (flags.data !== undefined) {
      const path = flags.data;
      const differences = await withFile(() => differencesIn(path, faults.length > 0, servers));
      faults.push(...differences.filter(({ isFault }) => isFault).map(({ text }) => text));
      notes.push(
        ...differences.filter(({ isFault }) => !isFault).map(({ text }) => `note: ${text}`),
      );
    }
    await print(
      [...faults, ...notes].map((line) => `${escapeUnseen(`${file}: ${line}`)}\n`).join(""),
    );
    if (faults.length > 0) {
      throw new CliError(EXIT.refused, `${file}: ${counted(faults.length, "fault")} found`);
    }
    await print(`${escapeUnseen(file)}: ${counted(servers.length, "server")}, no faults\n`);
  });
}

/** A sentence for each server that will answer no probe, though the file does not say so. */
function withoutAdminPort(config: Config): string[] {
  return config.servers.flatMap(({ id }) => {
    const admin = adminAddress(config, id);
    if (!("absentBecause" in admin) || admin.absentBecause === "") return [];
    return [
      `Server ${id}: ${admin.absentBecause}; give it an adminPort, or 0 if it is to have none`,
    ];
  });
}

interface Difference {
  readonly text: string;
  readonly isFault: boolean;
}

/** Of the directory at `path`; one in which no server has been started yet knows no cluster. */
async function differencesIn(
  path: string,
  isFaulty: boolean,
  servers: readonly Pick<ServerConfig, "id">[],
): Promise<Difference[]> {
  if (isUnusedDirectory(path)) {
    return isFaulty ? [] : differencesTo({ path, identity: null, formation: null }, servers);
  }
  try {
    const { report } = await readDirectory(path);
    return isFaulty ? [] : differencesTo(report, servers);
  } catch (error) {
    if (error instanceof CliError) return [{ text: error.message, isFault: true }];
    throw error;
  }
}

/** How the file's servers differ from the cluster that the directory belongs to. Pure. */
export function differencesTo(
  { path, identity, formation }: Pick<DirectoryReport, "path" | "identity" | "formation">,
  servers: readonly Pick<ServerConfig, "id">[],
): Difference[] {
  const found: Difference[] = [];
  const ids = servers.map(({ id }) => id);
  if (identity !== null && !ids.includes(identity.serverId)) {
    found.push({
      text: `servers: ${path} belongs to server ${identity.serverId}, which the file does not list`,
      isFault: true,
    });
  }
  if (formation === null) {
    const text = `${path} knows no cluster yet: the servers of the file will form one, once all ` +
      "of them run";
    return [...found, { text, isFault: false }];
  }
  const members = formation.members.map(({ serverId }) => serverId);
  const cluster = `the cluster ${formation.clusterId}, formed with ${members.join(", ")}`;
  for (const id of ids.filter((one) => !members.includes(one))) {
    const text =
      `servers: server ${id} is no member of ${cluster}: the members don't connect to it`;
    found.push({ text, isFault: true });
  }
  for (const id of members.filter((one) => !ids.includes(one))) {
    const text =
      `servers: server ${id} is missing, a member of ${cluster}: servers with this file ` +
      "can't connect to it";
    found.push({ text, isFault: true });
  }
  return found;
}
