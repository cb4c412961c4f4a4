/**
 * For how long nothing has come from each other server, over any connection. Counted in this process's
 * own ticks: while it stands still it hears nobody, and that is not their silence.
 */
import type { ServerId } from "../../raft/types.ts";

export interface Silence {
  /** Since the last byte came, or, before the first, since this process began; in ms. */
  readonly silentMs: number;
  /** Something has come in this process's life. */
  readonly wasHeard: boolean;
}

const NEVER: Silence = { silentMs: Infinity, wasHeard: false };

export class PeerSilence {
  readonly #byId: ReadonlyMap<ServerId, { silentMs: number; wasHeard: boolean }>;

  constructor(ids: readonly ServerId[]) {
    this.#byId = new Map(ids.map((id) => [id, { silentMs: 0, wasHeard: false }]));
  }

  /** Bytes have come from a server whose handshake has passed. */
  heard(id: ServerId): void {
    const silence = this.#byId.get(id);
    if (silence === undefined) return;
    silence.silentMs = 0;
    silence.wasHeard = true;
  }

  tick(elapsedMs: number): void {
    for (const silence of this.#byId.values()) silence.silentMs += elapsedMs;
  }

  of(id: ServerId): Silence {
    return this.#byId.get(id) ?? NEVER;
  }
}
