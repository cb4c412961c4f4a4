/**
 * For how long nothing has come from each other server, over any connection. Counted in this process's
 * listening time: while it stands still it hears nobody, and that is not their silence.
 */
import type { ServerId } from "../../raft/types.ts";
import type { ListeningTime } from "./listening_time.ts";

export interface Silence {
  /** Since the last byte came, or, before the first, since this server listens for it; in ms. */
  readonly silentMs: number;
  /** Something has come in this process's life. */
  readonly wasHeard: boolean;
}

const NEVER: Silence = { silentMs: Infinity, wasHeard: false };

export class PeerSilence {
  readonly #byId = new Map<ServerId, { sinceMs: number; wasHeard: boolean }>();
  readonly #time: ListeningTime;

  constructor(time: ListeningTime) {
    this.#time = time;
  }

  /** From now on this server listens for that one, unless it does so already. */
  begin(id: ServerId): void {
    if (this.#byId.has(id)) return;
    this.#byId.set(id, { sinceMs: this.#time.nowMs(), wasHeard: false });
  }

  forget(id: ServerId): void {
    this.#byId.delete(id);
  }

  /** Bytes have come from a server whose handshake has passed; it is `nowMs`, in listening time. */
  heard(id: ServerId, nowMs = this.#time.nowMs()): void {
    const silence = this.#byId.get(id);
    if (silence === undefined) return;
    silence.sinceMs = nowMs;
    silence.wasHeard = true;
  }

  of(id: ServerId): Silence {
    const silence = this.#byId.get(id);
    if (silence === undefined) return NEVER;
    const { sinceMs, wasHeard } = silence;
    return { silentMs: this.#time.nowMs() - sinceMs, wasHeard };
  }
}
