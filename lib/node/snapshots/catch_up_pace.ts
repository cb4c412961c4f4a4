/**
 * What a leader does where a follower would lose the log's files that it needs next: it slows writes down,
 * to half at most, the more of `catchUpBytes` the files kept for that follower take. Where that does not
 * help, the files go, and the follower is given up for a while: it gets a snapshot later. One that does
 * not move at all, as its disk is full or stands still, is helped by no delay, and gets none.
 */
import type { LeaderRole } from "../../raft/raft.ts";
import type { ServerId } from "../../raft/types.ts";
import type { EntriesReader } from "../../storage/types.ts";
import type { NodeHost } from "../api.ts";
import { SILENT_HEARTBEATS_MAX } from "./follower_files.ts";
import type { SnapshotSender } from "./snapshot_sender.ts";

/** How often it is looked how far the follower is. */
export const PACE_LOOK_MS = 100;
/** A follower that has come nearer within this time is left to itself. */
const NEARER_MS = 1_000;
/** And one that has not moved for this long: to load a snapshot of some million keys takes less. */
const STUCK_MS = 30_000;
/** A follower that was given up gets its next snapshot after this long. */
const GIVEN_UP_MS = 10_000;
/** Never less than this share of the writes continues. */
const WRITE_SHARE_MIN = 0.5;

/** The follower that needs the oldest part of the log. */
export interface Laggard {
  readonly id: ServerId;
  /** It needs the log after this index. */
  readonly index: number;
  /** Bytes of a snapshot that it has of those that it is sent; 0 where it is sent none. */
  readonly streamedBytes: number;
}

/** Where writes are slowed down. */
export interface WriteLimit {
  /** Of the writes there were, such a share continues; 1: all. */
  limit(share: number, nowMs: number): void;
}

export interface CatchUpPaceOptions {
  readonly reader: EntriesReader;
  readonly pace: WriteLimit;
  readonly host: NodeHost;
  readonly meters: CatchUpMeters;
}

/** Counted for `/metrics`. */
export interface CatchUpMeters {
  /** How often a follower was given up. */
  givenUp: number;
  /** When that was so last: bytes of writes, and what came to the follower, a second. */
  writeBytesPerSecond: number;
  followerBytesPerSecond: number;
}

/** What is known of it since it was first seen to be in danger. */
interface Episode {
  readonly id: ServerId;
  readonly sinceMs: number;
  readonly writtenBytes: number;
  readonly streamedBytes: number;
  readonly lagBytes: number;
  /** When its lag was least, and what that was. */
  nearestBytes: number;
  nearestMs: number;
  /** How far it had come when it moved last, and when that was. */
  movedTo: Laggard;
  movedMs: number;
  lastLagBytes: number;
}

export class CatchUpPace {
  readonly #options: CatchUpPaceOptions;
  readonly #givenUpUntilMs = new Map<ServerId, number>();
  #episode: Episode | null = null;

  constructor(options: CatchUpPaceOptions) {
    this.#options = options;
  }

  /** True while a follower may lose what it needs. */
  get isWatching(): boolean {
    return this.#episode !== null;
  }

  /** False for a while after a follower was given up. */
  mayServe(id: ServerId, nowMs: number): boolean {
    return nowMs >= (this.#givenUpUntilMs.get(id) ?? 0);
  }

  /**
   * Looks at the follower that lags most, null where none does or this server does not lead. `newestIndex`:
   * the next snapshot lets files go up to there, but for what is kept for it. True where that is gone
   * already: the follower is to be given up.
   */
  look(nowMs: number, laggard: Laggard | null, newestIndex: number, bytesMax: number): boolean {
    const { reader, pace } = this.#options;
    if (laggard === null || laggard.index >= newestIndex) {
      this.#end(nowMs);
      return false;
    }
    const lagBytes = reader.bytesAfter(laggard.index);
    const known = this.#episode;
    const isKnown = known?.id === laggard.id && known.streamedBytes <= laggard.streamedBytes;
    if (!reader.reaches(laggard.index)) {
      if (isKnown) this.#giveUp(known, laggard, nowMs);
      else this.#end(nowMs);
      return isKnown;
    }
    const episode = isKnown ? known : this.#begin(laggard, lagBytes, nowMs);
    const { index, streamedBytes } = episode.movedTo;
    if (laggard.index > index || laggard.streamedBytes > streamedBytes) {
      episode.movedTo = laggard;
      episode.movedMs = nowMs;
    }
    if (lagBytes < episode.nearestBytes) {
      episode.nearestBytes = lagBytes;
      episode.nearestMs = nowMs;
    }
    episode.lastLagBytes = lagBytes;
    const keptBytes = lagBytes - reader.bytesAfter(newestIndex);
    const isNearer = nowMs - episode.nearestMs < NEARER_MS;
    const isStuck = nowMs - episode.movedMs >= STUCK_MS;
    const part = isNearer || isStuck ? 0 : Math.min(1, keptBytes / bytesMax);
    pace.limit(1 - (1 - WRITE_SHARE_MIN) * part, nowMs);
    return false;
  }

  #begin(laggard: Laggard, lagBytes: number, nowMs: number): Episode {
    const { id, streamedBytes } = laggard;
    const { writtenBytes } = this.#options.reader;
    const lags = { lagBytes, nearestBytes: lagBytes, lastLagBytes: lagBytes, movedTo: laggard };
    const times = { sinceMs: nowMs, nearestMs: nowMs, movedMs: nowMs };
    return this.#episode = { id, writtenBytes, streamedBytes, ...lags, ...times };
  }

  #end(nowMs: number): void {
    if (this.#episode === null) return;
    this.#episode = null;
    this.#options.pace.limit(1, nowMs);
  }

  #giveUp(episode: Episode, { id, streamedBytes }: Laggard, nowMs: number): void {
    const { reader, host, meters } = this.#options;
    const seconds = Math.max(1, nowMs - episode.sinceMs) / 1_000;
    const written = reader.writtenBytes - episode.writtenBytes;
    const came = streamedBytes > 0
      ? streamedBytes - episode.streamedBytes
      : Math.max(0, episode.lagBytes + written - episode.lastLagBytes);
    meters.givenUp++;
    meters.writeBytesPerSecond = Math.round(written / seconds);
    meters.followerBytesPerSecond = Math.round(came / seconds);
    const { writeBytesPerSecond, followerBytesPerSecond } = meters;
    this.#givenUpUntilMs.set(id, nowMs + GIVEN_UP_MS);
    host.log({
      level: "warning",
      message:
        "A follower is given up for now: more is written than reaches it, beyond catchUpBytes",
      fields: { peer: id, writeBytesPerSecond, followerBytesPerSecond },
    });
    this.#end(nowMs);
  }
}

/** Whoever needs the oldest part of the log, of those that get it or a snapshot; null: nobody. */
export function laggardOf(
  leader: LeaderRole | null,
  senders: ReadonlyMap<ServerId, SnapshotSender>,
): Laggard | null {
  let found: Laggard | null = null;
  for (const { id, mode, matchIndex, silentHeartbeats } of leader?.progress.values() ?? []) {
    const sender = senders.get(id);
    const isAway = silentHeartbeats > SILENT_HEARTBEATS_MAX || mode === "probe";
    if (isAway || (mode === "snapshot" && sender === undefined)) continue;
    const index = mode === "snapshot" ? sender!.body.position.index : matchIndex;
    const streamedBytes = mode === "snapshot" ? sender!.acknowledgedBytes : 0;
    if (found === null || index < found.index) found = { id, index, streamedBytes };
  }
  return found;
}
