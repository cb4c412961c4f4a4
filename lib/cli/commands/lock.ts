/** `raftkv lock`: its flags. What it does is in ../run/lock.ts, loaded when it runs. */
import { buildCommand } from "@stricli/core";
import { CLIENT_FLAGS, OUTPUT_FLAG, SERVERS_HELP } from "../connect/flags.ts";
import { LOCK_ARGUMENT, LOCK_FLAGS } from "../connect/lock_flags.ts";
import type { CliContext } from "../context.ts";
import type { LockCommandFlags } from "../run/lock.ts";

export const lockCommand = buildCommand<LockCommandFlags, [string], CliContext>({
  loader: async () => (await import("../run/lock.ts")).runLock,
  parameters: {
    flags: { ...CLIENT_FLAGS, ...OUTPUT_FLAG, ...LOCK_FLAGS },
    positional: { kind: "tuple", parameters: [LOCK_ARGUMENT] },
  },
  docs: {
    brief: "Hold a lock until standard input ends",
    customUsage: ["[flags] NAME"],
    fullDescription: [
      "Takes the lock and prints `token N`; before that `waiting`, where others have it. Holds it",
      "until standard input ends (Ctrl-D at a terminal), or SIGINT, SIGTERM or SIGHUP comes, lets",
      "go and prints `released`. Where the lock is lost it prints `lost` and why: exit code 5;",
      "where it was not to be had within --wait the exit code is 1. The token grows with every",
      "taking: what is protected has to refuse smaller ones (docs/locks.md). raftkv-run holds a",
      "lock while a command runs.",
      "",
      SERVERS_HELP,
    ].join("\n"),
  },
});
