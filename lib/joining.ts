/**
 * A server that becomes a member of a cluster that runs: it asks until it is taken in. Whom it asks, and
 * how, is the command line's; here is what the rest of the server has to do with it.
 */
import type { LogEvent } from "./node/api.ts";

/** Who wants to become a member, and where it will be reached. */
export interface JoinRequest {
  readonly serverId: number;
  /** Of its data directory: it is this life that is taken in, and no other. */
  readonly incarnation: string;
  readonly hostname: string;
  readonly clientPort: number;
  readonly logPort: number;
}

export interface JoinEvents {
  readonly log: (event: LogEvent) => void;
  /** The cluster's leader has answered: this is the cluster's id. May come often. */
  readonly answered: (clusterId: string) => void;
  /** Nothing has to be asked any more. */
  readonly isMember: () => boolean;
  /** Aborted where the server ends before. */
  readonly signal: AbortSignal;
}

/** Asks, again and again; resolves once the server is a member, or the signal is aborted. */
export type AskToJoin = (request: JoinRequest, events: JoinEvents) => Promise<void>;

export class Joining {
  /** The id of the cluster, once its leader has answered; null where it was stopped before. */
  readonly clusterId: Promise<string | null>;
  readonly #end = new AbortController();

  constructor(
    ask: AskToJoin,
    request: JoinRequest,
    events: Pick<JoinEvents, "log" | "isMember">,
  ) {
    this.clusterId = new Promise((resolve, reject) => {
      const asking = ask(request, { ...events, answered: resolve, signal: this.#end.signal });
      asking.then(() => resolve(null), reject);
    });
  }

  stop(): void {
    this.#end.abort();
  }
}
