/**
 * Keeps the leader's followers equal to the configuration that rules. Changes of membership (joint
 * consensus, thesis §4.3) will begin here; today only entries of a log that has them pass through.
 */
import { members } from "./configuration.ts";
import { makeProgress } from "./progress.ts";
import { configurationOf, type RaftState } from "./state.ts";

export function syncProgress(state: RaftState): void {
  if (state.role !== "leader") return;
  const ids = members(configurationOf(state));
  for (const id of state.progress.keys()) {
    if (!ids.includes(id)) state.progress.delete(id);
  }
  for (const id of ids) {
    if (id === state.id || state.progress.has(id)) continue;
    state.progress.set(id, makeProgress(id, state.log.lastIndex + 1));
  }
  state.outbox.appendsDue = true;
}
