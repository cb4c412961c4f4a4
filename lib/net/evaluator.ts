/** Evaluator: batches of commands in, reply bytes out, in order. */
import type { ClientSession } from "../node/api.ts";
import type { CommandBatch } from "../wire/command_batch.ts";
import type { Signal } from "./signal.ts";

/**
 * Submits each batch as it comes, without waiting for the replies of the one before: that keeps
 * pipelined commands flowing into one sync. Yields reply bytes as they become available; a chunk is
 * valid until `session.outputWritten()`, which the consumer calls before it asks for the next. Ends
 * once the session is closing and all its output is out; throws where reading the batches failed.
 */
export async function* evaluator(
  batches: AsyncIterable<CommandBatch>,
  session: ClientSession,
  activity: Signal,
): AsyncGenerator<Uint8Array, void> {
  let failure: { readonly error: unknown } | null = null;
  // Runs concurrently with the loop below and ends with the batches: closing the connection ends those.
  submitAll(batches, session, activity).catch((error: unknown) => {
    failure = { error };
    activity.set();
  });
  while (failure === null) {
    if (activity.ended) return;
    const output = session.takeOutput();
    if (output !== null) yield output;
    else if (session.closing !== null) return;
    else await activity.wait();
  }
  throw (failure as { readonly error: unknown }).error;
}

async function submitAll(
  batches: AsyncIterable<CommandBatch>,
  session: ClientSession,
  activity: Signal,
): Promise<void> {
  for await (const batch of batches) {
    if (activity.ended) return;
    session.submit(batch);
  }
  if (!activity.ended) session.inputEnded();
}
