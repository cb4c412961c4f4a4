/** `raftkv recover`, once its flags are parsed. */
import { DiskError } from "../../host/ports.ts";
import { escapeUnseen } from "../../util/unseen.ts";
import { shellWord } from "../output/escape.ts";
import type { CliContext } from "../context.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { type Candidate, compareCopies } from "../founding/compare.ts";
import { type CopyContents, readContents } from "../founding/contents.ts";
import { type Copy, damageOf, holdDirectory, readCopy } from "../founding/copy.ts";
import { heldText, othersOf, type Plan, planText, wasAlone } from "../founding/copy_text.ts";
import { foundingPosition, GAP_DEFAULT } from "../founding/found.ts";
import { runTool, type Tool } from "../tool.ts";
import { UsageError } from "../usage_error.ts";
import {
  foundedText,
  makeDirectory,
  newIncarnation,
  placeOf,
  refuseInside,
} from "./make_directory.ts";

export interface RecoverFlags {
  readonly as?: number;
  readonly yes: boolean;
  readonly data?: string;
  readonly gap?: number;
  readonly acceptLoss: boolean;
  readonly compare: boolean;
}

/** @throws {CliError} in one sentence, where nothing can or should be made of the directory. */
export async function runRecover(
  this: CliContext,
  flags: RecoverFlags,
  ...directories: string[]
): Promise<void> {
  if (flags.compare) return await runTool(this, (tool) => compare(tool, flags, directories));
  const [directory, another] = directories;
  if (directory === undefined || another !== undefined) {
    throw new UsageError(
      "recover takes one directory. To see which of several to take: raftkv recover --compare " +
        directories.map(shellWord).join(" "),
    );
  }
  await runTool(this, (tool) => recover(tool, flags, directory));
}

async function compare(
  { print }: Tool,
  flags: RecoverFlags,
  directories: readonly string[],
): Promise<void> {
  if (flags.yes || flags.as !== undefined) {
    throw new UsageError("--compare only looks: leave out --yes and --as");
  }
  const candidates: Candidate[] = [];
  for (const directory of directories) candidates.push(await candidateAt(directory));
  const { best, text } = compareCopies(candidates);
  await print(lines(text));
  if (best === null) throw new CliError(EXIT.refused, "none of these can be taken");
}

async function candidateAt(directory: string): Promise<Candidate> {
  try {
    const held = await holdDirectory(directory);
    try {
      return { directory, copy: readCopy(held, () => {}), why: null };
    } finally {
      held.release();
    }
  } catch (error) {
    // Of several, one that can't be read is no reason to say nothing of the others.
    if (!(error instanceof CliError || error instanceof DiskError)) throw error;
    return { directory, copy: null, why: error.message };
  }
}

async function recover(tool: Tool, flags: RecoverFlags, directory: string): Promise<void> {
  const held = await holdDirectory(directory);
  try {
    const found = readContents(held);
    const { copy } = found;
    const plan = planOf(flags, copy);
    await tool.print(lines(heldText(found)));
    const damage = damageOf(copy);
    if (damage !== null && !flags.acceptLoss) throw refuseDamaged(copy);
    // What --yes would refuse is refused before it is given.
    refuseInside(plan.data);
    foundingPosition(found.contents, plan.gap);
    if (flags.yes) return await foundFrom(tool, found, plan);
    await tool.print(lines(`\n${planText(copy, plan)}Nothing was changed.\n`));
  } finally {
    held.release();
  }
}

function planOf(flags: RecoverFlags, { directory, identity }: Copy): Plan {
  const serverId = flags.as ?? identity.serverId;
  const above = directory.slice(0, Math.max(0, directory.lastIndexOf("/") + 1));
  const place = placeOf(flags.data ?? `${above}recovered`, serverId);
  return { serverId, gap: flags.gap ?? GAP_DEFAULT, ...place };
}

function refuseDamaged(copy: Copy): CliError {
  const { directory } = copy;
  const others = wasAlone(copy)
    ? "This server was its whole cluster: only a copy of this directory has what can't be read."
    : `A copy of the directory of ${othersOf(copy)} may have what can't be read here: ` +
      `see which one to take by raftkv recover --compare ${shellWord(directory)} OTHER...`;
  return new CliError(
    EXIT.refused,
    `${directory} is damaged. ${others} If there is no other copy at all, --accept-loss takes ` +
      "what is sound, up to the last entry shown above. Nothing was changed.",
  );
}

async function foundFrom(
  tool: Tool,
  { copy, contents }: CopyContents,
  { path, data, serverId, gap }: Plan,
): Promise<void> {
  const identity = { serverId, incarnation: newIncarnation() };
  const founded = await makeDirectory(tool, { path, identity, members: [identity], gap }, contents);
  await tool.print(
    lines([
      "",
      `${path} is server ${serverId} of the new cluster ${founded.clusterId}, its only one.`,
      foundedText(founded, gap),
      `${copy.directory} was not changed: keep it until you have seen that all is there.`,
      `Start it: raftkv serve --id ${serverId} --data ${shellWord(data)}\n`,
    ].join("\n")),
    `${path} was made`,
  );
}

/** Names of files may hold anything. */
function lines(text: string): string {
  return text.split("\n").map(escapeUnseen).join("\n");
}
