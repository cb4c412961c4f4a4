/**
 * The admin port's parts, put together: loaded only where a server has such a port. What it answers is in
 * routes.ts; who may ask, in guard.ts.
 */
import type { Clock } from "../host/ports.ts";
import type { NodeView } from "../node/facts/node_view.ts";
import { type AdminParts, AdminSession } from "./admin_session.ts";
import { EventStreams } from "./event_streams.ts";
import { type AdminToken, Guard } from "./guard.ts";
import { text } from "./http_response.ts";
import { PROBE_PATHS, probeAnswer } from "./probes.ts";
import { Routes } from "./routes.ts";

export interface AdminPortOptions {
  readonly view: NodeView;
  readonly clock: Clock;
  /** By which this server may be called, beside localhost and addresses. */
  readonly names: readonly string[];
  /** Null: nothing has to be known. */
  readonly token: AdminToken | null;
}

/** What the accept loop asks of the admin port. */
export interface AdminPort {
  openConnection(): AdminSession;
  /** Ends all streams: their connections close at once. */
  close(): void;
}

export function makeAdminPort({ view, clock, names, token }: AdminPortOptions): AdminPort {
  const streams = new EventStreams(view.status, () => view.health().leaderId);
  const routes = new Routes(view, new Guard(names, token), streams, () => clock.monotonicMs());
  const parts = { routes, streams, wallMs: () => clock.wallMs(), keepsAnswered: true };
  return {
    openConnection: () => new AdminSession(parts),
    close: () => streams.closeAll("this server is shutting down"),
  };
}

/**
 * The probes alone, for whoever asks: they say whether this server is well, and nothing of what is in it.
 * So there is no name that a request has to come by, either.
 */
export function makeProbePort(
  { view, clock }: Pick<AdminPortOptions, "view" | "clock">,
): AdminPort {
  const routes: AdminParts["routes"] = {
    answer: (request) =>
      probeAnswer(request, view.health) ?? text(404, `There is ${PROBE_PATHS.join(", ")}\n`),
  };
  const streams = new EventStreams(view.status, () => view.health().leaderId);
  // Anybody may ask, so nobody is known by it: the next probe is as good as the last.
  const parts = { routes, streams, wallMs: () => clock.wallMs(), keepsAnswered: false };
  return { openConnection: () => new AdminSession(parts), close: () => {} };
}
