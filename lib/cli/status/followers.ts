/** Which servers a backup can be taken off, besides the leader. Pure. */
import type { ServerAddress } from "../client_ports.ts";
import type { Answer } from "./gather.ts";

/**
 * Those that follow `leaderId` by their own word, the one that lags least first. Who follows nobody (it was
 * removed, or is cut off) gets no further: a backup of all that is acknowledged would wait for it in vain.
 */
export function followersOf(
  answers: readonly Answer[],
  clusterId: string,
  leaderId: number,
): ServerAddress[] {
  const followers = answers.flatMap(({ server, status }) => {
    if (status === null || status.clusterId !== clusterId) return [];
    if (status.serverId === leaderId || status.leaderId !== leaderId) return [];
    const own = status.servers.find(({ id }) => id === status.serverId);
    return [{ server, appliedIndex: own?.facts?.appliedIndex ?? 0 }];
  });
  followers.sort((a, b) => b.appliedIndex - a.appliedIndex);
  return followers.map(({ server }) => server);
}
