/**
 * Which servers the cluster has. Until it is formed, the cluster file lists them; from then on the record
 * of its formation does, and the file only tells where to reach each of them. A file that lists other
 * servers contradicts what servers voted by: two such files would make two majorities.
 */
import type { ServerId } from "../raft/types.ts";
import type { FormationRecord } from "../storage/types.ts";
import type { ServerAddress } from "./node_options.ts";
import type { NodeHost } from "./api.ts";

export interface KnownServers {
  /** All members, this server included. */
  readonly servers: readonly ServerId[];
  /** Those of them that the file tells how to reach. */
  readonly reachable: readonly ServerId[];
  /** And how. */
  readonly addresses: readonly ServerAddress[];
}

/**
 * Compares the cluster file's list with the record (null: there is none) and logs an error to `host` where
 * they contradict each other.
 */
export function knownServers(
  listed: readonly ServerAddress[],
  record: FormationRecord | null,
  host: Pick<NodeHost, "log">,
): KnownServers {
  const listedIds = listed.map((server) => server.id);
  if (record === null) return { servers: listedIds, reachable: listedIds, addresses: listed };
  const ids = record.members.map((member) => member.serverId);
  const fields: Record<string, string> = {};
  for (const [at, id] of listedIds.entries()) {
    if (!ids.includes(id)) fields[`servers[${at}].id`] = `${id} is no member: not connected to`;
  }
  const absent = ids.filter((id) => !listedIds.includes(id));
  if (absent.length > 0) {
    fields.servers = `${absent.join(", ")} missing: a member that this server can't connect to`;
  }
  if (Object.keys(fields).length > 0) {
    host.log({
      level: "error",
      message: "The cluster file lists other servers than this cluster has, and its list is " +
        "ignored but for addresses: give all servers the file with the members' ids",
      fields: { ...fields, members: ids.join(", "), clusterId: record.clusterId },
    });
  }
  const addresses = listed.filter((server) => ids.includes(server.id));
  return { servers: ids, reachable: addresses.map((server) => server.id), addresses };
}
