/** What recover and restore have in common: a new directory is made on the real disk, with progress. */
import { DenoDisk } from "../../host/deno_disk.ts";
import { SystemRng } from "../../host/system_rng.ts";
import { serverDirectoryAround } from "../../storage/inspection/recognize.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import type { Contents } from "../founding/contents.ts";
import { type Founded, type FoundingOptions, foundServer } from "../founding/found.ts";
import { counted, countText } from "../output/units.ts";
import { openRoot } from "../read_directory.ts";
import type { Tool } from "../tool.ts";
import { UsageError } from "../usage_error.ts";
import { progressOf } from "./load.ts";

export interface Making extends Pick<FoundingOptions, "identity" | "members" | "gap"> {
  /** `DATA/N`, with DATA as it was given. */
  readonly path: string;
}

/** @throws {DataDirectoryError} in words, where it can't be made; nothing is there then. */
export async function makeDirectory(
  tool: Tool,
  making: Making,
  contents: Contents,
): Promise<Founded> {
  const progress = progressOf(tool, "key");
  const { disk, path } = DenoDisk.at(making.path);
  try {
    return await foundServer({
      ...making,
      disk,
      prepareLock: (file) => disk.prepareLock(file),
      path,
      // Of several, each has to see the others before it counts: one of them may have been made anew.
      isSuspect: making.members.length > 1,
      show(fraction) {
        tool.signal.throwIfAborted();
        progress.show(Math.round(contents.keys * fraction), fraction);
      },
    }, contents);
  } finally {
    progress.clear();
  }
}

/** Random, as of any new directory. */
export function newIncarnation(): string {
  const rng = new SystemRng();
  const hex = () => rng.u32().toString(16).padStart(8, "0");
  return hex() + hex();
}

/** `DATA` and `DATA/N`. @throws {UsageError} where the first is empty. */
export function placeOf(data: string, serverId: number): { data: string; path: string } {
  const trimmed = data.replace(/(?<=.)\/+$/, "");
  if (trimmed === "") throw new UsageError("--data names no directory");
  return { data: trimmed, path: `${trimmed}/${serverId}` };
}

/**
 * A new directory may be beside those of other servers, but in none of them: what is in it is theirs, and
 * what `recover` reads it never changes.
 * @throws {CliError} where `data` is a server's directory, or is in one.
 */
export function refuseInside(data: string): void {
  const { disk, path } = openRoot(data);
  const around = serverDirectoryAround(disk, path);
  if (around === null) return;
  const which = around === path ? `${data} is` : `${data} is in ${around},`;
  throw new CliError(
    EXIT.refused,
    `${which} the data directory of a server, in which no other is made: choose another --data. ` +
      "Nothing was changed.",
  );
}

/** What was made, in two sentences. */
export function foundedText({ position, keys }: Founded, gap: number): string {
  return `It holds ${counted(keys, "key")}. Revisions continue with ${
    countText(position.index + 1)
  }; versions were raised by ${countText(gap)}.`;
}
