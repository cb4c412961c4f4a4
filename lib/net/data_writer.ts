/** DataWriter: drains replies to the connection. */
import type { ClientSession } from "../node/api.ts";
import type { WatchedConnection } from "./connection_watch.ts";

/**
 * Writes each chunk wholly before it asks for the next: a client that does not take its replies
 * holds up this loop, the session's output grows to its bound, and then its input is no longer read.
 * Ends where the connection is closed meanwhile, and leaves the session alone then.
 */
export async function dataWriter(
  replies: AsyncIterable<Uint8Array>,
  connection: Pick<WatchedConnection, "writeSome" | "wroteAll" | "closedBecause">,
  session: ClientSession,
): Promise<void> {
  for await (const bytes of replies) {
    let written = await connection.writeSome(bytes);
    while (written < bytes.length) written += await connection.writeSome(bytes.subarray(written));
    connection.wroteAll();
    if (connection.closedBecause !== null) return;
    session.outputWritten();
  }
}
