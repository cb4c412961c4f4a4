/** The end of a connection whose client may still be sending. */
import type { Connection } from "../host/ports.ts";

const LINGER_MS = 1_000;
const discarded = new Uint8Array(65_536);

/**
 * Takes what the client still sends, for a moment: closing with unread bytes makes the system reset
 * the connection, and a reset can overtake the last reply (the refusal of a value that is too large,
 * while the client still sends that value).
 */
export async function linger(
  connection: Pick<Connection, "read" | "closeWrite"> & { close(reason?: string): void },
): Promise<void> {
  const deadline = setTimeout(() => connection.close("the client kept sending"), LINGER_MS);
  try {
    await connection.closeWrite();
    while (await connection.read(discarded) !== null) { /* not wanted */ }
  } finally {
    clearTimeout(deadline);
  }
}
