/** AcceptRPC: the listener for the other servers' frames. */
import type { Listener } from "../host/ports.ts";
import type { InboundLink, LogEvent, ServerNode } from "../node/api.ts";
import { AssertionError } from "../util/assert.ts";
import type { ConnectionWatch, WatchedConnection } from "./connection_watch.ts";
import { pumpLink } from "./pump_link.ts";
import { activityOf } from "./signal.ts";

/** Each server has one connection to us, and for a moment two: this is plenty, and a bound. */
const CONNECTIONS_MAX = 128;

/** A connection and its link; the first one in a set of these was accepted first. */
interface Accepted {
  readonly connection: WatchedConnection;
  readonly link: InboundLink;
}

/**
 * Serves every connection that comes, until the listener closes; `onConnection` is called for each.
 * Where there are too many, the oldest without a handshake gives way: servers make theirs at once, so
 * strangers can't keep them out however fast they come back. Whatever goes wrong on a connection ends
 * that connection alone; only a broken invariant is passed on, as a rejection that nobody catches.
 */
export async function acceptRpc(
  listener: Listener,
  node: Pick<ServerNode, "openInboundLink">,
  watch: ConnectionWatch,
  log: (event: LogEvent) => void,
  onConnection: () => void = () => {},
): Promise<void> {
  const open = new Set<Accepted>();
  for await (const accepted of listener) {
    const isFull = open.size >= CONNECTIONS_MAX;
    const hasRoom = listener.hasRoom?.() ?? true;
    const gaveWay = (isFull || !hasRoom) && evictStranger(open);
    // A connection that is closed frees its descriptor a moment later: that is for the next one.
    if ((isFull && !gaveWay) || !hasRoom) {
      accepted.close();
      continue;
    }
    onConnection();
    const link = node.openInboundLink(accepted.remote, accepted.peerNames);
    const one = { connection: watch.open(accepted), link };
    open.add(one);
    serve(one.connection, link).then((reason) => {
      open.delete(one);
      const fields = { remote: accepted.remote, reason };
      log({ level: "debug", message: "A connection on the log port ended", fields });
    });
  }
}

/** Closes the oldest connection without a passed handshake; false where there is none. */
function evictStranger(open: Set<Accepted>): boolean {
  for (const one of open) {
    if (one.link.isKnown) continue;
    open.delete(one);
    one.connection.close("it had not shown who it is when others came");
    return true;
  }
  return false;
}

async function serve(connection: WatchedConnection, link: InboundLink): Promise<string> {
  try {
    return await pumpLink(connection, link, activityOf(link));
  } catch (error) {
    if (error instanceof AssertionError) throw error;
    return (error as Error).message;
  } finally {
    link.onActivity = null;
    link.disconnected();
  }
}
