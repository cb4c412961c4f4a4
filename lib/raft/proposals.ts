/** What a leader puts into the log: commands of clients, and entries of its own. */
import { appendToLog } from "./commit.ts";
import type { LeaderRole, RaftState } from "./state.ts";

export type ProposeResult =
  | { readonly accepted: true; readonly index: number; readonly term: number }
  | { readonly accepted: false; readonly reason: "notLeader" | "busy" | "transferring" };

/** Puts `data` into the log as the next entry; it leaves when the turn ends. */
export function propose(state: RaftState, data: Uint8Array): ProposeResult {
  const leader = state.role;
  if (leader.kind !== "leader") return { accepted: false, reason: "notLeader" };
  if (leader.transfer !== null) return { accepted: false, reason: "transferring" };
  const { uncommittedBytes } = leader;
  if (uncommittedBytes > 0 && uncommittedBytes + data.length > state.options.uncommittedBytesMax) {
    return { accepted: false, reason: "busy" };
  }
  return { accepted: true, index: appendProposal(state, leader, data), term: state.term };
}

/** The same for an entry of the leader itself, which needs no room. Returns its index. */
export function appendProposal(state: RaftState, leader: LeaderRole, data: Uint8Array): number {
  const index = state.log.lastIndex + 1;
  appendToLog(state, [{ index, term: state.term, data }]);
  leader.uncommittedBytes += data.length;
  leader.thrifty.bytes += data.length;
  state.output.appendsDue = true;
  return index;
}
