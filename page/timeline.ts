/** Events and roles on a line of time: what kind each event is, who was what from when to when. Pure. */
import type { EventFacts } from "../lib/wire/status.ts";
import type { ShownRole } from "./model.ts";

/** So far back the lanes reach. */
export const LANE_MS = 300_000;
/** Messages come once a second: after more than this the stream was lost, or the page hidden. */
const GAP_MS = 5_000;
/** So many events are kept of all servers. */
const EVENTS_MAX = 400;

export type EventKind =
  | "election"
  | "snapshot"
  | "disk"
  | "peer"
  | "clock"
  | "start"
  | "other";

export const KIND_WORDS: Readonly<Record<EventKind, string>> = {
  election: "election",
  snapshot: "snapshot",
  disk: "disk",
  peer: "peer",
  clock: "clock",
  start: "start, stop",
  other: "other",
};

/** By how a log line begins; tests hold this against the lines that servers write. */
const KINDS: readonly (readonly [RegExp, EventKind])[] = [
  [/^(Now|Still) /, "election"],
  [/^Handing the leadership/i, "election"],
  [/snapshot/i, "snapshot"],
  [/disk|room again/i, "disk"],
  [/^Peer |\bpeer\b|^Two (processes|servers)|^A server is refused/i, "peer"],
  [/clock|stood still|slept/i, "clock"],
  [/^(Serving|Stopped|Shutting down|Cluster formed|First start|Ending at once)/, "start"],
];

export function kindOf({ message }: Pick<EventFacts, "message">): EventKind {
  return KINDS.find(([form]) => form.test(message))?.[1] ?? "other";
}

/** From `fromMs` to `toMs`; the last one of a server goes on. */
export interface Span {
  readonly role: ShownRole;
  readonly fromMs: number;
  toMs: number;
}

const ROLES: Readonly<Record<string, ShownRole>> = {
  leader: "leader",
  follower: "follower",
  candidate: "candidate",
  preCandidate: "candidate",
};

/** Events by time, each once, and the roles of each server. */
export class Timeline {
  readonly #events = new Map<string, EventFacts>();
  readonly #spans = new Map<number, Span[]>();

  /** The oldest first. */
  get events(): readonly EventFacts[] {
    return [...this.#events.values()];
  }

  spansOf(serverId: number): readonly Span[] {
    return this.#spans.get(serverId) ?? [];
  }

  /** True where some of them are new. */
  addEvents(events: readonly EventFacts[]): boolean {
    const fresh = events.filter((event) => !this.#events.has(keyOf(event)));
    if (fresh.length === 0) return false;
    const all = [...this.#events.values(), ...fresh].sort((a, b) => a.atMs - b.atMs);
    this.#events.clear();
    for (const event of all.slice(-EVENTS_MAX)) {
      this.#events.set(keyOf(event), event);
    }
    return true;
  }

  /** What a server is now. The first time, its log lines tell what it was before. */
  noteRole(serverId: number, role: ShownRole, nowMs: number): void {
    let spans = this.#spans.get(serverId);
    if (spans === undefined) {
      spans = this.#pastOf(serverId);
      // Where it is not heard, nobody knows for how long it was what it said last.
      if (spans.length > 0 && role !== "unheard") spans.at(-1)!.toMs = nowMs;
      this.#spans.set(serverId, spans);
    }
    const last = spans.at(-1);
    // What a server was while nothing was heard of it here is not known.
    const isGap = last !== undefined && nowMs - last.toMs > GAP_MS;
    if (last !== undefined && !isGap) last.toMs = Math.max(last.fromMs, nowMs);
    if (isGap || last?.role !== role) spans.push({ role, fromMs: nowMs, toMs: nowMs });
    while (spans[0]!.toMs < nowMs - LANE_MS) spans.shift();
  }

  /** The roles that its log lines tell of, up to the last line. */
  #pastOf(serverId: number): Span[] {
    const spans: Span[] = [];
    for (const { serverId: whose, message, atMs } of this.#events.values()) {
      if (whose !== serverId) continue;
      const last = spans.at(-1);
      if (last !== undefined) last.toMs = atMs;
      const role = /^(Stopped|Shutting down)/.test(message)
        ? "unheard"
        : ROLES[/^(?:Now|Still) (\w+)/.exec(message)?.[1] ?? ""];
      if (role !== undefined && last?.role !== role) spans.push({ role, fromMs: atMs, toMs: atMs });
    }
    return spans;
  }
}

function keyOf({ serverId, number, atMs }: EventFacts): string {
  return `${serverId}/${number}/${atMs}`;
}

/** Where a time is on the lanes, from 0 (the oldest) to 1 (now). */
export function placeInTime(atMs: number, nowMs: number): number {
  return Math.min(1, Math.max(0, 1 - (nowMs - atMs) / LANE_MS));
}
