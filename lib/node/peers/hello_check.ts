/**
 * Who may talk to this server, before and after the cluster is formed. From then on it is not judged by
 * this server's own configuration alone, which may be behind: whoever claims that a newer one lists it is
 * believed, and Raft takes requests from whoever sends them (thesis §4.1). Refused is what this server's
 * committed configuration contradicts.
 */
import type { Incarnation, ServerId } from "../../raft/types.ts";
import { UNFORMED } from "../../storage/types.ts";
import { type Hello, RefusalReason } from "../../wire/rpc/rpc.ts";
import { type Claim, claimOf } from "../members/claim.ts";
import type { KnownMembers } from "../members/known_members.ts";
import type { Formation } from "./formation.ts";
import type { Refused } from "./refused.ts";
import { peerVersionOf, versionRefusal } from "./peer_version.ts";

/** What a hello is checked against. */
export interface HelloJudge {
  /** Of this server. */
  readonly incarnation: Incarnation;
  readonly members: Pick<KnownMembers, "serverId" | "all" | "standingOf">;
  readonly formation: Pick<Formation, "record" | "isFormed" | "clusterId" | "joins">;
  readonly clusterVersion: number;
}

/** Checks the hello or welcome of another server; null where it may talk to this one. */
export function checkHello(hello: Hello, judge: HelloJudge): Refused | null {
  const { serverId, all } = judge.members;
  const { formation, incarnation } = judge;
  if (hello.to !== serverId) {
    return refused(
      RefusalReason.wrongServer,
      `this is server ${serverId}, not ${hello.to}: check hostname and logPort in the file`,
    );
  }
  if (!formation.isFormed && formation.joins === null) {
    const isListed = all.some(({ id }) => id === hello.from);
    return isListed && hello.from !== serverId ? null : strangerRefusal(hello, judge);
  }
  const clusterId = formation.isFormed ? formation.clusterId : formation.joins;
  // Who has not formed yet, or is to be added, has no cluster.
  if (hello.clusterId !== clusterId && (!formation.isFormed || hello.clusterId !== UNFORMED)) {
    return refused(
      RefusalReason.otherCluster,
      `server ${hello.from} belongs to cluster ${hello.clusterId}, this one to ${clusterId}`,
    );
  }
  const claim = claimOf(hello.features);
  const wanted = claim?.wanted ?? null;
  if (wanted !== null && wanted !== incarnation) {
    return refused(
      RefusalReason.wrongIncarnation,
      `server ${serverId} runs here with another data directory than the one that is meant`,
    );
  }
  return formation.isFormed
    ? formedRefusal(hello, claim, judge)
    : newcomersRefusal(wanted, serverId);
}

/** A server that is to be added waits for members of its cluster that know of it. */
function newcomersRefusal(wanted: Incarnation | null, serverId: ServerId): Refused | null {
  if (wanted !== null) return null;
  return refused(
    RefusalReason.unformed,
    `server ${serverId} waits here to be added to the cluster, with another data directory than ` +
      `that of a member`,
  );
}

function formedRefusal(hello: Hello, claim: Claim | null, judge: HelloJudge): Refused | null {
  const { members, clusterVersion } = judge;
  if (hello.from === members.serverId) return strangerRefusal(hello, judge);
  // Who has no cluster yet has no part in it that it could have lost.
  const part = hello.clusterId === UNFORMED ? null : claim;
  switch (members.standingOf(hello.from, hello.incarnation, part)) {
    case "stranger":
      return strangerRefusal(hello, judge);
    case "removed":
      return refused(
        RefusalReason.removed,
        `server ${hello.from} with this data directory was removed from the cluster: stop it; it ` +
          `can come back as a new one, with an empty directory (see docs/operating.md)`,
      );
    case "otherLife":
      return refused(
        RefusalReason.wrongIncarnation,
        `server ${hello.from} comes with another data directory than it joined with: if that one ` +
          `was moved, put it back; if it is lost, start it on an empty directory with raftkv ` +
          `serve --id ${hello.from} --join HOST:PORT, then raftkv member replace ${hello.from}`,
      );
  }
  return versionRefusal(hello.from, peerVersionOf(hello.features), clusterVersion);
}

function strangerRefusal(hello: Hello, { members, formation }: HelloJudge): Refused {
  return refused(
    RefusalReason.stranger,
    formation.record === null
      ? `server ${hello.from} is not in the cluster file of server ${members.serverId}`
      : `server ${hello.from} is no member of this cluster, which has servers ` +
        `${
          members.all.map(({ id }) => id).join(", ")
        }: whatever a cluster file lists, it stays out`,
  );
}

/** Null where a welcome comes from the server that is meant, and from that life. */
export function lifeRefusal(
  { id, incarnation }: { readonly id: ServerId; readonly incarnation: Incarnation | null },
  welcome: Hello,
): Refused | null {
  if (welcome.from !== id) {
    return refused(RefusalReason.wrongServer, `server ${welcome.from} answers there, not ${id}`);
  }
  if (incarnation === null || welcome.incarnation === incarnation) return null;
  return refused(
    RefusalReason.wrongIncarnation,
    `server ${id} answers there with another data directory than the one that is meant`,
  );
}

function refused(reason: RefusalReason, text: string): Refused {
  return { reason, text };
}
