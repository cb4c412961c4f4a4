/**
 * Keeps client sessions (kv/sessions/) alive whose clients have pinged them: one entry of the log an interval
 * for all of them, so that ten thousand idle clients cost no more than one. A write of a session keeps it
 * alive by itself.
 *
 * A ping that was answered and not in the log yet is lost with the leadership. That is no worse than one that
 * was not sent: a client pings several times within its session's time to live.
 */
import { encodeKeepSessions } from "../kv/sessions/operations.ts";
import { ENVELOPE_BYTES, writeEnvelope } from "../raft/envelope.ts";
import { EntryKind } from "../raft/types.ts";
import { ByteWriter } from "../util/bytes.ts";
import { type NodeState, scheduleTurn } from "./state.ts";

/** A third of the shortest time to live. */
const INTERVAL_MS = 1_000;

export class SessionKeeper {
  /** Pinged since the last entry. */
  readonly #ids = new Set<number>();
  /** No entry is made before, by the monotonic clock. */
  #nextMs = 0;

  /** The session was pinged, and is there. */
  note(id: number): void {
    this.#ids.add(id);
  }

  nextDeadlineMs(): number {
    return this.#ids.size === 0 ? Infinity : this.#nextMs;
  }

  /** Makes the entry where it is time, and this server leads; else whoever leads next is pinged. */
  elapse(state: NodeState, nowMs: number): void {
    if (this.#ids.size === 0 || nowMs < this.#nextMs) return;
    const { replica, ledTerm, clocks } = state;
    this.#nextMs = nowMs + INTERVAL_MS;
    if (ledTerm !== 0 && replica?.raft.state.term === ledTerm) {
      const out = new ByteWriter(ENVELOPE_BYTES + 12 + 8 * this.#ids.size);
      out.length = ENVELOPE_BYTES;
      encodeKeepSessions(out, this.#ids);
      const data = out.copy();
      writeEnvelope(data, EntryKind.commands, clocks.leader.nowMs());
      // The core is busy: they are kept for the next interval.
      if (!replica.raft.propose(data).accepted) return;
      scheduleTurn(state);
    }
    this.#ids.clear();
  }
}
