/**
 * Which leader this server knew last, and since when it knows none. The layout of the cluster that it
 * tells is the last one known: a process that has not known a leader yet has none to tell.
 */
import type { Clock } from "../host/ports.ts";
import type { RaftState } from "../raft/state.ts";
import { NOBODY, type ServerId } from "../raft/types.ts";

export class KnownLeader {
  /** NOBODY before any was known to this process. */
  lastId: ServerId = NOBODY;
  /** By the monotonic clock: when the last one was lost, or this process began; -1 while one is known. */
  missingSinceMs: number;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.missingSinceMs = clock.monotonicMs();
  }

  /** Called once a turn: the core may know another leader now. */
  note({ leaderId }: RaftState): void {
    if (leaderId !== NOBODY) {
      this.lastId = leaderId;
      this.missingSinceMs = -1;
    } else if (this.missingSinceMs < 0) this.missingSinceMs = this.#clock.monotonicMs();
  }
}
