/**
 * What a leader knows of one follower, and how fast it may send to it.
 *
 *   probe       The follower's log is unknown: one append at a time, until one is accepted.
 *   replicate   It follows: appends are sent ahead of their answers, within a window.
 *   snapshot    It needs entries that no file has any more: only the snapshot and heartbeats are sent.
 *
 * Entries that left memory are asked of the files, one request at a time, and wait in `ahead` for the
 * window; a new probe or snapshot voids both. matchIndex < nextIndex always. A loss is found by a
 * stalled window, see `noteHeartbeat`.
 */
import { Deque } from "../util/deque.ts";
import { NO_TERM } from "./log.ts";
import type { EntriesRequest, Entry, ServerId } from "./types.ts";

interface InFlight {
  readonly lastIndex: number;
  readonly bytes: number;
}

export interface Progress {
  readonly id: ServerId;
  mode: "probe" | "replicate" | "snapshot";
  /** Durable on the follower and equal to the leader's log up to here. */
  matchIndex: number;
  nextIndex: number;
  /** Replicating: the term of the entry before nextIndex, where that was sent; else NO_TERM. */
  sentTerm: number;
  /** Entries for it are being read from the files; null while none are. */
  reading: EntriesRequest | null;
  /** What was read: the entry before the first that it needs, then those. */
  ahead: readonly Entry[];
  /** Probing: how often it refused since it accepted something last. */
  refusals: number;
  /** Probing: one append is out and unanswered, or the follower has to give a sign of life first. */
  probeSent: boolean;
  /** Replicating: the appends out and unanswered, oldest first. */
  readonly inFlight: Deque<InFlight>;
  inFlightBytes: number;
  /** It answered since the last check of the quorum. */
  recentlyActive: boolean;
  /** It answered in this term, since its connection broke last. */
  isHeard: boolean;
  /** It has told that it is suspect, and has confirmed no read round since: that only a sound server does. */
  isSuspect: boolean;
  /** It confirmed a read round since its connection broke last, and has not told that it is suspect since. */
  isKnownSound: boolean;
  /** A read round was asked for since its connection broke last, to know whether it is sound. */
  isSoundAsked: boolean;
  /** Periodic heartbeats that left since its last answer: 0 or 1 for who lives nearby. */
  silentHeartbeats: number;
  /** The newest read round that it confirmed in this term. */
  readRound: number;
  /** matchIndex at the last periodic heartbeat, to see a stall; -1 where it was not waiting then. */
  matchAtHeartbeat: number;
  /** The next heartbeat response should trigger a resend. */
  resendDue: boolean;
}

const NOTHING: readonly Entry[] = [];

export function makeProgress(id: ServerId, nextIndex: number): Progress {
  return {
    id,
    mode: "probe",
    matchIndex: 0,
    nextIndex,
    sentTerm: NO_TERM,
    reading: null,
    ahead: NOTHING,
    refusals: 0,
    probeSent: false,
    inFlight: new Deque<InFlight>(8),
    inFlightBytes: 0,
    recentlyActive: false,
    isHeard: false,
    isSuspect: false,
    isKnownSound: false,
    isSoundAsked: false,
    silentHeartbeats: 0,
    readRound: 0,
    matchAtHeartbeat: -1,
    resendDue: false,
  };
}

/** Starts looking for the follower's log at `nextIndex`, which stays above matchIndex. */
export function becomeProbe(progress: Progress, nextIndex: number): void {
  progress.mode = "probe";
  progress.probeSent = false;
  progress.nextIndex = Math.max(nextIndex, progress.matchIndex + 1);
  progress.inFlight.clear();
  progress.inFlightBytes = 0;
  progress.resendDue = false;
  progress.matchAtHeartbeat = -1;
  progress.sentTerm = NO_TERM;
  progress.reading = null;
  progress.ahead = NOTHING;
}

/** Probes again, but not before the follower has answered a heartbeat or two. */
export function becomePausedProbe(progress: Progress): void {
  becomeProbe(progress, progress.nextIndex);
  progress.probeSent = true;
}

/** Sends nothing more until the snapshot is there, or has failed. */
export function becomeSnapshot(progress: Progress): void {
  becomeProbe(progress, progress.nextIndex);
  progress.mode = "snapshot";
}

/** The follower may have lost what it acknowledged; a snapshot on its way does not rest on that. */
export function forgetMatch(progress: Progress): void {
  progress.matchIndex = 0;
  if (progress.mode !== "snapshot") becomeProbe(progress, progress.nextIndex);
}

/** Notes an append that leaves in replicate mode, and where it ends. */
export function noteSent(progress: Progress, last: Entry, bytes: number): void {
  progress.nextIndex = last.index + 1;
  progress.sentTerm = last.term;
  progress.inFlight.push({ lastIndex: last.index, bytes });
  progress.inFlightBytes += bytes;
}

/** What was read is sent, or not what comes next. */
export function dropAhead(progress: Progress): void {
  progress.ahead = NOTHING;
}

export function windowIsFull(progress: Progress, appendsMax: number, bytesMax: number): boolean {
  return progress.inFlight.length >= appendsMax ||
    (progress.inFlight.length > 0 && progress.inFlightBytes >= bytesMax);
}

/**
 * Looks further back than a refusal says, twice as far each time after the second: where the leader's terms
 * are not in memory, it can't skip those that the follower does not know, and would go entry by entry.
 */
export function lookFurtherBack(progress: Progress): void {
  if (progress.refusals < 2) return;
  const entries = 2 ** Math.min(30, progress.refusals - 2);
  becomeProbe(progress, progress.nextIndex - entries);
}

/** Notes that the follower holds everything up to `index`. */
export function noteAccepted(progress: Progress, index: number): void {
  progress.refusals = 0;
  if (progress.mode === "snapshot") {
    if (index <= progress.matchIndex) return;
    // It continues after what it has now; where that is compacted away too, with the next snapshot.
    progress.matchIndex = index;
    becomeProbe(progress, index + 1);
    progress.mode = "replicate";
    return;
  }
  progress.matchIndex = Math.max(progress.matchIndex, index);
  if (progress.mode === "probe") {
    if (index < progress.matchIndex) return;
    becomeProbe(progress, progress.matchIndex + 1);
    progress.mode = "replicate";
    return;
  }
  if (progress.nextIndex <= progress.matchIndex) {
    progress.nextIndex = progress.matchIndex + 1;
    progress.sentTerm = NO_TERM;
    progress.ahead = NOTHING;
  }
  let oldest = progress.inFlight.at(0);
  while (oldest !== undefined && oldest.lastIndex <= index) {
    progress.inFlightBytes -= oldest.bytes;
    progress.inFlight.shift();
    oldest = progress.inFlight.at(0);
  }
}

/**
 * Notes a refusal of an append after `refusedIndex`; `lookAt` is the best guess of where the logs
 * agree. False where the refusal is older than what is known.
 */
export function noteRefused(progress: Progress, refusedIndex: number, lookAt: number): boolean {
  if (refusedIndex <= progress.matchIndex || progress.mode === "snapshot") return false;
  if (progress.mode === "probe" && refusedIndex !== progress.nextIndex - 1) return false;
  if (progress.mode === "replicate" && refusedIndex >= progress.nextIndex) return false;
  progress.refusals++;
  becomeProbe(progress, Math.min(refusedIndex, lookAt + 1));
  return true;
}

/** True while something sent has not been answered. */
function isWaiting(progress: Progress): boolean {
  return progress.mode === "probe"
    ? progress.probeSent
    : progress.matchIndex < progress.nextIndex - 1;
}

/**
 * A periodic heartbeat leaves. Where the follower owes an answer and has not moved since the
 * heartbeat before, its answer to this one shall trigger a resend: on an ordered link whatever was
 * sent before that heartbeat has then either arrived or is lost.
 */
export function noteHeartbeat(progress: Progress): void {
  progress.silentHeartbeats++;
  const waiting = isWaiting(progress);
  progress.resendDue = waiting && progress.matchAtHeartbeat === progress.matchIndex;
  progress.matchAtHeartbeat = waiting ? progress.matchIndex : -1;
}
