/** AcceptConnection: the accept loop on the client port, and the pipeline of each connection. */
import type { Listener } from "../host/ports.ts";
import type { ClientSession, LogEvent, ServerNode } from "../node/api.ts";
import { AssertionError } from "../util/assert.ts";
import { clientListener } from "./client_listener.ts";
import type { ConnectionWatch, WatchedConnection } from "./connection_watch.ts";
import { dataWriter } from "./data_writer.ts";
import { evaluator } from "./evaluator.ts";
import { activityOf } from "./signal.ts";

const TURNED_AWAY_LOG_PAUSE_MS = 1_000;

/**
 * Serves every connection that comes, until the listener closes; then it resolves, with connections
 * still open. `watch` holds those: it enforces their time limits and can close them all. Whatever goes
 * wrong on one connection ends that connection alone; only a broken invariant is passed on, as a
 * rejection that nobody catches, for it has to end the process.
 */
export async function acceptConnections(
  listener: Listener,
  node: Pick<ServerNode, "openSession">,
  watch: ConnectionWatch,
  log: (event: LogEvent) => void,
): Promise<void> {
  let full = false;
  let loggedAtMs = -Infinity;
  for await (const accepted of listener) {
    const hasRoom = listener.hasRoom?.() ?? true;
    const session = hasRoom ? node.openSession(accepted.remote) : null;
    if (session !== null) {
      full = false;
      serve(watch.open(accepted), session).then((reason) => {
        const fields = { remote: accepted.remote, reason, open: watch.size };
        log({ level: "debug", message: "A client's connection ended", fields });
      });
      continue;
    }
    accepted.close();
    // Clients that come and go at the bound must not fill the log.
    if (!full && watch.nowMs - loggedAtMs >= TURNED_AWAY_LOG_PAUSE_MS) {
      loggedAtMs = watch.nowMs;
      const message = hasRoom
        ? "Clients are turned away: limits.connectionsMax is reached, or this server stops"
        : "Clients are turned away: almost no file descriptors are left (ulimit -n)";
      log({ level: "warning", message, fields: { open: watch.size } });
    }
    full = true;
  }
}

/** The stages of one connection; resolves with the reason of its end. */
async function serve(connection: WatchedConnection, session: ClientSession): Promise<string> {
  const activity = activityOf(session);
  let reason = "";
  try {
    const batches = clientListener(connection, session, activity);
    const replies = evaluator(batches, session, activity);
    await connection.untilClosed(dataWriter(replies, connection, session));
    reason = connection.closedBecause ?? session.closing ?? "";
    activity.end();
    if (connection.closedBecause === null) await connection.untilClosed(linger(connection));
  } catch (error) {
    if (error instanceof AssertionError) throw error;
    reason ||= connection.closedBecause ?? (error as Error).message;
  } finally {
    activity.end();
    session.onActivity = null;
    // Ends a read that is still under way, and with it the client listener.
    connection.close(reason);
    session.disconnected();
  }
  return reason;
}

const LINGER_MS = 1_000;
const discarded = new Uint8Array(65_536);

/**
 * Takes what the client still sends, for a moment: closing with unread bytes makes the system reset
 * the connection, and a reset can overtake the last reply (the refusal of a value that is too large,
 * while the client still sends that value).
 */
async function linger(connection: WatchedConnection): Promise<void> {
  const deadline = setTimeout(() => connection.close("the client kept sending"), LINGER_MS);
  try {
    await connection.closeWrite();
    while (await connection.read(discarded) !== null) { /* not wanted */ }
  } finally {
    clearTimeout(deadline);
  }
}
