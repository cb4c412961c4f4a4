/** `raftkv bench`: its flags. What it does is in ../run/bench.ts, loaded when it runs. */
import { buildCommand } from "@stricli/core";
import { CLIENT_FLAGS, OUTPUT_FLAG, SERVERS_HELP } from "../connect/flags.ts";
import type { CliContext } from "../context.ts";
import type { BenchFlags } from "../run/bench.ts";
import { parseTimerMs, wholeNumberIn } from "../output/units.ts";

const LOADS = ["set", "get", "mixed"] as const;

export const benchCommand = buildCommand<BenchFlags, [], CliContext>({
  loader: async () => (await import("../run/bench.ts")).runBench,
  parameters: {
    flags: {
      ...CLIENT_FLAGS,
      ...OUTPUT_FLAG,
      load: {
        kind: "enum",
        values: LOADS,
        brief: "What is done: one of these; first set, then get, unless given",
        optional: true,
      },
      clients: {
        kind: "parsed",
        parse: wholeNumberIn(1, 1_000),
        brief: "Connections, each with one command at a time; 50",
        placeholder: "N",
        optional: true,
      },
      duration: {
        kind: "parsed",
        parse: parseTimerMs,
        brief: "How long each load runs; 5s",
        placeholder: "DURATION",
        optional: true,
      },
      valueBytes: {
        kind: "parsed",
        parse: wholeNumberIn(0, 1_048_576),
        brief: "Length of the values; 256",
        placeholder: "N",
        optional: true,
      },
      keys: {
        kind: "parsed",
        parse: wholeNumberIn(1, 10_000_000),
        brief: "How many keys are used; 10000",
        placeholder: "N",
        optional: true,
      },
    },
  },
  docs: {
    brief: "Measure rate and latencies of a cluster",
    customUsage: ["[flags]"],
    fullDescription: [
      "Puts a load on the cluster and prints rate and latencies. The keys it writes begin with",
      "raftkv-bench: and go by themselves after ten minutes. It is real load: everyone else waits",
      "longer meanwhile. What it measures includes this process, which shares its processor with",
      "nobody else only where it runs on a machine of its own.",
      "",
      SERVERS_HELP,
    ].join("\n"),
  },
});
