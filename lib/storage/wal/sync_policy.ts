/** Which batches' syncs may block the event loop. */
import type { PersistBatch } from "../../raft/types.ts";

/** A sync of more than this takes long enough to do something else meanwhile. */
const AWAITED_BYTES_MAX = 65_536;

/**
 * True for a small batch that others wait for, a follower's as a rule. `bytes`: all that the sync has to
 * bring to the disk, zeroes behind the batch included. A leader has clients to hear
 * meanwhile, and goes on committing where its own disk stands still.
 */
export function mayBlockSync({ messagesAfterSync }: PersistBatch, bytes: number): boolean {
  return messagesAfterSync.length > 0 && bytes <= AWAITED_BYTES_MAX;
}
