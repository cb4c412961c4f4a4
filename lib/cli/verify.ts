/** `raftkv verify`: what it does is in run_verify.ts, loaded when it runs. */
import { buildCommand } from "@stricli/core";
import type { CliContext } from "./context.ts";
import { DIRECTORY_ARGUMENT } from "./inspect.ts";

export const verifyCommand = buildCommand<Record<never, never>, [string], CliContext>({
  loader: async () => (await import("./run_verify.ts")).runVerify,
  parameters: { positional: DIRECTORY_ARGUMENT },
  docs: {
    brief: "Check every checksum in a data directory",
    fullDescription: [
      "Checks every checksum in a server's data directory, and that no file is missing. Prints the",
      "file, the byte and the meaning of each fault. Exit code 0 where all is well, otherwise 1.",
      "It changes nothing.",
    ].join("\n"),
  },
});
