/** `raftkv load`, once its flags are parsed. */
import type { ClientFlags } from "../connect/flag_types.ts";
import { Unknown } from "../../../client/mod.ts";
import { failureOf } from "../connect/failures.ts";
import { withClient } from "../connect/with_client.ts";
import type { CliContext } from "../context.ts";
import { CliError, EXIT, type Exit } from "../exit_codes.ts";
import { shellWord, visibleText } from "../output/escape.ts";
import { Progress } from "../output/progress.ts";
import { counted, secondsText } from "../output/units.ts";
import { interruptible, runTool, type Tool, withFile } from "../tool.ts";
import { ByteSource } from "../transfer/byte_source.ts";
import { BadItem, type ItemSource, itemSource } from "../transfer/items.ts";
import { type Account, ItemSender, rangesText } from "../transfer/send_items.ts";

export type LoadFlags = ClientFlags & { readonly from?: number };

/** @throws {CliError} with how far it came, where it did not come to the end. */
export async function runLoad(this: CliContext, flags: LoadFlags, file: string): Promise<void> {
  await runTool(this, async (tool) => {
    const { console, signal } = tool;
    const opened = file === "-" ? console.input : await withFile(() => console.openFile(file));
    const stream = interruptible(opened, signal);
    const startMs = performance.now();
    try {
      const source = new ByteSource(stream);
      const kind = await withFile(() => itemSource(source));
      const progress = progressOf(tool, kind.unit);
      const from = flags.from ?? 1;
      const account = await withClient(tool, flags, async ({ command }) => {
        const sender = new ItemSender({
          from,
          signal,
          send: ({ args }) => command(args, true),
          progress: (done) => {
            const { sizeBytes } = stream;
            progress.show(done, sizeBytes === null ? null : source.taken / sizeBytes);
          },
        });
        return await sender.run(kind.items());
      });
      progress.clear();
      if (account.failure !== null) throw loadFault(account, kind, file, from);
      if (from > kind.count() + 1) throw tooFar(kind, file, from);
      const seconds = secondsText((performance.now() - startMs) / 1_000);
      tool.say(`${counted(account.done, kind.unit)} loaded in ${seconds}`);
    } finally {
      stream.close();
    }
  });
}

export function progressOf({ console, host }: Tool, unit: string): Progress {
  return new Progress({
    isShown: console.errorIsTerminal,
    write: (text) => host.writeError(text),
    columns: () => console.size().columns,
    nowMs: () => performance.now(),
    unit: `${unit}s`,
  });
}

/** How far it came, what is uncertain, and how to continue. Pure. */
export function loadFault(
  { doneUpTo, doneBeyond, unknown, failure }: Account,
  { unit }: Pick<ItemSource, "unit">,
  file: string,
  from: number,
): CliError {
  const { number, error } = failure!;
  const meaning = failureOf(error);
  // What was done is told below, for all.
  const said = (meaning instanceof Error ? meaning.message : String(meaning))
    .replace(/; nothing was done, so it may be called again$/, "");
  const isInterrupted = meaning instanceof CliError && meaning.exit === EXIT.interrupted;
  const parts = [isInterrupted ? "interrupted" : `${unit} ${number}: ${said.replace(/\.$/, "")}`];
  if (doneUpTo >= from) parts.push(`${unit}s ${from} to ${doneUpTo} are done`);
  if (doneBeyond.length > 0) parts.push(`done are also ${rangesText(doneBeyond)}`);
  if (unknown.length > 0) {
    parts.push(
      `outcome unknown, sent without an answer: ${rangesText(unknown)}` +
        (unit === "command" ? " (look before you send an INCR or APPEND again)" : ""),
    );
  }
  const isSomeDone = doneUpTo >= from || doneBeyond.length > 0 || unknown.length > 0;
  parts.push(isSomeDone ? "everything else is not done" : "nothing is done");
  const name = file === "-" ? "-" : shellWord(visibleText(file));
  parts.push(`to continue: raftkv load ${name} --from ${doneUpTo + 1}`);
  return new CliError(exitOf(error, meaning, unknown), parts.join("; "), { cause: error });
}

/** `--from` is beyond the end; right after it is where a run continues that had done everything. */
function tooFar({ unit, count }: ItemSource, file: string, from: number): CliError {
  const name = file === "-" ? "standard input" : visibleText(file);
  return new CliError(
    EXIT.file,
    `${name}: the file has ${counted(count(), unit)}, and --from is ${from}: nothing is done`,
  );
}

function exitOf(error: unknown, meaning: unknown, unknown: readonly number[]): Exit {
  if (meaning instanceof CliError && meaning.exit === EXIT.interrupted) return EXIT.interrupted;
  if (unknown.length > 0 || error instanceof Unknown) return EXIT.unknown;
  if (error instanceof BadItem) return EXIT.file;
  return meaning instanceof CliError ? meaning.exit : EXIT.file;
}
