/**
 * What the other servers have said of themselves, and when this one tells the others again. Facts travel
 * with the reports (peer_status.ts), so that they wake nobody by themselves: at most once a second.
 */
import type { ServerId } from "../../raft/types.ts";
import type { FactsNotice } from "../../wire/rpc/rpc.ts";
import type { EventFacts, ServerFacts } from "../../wire/status.ts";

const PAUSE_MS = 1_000;
/** What was said longer ago, or more than this many times between reports, is not shown any more. */
const VALID_MS = 5_000;
const VALID_ELECTION_TIMEOUTS = 3;
/** So many events of each other server are kept. */
const EVENTS_MAX = 64;

/** What another server said last. */
export interface HeardFacts {
  readonly facts: ServerFacts;
  readonly ageMs: number;
}

interface Heard {
  facts: ServerFacts;
  receivedMs: number;
  events: EventFacts[];
}

export class PeerFacts {
  readonly #validMs: number;
  readonly #byId = new Map<ServerId, Heard>();
  #toldMs = -PAUSE_MS;
  /** One of them has said, in this process's life, that it keeps changes for watches. */
  othersKeepChanges = false;
  /** One of them tells its clients, in channels, of the changes of keys. */
  othersTellChanges = false;

  constructor(electionTimeoutMs: number) {
    this.#validMs = Math.max(VALID_MS, VALID_ELECTION_TIMEOUTS * electionTimeoutMs);
  }

  /** Asked when a report leaves: true where the facts are to go with it, which then counts as done. */
  isDue(nowMs: number): boolean {
    if (nowMs - this.#toldMs < PAUSE_MS) return false;
    this.#toldMs = nowMs;
    return true;
  }

  receive(from: ServerId, { facts, events }: FactsNotice, receivedMs: number): void {
    const heard = this.#byId.get(from) ?? { facts, receivedMs, events: [] };
    this.#byId.set(from, heard);
    this.othersKeepChanges ||= facts.keepsChanges;
    // Another process begins to count anew.
    const isRestarted = facts.uptimeMs < heard.facts.uptimeMs;
    const lastNumber = isRestarted ? 0 : heard.events.at(-1)?.number ?? 0;
    const lastMs = heard.events.reduce((last, { atMs }) => Math.max(last, atMs), 0);
    const isNew = ({ number, atMs }: EventFacts) => number > lastNumber || atMs > lastMs;
    const news = events.filter((one) => one.serverId === from && isNew(one));
    heard.events = [...heard.events, ...news].slice(-EVENTS_MAX);
    heard.facts = facts;
    heard.receivedMs = receivedMs;
    this.#noteTelling();
  }

  /** That server is gone, or another one has its id. */
  forget(id: ServerId): void {
    this.#byId.delete(id);
    this.#noteTelling();
  }

  #noteTelling(): void {
    this.othersTellChanges = [...this.#byId.values()].some(({ facts }) => facts.tellsChanges);
  }

  /** Null where it has said nothing lately. */
  of(id: ServerId, nowMs: number): HeardFacts | null {
    const heard = this.#byId.get(id);
    if (heard === undefined) return null;
    const ageMs = Math.max(0, nowMs - heard.receivedMs);
    return ageMs <= this.#validMs ? { facts: heard.facts, ageMs } : null;
  }

  /** Those of all other servers, the oldest first of each. */
  events(): EventFacts[] {
    return [...this.#byId.values()].flatMap(({ events }) => events);
  }
}
