/** Lets clients in, as far as the bounds on connections allow, and says why where they don't. */
import { isLoopbackRemote } from "../util/address.ts";
import { ClientAccess } from "../wire/client_access.ts";
import { ClientCodec } from "../wire/client_codec.ts";
import type { ClientSession } from "./api.ts";
import type { Evaluator } from "./evaluator.ts";
import { BoundedSession } from "./session/bounded_session.ts";
import { Session } from "./session/session.ts";
import { type NodeState, scheduleTurn } from "./state.ts";

/** Where a client is, and where it connected to; the number that this server gives it. */
export interface NewClient {
  readonly clientId: number;
  readonly remote: string;
  readonly local: string;
  /** It came to the forward port. */
  readonly isForwarding: boolean;
}

/** Redis's words, which its clients know. */
const FULL = "-ERR max number of clients reached";

/** As Redis begins what it says in its protected mode. */
const NO_USER =
  "-DENIED no user exists here yet, and until one does clients are answered on this " +
  "server's own machine alone: make the first one there, by ACL SETUSER, or set insecure in the " +
  "cluster file (docs/security.md)";

/** Where that may be so only because it has not heard of them. */
const UNKNOWN_USERS =
  "-LOADING this server does not know yet which users there are: it learns that from a leader, " +
  "try again later, or another server";

/** Who is not let in. */
export interface TurnedAway {
  /** What the client is told, without a line end. */
  readonly line: string;
  /** What the log says; one of a few texts. */
  readonly why: string;
}

const STOPPING: TurnedAway = {
  line: "-ERR this server is stopping: connect to another one",
  why: "this server is stopping",
};

const WITHOUT_USERS: TurnedAway = {
  line: NO_USER,
  why: "no user exists yet, and until one does those of other machines are not answered",
};

const BEFORE_USERS: TurnedAway = {
  line: UNKNOWN_USERS,
  why: "this server does not know yet which users there are",
};

/** A session for a new connection, or why there is none. */
export function openSession(
  state: NodeState,
  evaluator: Evaluator,
  { clientId, remote, local, isForwarding }: NewClient,
): ClientSession | TurnedAway {
  const {
    options: { config: { limits }, audit },
    sessions,
    sessionLimits,
    boundedClients,
    meters,
  } = state;
  if (state.shutdown !== null) return STOPPING;
  if (sessions.count >= limits.connectionsMax) {
    meters.connections.turnedAway++;
    return { line: FULL, why: `limits.connectionsMax is ${limits.connectionsMax}` };
  }
  const isLoopback = isLoopbackRemote(remote);
  const users = evaluator.users.users;
  if (!isLoopback && state.options.needsUsers === true && (users === null || users.count === 0)) {
    meters.connections.turnedAway++;
    return evaluator.users.knowsUsers() ? WITHOUT_USERS : BEFORE_USERS;
  }
  const bucket = boundedClients?.enterAddress(remote, evaluator.monotonicMs()) ?? null;
  if (boundedClients !== null && bucket === null) {
    meters.connections.turnedAwayAddress++;
    const why = `limits.perAddress.connectionsMax is ${limits.perAddress.connectionsMax}`;
    return { line: `${FULL} for this address: ${why}`, why };
  }
  const access = new ClientAccess(evaluator.users, isLoopback);
  const plain = new ClientCodec(limits, { clientId, remote, isForwarding }, access);
  const codec = audit?.(plain, access, remote) ?? plain;
  const session = new Session(remote, codec, evaluator, sessionLimits, access);
  session.local = local;
  if (isForwarding) session.forwardBy(state.forwards);
  sessions.add(session);
  scheduleTurn(state);
  if (boundedClients === null || bucket === null) return session;
  const bounded = new BoundedSession(session, bucket, boundedClients, {
    monotonicMs: () => evaluator.monotonicMs(),
    waits: () => scheduleTurn(state),
  });
  session.gate = bounded;
  return bounded;
}
