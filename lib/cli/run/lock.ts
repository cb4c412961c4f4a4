/** `raftkv lock`, once its flags are parsed. */
import { type Lock, LockLost } from "../../../client/mod.ts";
import type { InputStream } from "../../host/console.ts";
import type { ClientFlags, OutputFlags } from "../connect/flag_types.ts";
import { isHeld, type LockFlags, takeLock } from "../connect/lock_flags.ts";
import { withClient } from "../connect/with_client.ts";
import type { CliContext } from "../context.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { interruptible, outputForm, runTool, type Tool } from "../tool.ts";

export type LockCommandFlags = ClientFlags & OutputFlags & LockFlags;

/** What is told of the lock, each as a line. */
type State =
  | { readonly state: "waiting" | "released" }
  | { readonly state: "held"; readonly token: number }
  | { readonly state: "lost"; readonly why: string };

/** By these it lets go and ends, with 128 and the signal's number. */
const SIGNALS = { SIGHUP: 129, SIGTERM: 143 } as const;

export async function runLock(
  this: CliContext,
  flags: LockCommandFlags,
  name: string,
): Promise<void> {
  await runTool(this, async (tool) => {
    const form = outputForm(flags.output, tool.host, undefined);
    const show = (state: State) => {
      return tool.print(`${form === "json" ? JSON.stringify(state) : textOf(state)}\n`);
    };
    const ending = endedBy(tool);
    await withClient(tool, flags, async ({ client, each }) => {
      const options = { timeoutMs: each.timeoutMs, signal: ending.signal };
      let lock: Lock;
      try {
        lock = await takeLock(client, name, flags, options, () => show({ state: "waiting" }));
      } catch (error) {
        if (ending.code !== null) tool.host.exit(ending.code);
        throw isHeld(error) ? new CliError(EXIT.refused, error.message) : error;
      }
      try {
        await hold(tool, lock, ending.signal, show);
      } finally {
        if (ending.code !== null) tool.host.exit(ending.code);
      }
    });
  });
}

function textOf(state: State): string {
  switch (state.state) {
    case "held":
      return `token ${state.token}`;
    case "lost":
      return `lost: ${state.why}`;
    default:
      return state.state;
  }
}

/** Aborted by Ctrl-C, and by the other signals that end it, whose exit code is then there. */
function endedBy(tool: Tool) {
  const controller = new AbortController();
  const ending: { readonly signal: AbortSignal; code: number | null } = {
    signal: controller.signal,
    code: null,
  };
  tool.signal.addEventListener("abort", () => controller.abort(tool.signal.reason));
  tool.host.onSignal(["SIGHUP", "SIGTERM"], (signal) => {
    ending.code = SIGNALS[signal as keyof typeof SIGNALS];
    controller.abort(new CliError(EXIT.interrupted));
  });
  return ending;
}

/** Until standard input ends, or a signal comes, or the lock is lost. */
async function hold(
  tool: Tool,
  lock: Lock,
  ended: AbortSignal,
  show: (state: State) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const onEnd = () => stop.abort(ended.reason);
  if (ended.aborted) onEnd();
  ended.addEventListener("abort", onEnd);
  lock.signal.addEventListener("abort", () => stop.abort(lock.signal.reason));
  let isInterrupted = false;
  try {
    await show({ state: "held", token: lock.token });
    await untilEnd(interruptible(tool.console.input, stop.signal));
  } catch (error) {
    if (error instanceof LockLost) return await told(error, show);
    if (!ended.aborted) {
      // Nobody reads what is printed, or the input can't be read: it is let go all the same.
      await lock.unlock().catch(() => {});
      throw error;
    }
    isInterrupted = true;
  }
  try {
    await lock.unlock();
  } catch (error) {
    if (error instanceof LockLost) return await told(error, show);
    throw error;
  }
  await show({ state: "released" });
  if (isInterrupted) throw ended.reason;
}

async function told(loss: LockLost, show: (state: State) => Promise<void>): Promise<never> {
  await show({ state: "lost", why: loss.message });
  throw new CliError(EXIT.unhealthy, loss.message);
}

/** Reads, and keeps nothing of it. */
async function untilEnd(input: InputStream): Promise<void> {
  const bytes = new Uint8Array(4_096);
  while (await input.read(bytes) !== null);
}
