/** Situations that a server's own log lines tell of. */
import type { Mark } from "./mark_names.ts";

/** By how the line begins. */
export const LOG_MARKS: readonly (readonly [string, Mark])[] = [
  ["The cluster version is raised: ", "the cluster version is raised"],
  [
    "A peer runs too early a build",
    "a server of a build before is kept out once the version is raised",
  ],
  ["Snapshot taken", "a snapshot is taken"],
  ["Sending a snapshot", "a snapshot is streamed"],
  ["Entries for a follower can't be read", "what is read for a follower is damaged"],
  ["A follower is given up", "a follower is given up for a while"],
  ["No room for a snapshot", "no room for a snapshot"],
  ["Disk full", "a full disk is noticed"],
  ["There is room again", "there is room again"],
  ["Slow disk", "a slow disk is said"],
  ["Log recovered with its tail cut off", "a tail is cut off at a start"],
  ["A server is refused", "a wiped server is turned away"],
  ["The log is damaged", "a damaged server repairs its log"],
  ["Handing the leadership over", "a leader that is stopped hands over"],
  ["Cannot form the cluster: server", "an unlisted incarnation is heard while the cluster forms"],
];

/** The situation that a change of role and its reason are; null with most. */
export function roleMark(message: string, reason: string): Mark | null {
  const was = message.slice(message.lastIndexOf(" ") + 1);
  const becomes = message.startsWith("Still") ? was : message.split(/[ ,]/)[1];
  if (reason === "the voters refused") {
    return was === "candidate" ? "a majority refuses a vote" : "a majority refuses a pre-vote";
  }
  if (becomes === "preCandidate" && was === "preCandidate") {
    return "a pre-candidate runs out of time";
  }
  if (becomes === "preCandidate" && was === "candidate") return "a candidate runs out of time";
  if (was === "candidate" && reason.startsWith("heard from leader")) {
    return "a candidate finds a leader";
  }
  if (/^leader \d+ hands over$/.test(reason)) return "a server campaigns by its leader's order";
  if (reason === "a majority has not answered") return "a leader steps down, no majority answers";
  if (reason.startsWith("a sync takes longer")) return "a leader steps down, its disk hangs";
  const isLater = reason.endsWith("is in a later term") || reason.endsWith("campaigns");
  if (was === "leader" && isLater) return "a leader meets a later term";
  if (reason.startsWith("connection to leader")) {
    return "a follower campaigns since its leader's connection broke";
  }
  return null;
}
