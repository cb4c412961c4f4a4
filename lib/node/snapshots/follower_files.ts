/**
 * What a leader's log files are to followers that lag: entries that left memory are read from there, and
 * files that a live follower needs stay, up to `catchUpBytes`. So whoever gets a snapshot while clients
 * write continues after it with what was written meanwhile.
 */
import type { LeaderRole, Raft } from "../../raft/raft.ts";
import type { EntriesRequest } from "../../raft/types.ts";
import type { DataDirectoryError } from "../../storage/errors.ts";
import type { EntriesReader, FollowerNeeds } from "../../storage/types.ts";
import { catchUpBytesMax, type StorageLimits } from "../limits.ts";
import type { NodeHost } from "../api.ts";
import type { Clock } from "../../host/ports.ts";

export interface Compaction {
  /** The log on disk is not needed before this index any more, but for what followers need. */
  compact(keepFromIndex: number, needs: FollowerNeeds): void;
}

export interface FollowerFilesOptions {
  readonly raft: Raft;
  readonly reader: EntriesReader;
  readonly compaction: Compaction;
  readonly limits: StorageLimits;
  readonly host: NodeHost;
  readonly clock: Clock;
  /** This server itself needs the log from here on. */
  readonly keepFromIndex: number;
}

/** After more unanswered heartbeats than this a follower is away: the log is not kept for it. */
export const SILENT_HEARTBEATS_MAX = 20;
/** For how long a leader that lost its leadership keeps what its followers needed. */
const HOLD_MS = 5_000;
/** How often it is looked whether what is kept for followers may go. */
const LOOK_MS = 1_000;

export class FollowerFiles {
  readonly #options: FollowerFilesOptions;
  #keepFromIndex: number;
  #needs: FollowerNeeds = { fromIndex: Infinity, bytesMax: 0 };
  /** What a leader's followers need is remembered so long: it may soon be elected again. */
  #holdUntilMs = 0;
  #nextLookMs = 0;
  #hasRoom = true;

  constructor(options: FollowerFilesOptions) {
    this.#options = options;
    this.#keepFromIndex = options.keepFromIndex;
  }

  /** Reads what the core asks for, off the event loop, and hands it over. */
  read(request: EntriesRequest): void {
    const { raft, reader, host, clock } = this.#options;
    reader.read(request, (error, entries) => {
      if (error !== null) this.#logDamage(request, error);
      raft.noteTime(clock.monotonicMs());
      raft.entriesRead(request, entries);
      host.scheduleTurn();
    });
  }

  #logDamage(
    { follower, fromIndex }: EntriesRequest,
    { message }: DataDirectoryError,
  ): void {
    this.#options.host.log({
      level: "error",
      message:
        "Entries for a follower can't be read from the log: it gets a snapshot in their place",
      fields: { peer: follower, fromIndex, reason: message },
    });
  }

  /** A snapshot is durable: this server itself needs the log from `keepFromIndex` on. */
  compact(keepFromIndex: number): void {
    this.#keepFromIndex = keepFromIndex;
    this.#options.compaction.compact(keepFromIndex, this.#needs);
  }

  /** A leader's snapshot has replaced the log, which has nothing before `keepFromIndex`. */
  restarted(keepFromIndex: number): void {
    this.#keepFromIndex = keepFromIndex;
  }

  /** Files stay that would go if there were no followers. */
  get #isKeeping(): boolean {
    return this.#needs.fromIndex < this.#keepFromIndex;
  }

  /** See `FollowerNeeds`, as it was when this was looked at last. */
  get bytesMax(): number {
    return this.#needs.bytesMax;
  }

  nextDeadlineMs(): number {
    return this.#isKeeping ? this.#nextLookMs : Infinity;
  }

  /** `pinnedIndex`: live followers need the log after it. */
  elapse(nowMs: number, pinnedIndex: number, contentBytes: number, hasRoom: boolean): void {
    const isLeader = this.#options.raft.state.role.kind === "leader";
    if (isLeader) this.#holdUntilMs = nowMs + HOLD_MS;
    const wasKeeping = this.#isKeeping;
    if (isLeader || nowMs >= this.#holdUntilMs) {
      const bytesMax = catchUpBytesMax(this.#options.limits, contentBytes);
      // With the entry before, for its term.
      this.#needs = { fromIndex: isLeader ? pinnedIndex : Infinity, bytesMax };
    }
    const isFullNow = this.#hasRoom && !hasRoom;
    this.#hasRoom = hasRoom;
    if (!wasKeeping || (nowMs < this.#nextLookMs && !isFullNow)) return;
    this.#nextLookMs = nowMs + LOOK_MS;
    this.#options.compaction.compact(this.#keepFromIndex, this.#needs);
  }
}

/**
 * The log after this index is needed by followers that answer but lag, such as one that was just restored
 * from a snapshot. Without that it would need the next one, and never catch up under load.
 */
export function neededByLive(leader: LeaderRole | null): number {
  let index = Infinity;
  for (const { mode, matchIndex, silentHeartbeats } of leader?.progress.values() ?? []) {
    const isAway = mode === "snapshot" || silentHeartbeats > SILENT_HEARTBEATS_MAX;
    if (!isAway) index = Math.min(index, matchIndex);
  }
  return index;
}
