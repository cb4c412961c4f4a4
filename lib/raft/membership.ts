/**
 * Keeps the leader's followers equal to the configuration in effect. Changes of membership (joint
 * consensus, thesis §4.3) will begin here; today only entries of a log that has them pass through.
 */
import { memberIds } from "./configuration.ts";
import { makeProgress } from "./progress.ts";
import { configurationOf, type RaftState } from "./state.ts";

export function syncProgress(state: RaftState): void {
  if (state.role.kind !== "leader") return;
  const { progress } = state.role;
  const ids = memberIds(configurationOf(state));
  for (const id of progress.keys()) {
    if (!ids.includes(id)) progress.delete(id);
  }
  for (const id of ids) {
    if (id === state.id || progress.has(id)) continue;
    progress.set(id, makeProgress(id, state.log.lastIndex + 1));
  }
  state.output.appendsDue = true;
}
