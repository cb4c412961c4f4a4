/** The passing of time: election timeouts and, for leaders, heartbeats and checks. */
import { preCampaign } from "./candidate.ts";
import { tickLeader } from "./leader.ts";
import { askTermsNowAndThen } from "./suspicion.ts";
import { isOnlyVoter, type RaftState } from "./state.ts";

export function tick(state: RaftState): void {
  state.electionElapsed++;
  if (state.output.batch !== null) state.output.batchTicks++;
  if (state.role.kind === "leader") return tickLeader(state, state.role);
  if (state.suspect) askTermsNowAndThen(state);
  if (isOnlyVoter(state)) {
    // Nobody else could lead, so there is nothing to wait for but the own vote's sync.
    if (state.role.kind === "follower") preCampaign(state, "this is the only voter");
  } else if (state.electionElapsed >= state.electionTimeout) {
    preCampaign(state, "no leader was heard");
  }
}
