/** What has to be true of a cluster's servers once it is left in peace. */
import type { SimCluster } from "./cluster.ts";
import { appendMs } from "./patience.ts";
import type { SimServer } from "./sim_server.ts";
import { membersOf } from "./votings.ts";

/** Where somebody is out for good, suspicion can't end, as it takes all voters' word. */
export function haveRecovered(cluster: SimCluster): boolean {
  const members = cluster.members();
  const anyOut = members.length < membersOf(cluster.checks.ledgerVotings.current).length;
  return members.every(({ probe }) => probe?.isOpen() === true && (anyOut || !probe.isSuspect()));
}

/** All members hold and have applied all that is committed, and nothing else. */
export function haveConverged(cluster: SimCluster): boolean {
  const target = cluster.checks.committedIndex;
  return cluster.members().every(({ probe }) =>
    probe?.isOpen() === true && probe.appliedIndex() === target &&
    probe.lastIndex() === target
  );
}

/** How long whoever is behind needs to catch up, where its window has room for one entry at a time. */
export function catchUpMs(cluster: SimCluster): number {
  const last = cluster.members().map(({ probe }) =>
    probe?.isOpen() === true ? probe.lastIndex() : 0
  );
  return (cluster.checks.committedIndex - Math.min(...last)) * appendMs(cluster.options);
}

/** Those that were removed, and have not said so, or try to lead. */
export function loudRemoved(cluster: SimCluster): SimServer[] {
  return removed(cluster).filter(({ probe, hasSaidRemoved }) =>
    probe?.raft()?.role.kind !== "follower" || !hasSaidRemoved
  );
}

/**
 * Those that were members, and run. Whose log never came to list it can't know that it was one, nor hear of
 * it where all that it knows of are gone, too, or elsewhere.
 */
function removed(cluster: SimCluster): SimServer[] {
  const members = cluster.members();
  return cluster.servers.filter((server) =>
    !server.isOut && !members.includes(server) && cluster.checks.knowsItself(server.id) &&
    members.some((member) => dials(cluster, server, member))
  );
}

function dials(
  { checks }: SimCluster,
  server: SimServer,
  { id, serverId, address }: SimServer,
): boolean {
  return membersOf(checks.votingOf(server.id)).includes(id) &&
    server.links.all.some(({ link }) =>
      link.peerId === serverId && link.addresses.some(({ port }) => port === address.logPort)
    );
}
