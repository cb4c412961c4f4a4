/**
 * The servers that wait to join, as the leader remembers them: each says so about once a second, with its
 * new life and where it is, and is forgotten soon after it stops. That makes nobody a member: somebody has
 * to add it, or put it in another one's place.
 */
import type { WaitingServer } from "../../wire/members.ts";

/** So many are remembered. */
export const WAITING_MAX = 16;
/** One that has not said it again for this long does not wait any more. */
const FORGOTTEN_MS = 5_000;

interface Heard {
  readonly server: WaitingServer;
  readonly heardMs: number;
}

export class WaitingServers {
  #all: Heard[] = [];

  /** By ascending id. Two lives under one id at two places are two servers. */
  all(nowMs: number): WaitingServer[] {
    this.#all = this.#all.filter(({ heardMs }) => nowMs - heardMs < FORGOTTEN_MS);
    return this.#all.map(({ server }) => server);
  }

  under(id: number, nowMs: number): WaitingServer[] {
    return this.all(nowMs).filter((server) => server.id === id);
  }

  /**
   * A server says that it waits; false where too many do. Whoever said so at its place before, under its
   * id, is gone: one log port has one process. It was started again, on an emptied directory.
   */
  note(server: WaitingServer, nowMs: number): boolean {
    const others = this.all(nowMs).filter((one) =>
      one.incarnation !== server.incarnation && !isItsPlace(one, server)
    );
    if (others.length === WAITING_MAX) return false;
    const kept = this.#all.filter((one) => others.includes(one.server));
    this.#all = [...kept, { server, heardMs: nowMs }].sort((a, b) => a.server.id - b.server.id);
    return true;
  }

  /** It is a member now. */
  forget(incarnation: string): void {
    this.#all = this.#all.filter(({ server }) => server.incarnation !== incarnation);
  }

  clear(): void {
    this.#all = [];
  }
}

/** Its id and where other servers reach it are the same. */
function isItsPlace(one: WaitingServer, other: WaitingServer): boolean {
  return one.id === other.id && one.hostname === other.hostname && one.logPort === other.logPort;
}
