/** `raftkv restore`, once its flags are parsed. */
import { DiskError } from "../../host/ports.ts";
import type { FoundingMember } from "../../storage/types.ts";
import { escapeUnseen } from "../../util/unseen.ts";
import { shellWord } from "../output/escape.ts";
import type { CliContext } from "../context.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { type BackupContents, backupContents } from "../founding/contents.ts";
import { GAP_DEFAULT } from "../founding/found.ts";
import { foundersOf } from "../founding/founders.ts";
import { isFile, openRoot } from "../read_directory.ts";
import { runTool, type Tool } from "../tool.ts";
import { UsageError } from "../usage_error.ts";
import {
  foundedText,
  makeDirectory,
  newIncarnation,
  placeOf,
  refuseInside,
} from "./make_directory.ts";

export interface RestoreFlags {
  readonly data: string;
  readonly id: number;
  readonly servers?: readonly number[];
  readonly token?: string;
  readonly gap?: number;
}

/** Throws one sentence where the file is no sound backup, or the directory is taken. */
export async function runRestore(
  this: CliContext,
  flags: RestoreFlags,
  file: string,
): Promise<void> {
  const { id, servers = [id] } = flags;
  if (!servers.includes(id)) {
    throw new UsageError(`--servers ${servers.join(",")} does not name --id ${id}`);
  }
  if (servers.length === 1 && flags.token !== undefined) {
    throw new UsageError(
      "--token is for several servers: give --servers, the same for each of them",
    );
  }
  await runTool(this, (tool) => restore(tool, flags, servers, file));
}

async function restore(
  tool: Tool,
  flags: RestoreFlags,
  servers: readonly number[],
  file: string,
): Promise<void> {
  const { id } = flags;
  const gap = flags.gap ?? GAP_DEFAULT;
  const { data, path } = placeOf(flags.data, id);
  refuseInside(data);
  const backup = openFile(file);
  const token = flags.token ?? newIncarnation() + newIncarnation();
  const members: FoundingMember[] = servers.length === 1
    ? [{ serverId: id, incarnation: newIncarnation() }]
    : foundersOf({ token, servers, gap, ...backup });
  const identity = members.find(({ serverId }) => serverId === id)!;
  const making = { path, identity, members, gap };
  const founded = await makeDirectory(tool, making, backup.contents);
  const { about } = backup;
  const others = servers.filter((one) => one !== id);
  const said = [
    `${path} is server ${id} of the new cluster ${founded.clusterId}, with what was in cluster ` +
    `${about.clusterId} at ${new Date(about.takenMs).toISOString()}.`,
    foundedText(founded, gap),
    ...othersText(flags, file, token, others),
    `Start ${others.length === 0 ? "it" : "this one"}: raftkv serve --id ${id} --data ${
      shellWord(data)
    }`,
  ];
  // Without the token the others can't be made, so it is not lost with the output.
  const made = others.length === 0 ? "" : `, with --token ${token}`;
  const done = `${path} was made${made}`;
  await tool.print(said.map((line) => `${escapeUnseen(line)}\n`).join(""), done);
}

/** What is left to do where there are several. */
function othersText(
  { servers, gap, token: given }: RestoreFlags,
  file: string,
  token: string,
  others: readonly number[],
): string[] {
  if (servers === undefined || others.length === 0) return [];
  const shared = `--servers ${servers.join(",")} --token ${token}`;
  const withGap = gap === undefined ? shared : `${shared} --gap ${gap}`;
  const name = shellWord(file);
  const commands = others.map((id) => `  raftkv restore ${name} --data DIR --id ${id} ${withGap}`);
  return given === undefined
    ? ["The others, each on its machine, with the same file:", ...commands]
    : ["The cluster serves once each of its servers was made and started."];
}

function openFile(file: string): BackupContents {
  const { disk, path } = openRoot(file);
  if (!isFile(file)) {
    const why = path !== "" && disk.exists(path) ? "it is a directory" : "there is no such file";
    throw new CliError(EXIT.file, `${file}: ${why}; a backup is one file`);
  }
  try {
    return backupContents(disk, path);
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    throw new CliError(EXIT.file, error.message, { cause: error });
  }
}
