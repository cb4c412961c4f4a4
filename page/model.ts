/**
 * What the page shows of a status: each server's role as the asked one knows it, and the state of all in
 * one sentence. Nothing is guessed: who is not heard has no role. Pure.
 */
import type { ClusterStatus, ServerFacts, ServerStatus } from "../lib/wire/status.ts";
import { capitalized, duration, servers, timeOfDay } from "./words.ts";

/**
 * `formerLeader`: it said last that it leads, and the asked server does not know it as the leader (any
 * more). `untold`: it is heard, and has told nothing of itself. `unheard`: it is silent or lost.
 */
export type ShownRole =
  | "leader"
  | "follower"
  | "candidate"
  | "unformed"
  | "formerLeader"
  | "untold"
  | "unheard";

export const ROLE_WORDS: Readonly<Record<ShownRole, string>> = {
  leader: "leader",
  follower: "follower",
  candidate: "candidate",
  unformed: "not formed",
  formerLeader: "was leader",
  untold: "unknown",
  unheard: "not heard",
};

export interface ShownServer {
  readonly id: number;
  /** As in the cluster file, 0 first: it gives the server its colour. */
  readonly place: number;
  readonly address: string;
  readonly role: ShownRole;
  /** Null where it is not known. */
  readonly term: number | null;
  /** Whom it follows; 0: nobody, or that is not known. */
  readonly followsId: number;
  /** Of the asked server, where it misses the leader that it follows: for how long; else null. */
  readonly leaderSilentMs: number | null;
  /** What it says of itself, while it is heard. */
  readonly facts: ServerFacts | null;
  /** How old that is; null without. */
  readonly ageMs: number | null;
  /** Why there is nothing current to be shown of it, as a sentence; empty where there is. */
  readonly absence: string;
  readonly problems: readonly string[];
}

export function isHeard({ reach }: Pick<ServerStatus, "reach">): boolean {
  return reach === "self" || reach === "heard";
}

export function roleOf(leaderId: number, server: ServerStatus): ShownRole {
  if (!isHeard(server)) return "unheard";
  // The asked server hears the leader with each heartbeat; facts come once a second.
  if (server.id === leaderId) return "leader";
  switch (server.facts?.role) {
    case undefined:
      return "untold";
    case "leader":
      return "formerLeader";
    case "preCandidate":
      return "candidate";
    default:
      return server.facts!.role as ShownRole;
  }
}

export function shownServers(status: ClusterStatus): ShownServer[] {
  const ownTerm = termOf(status);
  return status.servers.map((server, place) => {
    const role = roleOf(status.leaderId, server);
    const facts = role === "unheard" ? null : server.facts;
    return {
      id: server.id,
      place,
      address: `${server.hostname}:${server.clientPort}`,
      role,
      // Who leads, and in which term, is the asked server's word: what the leader said may be older.
      term: role === "leader" ? ownTerm : facts?.term ?? null,
      followsId: role === "follower" ? facts!.leaderId : 0,
      leaderSilentMs: role === "follower" ? leaderSilentMs(status, server) : null,
      facts,
      ageMs: facts === null ? null : server.factsAgeMs,
      absence: absenceOf(status, server, role),
      problems: (facts?.problems ?? []).map(({ text }) => text),
    };
  });
}

/** It follows until it has been silent for an election timeout: what it says of whom it follows is older. */
function leaderSilentMs(status: ClusterStatus, { id, facts }: ServerStatus): number | null {
  if (id !== status.serverId || status.leaderId !== 0) return null;
  return status.servers.find((one) => one.id === facts?.leaderId)?.silentMs ?? null;
}

function termOf({ servers, serverId }: ClusterStatus): number | null {
  return servers.find(({ id }) => id === serverId)?.facts?.term ?? null;
}

function absenceOf(status: ClusterStatus, server: ServerStatus, role: ShownRole): string {
  if (role === "untold") {
    return server.unknownBecause ?? "It has told nothing of itself yet";
  }
  if (role !== "unheard") return "";
  if (server.silentMs === null) {
    return `Not heard since server ${status.serverId} started: down, frozen or cut off`;
  }
  const since = timeOfDay(status.wallMs - server.silentMs);
  return `Not heard for ${duration(server.silentMs)}, since ${since}: down, frozen or cut off`;
}

export interface Headline {
  readonly level: "well" | "warning" | "bad";
  readonly text: string;
}

/** The state of the whole in one sentence, without numbers that change all the time: it is read aloud. */
export function headline(status: ClusterStatus): Headline {
  const shown = shownServers(status);
  const self = shown.find(({ id }) => id === status.serverId);
  const unformed = self?.facts?.problems.find(({ kind }) => kind === "unformed");
  if (unformed !== undefined) return { level: "bad", text: unformed.text };
  const unheard = shown.filter(({ role }) => role === "unheard").map(({ id }) => id);
  const missing = unheard.length === 0
    ? ""
    : ` ${capitalized(servers(unheard))} ${unheard.length === 1 ? "is" : "are"} not heard.`;
  if (status.leaderId === 0) return withoutLeader(status.serverId, self?.facts ?? null, missing);
  const leads = `Server ${status.leaderId} leads in term ${termOf(status) ?? "unknown"}`;
  if (unheard.length > 0) {
    return { level: "warning", text: `${leads}.${missing}` };
  }
  const troubled = shown.filter(({ problems }) => problems.length > 0).map(({ id }) => id);
  if (troubled.length > 0) {
    return { level: "warning", text: `${leads}. There are problems on ${servers(troubled)}.` };
  }
  const followers = shown.filter(({ followsId }) => followsId === status.leaderId)
    .map(({ id }) => id);
  if (followers.length < shown.length - 1) {
    return { level: "warning", text: `${leads}.` };
  }
  if (followers.length === 0) {
    return { level: "well", text: `${leads}, alone.` };
  }
  const follow = followers.length === 1 ? "follows" : "follow";
  return { level: "well", text: `${leads}, and ${servers(followers)} ${follow}.` };
}

/** An election takes a moment; the server itself says when it takes too long. */
function withoutLeader(askedId: number, facts: ServerFacts | null, missing: string): Headline {
  const isLong = facts?.problems.some(({ kind }) => kind === "noLeader") ?? false;
  const text = isLong
    ? `Server ${askedId} knows no leader, so nothing can be written there.`
    : `Server ${askedId} hears no leader at the moment.`;
  return { level: isLong ? "bad" : "warning", text: text + missing };
}

/** Who follows whom, in words: what the picture of arrows says. */
export function followSentence(shown: readonly ShownServer[]): string {
  const byLeader = new Map<number, number[]>();
  for (const { id, followsId } of shown) {
    if (followsId !== 0) {
      byLeader.set(followsId, [...byLeader.get(followsId) ?? [], id]);
    }
  }
  if (byLeader.size === 0) return "No server follows another.";
  return [...byLeader].map(([leaderId, ids]) =>
    `${capitalized(servers(ids))} ${ids.length === 1 ? "follows" : "follow"} server ${leaderId}.`
  ).join(" ");
}
