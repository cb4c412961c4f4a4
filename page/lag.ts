/** How far a server is behind the leader, in words: by what the leader says, else by the logs' ends. Pure. */
import type { ClusterStatus } from "../lib/wire/status.ts";
import type { ShownServer } from "./model.ts";
import { bytes, count, duration, UNKNOWN } from "./words.ts";

/** Less is what is under way, as a rule. */
const LAG_MS_MIN = 1;

export function lagSentence({ leaderId, servers }: ClusterStatus, server: ShownServer): string {
  const { id, role } = server;
  if (role === "leader") return "leads";
  const leader = servers.find((one) => one.id === leaderId)?.facts;
  const follower = leader?.followers.find((one) => one.id === id);
  if (leader === null || leader === undefined || follower === undefined) {
    return role === "unheard" ? "not heard" : UNKNOWN;
  }
  const { mode, lagMs, lagBytes } = follower;
  const lagEntries: number | null = follower.lagEntries;
  if (role === "unheard") {
    const behind = lagEntries === null ? "" : `, ${entries(lagEntries)} behind`;
    return `not heard${behind}`;
  }
  if (mode === "snapshot") return "is sent a snapshot";
  if (lagEntries === null) return UNKNOWN;
  if (lagEntries === 0) return "level";
  const parts = [entries(lagEntries)];
  if (lagBytes !== null) parts.push(bytes(lagBytes));
  if (lagMs !== null && lagMs >= LAG_MS_MIN) parts.push(duration(lagMs));
  return `${parts.join(", ")} behind`;
}

function entries(number: number): string {
  return number === 1 ? "1 entry" : `${count(number)} entries`;
}
