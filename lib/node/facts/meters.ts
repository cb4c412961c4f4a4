/**
 * What a node counts as it runs, for `/metrics` and for what it says of itself. Plain counters, bumped in
 * place by whoever does the work; nothing here makes a page, an object or a string.
 */
import type { RaftEvent } from "../../raft/raft.ts";
import { NOBODY, type ServerId } from "../../raft/types.ts";
import { TimeHistogram } from "../../util/time_histogram.ts";
import { RequestMeters } from "../session/request_meters.ts";

/** Scheduled backups; counted by scheduled_backups.ts. */
export interface BackupMeters {
  /** This server has to write them now. */
  isWriter: boolean;
  /** 0: none are scheduled. */
  everyMs: number;
  taken: number;
  failed: number;
  /** Why the last one failed; null where it was sound, none was tried, or another server writes them. */
  failure: string | null;
  /** When the last one was found sound, by the wall clock; 0: none is known. */
  lastMs: number;
}

/** None are scheduled, and none is known. */
export function makeBackupMeters(): BackupMeters {
  return { isWriter: false, everyMs: 0, taken: 0, failed: 0, failure: null, lastMs: 0 };
}

const ROTATE_EVERY_MS = 1_000;

export class Meters {
  readonly requests = new RequestMeters();
  /** The two parts of making a batch of the log durable. */
  readonly write = new TimeHistogram();
  readonly fsync = new TimeHistogram();
  /** Of an entry, on the leader that proposed it: from there until it is applied. */
  readonly commit = new TimeHistogram();
  /** What one turn applies. */
  readonly apply = new TimeHistogram();
  /** Making one snapshot, from its beginning until it is durable. */
  readonly snapshot = new TimeHistogram();
  readonly catchUp = { givenUp: 0, writeBytesPerSecond: 0, followerBytesPerSecond: 0 };
  /** Connections of clients that were not let in, by the bound, and that were ended by CLIENT KILL. */
  readonly connections = { turnedAway: 0, turnedAwayAddress: 0, killed: 0 };
  readonly backups: BackupMeters = makeBackupMeters();
  /** How often this server stood for election, pre-votes left out. */
  elections = 0;
  /** How often it came to know another leader than before. */
  leaderChanges = 0;
  #leaderId: ServerId = NOBODY;
  #rotateAtMs = -Infinity;

  roleChanged({ from, to, leaderId }: RaftEvent): void {
    if (to === "candidate" && from !== "candidate") this.elections++;
    if (leaderId === NOBODY || leaderId === this.#leaderId) return;
    this.#leaderId = leaderId;
    this.leaderChanges++;
  }

  /** It is so late: for all that is counted until the next look at the clock. */
  at(nowMs: number): void {
    this.rotate(nowMs);
    this.requests.at(nowMs);
  }

  /**
   * Call it before anything is counted, and before recent figures are read: what is older than they go
   * back is forgotten then, however long nothing happened. A comparison, but once a second.
   */
  rotate(nowMs: number): void {
    if (nowMs < this.#rotateAtMs) return;
    this.#rotateAtMs = nowMs + ROTATE_EVERY_MS;
    const { write, read, stale, local } = this.requests.byKind;
    for (const one of [write, read, stale, local, this.write, this.fsync]) one.rotate(nowMs);
    for (const one of [this.commit, this.apply, this.snapshot]) one.rotate(nowMs);
  }
}
