/** `raftkv verify`: what it does is in run_verify.ts, loaded when it runs. */
import { buildCommand } from "@stricli/core";
import type { CliContext } from "./context.ts";

export const verifyCommand = buildCommand<Record<never, never>, [string], CliContext>({
  loader: async () => (await import("./run_verify.ts")).runVerify,
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{
        brief: "A server's data directory, such as data/1, or a backup",
        parse: String,
        placeholder: "directory or file",
      }],
    },
  },
  docs: {
    brief: "Check every checksum in a data directory or a backup",
    fullDescription: [
      "Checks every checksum in a server's data directory, and that no file is missing; or all of",
      "a backup. Prints the file, the bytes and the meaning of each fault. Exit code 0 where all",
      "is well, 1 where anything is wrong, 6 where there is no such file. It changes nothing.",
    ].join("\n"),
  },
});
