/** Opens what a formed server runs, in a node's state. */
import { reportList, reportOwnEntry } from "./members/file_report.ts";
import { Feature } from "../wire/rpc/rpc.ts";
import type { PersistEvents } from "./log/persister.ts";
import { openReplica } from "./replica.ts";
import type { NodeState } from "./state.ts";

/** The cluster is formed, or was when this process began. */
export function beginReplica(state: NodeState, events: PersistEvents): void {
  const { config, checkInvariants = false, ...options } = state.options;
  const { links } = state;
  state.replica = openReplica({
    ...options,
    ...config,
    checkInvariants,
    formation: state.links.formation.record!,
    clocks: state.clocks,
    standstill: state.standstill,
    meters: state.meters,
    pace: state.appender.pace,
    links,
    events,
    takesPieces: (id) =>
      links.outbound.some((link) => link.peerId === id && link.supports(Feature.pieces)),
    roomOf: (id) => state.space.roomOf(id, state.replica),
  });
  const { members, replica: { raft } } = state;
  const { formation } = state.options.directory;
  members.note(raft.state, state.clock.monotonicMs());
  // With --join there is no list but this server's own entry.
  if (state.options.join === undefined) {
    reportList(config.servers, members, formation!, state.options.host);
  }
  reportOwnEntry(members, state.options.host);
  state.clusterVersion = state.replica.store.clusterVersion;
}
