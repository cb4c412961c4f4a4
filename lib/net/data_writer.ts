/** DataWriter: drains replies to the connection. */
import type { Connection } from "../host/ports.ts";
import type { ClientSession } from "../node/shells.ts";

/**
 * Writes each chunk wholly before it asks for the next: a client that does not take its replies
 * holds up this loop, the session's output grows to its bound, and then its input is no longer read.
 */
export async function dataWriter(
  replies: AsyncIterable<Uint8Array>,
  connection: Connection,
  session: ClientSession,
): Promise<void> {
  for await (const bytes of replies) {
    await connection.write(bytes);
    session.outputWritten();
  }
}
