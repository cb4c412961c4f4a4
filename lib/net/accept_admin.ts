/** The accept loop on the admin port, and on the probe port. */
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
interface AdminLink extends PeerLink {
  /** It has shown that it may ask: it gives way to nobody. */
  readonly isKnown: boolean;
  disconnected(): void;
}

/** A connection and its link; the first one in a set of these was accepted first. */
interface Accepted {
  readonly connection: WatchedConnection;
  readonly link: AdminLink;
}

/**
 * Serves every connection that comes, until the listener closes. Where there are too many, the oldest that
 * has not shown that it may ask gives way: whoever connects and says nothing keeps nobody out. Whatever
 * goes wrong on one ends that one alone; only a broken invariant is passed on, as a rejection that nobody
 * catches.
 */
export async function acceptAdmin(
  listener: Listener,
  open: () => AdminLink,
  watch: ConnectionWatch,
  log: (event: LogEvent) => void,
): Promise<void> {
  const served = new Set<Accepted>();
  for await (const accepted of listener) {
    // The bound is that of all listeners of the port.
    const isFull = watch.size >= CONNECTIONS_MAX;
    const hasRoom = listener.hasRoom?.() ?? true;
    const gaveWay = (isFull || !hasRoom) && evictStranger(served);
    // A connection that is closed frees its descriptor a moment later: that is for the next one.
    if ((isFull && !gaveWay) || !hasRoom) {
      accepted.close();
      continue;
    }
    const one = { connection: watch.open(accepted), link: open() };
    served.add(one);
    serve(one.connection, one.link).then((reason) => {
      served.delete(one);
      const fields = { remote: accepted.remote, reason };
      log({ level: "debug", message: "A connection on the admin port ended", fields });
    });
  }
}

/** Closes the oldest connection that is not known; false where there is none. */
function evictStranger(served: Set<Accepted>): boolean {
  for (const one of served) {
    if (one.link.isKnown) continue;
    served.delete(one);
    one.connection.close("it had not shown that it may ask when others came");
    return true;
  }
  return false;
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
