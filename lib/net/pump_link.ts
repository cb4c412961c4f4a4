/** What both directions of peer links share: one connection between a link and the network. */
import type { PeerLink } from "../node/api.ts";
import type { WatchedConnection } from "./connection_watch.ts";
import type { Signal } from "./signal.ts";

const READ_BUFFER_BYTES = 262_144;

/**
 * Moves bytes between `link` and `connection` until either is done; closes the connection and
 * resolves with the reason. The link copies what it keeps of the bytes that it is given. `onReceived`
 * is called after bytes came that did not make the link close. Rejects only with what the link itself
 * throws: what the network does is a reason.
 */
export async function pumpLink(
  connection: WatchedConnection,
  link: PeerLink,
  activity: Signal,
  onReceived: () => void = () => {},
  readBufferBytes: number = READ_BUFFER_BYTES,
): Promise<string> {
  // A lost link may be in the middle of a write that never ends.
  activity.onSet = () => {
    if (link.isLost === true) connection.close(link.closing ?? "the other end is not heard");
  };
  try {
    await connection.untilClosed(Promise.all([
      writeFrom(connection, link, activity),
      readInto(connection, link, activity, onReceived, readBufferBytes),
    ]));
    return connection.closedBecause ?? "done";
  } finally {
    connection.close("its link failed");
    activity.end();
  }
}

/** Leaves a link that closes to the writer, which sends its last words (a refusal) first. */
async function readInto(
  connection: WatchedConnection,
  link: PeerLink,
  activity: Signal,
  onReceived: () => void,
  readBufferBytes: number,
): Promise<void> {
  const buffer = new Uint8Array(readBufferBytes);
  while (true) {
    let count: number | null = null;
    try {
      count = await connection.read(buffer);
    } catch (error) {
      connection.close((error as Error).message);
    }
    if (count === null) connection.close("the other end closed the connection");
    if (count === null || activity.ended || connection.closedBecause !== null) break;
    link.receive(buffer.subarray(0, count));
    if (link.closing !== null) break;
    onReceived();
  }
  activity.set();
}

async function writeFrom(
  connection: WatchedConnection,
  link: PeerLink,
  activity: Signal,
): Promise<void> {
  while (connection.closedBecause === null) {
    const output = link.takeOutput();
    if (output === null) {
      if (link.closing === null) await activity.wait();
      else connection.close(link.closing);
      continue;
    }
    try {
      let written = await connection.writeSome(output);
      while (written < output.length) {
        written += await connection.writeSome(output.subarray(written));
      }
      connection.wroteAll();
    } catch (error) {
      connection.close((error as Error).message);
    }
    // The link may be on another connection by now.
    if (connection.closedBecause !== null) return;
    link.outputWritten();
  }
}
