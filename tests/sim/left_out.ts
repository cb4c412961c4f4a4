/** Voters that stay out for good, so that the others have to get along without them. */
import type { Random } from "../../lib/util/random.ts";
import type { SimCluster } from "./cluster.ts";
import { between } from "./partitions.ts";
import type { ClientSetting } from "./client.ts";

/**
 * Leaves out whoever of the voters is not sound by now, and more by chance, as long as a majority is left.
 * They are cut off from the others, and clients do not reach them.
 */
export function leaveOut(
  cluster: SimCluster,
  { unreachable, connections }: ClientSetting,
  random: Random,
): void {
  const { servers, checks, fabric } = cluster;
  const ids = [...checks.ledgerVotings.current.voters];
  const voters = servers.filter(({ id }) => ids.includes(id));
  // Whoever is not sound by now never will be: without it, or not at all.
  const outside = voters.filter((server) => server.isOut || server.probe!.isSuspect())
    .map((server) => server.id);
  while (outside.length * 2 < ids.length - 2 && ids.length - outside.length > 1) {
    const others = voters.filter((server) => !outside.includes(server.id));
    // Often the leader: the majority has to notice, and to do without it.
    const leader = others.find(({ probe }) => probe?.isOpen() === true && probe.isLeader());
    const id = (random.chance(0.6) ? leader : undefined)?.id ?? random.pick(others).id;
    outside.push(id);
    if (random.chance(0.5)) break;
  }
  const core = servers.map(({ id }) => id).filter((id) => !outside.includes(id));
  // Outside servers are cut off wholly, or keep sending into the core, or only hear it.
  const shape = random.between(0, 2);
  for (const [from, to] of between(core, outside)) {
    const intoCore = core.includes(to);
    if (shape === 0 || (shape === 1) === intoCore) fabric.cut(from, to);
  }
  for (const server of servers) if (outside.includes(server.id)) unreachable.add(server.id);
  for (const connection of [...connections]) {
    if (outside.includes(connection.server.id)) connection.reset();
  }
}
