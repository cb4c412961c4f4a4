/** The accept loop on the admin port. */
import type { Listener } from "../host/ports.ts";
import type { LogEvent, PeerLink } from "../node/api.ts";
import { AssertionError } from "../util/assert.ts";
import type { ConnectionWatch, WatchedConnection } from "./connection_watch.ts";
import { pumpLink } from "./pump_link.ts";
import { activityOf } from "./signal.ts";

/** Streams, probes and scrapers: plenty, and a bound. */
const CONNECTIONS_MAX = 128;
/** A request is a few hundred bytes. */
const READ_BUFFER_BYTES = 4_096;

/** One connection of it. */
type AdminLink = PeerLink & { disconnected(): void };

/**
 * Serves every connection that comes, until the listener closes. Whatever goes wrong on one ends that one
 * alone; only a broken invariant is passed on, as a rejection that nobody catches.
 */
export async function acceptAdmin(
  listener: Listener,
  open: () => AdminLink,
  watch: ConnectionWatch,
  log: (event: LogEvent) => void,
): Promise<void> {
  for await (const accepted of listener) {
    if (watch.size >= CONNECTIONS_MAX || listener.hasRoom?.() === false) {
      accepted.close();
      continue;
    }
    serve(watch.open(accepted), open()).then((reason) => {
      const fields = { remote: accepted.remote, reason };
      log({ level: "debug", message: "A connection on the admin port ended", fields });
    });
  }
}

async function serve(connection: WatchedConnection, link: AdminLink): Promise<string> {
  try {
    return await pumpLink(connection, link, activityOf(link), undefined, READ_BUFFER_BYTES);
  } catch (error) {
    if (error instanceof AssertionError) throw error;
    return (error as Error).message;
  } finally {
    link.onActivity = null;
    link.disconnected();
  }
}
