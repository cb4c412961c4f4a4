/** Who may talk to this server, before and after the cluster is formed. */
import type { ServerId } from "../../raft/types.ts";
import { type Hello, RefusalReason } from "../../wire/rpc/rpc.ts";
import type { Formation } from "./formation.ts";
import type { Refused } from "./refused.ts";
import { peerVersionOf, versionRefusal } from "./peer_version.ts";

/**
 * Checks the hello of another server; null where it may talk to server `serverId` of a cluster of
 * `servers`, which has cluster version `clusterVersion`.
 */
export function checkHello(
  hello: Hello,
  serverId: ServerId,
  servers: readonly ServerId[],
  formation: Pick<Formation, "record" | "isFormed" | "clusterId" | "listedIncarnation">,
  clusterVersion: number,
): Refused | null {
  if (hello.to !== serverId) {
    return refused(
      RefusalReason.wrongServer,
      `this is server ${serverId}, not ${hello.to}: check hostname and logPort in the file`,
    );
  }
  if (hello.from === serverId || !servers.includes(hello.from)) {
    return refused(
      RefusalReason.stranger,
      formation.record === null
        ? `server ${hello.from} is not in the cluster file of server ${serverId}`
        : `server ${hello.from} is no member of this cluster, which has servers ` +
          `${servers.join(", ")}: whatever a cluster file lists, it stays out`,
    );
  }
  if (!formation.isFormed) return null;
  const isUnformed = /^0+$/.test(hello.clusterId);
  if (!isUnformed && hello.clusterId !== formation.clusterId) {
    return refused(
      RefusalReason.otherCluster,
      `server ${hello.from} belongs to cluster ${hello.clusterId}, this one to ` +
        `${formation.clusterId}`,
    );
  }
  if (formation.listedIncarnation(hello.from) !== hello.incarnation) {
    return refused(
      RefusalReason.wrongIncarnation,
      `server ${hello.from} comes with another data directory than it joined with: if that one ` +
        `was moved, put it back; if it is lost, leave this server stopped, for no build can ` +
        `take a lost server back yet (see docs/operating.md)`,
    );
  }
  return versionRefusal(hello.from, peerVersionOf(hello.features), clusterVersion);
}

function refused(reason: RefusalReason, text: string): Refused {
  return { reason, text };
}
