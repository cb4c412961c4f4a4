/** The ways in which a server's process ends that are no failure, by what comes out of its node. */
import { DiskError, DiskFullError } from "../../lib/host/ports.ts";
import type { ServerCondition } from "./server_condition.ts";
import type { ServerFactory } from "./server_factory.ts";
import { CheckFailure } from "./world.ts";

/** Thrown through the node where its process ends in the middle of a step. */
export class ProcessEnded extends Error {
  override readonly name = "ProcessEnded";
}

/**
 * `ended`: it has ended by now. `refused`: it does not start on what is damaged. `crash`: the disk ended it.
 * `exit`: it can't go on for what the disk did.
 */
export type ProcessEnd = "ended" | "refused" | "crash" | "exit";

/** Why a server called `name` threw `error`. Throws where it should not have. */
export function endOf(
  error: unknown,
  name: string,
  isStarting: boolean,
  { isHarmed, mayExit }: ServerCondition,
  factory: ServerFactory,
): ProcessEnd {
  if (error instanceof ProcessEnded) return "ended";
  if (error instanceof CheckFailure) throw error;
  if (isStarting && isHarmed && factory.isRefusal(error)) return "refused";
  if (factory.isCrash(error)) return "crash";
  const isDiskError = [error, (error as Error).cause].some((reason) =>
    reason instanceof DiskError || reason instanceof DiskFullError
  );
  if (mayExit && isDiskError) return "exit";
  const text = error instanceof Error ? error.message : String(error);
  throw new CheckFailure("exception", `${name} threw: ${text}`, { cause: error });
}
