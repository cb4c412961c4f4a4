/** `raftkv config check`, once its flags are parsed. */
import { adminAddress } from "../../admin_address.ts";
import { type Config, configFaults, parseConfig } from "../../config.ts";
import { doubtsAbout } from "../../config_checks.ts";
import { firstUserDoubt, openPorts } from "../../open_ports.ts";
import { escapeUnseen } from "../../util/unseen.ts";
import type { HostProcess } from "../../host/process.ts";
import type { CliContext } from "../context.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { counted } from "../output/units.ts";
import { parseInsecure, variable } from "../own_entry.ts";
import { isUnusedDirectory, readDirectory } from "../read_directory.ts";
import { runTool, withFile } from "../tool.ts";
import type { ServerAddress } from "../../node/node_options.ts";
import { describeMembers } from "../../node/members/described_members.ts";
import { memberIds, memberOf } from "../../raft/configuration.ts";
import type { Configuration } from "../../raft/types.ts";
import type { DirectoryReport } from "../../storage/inspection/inspect.ts";
import { newestConfigurationIn } from "../../storage/inspection/inspect_records.ts";
import type { FormationRecord } from "../../storage/types.ts";

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
    if (config !== null) faults.push(...openPortFaults(config, host));
    const notes = doubtsAbout(servers).map((one) => `note: ${one}`);
    if (config !== null) {
      const doubts = [...withoutAdminPort(config), ...withoutFirstUser(config, host)];
      notes.push(...doubts.map((one) => `note: ${one}`));
    }
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

/** What servers with this file, in an environment as this one, would refuse to open. */
function openPortFaults(config: Config, host: HostProcess): string[] {
  const hasSecret = config.secretFile !== undefined ||
    host.environment("RAFTKV_CLUSTER_SECRET") !== undefined ||
    host.environment("RAFTKV_CLUSTER_SECRET_FILE") !== undefined;
  const given = {
    provesSecret: hasSecret && config.secretOptional !== true,
    hasAdminToken: config.adminTokenFile !== undefined ||
      host.environment("RAFTKV_ADMIN_TOKEN") !== undefined,
  };
  return config.servers.flatMap(({ id }) => openPorts(asStarted(config, host), id, given).faults);
}

/** With what the environment says beside the file. */
function asStarted(config: Config, host: HostProcess): Config {
  return {
    ...config,
    insecure: variable("RAFTKV_INSECURE", parseInsecure, host) ?? config.insecure,
  };
}

function withoutFirstUser(config: Config, host: HostProcess): string[] {
  return config.servers.flatMap(({ id }) => firstUserDoubt(asStarted(config, host), id) ?? []);
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
  servers: readonly ServerAddress[],
): Promise<Difference[]> {
  if (isUnusedDirectory(path)) {
    return isFaulty ? [] : differencesTo({ path, identity: null, formation: null }, servers);
  }
  try {
    const { report } = await readDirectory(path, { records: true });
    return isFaulty ? [] : differencesTo(report, servers);
  } catch (error) {
    const isJudged = error instanceof CliError && error.exit === EXIT.refused;
    if (isJudged) return [{ text: error.message, isFault: true }];
    throw error;
  }
}

type DirectoryFacts =
  & Pick<DirectoryReport, "path" | "identity" | "formation">
  & Partial<Pick<DirectoryReport, "records" | "snapshots">>;

/** How the file's servers differ from the cluster that the directory belongs to. Pure. */
export function differencesTo(
  { path, identity, formation, records = [], snapshots = [] }: DirectoryFacts,
  servers: readonly ServerAddress[],
): Difference[] {
  const found: Difference[] = [];
  const ids = servers.map(({ id }) => id);
  if (identity !== null && !ids.includes(identity.serverId)) {
    found.push({
      text: `servers: ${path} belongs to server ${identity.serverId}, which the file does not list`,
      // One that joined starts without being in any list.
      isFault: formation?.joined !== true,
    });
  }
  if (formation === null) {
    const text = `${path} knows no cluster yet: the servers of the file will form one, once all ` +
      "of them run";
    return [...found, { text, isFault: false }];
  }
  const changed = newestConfigurationIn(records) ?? configurationOf(snapshots);
  if (changed !== null) {
    const members = memberIds(changed).sort((a, b) => a - b);
    const moves = identity === null ? [] : ownAddresses(identity, changed, servers);
    return [...found, ...differencesToLog(formation, members, ids), ...moves];
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

/** Of the newest snapshot that can be read; null where that says no more than who founded the cluster. */
function configurationOf(snapshots: DirectoryReport["snapshots"]): Configuration | null {
  const configuration = snapshots.find(({ problem }) => problem === null)?.configuration ?? null;
  const isDescribed = configuration !== null && configuration.members.length > 0;
  return isDescribed ? configuration : null;
}

/** Where the file has this server somewhere else than the log does: it moves with its next start. */
function ownAddresses(
  { serverId, incarnation }: NonNullable<DirectoryReport["identity"]>,
  configuration: Configuration,
  servers: readonly ServerAddress[],
): Difference[] {
  const at = servers.findIndex(({ id }) => id === serverId);
  const said = servers[at];
  if (said === undefined || memberOf(configuration, serverId)?.incarnation !== incarnation) {
    return [];
  }
  const members = describeMembers({ index: 0, configuration, incarnations: new Map() });
  const logged = members.find(({ id }) => id === serverId)?.logged ?? null;
  if (logged === null) return [];
  return (["hostname", "clientPort", "logPort"] as const).flatMap((key) => {
    if (said[key] === logged[key]) return [];
    const text = `servers[${at}].${key}: ${said[key]}, and ${logged[key]} in the log: server ` +
      `${serverId} moves there with its next start, and tells the others`;
    return [{ text, isFault: false }];
  });
}

/** Whom the log names, the members are, wherever they are: the file's list changes nothing about it. */
function differencesToLog(
  { clusterId }: FormationRecord,
  members: readonly number[],
  ids: readonly number[],
): Difference[] {
  const cluster = `the cluster ${clusterId}, whose log says ${members.join(", ")}`;
  const strangers = ids.filter((id) => !members.includes(id));
  const unlisted = members.filter((id) => !ids.includes(id));
  const note = (text: string): Difference => ({ text: `servers: ${text}`, isFault: false });
  return [
    ...strangers.map((id) => note(`server ${id} is no member of ${cluster}: it can be left out`)),
    ...unlisted.map((id) => note(`server ${id} is not in the file, and a member of ${cluster}`)),
  ];
}
