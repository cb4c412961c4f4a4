/** Which batches' syncs may block the event loop. */
import type { PersistBatch } from "../../raft/types.ts";
import type { Done } from "../types.ts";

/** A batch on its way to the disk, and how many bytes it takes there at most. */
export interface Persisting {
  readonly batch: PersistBatch;
  readonly size: number;
  readonly done: Done;
}

/** A sync of more than this takes long enough to do something else meanwhile. */
const AWAITED_BYTES_MAX = 65_536;

/**
 * True for a small batch that others wait for, usually a follower's. `bytes`: all that the sync has to
 * bring to the disk, zeroes after the batch included. A leader never blocks: it has clients to serve
 * meanwhile, and it can commit while its own disk stalls.
 */
export function mayBlockSync({ messagesAfterSync }: PersistBatch, bytes: number): boolean {
  return messagesAfterSync.length > 0 && bytes <= AWAITED_BYTES_MAX;
}
