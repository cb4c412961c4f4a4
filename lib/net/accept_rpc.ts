/** AcceptRPC: the listener for the other servers' frames. */
import type { Connection, Listener } from "../host/ports.ts";
import type { LogEvent, ServerNode } from "../node/api.ts";
import { acceptLinks } from "./accept_links.ts";
import type { ConnectionWatch } from "./connection_watch.ts";

/**
 * See `acceptLinks`; `onConnection` is called for each connection. Servers make their handshakes at once,
 * so strangers can't keep them out however fast they come back.
 */
export function acceptRpc(
  listener: Listener,
  node: Pick<ServerNode, "openInboundLink">,
  watch: ConnectionWatch,
  log: (event: LogEvent) => void,
  onConnection: () => void = () => {},
): Promise<void> {
  const port = {
    name: "log port",
    evictedBecause: "it had not shown who it is when others came",
    open: ({ remote, peerNames }: Connection) => {
      onConnection();
      return node.openInboundLink(remote, peerNames);
    },
  };
  return acceptLinks(listener, port, watch, log);
}
