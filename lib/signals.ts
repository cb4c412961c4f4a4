/** What signals do to a server. */
import type { Clock } from "./host/ports.ts";
import type { HostProcess } from "./host/process.ts";
import type { LogEvent } from "./node/api.ts";

/**
 * Ctrl-C reaches every process at a terminal, and a task runner or a supervisor passes it on: what
 * comes so soon after the first signal is that same wish.
 */
const SAME_SIGNAL_MS = 1_000;

export interface SignalSurroundings {
  readonly process: Pick<HostProcess, "onSignal" | "exit">;
  readonly clock: Clock;
  readonly log: (event: LogEvent) => void;
}

/** Something that SIGHUP reads again. */
export interface Reload {
  /** For the log. */
  readonly what: string;
  run(): void;
}

/**
 * SIGHUP asks for files to be read again, and comes where a terminal is closed: neither may end a server.
 * The others would, unless they are handled. To be called before anything else starts; `reloads` may be
 * filled later.
 */
export function keepRunningOnSignals(
  { process, log }: SignalSurroundings,
  reloads: readonly Reload[],
): void {
  process.onSignal(["SIGHUP", "SIGUSR1", "SIGUSR2"], (signal) => {
    if (signal !== "SIGHUP" || reloads.length === 0) {
      log({ ...MEANINGS[signal as keyof typeof MEANINGS], fields: {} });
      return;
    }
    const message = "SIGHUP: reading again what can be; the cluster file is read at startup alone";
    log({ level: "info", message, fields: { what: reloads.map(({ what }) => what).join(", ") } });
    for (const { run } of reloads) run();
  });
}

const MEANINGS = {
  SIGHUP: {
    level: "info",
    message: "SIGHUP: nothing can be reloaded here; the cluster file is read at startup alone",
  },
  SIGUSR1: {
    level: "warning",
    message: "SIGUSR1: newer versions of the runtime open their debugger on it (127.0.0.1:9229), " +
      "which only a restart closes",
  },
  SIGUSR2: { level: "info", message: "SIGUSR2 means nothing to this server" },
} as const;

/**
 * Calls `stop` on the first SIGTERM or SIGINT, and resolves once that has ended. Another one a second
 * later, or after that, ends the process at once, with exit code 1.
 */
export function stopOnSignal(
  { process, clock, log }: SignalSurroundings,
  stop: () => Promise<void>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let firstAtMs = -1;
    process.onSignal(["SIGTERM", "SIGINT"], (signal) => {
      const nowMs = clock.monotonicMs();
      if (firstAtMs >= 0) {
        if (nowMs - firstAtMs < SAME_SIGNAL_MS) return;
        log({ level: "warning", message: "Ending at once: a second signal", fields: { signal } });
        process.exit(1);
      }
      firstAtMs = nowMs;
      log({ level: "info", message: "Shutting down", fields: { signal } });
      stop().then(resolve, reject);
    });
  });
}
