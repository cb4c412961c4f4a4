/** `raftkv user reset`, once its flags are parsed: a secret in the data directory, and what it is for. */
import { Refused } from "../../../client/mod.ts";
import { drawSecret, removeUserReset, writeUserReset } from "../../host/user_reset_file.ts";
import { IDENTITY_FILE } from "../../storage/files/identity_file.ts";
import type { ClientFlags } from "../connect/flag_types.ts";
import { askLeaderHere } from "../connect/ask_leader_here.ts";
import type { CliContext } from "../context.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { visibleText } from "../output/escape.ts";
import { runTool, type Tool, withFile } from "../tool.ts";
import { UsageError } from "../usage_error.ts";
import { readPassword, tellDone } from "./user.ts";

export interface ResetFlags extends Omit<ClientFlags, "user"> {
  readonly generate: boolean;
}

/** As one that was made with --admin. */
const EVERYTHING = ["~*", "&*", "+@all"];

export async function runUserReset(
  this: CliContext,
  flags: ResetFlags,
  directory: string,
  name?: string,
): Promise<void> {
  await runTool(this, async (tool) => {
    if (name === undefined && flags.generate) {
      throw new UsageError("--generate draws a password for a NAME: whose is it?");
    }
    // What is wrong with the directory is said before anybody types a password.
    throwIfNone(tool, directory);
    if (name === undefined) return await leaveSecret(tool, directory);
    const password = flags.generate ? drawSecret() : await readPassword(tool);
    await reset(tool, flags, directory, name, password);
    const done = `${name} has another password, is on, and may do everything`;
    await tellDone(tool, done, flags.generate ? password : null);
  });
}

async function leaveSecret(tool: Tool, directory: string): Promise<void> {
  const secret = await withFile(() => writeUserReset(directory, Date.now()));
  tool.say("for 15 minutes, once, and over loopback: RAFTKV.USER RESET SECRET NAME RULE...");
  await tool.print(`${secret}\n`);
}

async function reset(
  tool: Tool,
  flags: ResetFlags,
  directory: string,
  name: string,
  password: string,
): Promise<void> {
  const secret = await withFile(() => writeUserReset(directory, Date.now()));
  try {
    const rules = ["on", "resetpass", `>${password}`, ...EVERYTHING];
    const words = ["RAFTKV.USER", "RESET", secret, name, ...rules];
    await askLeaderHere(tool, flags, words);
  } catch (error) {
    throw explained(error, directory);
  } finally {
    takeBack(tool, directory);
  }
}

/** One that was used is gone already. What went wrong before is worth more than what goes wrong here. */
function takeBack(tool: Tool, directory: string): void {
  try {
    removeUserReset(directory);
  } catch (error) {
    tool.say((error as Error).message);
  }
}

/** The server's own sentence, and who it is: the operator may be with another one. */
function explained(error: unknown, directory: string): unknown {
  if (!(error instanceof CliError) || !(error.cause instanceof Refused)) return error;
  const { cause } = error;
  const leader = cause.server ?? "the leader";
  const said = cause.message.replace(/^.* was refused by \S+: (ERR )?/, "");
  // What builds before this one say to every command of who is nobody.
  const text = said.startsWith("NOAUTH")
    ? `${leader} runs an earlier build, which knows no reset: nothing was done`
    : `${leader} leads: ${said} (${directory} has to be its data directory)`;
  return new CliError(EXIT.refused, visibleText(text), { cause });
}

function throwIfNone({ host }: Tool, directory: string): void {
  let isThere: boolean;
  try {
    isThere = host.readTextFile(`${directory}/${IDENTITY_FILE}`) !== null;
  } catch (error) {
    throw new CliError(EXIT.file, (error as Error).message, { cause: error });
  }
  if (isThere) return;
  throw new CliError(
    EXIT.file,
    `${directory} is no data directory of a server: it has no file ${IDENTITY_FILE}. That of ` +
      'server 1 is what its cluster file has as "path", and /1',
  );
}
