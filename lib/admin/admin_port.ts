/**
 * The admin port's parts, put together: loaded only where a server has such a port. What it answers is in
 * routes.ts; who may ask, in guard.ts.
 */
import type { Clock } from "../host/ports.ts";
import type { PeerLink } from "../node/api.ts";
import type { NodeView } from "../node/facts/node_view.ts";
import { AdminSession } from "./admin_session.ts";
import { EventStreams } from "./event_streams.ts";
import { Guard } from "./guard.ts";
import { Routes } from "./routes.ts";

export interface AdminPortOptions {
  readonly view: NodeView;
  readonly clock: Clock;
  /** By which this server may be called, beside localhost and addresses. */
  readonly names: readonly string[];
}

/** What the accept loop asks of the admin port. */
export interface AdminPort {
  openConnection(): PeerLink & { disconnected(): void };
  /** Ends all streams: their connections close at once. */
  close(): void;
}

export function makeAdminPort({ view, clock, names }: AdminPortOptions): AdminPort {
  const streams = new EventStreams(view.status, () => view.health().leaderId);
  const routes = new Routes(view, new Guard(names), streams, () => clock.monotonicMs());
  const parts = { routes, streams, wallMs: () => clock.wallMs() };
  return {
    openConnection: () => new AdminSession(parts),
    close: () => streams.closeAll("this server is shutting down"),
  };
}
