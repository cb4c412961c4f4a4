/**
 * The fault atlas: which server may lose what, so that every failure is a bug. At most a minority is
 * ever without sound data. Once somebody is out for good, the others' suspicion can't end any more (it
 * takes all voters), so they may lose power only as long as a sound majority is left.
 */

/** What the atlas has to know of a server. */
export interface Charted {
  /** Wiped, or so damaged that it refuses to start: out for the rest of the seed. */
  readonly isOut: boolean;
  /** Damaged, and not started since. */
  readonly isHarmed: boolean;
  /** It lost power, and has not shown since that it is sound. */
  readonly isTorn: boolean;
}

export class Atlas {
  readonly #servers: readonly Charted[];

  constructor(servers: readonly Charted[]) {
    this.#servers = servers;
  }

  /** Whether this server may lose data or have it damaged now. */
  mayHarm(server: Charted): boolean {
    return !server.isOut && this.#hasRoomFor(server);
  }

  /** Whether this server may lose what it has not synced, and so a part of a write. */
  mayTear(server: Charted): boolean {
    const anyLost = this.#servers.some((other) => other.isOut || other.isHarmed);
    return !anyLost || this.#hasRoomFor(server);
  }

  #hasRoomFor(server: Charted): boolean {
    let unsound = 1;
    for (const other of this.#servers) {
      if (other !== server && (other.isOut || other.isHarmed || other.isTorn)) unsound++;
    }
    return unsound <= Math.floor((this.#servers.length - 1) / 2);
  }
}
