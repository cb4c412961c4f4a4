/**
 * What the cluster file says against what this server knows, said in one line at the start where they
 * contradict each other. The file founds a cluster; after that its list tells addresses at most, and of
 * the other servers only where the log does not.
 */
import type { ServerId } from "../../raft/types.ts";
import type { FormationRecord } from "../../storage/types.ts";
import type { NodeHost } from "../api.ts";
import type { ServerAddress } from "../node_options.ts";
import { isSamePlace } from "./addresses.ts";
import type { KnownMembers } from "./known_members.ts";

type Members = Pick<KnownMembers, "all" | "of" | "serverId">;

/** Logs to `host`, key by key, where the file's list and the members are not the same servers. */
export function reportList(
  listed: readonly ServerAddress[],
  members: Members,
  { clusterId, members: founders, joined }: Pick<
    FormationRecord,
    "clusterId" | "members" | "joined"
  >,
  host: Pick<NodeHost, "log">,
): void {
  // The file of a server that was added says where that one is, and need not say more.
  if (joined === true && listed.length === 1) return;
  const listedIds = listed.map((server) => server.id);
  const ids = members.all.map(({ id }) => id);
  const fields: Record<string, string> = {};
  for (const [at, id] of listedIds.entries()) {
    if (!ids.includes(id)) fields[`servers[${at}].id`] = `${id} is no member: not connected to`;
  }
  const absent = ids.filter((id) => !listedIds.includes(id));
  if (absent.length > 0) fields.servers = absentText(absent, members);
  if (Object.keys(fields).length === 0) return;
  // Members come and go without the files: then a file that was not kept up is no contradiction.
  const isFounders = founders.map(({ serverId }) => serverId).join() === ids.join();
  host.log({
    level: isFounders ? "error" : "warning",
    message: "The cluster file lists other servers than this cluster has, and its list is " +
      "ignored but for addresses: give all servers the file with the members' ids",
    fields: { ...fields, members: ids.join(", "), clusterId },
  });
}

function absentText(absent: readonly ServerId[], members: Members): string {
  const isLost = absent.some((id) => members.of(id)?.places.length === 0);
  return `${absent.join(", ")} missing: ${
    isLost ? "a member that this server can't connect to" : "reached where the log says"
  }`;
}

/** Logs where this server's own entry says that it is somewhere else than the log does. */
export function reportOwnEntry(members: Members, host: Pick<NodeHost, "log">): void {
  const { said = null, logged = null } = members.of(members.serverId) ?? {};
  if (said === null || logged === null || isSamePlace(said, logged)) return;
  const fields: Record<string, string | number> = { server: members.serverId };
  for (const key of ["hostname", "clientPort", "logPort"] as const) {
    if (said[key] !== logged[key]) fields[key] = `${said[key]}, and ${logged[key]} in the log`;
  }
  host.log({
    level: "info",
    message:
      "This server is not where the log says, and tells the others: the leader puts its new " +
      "addresses into the log",
    fields,
  });
}
