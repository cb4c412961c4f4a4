/** `MemberCommands` over the parts of a node. */
import { raiseWaits, raiseWithout } from "./version_raise.ts";
import { type NodeState, scheduleTurn } from "./state.ts";
import type { MemberChanges } from "./members/member_changes.ts";
import { MemberCommands } from "./members/member_commands.ts";

export function memberCommandsOf(state: NodeState, changes: MemberChanges): MemberCommands {
  return new MemberCommands({
    changes,
    raftNow() {
      const raft = state.replica?.raft ?? null;
      raft?.noteTime(state.clock.monotonicMs());
      return raft;
    },
    placeOf: (id) => state.members.placeOf(id),
    heardOf: (id, incarnation, place) => state.members.heardOf(id, incarnation, place),
    silentMs: (id) => state.links.silence.of(id).silentMs,
    clusterVersion: () => state.clusterVersion,
    clusterId: () => state.links.formation.clusterId,
    raiseWaits: () => raiseWaits(state),
    raiseWithout: (ids) => raiseWithout(state, ids),
    scheduleTurn: () => scheduleTurn(state),
  });
}
