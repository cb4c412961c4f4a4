/** `raftkv top`, once its flags are parsed. */
import type { ServerFlags } from "../connect/servers.ts";
import { chooseServers } from "../connect/servers.ts";
import type { CliContext } from "../context.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { clip } from "../output/table.ts";
import { askServers } from "../status/ask_all.ts";
import { type Sample, sampleOf, topText } from "../status/top_text.ts";
import { runTool, type Tool } from "../tool.ts";
import { throwIfUnwell } from "./status.ts";

export type TopFlags = ServerFlags & { readonly interval?: number };

const INTERVAL_MS = 1_000;
/** Home; each line clears its rest, and the last all below: nothing flickers, nothing is left behind. */
const HOME = "\x1b[H";
const CLEAR_LINE = "\x1b[K";
const CLEAR_BELOW = "\x1b[J";

export async function runTop(this: CliContext, flags: TopFlags): Promise<void> {
  await runTool(this, async (tool) => {
    const choice = await chooseServers(flags, tool.host);
    const intervalMs = flags.interval ?? INTERVAL_MS;
    if (!tool.console.outIsTerminal) {
      const first = sampleOf(await askServers(tool, choice), performance.now());
      await sleep(intervalMs, tool.signal);
      const now = await askServers(tool, choice);
      const sample = sampleOf(now, performance.now());
      await tool.print(topText(now.view, first, sample, new Date(), Infinity));
      tool.say("one picture, as standard output is no terminal: top draws anew on one alone");
      return throwIfUnwell(now);
    }
    await live(tool, choice, intervalMs);
  });
}

async function live(
  tool: Tool,
  choice: Awaited<ReturnType<typeof chooseServers>>,
  intervalMs: number,
): Promise<never> {
  let before: Sample | null = null;
  await tool.print("\x1b[2J");
  while (true) {
    const startMs = performance.now();
    const now = await askServers(tool, choice);
    const sample = sampleOf(now, performance.now());
    const { columns } = tool.console.size(); // anew each time: the window may have another one now
    await draw(tool, topText(now.view, before, sample, new Date(), columns));
    before = sample;
    await sleep(Math.max(0, intervalMs - (performance.now() - startMs)), tool.signal);
  }
}

/** As many lines as there is room for. */
async function draw({ console, print }: Tool, text: string): Promise<void> {
  const { columns, rows } = console.size();
  const lines = text.trimEnd().split("\n").slice(0, rows - 1);
  const shown = lines.map((line) => `${clip(line, columns)}${CLEAR_LINE}\r\n`).join("");
  await print(HOME + shown + CLEAR_BELOW);
}

/** @throws {CliError} once the signal is aborted: Ctrl-C is how top ends. */
function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(new CliError(EXIT.interrupted));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
}
