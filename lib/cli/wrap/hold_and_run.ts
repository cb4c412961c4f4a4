/** What `raftkv-run` does, once its flags are parsed. */
import type { CommandContext } from "@stricli/core";
import { type Client, type Lock, LockLost, open } from "../../../client/mod.ts";
import { type Child, type StartChild, StartError } from "../../host/child.ts";
import type { HostProcess, Signal } from "../../host/process.ts";
import { escapeUnseen } from "../../util/unseen.ts";
import { type ServerAddress, serverText } from "../client_ports.ts";
import { failureOf } from "../connect/failures.ts";
import { isHeld, type LockFlags, takeLock } from "../connect/lock_flags.ts";

export interface RunFlags extends LockFlags {
  readonly servers?: readonly ServerAddress[];
  readonly grace?: number;
  readonly timeout?: number;
  readonly tls?: boolean;
  readonly tlsServerName?: string;
  readonly user?: string;
  readonly passwordStdin?: boolean;
}

/** What it runs in. */
export interface Surroundings extends CommandContext {
  readonly process: CommandContext["process"] & { exitCode?: number | string | null | undefined };
  readonly host: HostProcess;
  readonly start: StartChild;
  readonly input: {
    isTerminal(): boolean;
    firstLine(): string;
  };
}

/** Where they are not the command's own; as timeout(1) and env(1) have them. */
export const RUN_EXIT = {
  /** The lock was not to be had in time. */
  notHad: 123,
  /** The lock was lost, and the command was ended. */
  lost: 124,
  /** The command line is wrong, or the cluster could not be asked. */
  failed: 125,
  cannotRun: 126,
  noSuchCommand: 127,
} as const;

const DEFAULT_SERVERS = [9000, 9002, 9004].map((port) => `127.0.0.1:${port}`);
const TIMEOUT_MS = 5_000;
const GRACE_MS = 5_000;
const PASSED_ON: readonly Signal[] = ["SIGTERM", "SIGHUP", "SIGINT", "SIGUSR1", "SIGUSR2"];
/** Their numbers, where one of them comes before the command runs. */
const NUMBERS: Readonly<Record<Signal, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGUSR1: 10,
  SIGUSR2: 12,
  SIGTERM: 15,
};

/** The exit code goes to `process.exitCode`. */
export async function holdAndRun(
  this: Surroundings,
  flags: RunFlags,
  name: string,
  ...command: string[]
): Promise<void> {
  const { host } = this;
  const say = (text: string) => host.writeError(`raftkv-run: ${escapeUnseen(text)}\n`);
  const signals = new Signals(host, this.input.isTerminal());
  const client = clientOf(flags, this.input);
  try {
    const lock = await taken(client, name, flags, signals, say);
    this.process.exitCode = lock === null
      ? signals.code ?? RUN_EXIT.notHad
      : await whileHeld(lock, { name, command, flags, signals, say, start: this.start });
  } catch (error) {
    throw failureOf(error);
  } finally {
    client.close();
  }
}

/** Signals are passed on to the command; before it runs they end everything. */
class Signals {
  readonly #stop = new AbortController();
  #child: Child | null = null;
  /** The exit code, where one came before the command ran. */
  code: number | null = null;

  constructor(host: HostProcess, isTerminal: boolean) {
    host.onSignal(PASSED_ON, (signal) => {
      if (this.#child === null) {
        this.code = 128 + NUMBERS[signal];
        this.#stop.abort();
      } else if (!isTerminal || signal !== "SIGINT") this.#child.signal(signal);
    });
  }

  /** Aborted where one came before the command ran. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  passTo(child: Child): void {
    this.#child = child;
  }
}

function clientOf(flags: RunFlags, input: Surroundings["input"]): Client {
  const { servers, timeout, tls, tlsServerName, user } = flags;
  const isTls = tls === true || tlsServerName !== undefined;
  return open({
    servers: servers?.map(serverText) ?? DEFAULT_SERVERS,
    timeoutMs: timeout ?? TIMEOUT_MS,
    tls: isTls ? tlsServerName === undefined ? true : { serverName: tlsServerName } : undefined,
    sessions: false,
    ...(user !== undefined && { user }),
    ...(flags.passwordStdin === true && { password: input.firstLine() }),
  });
}

/** Null where it is not to be had, or a signal came first. */
async function taken(
  client: Client,
  name: string,
  flags: RunFlags,
  signals: Signals,
  say: (text: string) => void,
): Promise<Lock | null> {
  const options = { timeoutMs: flags.timeout ?? TIMEOUT_MS, signal: signals.signal };
  try {
    return await takeLock(client, name, flags, options, () => say(`waiting for ${name}`));
  } catch (error) {
    if (signals.code !== null) return null;
    if (!isHeld(error)) throw error;
    say(error.message);
    return null;
  }
}

interface Run {
  readonly name: string;
  readonly command: readonly string[];
  readonly flags: RunFlags;
  readonly signals: Signals;
  readonly say: (text: string) => void;
  readonly start: StartChild;
}

/** Runs the command and lets go; gives the exit code. */
async function whileHeld(lock: Lock, run: Run): Promise<number> {
  const { name, command, flags, signals, say, start } = run;
  // It came while the answer was on its way.
  if (signals.code !== null) {
    await letGo(lock, say);
    return signals.code;
  }
  if (!lock.isHeld) {
    say((await lock.lost).message);
    return RUN_EXIT.lost;
  }
  let child: Child;
  try {
    child = start(command, { RAFTKV_LOCK: name, RAFTKV_TOKEN: `${lock.token}` });
  } catch (error) {
    await letGo(lock, say);
    if (!(error instanceof StartError)) throw error;
    say(error.message);
    return error.isMissing ? RUN_EXIT.noSuchCommand : RUN_EXIT.cannotRun;
  }
  signals.passTo(child);
  const isLost = await endWhereLost(lock, child, flags.grace ?? GRACE_MS, say);
  const code = await child.ended;
  if (isLost) return RUN_EXIT.lost;
  await letGo(lock, say);
  return code;
}

/** Waits for the command's end; where the lock is lost first, ends it. */
async function endWhereLost(
  lock: Lock,
  child: Child,
  graceMs: number,
  say: (text: string) => void,
): Promise<boolean> {
  const loss = await Promise.race([lock.lost, child.ended.then(() => null)]);
  if (loss === null) return false;
  say(`${loss.message}; the command is ended`);
  child.signal("SIGTERM");
  const timer = setTimeout(() => child.signal("SIGKILL"), graceMs);
  await child.ended;
  clearTimeout(timer);
  return true;
}

/** What can't be let go ends by itself; the command's exit code says more. */
async function letGo(lock: Lock, say: (text: string) => void): Promise<void> {
  try {
    await lock.unlock();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    say(error instanceof LockLost ? why : `the lock goes by itself within its time: ${why}`);
  }
}
