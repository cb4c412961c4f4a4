/**
 * When the writes that were gathered go into the log.
 *
 * While entries are under way, new writes wait for their commit and then share the next entries, one
 * frame to each follower, and the syncs. After the commit, clients that were just answered are waited for
 * as well, if they sent their next write at once the time before: most of them return, and all share one
 * round of replication instead of taking turns in two. That wait ends once most are back; or with the
 * next write after it has lasted as long as the commit took. There is no such wait for a few clients, for
 * large writes, or for clients that take their time; and no write waits longer than `LINGER_MAX_MS`.
 */
import type { RaftState } from "../../raft/state.ts";
import type { ClientPace } from "../session/client_pace.ts";

/** More gathered bytes than this don't wait for the commit under way. */
const GATHER_BYTES_MAX = 262_144;
/** And more than this don't wait for clients to come back: the disk and the wire are busy enough. */
const AWAIT_BYTES_MAX = 65_536;
/** Fewer clients than this are not waited for. */
const AWAITED_MIN = 8;
/** Nor is the last eighth of them. */
const AWAITED_SHARE = 8;
/** No write waits longer for others. */
const LINGER_MAX_MS = 10;

/** Groups are what goes into the log at once; they count from 0. */
export class GroupCommit {
  #group = 0;
  /** Of this group: prompt clients answered, and those of them that have not come back. */
  #answered = 0;
  #awaited = 0;
  #flushedMs = 0;
  /** When a turn first saw a write of this group; Infinity before. */
  #sinceMs = Infinity;
  /** When the group before was first seen committed; -1 before that. */
  #committedMs = -1;

  /** A write of this client came in. */
  arrived(pace: ClientPace): void {
    // One group may have left between its answer and its next write: two groups taking turns do that.
    pace.isPrompt = this.#group - pace.answeredIn <= 1;
    if (pace.awaitedIn !== this.#group) return;
    pace.awaitedIn = -2;
    this.#awaited--;
  }

  /** A write of this client was answered. */
  answered(pace: ClientPace): void {
    pace.answeredIn = this.#group;
    if (!pace.isPrompt || pace.awaitedIn === this.#group) return;
    pace.awaitedIn = this.#group;
    this.#answered++;
    this.#awaited++;
  }

  /** What was gathered goes into the log; it is `nowMs` by the monotonic clock. */
  flushed(nowMs: number): void {
    this.#group++;
    this.#answered = this.#awaited = 0;
    this.#flushedMs = nowMs;
    this.#sinceMs = Infinity;
    this.#committedMs = -1;
  }

  /** When what was gathered waits no longer; Infinity where nothing was. */
  nextDeadlineMs(): number {
    return this.#sinceMs + LINGER_MAX_MS;
  }

  /** True where `gatheredBytes` of writes may wait for more; it is `nowMs` by the monotonic clock. */
  shouldLinger({ role, log, output }: RaftState, gatheredBytes: number, nowMs: number): boolean {
    if (role.kind !== "leader" || gatheredBytes >= GATHER_BYTES_MAX) return false;
    if (this.#sinceMs === Infinity && gatheredBytes > 0) this.#sinceMs = nowMs;
    if (nowMs >= this.nextDeadlineMs()) return false;
    if (log.lastIndex > output.applyingIndex) return true; // not committed, or not answered
    const areEnough = this.#awaited * AWAITED_SHARE <= this.#answered;
    if (areEnough || this.#answered < AWAITED_MIN || gatheredBytes >= AWAIT_BYTES_MAX) return false;
    if (this.#committedMs < 0) this.#committedMs = nowMs;
    return nowMs - this.#committedMs < this.#committedMs - this.#flushedMs;
  }
}
