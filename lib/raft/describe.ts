/** One-line texts of messages, states and readys: the operator's log and the test traces share them. */
import { unreachable } from "../util/assert.ts";
import { leaderOf, type RaftEvent, type RaftState } from "./state.ts";
import {
  type Configuration,
  type Entry,
  type HardState,
  type Message,
  NOBODY,
  type Ready,
} from "./types.ts";

/** `6..8`, `6`, or `none`. */
function describeEntries(entries: readonly Entry[]): string {
  const first = entries[0];
  const last = entries[entries.length - 1];
  if (first === undefined || last === undefined) return "none";
  return first === last ? `${first.index}` : `${first.index}..${last.index}`;
}

/** Entries with their terms, run by run: `1..3/t1 4/t2`. */
export function describeTerms(entries: readonly Entry[]): string {
  const runs: string[] = [];
  for (let start = 0; start < entries.length;) {
    let end = start + 1;
    while (end < entries.length && entries[end]!.term === entries[start]!.term) end++;
    runs.push(`${describeEntries(entries.slice(start, end))}/t${entries[start]!.term}`);
    start = end;
  }
  return runs.length === 0 ? "none" : runs.join(" ");
}

/** For example `1→2 append t3 prev 5/t2 entries 6..8/t3 commit 5 round 4`. */
export function describeMessage(message: Message): string {
  const head = `${message.from}→${message.to}`;
  const term = `t${message.term}`;
  switch (message.kind) {
    case "voteRequest": {
      const kind = message.preVote ? "pre-vote" : "vote";
      const last = `last ${message.lastIndex}/t${message.lastTerm}`;
      return `${head} ${kind} ${term} ${last}${message.transfer ? " transfer" : ""}`;
    }
    case "voteResponse": {
      const kind = message.preVote ? "pre-vote" : "vote";
      const answer = message.granted ? "granted" : "refused";
      const flags = `${message.suspect ? " suspect" : ""}${message.repairing ? " repairing" : ""}${
        message.removed ? " removed" : ""
      }`;
      return `${head} ${kind} ${answer} ${term}${flags}`;
    }
    case "appendRequest":
      return `${head} append ${term} prev ${message.prevIndex}/t${message.prevTerm} entries ${
        describeTerms(message.entries)
      } commit ${message.commitIndex} round ${message.readRound}`;
    case "appendResponse": {
      const { index, hintIndex, hintTerm } = message;
      const round = `round ${message.readRound}`;
      if (message.success) return `${head} append ok ${term} index ${index} ${round}`;
      const hint = `hint ${hintIndex}/t${hintTerm}`;
      return `${head} append refused ${term} prev ${index} ${hint} ${round}`;
    }
    case "heartbeat":
      return `${head} heartbeat ${term} commit ${message.commitIndex} round ${message.readRound}`;
    case "heartbeatResponse":
      return `${head} heartbeat ok ${term} round ${message.readRound}`;
    case "timeoutNow":
      return `${head} timeout now ${term}`;
    case "snapshotChunk": {
      const { index, snapshotTerm, offset, data, totalBytes } = message;
      const range = `bytes ${offset}..${offset + data.length} of ${totalBytes ?? "?"}`;
      return `${head} snapshot ${term} at ${index}/t${snapshotTerm} ${range}`;
    }
    case "snapshotChunkResponse": {
      const { index, snapshotTerm, offset } = message;
      return `${head} snapshot ok ${term} at ${index}/t${snapshotTerm} holds ${offset}`;
    }
    default:
      return unreachable(message);
  }
}

/** For example `voters 1 2 3`, or `voters 1 2 4 outgoing 1 2 3 learners 5`. */
export function describeConfiguration(configuration: Configuration): string {
  const { voters, votersOutgoing, learners, learnersNext } = configuration;
  const parts = { voters, outgoing: votersOutgoing, learners, "to learn": learnersNext };
  return Object.entries(parts).filter(([name, ids]) => name === "voters" || ids.length > 0)
    .map(([name, ids]) => `${name} ${ids.join(" ")}`).join(" ");
}

function describeHardState(hardState: HardState): string {
  const vote = hardState.votedFor === NOBODY ? "none" : `${hardState.votedFor}`;
  return `t${hardState.term} vote ${vote}${hardState.suspect ? " suspect" : ""}`;
}

/** For example `2 follower t3 vote 1 leader 1 log 1..2/t1 3/t3 commit 2`. */
export function describeState(state: RaftState): string {
  const { log } = state;
  const parts = [`${state.id} ${state.role.kind} ${describeHardState(state)}`];
  if (state.repairing) parts.push("repairing");
  parts.push(`leader ${state.leaderId === NOBODY ? "none" : state.leaderId}`);
  if (log.snapshot.index > 0) parts.push(`snapshot ${log.snapshot.index}/t${log.snapshot.term}`);
  parts.push(`log ${describeTerms(log.entries)}`, `commit ${state.commitIndex}`);
  if (log.durableIndex < log.lastIndex) parts.push(`durable ${log.durableIndex}`);
  for (const { id, mode } of leaderOf(state)?.progress.values() ?? []) {
    if (mode === "snapshot") parts.push(`snapshot to ${id}`);
  }
  return parts.join(" ");
}

/** For example `1 follower → preCandidate t3 leader none: no leader heard`. */
export function describeEvent(event: RaftEvent): string {
  const roles = event.from === event.to ? event.to : `${event.from} → ${event.to}`;
  const leader = event.leaderId === NOBODY ? "none" : event.leaderId;
  return `${roles} t${event.term} leader ${leader}: ${event.reason}`;
}

/** One line for each thing that a turn hands out. */
export function describeReady(ready: Ready): string[] {
  const lines = ready.messages.map((message) => `send ${describeMessage(message)}`);
  if (ready.persist !== null) {
    const { hardState, entries, messagesAfterSync } = ready.persist;
    const parts = ["persist"];
    if (hardState !== null) parts.push(describeHardState(hardState));
    if (entries.length > 0) parts.push(`entries ${describeTerms(entries)}`);
    lines.push(parts.join(" "));
    for (const message of messagesAfterSync) {
      lines.push(`after sync ${describeMessage(message)}`);
    }
  }
  if (ready.committed.length > 0) lines.push(`apply ${describeTerms(ready.committed)}`);
  for (const { round, readIndex } of ready.reads) lines.push(`read round ${round} at ${readIndex}`);
  for (const { follower, fromIndex, toIndex } of ready.entriesNeeded) {
    lines.push(`entries ${fromIndex}..${toIndex} needed for ${follower}`);
  }
  for (const id of ready.snapshotsNeeded) lines.push(`snapshot needed by ${id}`);
  for (const chunk of ready.snapshotChunks) lines.push(`take ${describeMessage(chunk)}`);
  for (const answer of ready.snapshotAnswers) lines.push(`take ${describeMessage(answer)}`);
  return lines;
}
