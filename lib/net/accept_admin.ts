/** The accept loop on the admin port, and on the probe port. */
import type { Listener } from "../host/ports.ts";
import type { LogEvent } from "../node/api.ts";
import { type AcceptedLink, acceptLinks } from "./accept_links.ts";
import type { ConnectionWatch } from "./connection_watch.ts";

/** A request is a few hundred bytes. */
const READ_BUFFER_BYTES = 4_096;

/** See `acceptLinks`: whoever has not shown that it may ask gives way. */
export function acceptAdmin(
  listener: Listener,
  open: () => AcceptedLink,
  watch: ConnectionWatch,
  log: (event: LogEvent) => void,
): Promise<void> {
  const port = {
    name: "admin port",
    evictedBecause: "it had not shown that it may ask when others came",
    readBufferBytes: READ_BUFFER_BYTES,
    open,
  };
  return acceptLinks(listener, port, watch, log);
}
