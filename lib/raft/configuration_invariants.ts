/** What must hold of the configurations that a server has in its log, and of what a leader makes of them. */
import { isJoint } from "./configuration.ts";
import { leaveJoint } from "./configuration_change.ts";
import { configurationProblem, encodeConfiguration } from "./configuration_codec.ts";
import { leaderOf, type RaftState } from "./state.ts";
import { needsReconfiguring } from "./membership.ts";
import type { Configuration } from "./types.ts";

type Hold = (state: RaftState, condition: boolean, broken: string) => void;

export function checkConfigurations(state: RaftState, hold: Hold): void {
  const { versions } = state.configurations;
  for (const [at, { index, configuration }] of versions.entries()) {
    const before = versions[at - 1];
    hold(
      state,
      configuration.members.length === 0 || configurationProblem(configuration) === null,
      `has a configuration at ${index} that contradicts itself`,
    );
    if (before === undefined) continue;
    hold(state, before.index < index, "has configurations out of order");
    hold(
      state,
      follows(before.configuration, configuration),
      `has a configuration at ${index} whose majorities need not meet those of the one before`,
    );
  }
  const leader = leaderOf(state);
  if (leader === null) return;
  const { learners } = state.configurations.current;
  hold(
    state,
    learners.length === leader.catchUps.size && learners.every((id) => leader.catchUps.has(id)),
    "counts rounds of others than the learners",
  );
  hold(
    state,
    leader.isReconfiguring === needsReconfiguring(state),
    "leads without an eye on its members",
  );
  hold(
    state,
    !leader.isHandingOver || !isJoint(state.configurations.current),
    "hands over in the middle of a change",
  );
}

/**
 * The same voters, into a joint configuration, or out of it (thesis §4.3). A server that joins knew of no
 * voters, and a plain configuration was not made by a leader of this build.
 */
function follows(before: Configuration, after: Configuration): boolean {
  if (before.voters.length === 0 || after.members.length === 0) return true;
  if (isJoint(before)) {
    return !isJoint(after) && sameBytes(leaveJoint(before), after);
  }
  const old = isJoint(after) ? after.votersOutgoing : after.voters;
  return old.join() === before.voters.join();
}

function sameBytes(a: Configuration, b: Configuration): boolean {
  return encodeConfiguration(a).join() === encodeConfiguration(b).join();
}
