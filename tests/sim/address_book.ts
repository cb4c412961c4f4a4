/** Where servers are reached: a host name of its own and two ports for each place that one ever listened at. */
const CLIENT_PORT_BASE = 9_000;
const LOG_PORT_BASE = 9_999;

export interface SimAddress {
  readonly hostname: string;
  readonly clientPort: number;
  readonly logPort: number;
}

/** Whoever listens somewhere. */
export interface Listener {
  readonly address: SimAddress;
  /** `next`: where it will listen once it has started again, which is where it is unless it moves. */
  readonly place: { readonly next: SimAddress };
}

/** The place that a founder has at first. */
export function founderAddress(serverId: number): SimAddress {
  return {
    hostname: `server-${serverId}`,
    clientPort: CLIENT_PORT_BASE + serverId,
    logPort: LOG_PORT_BASE + serverId,
  };
}

/** All places that there ever were. */
export class AddressBook<Server extends Listener> {
  readonly #servers: readonly Server[];
  #last: number;

  /** `servers`: those that are there now, founders at first. */
  constructor(servers: readonly Server[], founders: number) {
    this.#servers = servers;
    this.#last = founders;
  }

  /** A place where nobody ever listened. */
  next(): SimAddress {
    return founderAddress(++this.#last);
  }

  /** True where some server had this client port once. */
  isKnown(clientPort: number): boolean {
    const at = clientPort - CLIENT_PORT_BASE;
    return at >= 1 && at <= this.#last;
  }

  /** The server that has a client port now; null where none does. */
  atClientPort(clientPort: number): Server | null {
    return this.#servers.find(({ address }) => address.clientPort === clientPort) ?? null;
  }

  /** Somebody listens there, or is about to. */
  isTaken({ hostname, logPort }: SimAddress): boolean {
    const isThere = this.atLog(hostname, logPort) !== null;
    return isThere ||
      this.#servers.some(({ place: { next } }) =>
        next.logPort === logPort && next.hostname === hostname
      );
  }

  /** The server whose log port is there now. */
  atLog(hostname: string, logPort: number): Server | null {
    return this.#servers.find(({ address }) =>
      address.logPort === logPort && address.hostname === hostname
    ) ?? null;
  }
}
