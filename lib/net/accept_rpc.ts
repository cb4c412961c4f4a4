/** AcceptRPC: the listener for the other servers' frames. */
import type { Listener } from "../host/ports.ts";
import type { InboundLink, LogEvent, ServerNode } from "../node/shells.ts";
import { AssertionError } from "../util/assert.ts";
import type { ConnectionWatch, WatchedConnection } from "./connection_watch.ts";
import { pumpLink } from "./pump_link.ts";
import { activityOf } from "./signal.ts";

/** Each server has one connection to us, and for a moment two: this is plenty, and a bound. */
const CONNECTIONS_MAX = 128;

/**
 * Serves every connection that comes, until the listener closes; `onConnection` hears of each.
 * Whatever a connection brings ends that connection alone; only a broken invariant is passed on, as
 * a rejection that nobody catches.
 */
export async function acceptRpc(
  listener: Listener,
  node: Pick<ServerNode, "openInboundLink">,
  watch: ConnectionWatch,
  log: (event: LogEvent) => void,
  onConnection: () => void = () => {},
): Promise<void> {
  for await (const accepted of listener) {
    if (watch.size >= CONNECTIONS_MAX) {
      accepted.close();
      continue;
    }
    onConnection();
    serve(watch.open(accepted), node.openInboundLink(accepted.remote)).then((reason) => {
      const fields = { remote: accepted.remote, reason };
      log({ level: "debug", message: "A connection on the log port ended", fields });
    });
  }
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
