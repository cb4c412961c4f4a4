/**
 * Keeps the leader's followers equal to the configuration in effect, as it comes and goes with the entries
 * of the log. Changing it is in reconfigure.ts.
 */
import { makeCatchUp } from "./catch_up.ts";
import { isJoint, isVoter, memberIds } from "./configuration.ts";
import { makeProgress } from "./progress.ts";
import { configurationOf, type LeaderRole, type RaftState } from "./state.ts";
import type { ServerId } from "./types.ts";

export function syncProgress(state: RaftState): void {
  if (state.role.kind !== "leader") return;
  const { progress } = state.role;
  const ids = memberIds(configurationOf(state));
  const isReplaced = replacedLives(state);
  for (const id of progress.keys()) {
    if (!ids.includes(id) || isReplaced(id)) progress.delete(id);
  }
  const { output } = state;
  output.snapshotsNeeded = output.snapshotsNeeded.filter((id) => progress.has(id));
  for (const id of ids) {
    if (id === state.id || progress.has(id)) continue;
    progress.set(id, makeProgress(id, state.log.lastIndex + 1));
  }
  for (const id of ids) if (isReplaced(id)) state.role.catchUps.delete(id);
  syncCatchUps(state, state.role);
  state.role.isReconfiguring = needsReconfiguring(state);
  state.output.appendsDue = true;
}

/** Whether the newest configuration means another life of a member than the one before: it has nothing. */
function replacedLives({ configurations: { versions } }: RaftState): (id: ServerId) => boolean {
  const [before, now] = [versions.at(-2), versions.at(-1)!];
  return (id) => {
    const life = before?.incarnations.get(id);
    return life !== undefined && now.incarnations.has(id) && now.incarnations.get(id) !== life;
  };
}

/** Each learner has its rounds, and nobody else. */
export function syncCatchUps(state: RaftState, { catchUps }: Pick<LeaderRole, "catchUps">): void {
  const { learners } = configurationOf(state);
  for (const id of catchUps.keys()) if (!learners.includes(id)) catchUps.delete(id);
  for (const id of learners) if (!catchUps.has(id)) catchUps.set(id, makeCatchUp(state));
}

/** True where a leader has to do something once a commit has reached the current configuration. */
export function needsReconfiguring(state: RaftState): boolean {
  const configuration = configurationOf(state);
  return isJoint(configuration) || !isVoter(configuration, state.id) ||
    configuration.learners.length > 0;
}
