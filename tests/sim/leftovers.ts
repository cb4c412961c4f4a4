/**
 * What a server still holds when nothing is under way any more: all clients have left and everything is
 * applied everywhere. Whatever grows with each command or connection and is not given back shows here.
 */
import type { Node } from "../../lib/node/node.ts";
import type { SimOptions } from "./options.ts";
import { leaderOf } from "../../lib/raft/state.ts";

/** Entries above the limit that may stay in memory: trimming lets a part of the limit through. */
const LOG_SLACK = 1.5;

/** The first thing that is too much, in words; null where there is none. */
export function leftoverOf(node: Node, options: SimOptions): string | null {
  const load = node.clientLoad;
  const { connections, bufferBytes, waitingEntries, waitingRounds } = load;
  const counts: [string, number][] = [
    ["client connections", connections],
    ["bytes in clients' buffers", bufferBytes],
    ["entries whose clients wait", waitingEntries],
    ["read rounds whose clients wait", waitingRounds],
    ["commands that wait for a leader", load.heldCommands],
    ["watches", load.watches],
    ["clients of other servers", load.forwardedClients],
    ["bytes of commands that are forwarded", load.forwarded.waitingBytes],
  ];
  const state = node.raft?.state;
  if (state !== undefined) {
    const leader = leaderOf(state);
    const read = [...leader?.progress.values() ?? []].filter(({ reading, ahead }) =>
      reading !== null || ahead.length > 0
    );
    const inFlight = [...leader?.progress.values() ?? []].map((progress) =>
      progress.inFlight.length
    );
    counts.push(
      ["messages that wait for the disk", state.output.held.length],
      ["entries that are not applied", state.log.lastIndex - state.output.applyingIndex],
      ["uncommitted bytes", leader?.uncommittedBytes ?? 0],
      ["followers for whom entries are read, or wait", read.length],
      ["appends in flight", inFlight.reduce((sum, one) => sum + one, 0)],
      ["bytes of log in memory above the limit", logBytesTooMany(node, options)],
    );
  }
  const found = counts.find(([, count]) => count !== 0);
  return found === undefined ? null : `${found[1]} ${found[0]}`;
}

function logBytesTooMany(node: Node, { storage, limits, clients }: SimOptions): number {
  const { log } = node.raft!.state;
  let bytes = 0;
  for (const entry of log.entries) bytes += entry.data.length;
  const largest = Math.max(limits.entryBytesMax, clients.valueBytesMax, limits.valueBytesMax);
  return Math.max(0, bytes - storage.logMemoryBytes * LOG_SLACK - 2 * largest);
}
