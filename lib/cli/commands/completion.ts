/** `raftkv completion`: its arguments. What it does is in ../run/completion.ts, loaded when it runs. */
import { buildCommand } from "@stricli/core";
import { type Shell, SHELLS } from "../completion/shells.ts";
import type { CliContext } from "../context.ts";

function parseShell(text: string): Shell {
  const shell = SHELLS.find((one) => one === text);
  if (shell !== undefined) return shell;
  throw new Error(`${JSON.stringify(text)} is none of ${SHELLS.join(", ")}`);
}

export const completionCommand = buildCommand<Record<never, never>, [Shell], CliContext>({
  loader: async () => (await import("../run/completion.ts")).runCompletion,
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{
        brief: "bash, zsh or fish",
        parse: parseShell,
        placeholder: "SHELL",
        proposeCompletions: (partial) => SHELLS.filter((one) => one.startsWith(partial)),
      }],
    },
  },
  docs: {
    brief: "Print what makes a shell complete raftkv's commands, flags, servers and keys",
    customUsage: ["bash | zsh | fish"],
    fullDescription: [
      "bash:  source <(raftkv completion bash)        in ~/.bashrc",
      "zsh:   source <(raftkv completion zsh)         in ~/.zshrc, after compinit",
      "fish:  raftkv completion fish | source         in ~/.config/fish/config.fish",
      "",
      "Keys cost one request, of at most 300 ms; where it fails nothing is proposed.",
    ].join("\n"),
  },
});
