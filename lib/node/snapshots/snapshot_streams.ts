/**
 * Which followers get a snapshot: those that wait for one that is new enough, and those that one is being
 * streamed to, whole or while it is made.
 */
import type { Raft } from "../../raft/raft.ts";
import type {
  EntriesRequest,
  ServerId,
  SnapshotChunkResponse,
  SnapshotPosition,
} from "../../raft/types.ts";
import type { EntriesReader } from "../../storage/types.ts";
import type { MessageSender, NodeHost } from "../api.ts";
import type { StorageLimits } from "../limits.ts";
import type { CatchUpPace } from "./catch_up_pace.ts";
import { SILENT_HEARTBEATS_MAX } from "./follower_files.ts";
import type { ReadableSnapshots } from "./readable_snapshots.ts";
import { shorterWay } from "./shorter_way.ts";
import type { SnapshotMaker } from "./snapshot_maker.ts";
import { bodyOfFile, bodyOfRunning, type SentBody, SnapshotSender } from "./snapshot_sender.ts";

/** Next to nothing is less than this share of the log. */
const EMPTY_SHARE = 0.125;
/** Whoever waits for one that nobody begins to make gets entries: the disk may have no room for it. */
const MADE_WAIT_MS = 1_000;

/** A snapshot in place of entries comes no further for this long: then these are sent. */
const STILL_MS = 10_000;

export interface SnapshotStreamsOptions {
  readonly raft: Raft;
  readonly limits: StorageLimits;
  readonly host: NodeHost;
  readonly links: MessageSender;
  /** Of the log on disk. */
  readonly reader: EntriesReader;
  readonly readable: ReadableSnapshots;
  readonly maker: SnapshotMaker;
  readonly pace: CatchUpPace;
  /** True where that server takes a snapshot that is still being made. */
  readonly takesPieces: (id: ServerId) => boolean;
}

/** What a follower waits for. */
interface Waiting {
  /** A snapshot of at least this index. */
  readonly indexMin: number;
  /** Since when none of these was being made, by the monotonic clock. */
  sinceMs: number;
}

export class SnapshotStreams {
  readonly #options: SnapshotStreamsOptions;
  readonly senders = new Map<ServerId, SnapshotSender>();
  /** Followers that need a newer snapshot than there is yet. */
  readonly #waiting = new Map<ServerId, Waiting>();
  /**
   * Followers that get one in place of entries that are there, or got one in this leadership: of which index
   * at least.
   */
  readonly #preferring = new Map<ServerId, number>();
  /** About how long a snapshot of what this server has would be; 0: not known yet. */
  #contentBytes = 0;

  constructor(options: SnapshotStreamsOptions) {
    this.#options = options;
  }

  /** A follower needs one, or a newer one. */
  need(id: ServerId): void {
    // The leadership that needed it may be over: the core hands needs out with whatever comes next.
    if (this.#options.raft.needsSnapshot(id)) this.#wait(id);
  }

  #wait(id: ServerId): void {
    this.#waiting.set(id, { indexMin: this.#preferring.get(id) ?? 0, sinceMs: Infinity });
  }

  /**
   * True where that follower is level sooner by a snapshot than by the entries that the core asks for. Only
   * where all that it was sent is acknowledged: else it would go on with that. One that is looked for still
   * has acknowledged nothing, and may have more than it is asked for, unless it is looked for at the very
   * beginning: there it has nothing, or so little in common that all is to be sent. And only once, since it
   * may have room for entries alone.
   */
  prefersSnapshot({ follower, fromIndex }: EntriesRequest, nowMs: number): boolean {
    const { raft, pace } = this.#options;
    if (this.#preferring.has(follower) || !pace.mayServe(follower, nowMs)) return false;
    const progress = raft.leader?.progress.get(follower);
    if (progress === undefined || progress.matchIndex !== fromIndex) return false;
    if (progress.mode !== "replicate" && fromIndex > 0) return false;
    const newest = this.#newest();
    const way = this.#shorterWay(follower, fromIndex, newest);
    if (way === "entries") return false;
    const newestIndex = newest?.index ?? 0;
    this.#preferring.set(follower, way === "made" ? newestIndex + 1 : newestIndex);
    return true;
  }

  #shorterWay(
    follower: ServerId,
    fromIndex: number,
    newest: SnapshotPosition | null,
  ): ReturnType<typeof shorterWay> {
    const { raft, reader, readable, takesPieces } = this.#options;
    const helps = newest !== null && newest.index > fromIndex && this.#isEnough(newest);
    const canBeMade = this.#contentBytes > 0 && takesPieces(follower);
    return shorterWay({
      isEmpty: fromIndex < EMPTY_SHARE * raft.state.log.lastIndex,
      entriesBytes: reader.reaches(fromIndex) ? reader.bytesAfter(fromIndex) : Infinity,
      newest: helps
        ? { bytes: readable.bytesOf(newest), entriesAfterBytes: reader.bytesAfter(newest.index) }
        : null,
      madeBytes: canBeMade ? this.#contentBytes : null,
    });
  }

  answered(answer: SnapshotChunkResponse, nowMs: number): void {
    this.#tend(answer.from, (sender) => sender.answered(this.#options.raft, answer, nowMs));
  }

  get isAwaited(): boolean {
    return this.#waiting.size > 0;
  }

  /** True while followers get a snapshot, or wait for one. */
  get isSending(): boolean {
    return this.senders.size > 0 || this.isAwaited;
  }

  /** The index of the newest snapshot that can be read; 0 where there is none. */
  get newestIndex(): number {
    return this.#newest()?.index ?? 0;
  }

  /** When a stream has something to do by itself; Infinity while none does. */
  nextDeadlineMs(): number {
    let earliestMs = Infinity;
    for (const sender of this.senders.values()) {
      earliestMs = Math.min(earliestMs, sender.nextDeadlineMs());
    }
    return earliestMs;
  }

  /** `contentBytes`: about how long a snapshot would be. */
  elapse(nowMs: number, contentBytes: number): void {
    this.#contentBytes = contentBytes;
    this.#leaveSilent();
    for (const id of [...this.senders.keys()]) {
      if (!this.#options.raft.needsSnapshot(id)) this.#close(id);
      else if (this.#isStill(id, nowMs)) this.#giveUp(id);
      else this.#tend(id, (sender) => sender.elapse(this.#options.raft, nowMs));
    }
    this.#serveWaiting(nowMs);
  }

  /** More of the snapshot that is being taken is in its file. */
  grown(nowMs: number): void {
    const { raft } = this.#options;
    for (const id of [...this.senders.keys()]) {
      this.#tend(id, (sender) => sender.grown(raft, nowMs));
    }
  }

  /** The link to a follower broke: what is on its way is lost. */
  peerLost(id: ServerId): void {
    this.#close(id);
    this.#waiting.delete(id);
  }

  /** Only a leader streams snapshots. */
  leadershipLost(): void {
    for (const id of [...this.senders.keys()]) this.#close(id);
    this.#waiting.clear();
    this.#preferring.clear();
  }

  /** What followers will continue with follows this index; Infinity where none gets a snapshot. */
  pinnedIndex(): number {
    let index = Infinity;
    if (this.isAwaited) {
      const { runningIndex } = this.#options.maker;
      index = runningIndex < Infinity ? runningIndex : this.newestIndex;
    }
    for (const sender of this.senders.values()) {
      index = Math.min(index, sender.body.position.index);
    }
    return index;
  }

  /**
   * Gives up on followers that answer nothing: they get their snapshot once they are heard again. One
   * that never returns would otherwise keep the log in memory from being cut, and its snapshot open.
   */
  #leaveSilent(): void {
    const { raft } = this.#options;
    for (const { id, silentHeartbeats } of raft.leader?.progress.values() ?? []) {
      if (silentHeartbeats <= SILENT_HEARTBEATS_MAX) continue;
      if (!this.senders.has(id) && !this.#waiting.has(id)) continue;
      this.#giveUp(id);
    }
  }

  #giveUp(id: ServerId): void {
    this.peerLost(id);
    this.#options.raft.snapshotFailed(id);
  }

  /** There are entries that it could be sent instead, and it takes in no more of the snapshot. */
  #isStill(id: ServerId, nowMs: number): boolean {
    return this.#preferring.has(id) && (this.senders.get(id)?.stillMs(nowMs) ?? 0) >= STILL_MS;
  }

  /** Has a stream continue. Where its snapshot can't be read, its follower waits for another one. */
  #tend(id: ServerId, run: (sender: SnapshotSender) => void): void {
    const sender = this.senders.get(id);
    if (sender === undefined) return;
    if (sender.body.isLost) return this.#waitAgain(id);
    try {
      run(sender);
    } catch (error) {
      this.#options.readable.gaveError(sender.body.position, error);
      this.#waitAgain(id);
    }
  }

  #waitAgain(id: ServerId): void {
    this.#close(id);
    this.#wait(id);
  }

  #serveWaiting(nowMs: number): void {
    const { raft, maker, pace } = this.#options;
    for (const [id, waiting] of this.#waiting) {
      if (!pace.mayServe(id, nowMs)) continue;
      if (!raft.needsSnapshot(id)) {
        this.#waiting.delete(id);
        continue;
      }
      const matchIndex = raft.leader?.progress.get(id)?.matchIndex ?? Infinity;
      const indexMin = Math.max(matchIndex + 1, waiting.indexMin);
      const body = this.#openFor(id, indexMin);
      if (body !== null) {
        this.#begin(id, body, nowMs);
        continue;
      }
      maker.want();
      const isMade = maker.runningIndex >= indexMin && maker.runningIndex < Infinity;
      waiting.sinceMs = isMade ? Infinity : Math.min(waiting.sinceMs, nowMs);
      const isLate = nowMs - waiting.sinceMs >= MADE_WAIT_MS;
      if (!isLate || !this.#preferring.has(id)) continue;
      // Should the files lack entries, too, the newest there is will do.
      this.#preferring.set(id, 0);
      this.#giveUp(id);
    }
  }

  /** One of `indexMin` at least: the newest, or where that follower takes it the one that is being made. */
  #openFor(id: ServerId, indexMin: number): SentBody | null {
    const { readable, maker, takesPieces } = this.#options;
    const newest = this.#newest();
    if (newest !== null && newest.index >= indexMin && this.#isEnough(newest)) {
      const file = readable.open(newest);
      return file && bodyOfFile(file);
    }
    const { runningIndex } = maker;
    if (runningIndex < indexMin || runningIndex === Infinity || !takesPieces(id)) return null;
    const running = maker.openRunning();
    return running && bodyOfRunning(running);
  }

  #begin(id: ServerId, body: SentBody, nowMs: number): void {
    const { raft, limits, links, host, maker } = this.#options;
    this.#waiting.delete(id);
    this.#close(id);
    const sender = new SnapshotSender(id, body, limits.snapshotChunkBytes, nowMs, links);
    this.senders.set(id, sender);
    const { position: { index }, bodyBytes } = body;
    if (bodyBytes === null) maker.want();
    const fields = { peer: id, index, ...(bodyBytes === null ? {} : { bytes: bodyBytes }) };
    const message = bodyBytes === null
      ? "Sending a snapshot while it is made"
      : "Sending a snapshot";
    host.log({ level: "info", message, fields });
    sender.begin(raft);
  }

  /** True where the log continues after the snapshot without a gap, in memory or in files. */
  #isEnough({ index }: SnapshotPosition): boolean {
    const { raft, reader } = this.#options;
    return index >= raft.state.log.firstIndex - 1 || reader.reaches(index);
  }

  #newest(): SnapshotPosition | null {
    return this.#options.readable.list()[0] ?? null;
  }

  #close(id: ServerId): void {
    this.senders.get(id)?.close();
    this.senders.delete(id);
  }
}
