/** What bounds one client connection. */
import { clientCommandBytesMax } from "../../wire/client_codec.ts";
import { BatchPool } from "../../wire/command_batch.ts";
import type { Limits } from "../limits.ts";
import { MemoryBudget } from "./memory_budget.ts";

export interface SessionLimits {
  readonly pipelineCommandsMax: number;
  readonly outputBytesMax: number;
  /** The largest command of the codec: the input buffer never holds much more. */
  readonly commandBytesMax: number;
  /** Shared by all sessions. */
  readonly budget: MemoryBudget;
  readonly batches: BatchPool;
}

/** The limits that all sessions of a server share. */
export function sessionLimitsOf(limits: Limits): SessionLimits {
  return {
    pipelineCommandsMax: limits.pipelineCommandsMax,
    outputBytesMax: limits.outputBytesMax,
    commandBytesMax: clientCommandBytesMax(limits),
    budget: new MemoryBudget(limits.clientBytesMax),
    batches: new BatchPool(),
  };
}
