/**
 * Why members are not changed, or the leadership is not moved, in a sentence each: which servers it is
 * about, and what to do. What is over in a moment is `later`: whoever asks may ask again.
 */
import { isVoter, memberOf } from "../../raft/configuration.ts";
import { describeConfiguration } from "../../raft/describe.ts";
import type { MoveResult, UnfitServer } from "../../raft/raft.ts";
import { leaderOf, type RaftState } from "../../raft/state.ts";
import type { ServerId } from "../../raft/types.ts";
import { unreachable } from "../../util/assert.ts";
import { ClientError } from "../../wire/command_batch.ts";
import type { MemberAnswer } from "../../wire/members.ts";
import type { MemberChangeRefusal } from "./member_changes.ts";
import { noMemberText, serversText } from "./member_list.ts";

/** What holds the cluster version back. */
export interface VersionFacts {
  readonly clusterVersion: number;
  readonly neededVersion: number;
  /** Half a sentence for each server that is waited for. */
  readonly waits: readonly string[];
}

export function refused(why: string): MemberAnswer {
  return { kind: "refused", why };
}

function later(why: string): MemberAnswer {
  return { kind: "later", why };
}

/** Why a server can't be removed, promoted or demoted, whatever the others do; null where it can. */
export function changeProblem(
  { configurations: { current } }: RaftState,
  kind: "remove" | "promote" | "demote",
  id: ServerId,
): string | null {
  const stranger = noMemberText(current, id);
  if (stranger !== null) return stranger;
  const { voters } = current;
  if (kind === "promote") return voters.includes(id) ? `server ${id} votes already` : null;
  if (kind === "demote" && !isVoter(current, id)) {
    const stays = memberOf(current, id)?.staysLearner !== false;
    const advice =
      ", and the leader makes it a voter once it keeps up: to keep it a learner, remove " +
      "it and add it again as one";
    return `server ${id} is a learner already${stays ? "" : advice}`;
  }
  if (voters.length > 1 || voters[0] !== id) return null;
  return `server ${id} is the only voter, and a cluster needs one: make another one a voter first`;
}

/** In words, for a change that was to be of server `id`. */
export function changeRefusal(
  state: RaftState,
  refusal: MemberChangeRefusal,
  version: VersionFacts,
): MemberAnswer | ClientError {
  const { id, configurations, log } = state;
  switch (refusal.reason) {
    case "notLeader":
      return ClientError.redirect;
    case "clusterVersion":
      return versionRefusal(version) ?? later("the cluster version was raised: try again");
    case "busy":
      return later(`too much waits to be committed on server ${id}: try again in a moment`);
    case "transferring":
      return later(`server ${id} hands the leadership over: try again in a moment`);
    case "newTerm":
      return later(`server ${id} has just come to lead: try again in a moment`);
    case "changing": {
      const now = describeConfiguration(configurations.current);
      return later(`the change before is not committed yet (${now}): wait until the list shows it`);
    }
    case "invalid":
      return refused(`${refusal.problem}: look at the list of members`);
    case "behind": {
      const lacks = refusal.learners.map((one) => {
        const matchIndex = leaderOf(state)?.progress.get(one)?.matchIndex ?? 0;
        return `server ${one} does not keep up yet, it lacks ${log.lastIndex - matchIndex} entries`;
      });
      return refused(`${lacks.join(", ")}: try again once the list shows that it keeps up`);
    }
    case "unreachable":
      return refused(unreachableText(state, refusal.missing));
    case "full": {
      const { servers } = refusal;
      const disks = servers.length > 1 ? "have no room on their disks" : "has no room on its disk";
      return refused(`${serversText(servers)} ${disks}: make some there first`);
    }
    default:
      return unreachable(refusal);
  }
}

/** Null where members can be changed. */
export function versionRefusal(
  { clusterVersion, neededVersion, waits }: VersionFacts,
): Extract<MemberAnswer, { readonly kind: "refused" | "later" }> | null {
  if (clusterVersion >= neededVersion) return null;
  const now = `the cluster version is ${clusterVersion}, and members change from ` +
    `${neededVersion} on`;
  return waits.length === 0
    ? { kind: "later", why: `${now}: it is being raised, try again in a moment` }
    : { kind: "refused", why: `${now}: ${waits.join(", ")}: see raftkv check` };
}

function unreachableText(state: RaftState, missing: readonly ServerId[]): string {
  const progress = leaderOf(state)?.progress;
  const suspect = missing.filter((id) => progress?.get(id)?.isSuspect === true);
  const silent = missing.filter((id) => !suspect.includes(id));
  const parts: string[] = [];
  if (silent.length > 0) {
    parts.push(`${serversText(silent)} ${silent.length > 1 ? "do" : "does"} not answer`);
  }
  if (suspect.length > 0) {
    const verb = suspect.length > 1 ? "are" : "is";
    parts.push(`${serversText(suspect)} ${verb} suspect, and may have forgotten a promise`);
  }
  const them = missing.length > 1 ? "them" : "it";
  return `no majority of the voters would be left that can be counted on: ${parts.join(", ")}: ` +
    `get ${them} back first, or remove ${them} first`;
}

/** In words; `to` is the server that was asked for, or null. */
export function moveRefusal(
  state: RaftState,
  refusal: Exclude<MoveResult, { readonly accepted: true }>,
  to: ServerId | null,
): MemberAnswer | ClientError {
  if (refusal.reason === "notLeader") return ClientError.redirect;
  if (refusal.reason === "transferring") {
    return later(
      `the leadership is being handed to server ${refusal.target}: try again in a moment`,
    );
  }
  if (refusal.unfit.length === 0) {
    return refused(`server ${state.id} is the only voter: make another one a voter first`);
  }
  const reasons = refusal.unfit.map((one) => unfitText(state, one)).join(", ");
  const why = to === null ? `no other voter can take the leadership: ${reasons}` : reasons;
  const isSoonKnown = refusal.unfit.some(({ reason }) => reason === "probed");
  return isSoonKnown ? later(why) : refused(why);
}

function unfitText(state: RaftState, { id, reason }: UnfitServer): string {
  const { configurations: { current }, log } = state;
  switch (reason) {
    case "noVoter":
      return noMemberText(current, id) ??
        `server ${id} does not vote, and only voters lead: promote it first`;
    case "unreachable":
      return `server ${id} does not answer: start it, or see its log`;
    case "suspect":
      return `server ${id} is suspect, and may have forgotten a promise: wait until the others ` +
        "have told it";
    case "probed":
      return `what server ${id} has of the log is not known yet: try again in a moment`;
    case "behind": {
      const matchIndex = leaderOf(state)?.progress.get(id)?.matchIndex ?? 0;
      return `server ${id} lacks ${log.lastIndex - matchIndex} entries: wait until it has them`;
    }
    case "noRoom":
      return `server ${id} has no room on its disk: make some there first`;
  }
}
