/** AcceptConnection: the accept loop of a port for clients, and the pipeline of each connection. */
import type { Connection, Listener } from "../host/ports.ts";
import type { ClientSession, LogEvent, ServerNode } from "../node/api.ts";
import { AssertionError } from "../util/assert.ts";
import { clientListener } from "./client_listener.ts";
import type { ConnectionWatch, WatchedConnection } from "./connection_watch.ts";
import { dataWriter } from "./data_writer.ts";
import { evaluator } from "./evaluator.ts";
import { linger } from "./linger.ts";
import { activityOf } from "./signal.ts";
import { TurningAway } from "./turning_away.ts";

const TURNED_AWAY_LOG_PAUSE_MS = 1_000;
const FEW_DESCRIPTORS = "almost no file descriptors are left (ulimit -n)";
const NO_DESCRIPTORS = "-ERR max number of clients reached: this server has no descriptors left";

/**
 * Serves every connection that comes, until the listener closes; then it resolves, with connections
 * still open. `watch` holds those: it enforces their time limits and can close them all. Whatever goes
 * wrong on one connection ends that connection alone; only a broken invariant is passed on, as a
 * rejection that nobody catches, for it has to end the process.
 */
export async function acceptConnections(
  listener: Listener,
  node: Pick<ServerNode, "openSession" | "turnedAwayWith" | "turnedAwayBecause">,
  watch: ConnectionWatch,
  log: (event: LogEvent) => void,
  isForwarding = false,
): Promise<void> {
  const turningAway = new TurningAway();
  /** Why, since one was let in last. */
  let reason: string | null = null;
  const loggedAtMs = new Map<string, number>();
  const open = ({ remote, local }: Connection) => node.openSession(remote, local, isForwarding);
  for await (const accepted of listener) {
    const hasRoom = listener.hasRoom?.() ?? true;
    const session = hasRoom ? open(accepted) : null;
    if (session !== null) {
      reason = null;
      serve(watch.open(accepted), session).then((reason) => {
        const fields = { remote: accepted.remote, reason, open: watch.size };
        log({ level: "debug", message: "A client's connection ended", fields });
      });
      continue;
    }
    if (hasRoom) turningAway.turn(accepted, node.turnedAwayWith);
    else turningAway.turnAtOnce(accepted, NO_DESCRIPTORS);
    // Clients that come and go at the bound must not fill the log.
    const last: string | null = reason;
    reason = hasRoom ? node.turnedAwayBecause : FEW_DESCRIPTORS;
    const pausedMs = watch.nowMs - (loggedAtMs.get(reason) ?? -Infinity);
    if (reason === last || pausedMs < TURNED_AWAY_LOG_PAUSE_MS) continue;
    loggedAtMs.set(reason, watch.nowMs);
    const message = `Clients are turned away: ${reason}`;
    log({ level: "warning", message, fields: { remote: accepted.remote, open: watch.size } });
  }
}

/** The stages of one connection; resolves with the reason of its end. */
async function serve(connection: WatchedConnection, session: ClientSession): Promise<string> {
  const activity = activityOf(session);
  // Its client may be taking nothing of a reply.
  activity.onSet = () => {
    if (session.isKilled) connection.close(session.closing ?? "killed");
  };
  connection.listens = () => session.listens === true;
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
