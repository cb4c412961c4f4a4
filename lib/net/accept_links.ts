/** What the accept loops of the log port, the admin port and the probe port have in common. */
import type { Connection, Listener } from "../host/ports.ts";
import type { LogEvent, PeerLink } from "../node/api.ts";
import { AssertionError } from "../util/assert.ts";
import type { ConnectionWatch, WatchedConnection } from "./connection_watch.ts";
import { pumpLink } from "./pump_link.ts";
import { activityOf } from "./signal.ts";

/** Servers, probes, scrapers and pages: plenty, and a bound. */
const CONNECTIONS_MAX = 128;

/** What an accepted connection is to the program. */
export interface AcceptedLink extends PeerLink {
  /** The other end has shown who it is, or that it may ask: it gives way to nobody. */
  readonly isKnown?: boolean;
  disconnected(): void;
}

export interface LinkPort {
  /** Such as `log port`. */
  readonly name: string;
  /** Why a connection is closed that gives way, for the log. */
  readonly evictedBecause: string;
  readonly readBufferBytes?: number;
  open(accepted: Connection): AcceptedLink;
}

/**
 * Serves every connection that comes, until the listener closes. `watch` holds those of all listeners of the
 * port: where there are too many, the oldest that is not known gives way, by whichever it came. So whoever
 * connects and says nothing keeps nobody out. Whatever goes wrong on one ends that one alone; only a broken
 * invariant is passed on, as a rejection that nobody catches.
 */
export async function acceptLinks(
  listener: Listener,
  port: LinkPort,
  watch: ConnectionWatch,
  log: (event: LogEvent) => void,
): Promise<void> {
  for await (const accepted of listener) {
    const isFull = watch.size >= CONNECTIONS_MAX;
    const hasRoom = listener.hasRoom?.() ?? true;
    const gaveWay = (isFull || !hasRoom) && watch.evict(port.evictedBecause);
    // A connection that is closed frees its descriptor a moment later: that is for the next one.
    if ((isFull && !gaveWay) || !hasRoom) {
      accepted.close();
      continue;
    }
    const link = port.open(accepted);
    const connection = watch.open(accepted);
    connection.givesWay = () => link.isKnown !== true;
    serve(connection, link, port.readBufferBytes).then((reason) => {
      const fields = { remote: accepted.remote, reason };
      log({ level: "debug", message: `A connection on the ${port.name} ended`, fields });
    });
  }
}

async function serve(
  connection: WatchedConnection,
  link: AcceptedLink,
  readBufferBytes?: number,
): Promise<string> {
  try {
    return await pumpLink(connection, link, activityOf(link), undefined, readBufferBytes);
  } catch (error) {
    if (error instanceof AssertionError) throw error;
    return (error as Error).message;
  } finally {
    link.onActivity = null;
    link.disconnected();
  }
}
