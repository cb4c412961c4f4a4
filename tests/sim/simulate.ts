/** One run from its options to what it came to. */
import { withoutOutside } from "./globals.ts";
import type { SimOptions, Strike } from "./options.ts";
import { watchingPaths } from "./path_marks.ts";
import type { ServerFactory } from "./server_factory.ts";
import { Simulation } from "./simulation.ts";
import type { LineSink } from "./trace.ts";
import { CheckFailure } from "./world.ts";

/** What one seed came to; plain data, so that it travels between processes as JSON. */
export interface SimResult {
  readonly seed: number;
  /** Null where all held; else the check that fired. */
  readonly check: string | null;
  readonly message: string;
  readonly stack: string;
  readonly hash: string;
  readonly events: number;
  readonly simulatedMs: number;
  readonly acknowledged: number;
  readonly elections: number;
  readonly digestsCompared: number;
  readonly searched: boolean;
  readonly counters: Record<string, number>;
  /** Situations that came up, by name. */
  readonly marks: Record<string, number>;
  /** What struck, where it failed: to do it again, and to do with less. */
  readonly strikes: readonly Strike[];
}

/** Runs one seed, or another `scenario` on its world. Never throws: what failed is in the result. */
export function simulate(
  options: SimOptions,
  factory: ServerFactory,
  sink: LineSink = null,
  verbose = false,
  scenario: (simulation: Simulation) => void = (simulation) => simulation.runAll(),
): SimResult {
  const simulation = new Simulation(options, factory, sink, verbose);
  return withoutOutside(() => {
    try {
      watchingPaths((mark) => simulation.marks.path(mark), () => scenario(simulation));
      return resultOf(simulation, null);
    } catch (error) {
      return resultOf(simulation, error instanceof Error ? error : new Error(String(error)));
    }
  });
}

function resultOf(simulation: Simulation, error: Error | null): SimResult {
  const { world, checks, history, workloads, marks, faults, options } = simulation;
  const cause = error?.cause instanceof Error ? error.cause : error;
  return {
    seed: options.seed,
    check: error === null ? null : error instanceof CheckFailure ? error.check : "exception",
    message: error?.message ?? "",
    stack: cause?.stack ?? "",
    hash: simulation.hash,
    events: world.events,
    simulatedMs: world.now / 1000,
    acknowledged: history.acknowledged,
    elections: checks.elections,
    digestsCompared: checks.digestsCompared,
    searched: workloads.searched,
    marks: marks.all(world.counters),
    counters: world.counters.all(),
    strikes: error === null ? [] : faults.strikes,
  };
}
