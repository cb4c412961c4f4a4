/**
 * A round of reads that a leader calls confirmed must have reached a majority in the leader's term:
 * without that, others may have elected somebody and gone on. Whatever answers the leader counts, it
 * can't have heard of the round from a server that never did.
 */
import type { RaftState } from "../../lib/raft/state.ts";
import { readU64 } from "../../lib/util/bytes.ts";
import { FrameType } from "../../lib/wire/rpc/rpc_types.ts";
import { SERVERS_MAX } from "./fabric.ts";
import { CheckFailure } from "./world.ts";

// docs/protocol.md: where a frame has its type, its term, and the round of reads.
const TYPE = 4;
const TERM = 21;
const HEARTBEAT_ROUND = 37;
const APPEND_ROUND = 53;

/** What was last seen of a leader. */
interface Seen {
  term: number;
  ended: number;
}

export class ReadQuorum {
  /** By leader and server: the newest term and round that the server heard of. */
  readonly #terms = new Float64Array(SERVERS_MAX ** 2);
  readonly #rounds = new Float64Array(SERVERS_MAX ** 2);
  readonly #seen = new Map<number, Seen>();

  /** A frame reaches a server that is up. */
  frame(from: number, to: number, frame: Uint8Array): void {
    const type = frame[TYPE];
    const at = type === FrameType.heartbeat
      ? HEARTBEAT_ROUND
      : type === FrameType.appendRequest
      ? APPEND_ROUND
      : 0;
    if (at === 0 || frame.length < at + 8) return;
    const round = readU64(frame, at);
    const term = readU64(frame, TERM);
    const pair = from * SERVERS_MAX + to;
    const isNews = term > this.#terms[pair]! ||
      (term === this.#terms[pair] && round > this.#rounds[pair]!);
    if (!isNews) return;
    this.#terms[pair] = term;
    this.#rounds[pair] = round;
  }

  /** Looks at a server after a step; `halves`: of each of these it needs a majority. */
  check(id: number, state: RaftState, halves: readonly (readonly number[])[]): void {
    if (state.role.kind !== "leader") {
      this.#seen.delete(id);
      return;
    }
    const { term } = state;
    const { reads } = state.role;
    const seen = this.#seen.get(id);
    if (seen?.term !== term) {
      this.#seen.set(id, { term, ended: reads.ended });
      return;
    }
    if (seen.ended === reads.ended) return;
    seen.ended = reads.ended;
    for (const half of halves) {
      const heard = half.filter((voter) => {
        const pair = id * SERVERS_MAX + voter;
        return voter === id || (this.#terms[pair] === term && this.#rounds[pair]! >= reads.ended);
      });
      if (heard.length * 2 > half.length) continue;
      throw new CheckFailure(
        "reads confirmed by a majority",
        `leader ${id} confirmed round ${reads.ended} of reads, of which ${heard.length} of ` +
          `${half.length} servers had heard`,
      );
    }
  }
}
