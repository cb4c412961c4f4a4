/** What a leader tells of the members: who they are, and how each of them is. */
import { isReachable, keepsUp } from "../../raft/catch_up.ts";
import { isJoint, isMember, memberIds, memberOf, sorted } from "../../raft/configuration.ts";
import type { LeaderRole, RaftState } from "../../raft/state.ts";
import type { Configuration, ServerId } from "../../raft/types.ts";
import type { MemberList, MemberRole, MemberView, WaitingServer } from "../../wire/members.ts";
import type { Addresses } from "./addresses.ts";
import { roles } from "./described_members.ts";

const NOWHERE: Addresses = { hostname: "", clientPort: 0, logPort: 0 };

/** `placeOf`: null where nobody knows. */
export function memberList(
  state: RaftState,
  leader: LeaderRole,
  placeOf: (id: ServerId) => Addresses | null,
  waiting: readonly WaitingServer[],
  refusal: string,
): MemberList {
  const { configurations: { current, currentIndex } } = state;
  return {
    configurationIndex: current.members.length === 0 ? 0 : currentIndex,
    isChanging: isChanging(state),
    members: roles(current).map(([id, role]) => view(state, leader, id, role, placeOf(id))),
    waiting: waiting.map(({ incarnation: _, ...one }) => {
      return { ...one, replaces: isMember(current, one.id) };
    }),
    refusal,
  };
}

/** A change is under way: the configuration in effect is not committed, or joint. */
function isChanging({ configurations, commitIndex }: RaftState): boolean {
  return isJoint(configurations.current) || configurations.currentIndex > commitIndex;
}

function view(
  state: RaftState,
  leader: LeaderRole,
  id: ServerId,
  role: MemberRole,
  place: Addresses | null,
): MemberView {
  const { configurations: { current }, log: { lastIndex } } = state;
  const isLeader = id === state.id;
  const progress = leader.progress.get(id);
  const isThere = isLeader || isReachable(state, progress);
  const follows = progress?.mode === "replicate" && !progress.isSuspect;
  const { hostname, clientPort, logPort } = place ?? NOWHERE;
  const matchIndex = isLeader ? lastIndex : progress?.matchIndex ?? 0;
  return {
    id,
    role,
    isLeader,
    hostname,
    clientPort,
    logPort,
    matchIndex,
    lagEntries: lastIndex - matchIndex,
    isReachable: isThere,
    keepsUp: role === "learner" ? keepsUp(state, leader, id) : isLeader || (isThere && follows),
    staysLearner: memberOf(current, id)?.staysLearner ?? false,
    isSentSnapshot: progress?.mode === "snapshot",
  };
}

/** "server 3", "servers 1 and 2", "servers 1, 2 and 3". */
export function serversText(ids: readonly ServerId[]): string {
  const last = ids.at(-1);
  if (ids.length < 2) return `server ${last ?? "?"}`;
  return `servers ${ids.slice(0, -1).join(", ")} and ${last}`;
}

/** Who is no member, and who are. */
export function noMemberText(configuration: Configuration, id: ServerId): string | null {
  if (isMember(configuration, id)) return null;
  const ids = sorted(memberIds(configuration));
  return `server ${id} is no member: ${serversText(ids)} ${ids.length === 1 ? "is" : "are"}`;
}
