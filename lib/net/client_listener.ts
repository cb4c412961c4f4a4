/** ClientListener: one connection's bytes, as batches of commands. */
import type { Connection } from "../host/ports.ts";
import type { ClientSession } from "../node/api.ts";
import type { CommandBatch } from "../wire/command_batch.ts";
import type { Signal } from "./signal.ts";

/**
 * Reads straight into the session's buffer and yields every batch that is whole. While the session
 * wants no input (a bound is reached) nothing is read, so the client's own buffers fill: that is the
 * backpressure. Ends with the client's stream or where the session closes; throws where the read
 * fails. A batch is valid until the next is asked for.
 *
 * A read that is under way holds up `return()`: whoever abandons this generator closes the
 * connection.
 */
export async function* clientListener(
  connection: Connection,
  session: ClientSession,
  activity: Signal,
): AsyncGenerator<CommandBatch, void> {
  while (!activity.ended) {
    const batch = session.nextBatch();
    if (batch !== null) yield batch;
    else if (session.closing !== null) return;
    else if (!session.wantsInput) await activity.wait();
    else {
      const count = await connection.read(session.inputSpace());
      if (count === null || activity.ended) return;
      session.received(count);
    }
  }
}
