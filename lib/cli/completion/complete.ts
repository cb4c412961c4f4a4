/** `raftkv __complete WORD…`: proposals for the last word, which the shells' stubs ask for. */
import { type Application, proposeCompletions, type RouteMap } from "@stricli/core";
import type { CliContext } from "../context.ts";

/** The whole of it, so that a shell never hangs on a tab. */
const PROPOSE_MS = 1_000;
const PROPOSALS_MAX = 200;
/** What would break the line that a proposal is, or be more than it looks like on a terminal. */
const UNFIT = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

/** The application that knows the command of a line. */
type ApplicationFor = (args: readonly string[]) => Promise<Application<CliContext>>;

/** Prints a proposal a line: the word, a tab, a brief. Silent whatever fails. */
export async function complete(
  context: CliContext,
  applicationFor: ApplicationFor,
): Promise<void> {
  const words = context.host.args.slice(1);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never[]>((resolve) => {
    timer = setTimeout(() => resolve([]), PROPOSE_MS);
  });
  try {
    const lines = await Promise.race([proposals(words, context, applicationFor), late]);
    for (const line of lines.slice(0, PROPOSALS_MAX)) context.process.stdout.write(`${line}\n`);
  } catch {
    // A tab that proposes nothing says enough.
  } finally {
    clearTimeout(timer);
  }
}

async function proposals(
  words: readonly string[],
  context: CliContext,
  applicationFor: ApplicationFor,
): Promise<string[]> {
  const partial = words.at(-1) ?? "";
  if (await wantsFile(words)) return [FILES];
  const found = words.length < 2 && !partial.startsWith("-")
    ? await commands()
    : await proposeCompletions(await applicationFor(words), [...words], context);
  return found.filter(({ completion }) =>
    completion.startsWith(partial) && completion !== "--" && !UNFIT.test(completion)
  ).map(({ completion, brief }) => `${completion}\t${brief}`);
}

/** What the stubs take for: names of files, which the shell knows best. */
const FILES = ":files";
const FILE_FLAGS = ["--file", "--config", "--data"];
const FILE_COMMANDS = ["load", "backup", "inspect", "verify", "recover", "restore"];

/** Whether the last word is, or becomes, the name of a file. */
async function wantsFile(words: readonly string[]): Promise<boolean> {
  const partial = words.at(-1) ?? "";
  if (FILE_FLAGS.includes(words.at(-2) ?? "")) return true;
  if (partial.startsWith("-") || words.length < 2) return false;
  const isOfConfigCheck = words[0] === "config" && words[1] === "check" && words.length > 2;
  if (!isOfConfigCheck && !FILE_COMMANDS.includes(words[0]!)) return false;
  const before = words.at(-2)!;
  // After a flag that takes a value comes that value.
  return !before.startsWith("--") || isBareFlag((await routes()).allRoutes, words[0]!, before);
}

/** Whether `flag` is one of that command's, and takes no value. */
function isBareFlag(routes: RouteMap<CliContext>, command: string, flag: string): boolean {
  const target = routes.getRoutingTargetForInput(command);
  if (target === undefined || !("parameters" in target)) return false;
  return Object.entries(target.parameters.flags ?? {}).some(([name, { kind }]) =>
    kind === "boolean" && flag === `--${name.replace(/[A-Z]/g, (big) => `-${big.toLowerCase()}`)}`
  );
}

function routes() {
  return import("../routes.ts");
}

/** The first word may become any command; the engine would take it for an argument of serve. */
async function commands(): Promise<{ completion: string; brief: string }[]> {
  const { allRoutes } = await routes();
  return allRoutes.getAllEntries().map(({ name, target }) => ({
    completion: name.original,
    brief: target.brief,
  }));
}
