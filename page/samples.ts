/** What the charts show, out of one status after the other: lag, fsync, rates, latencies. Pure. */
import type { ClusterStatus, FollowerFacts, ServerFacts } from "../lib/wire/status.ts";
import { roleOf } from "./model.ts";

/** Five minutes of one message a second. */
export const SAMPLES_MAX = 300;

/** By server id. */
type ByServer = Readonly<Record<number, number | null>>;

/** Null: unknown. */
export interface Sample {
  readonly atMs: number;
  /** Behind the leader, in ms. */
  readonly lagMs: ByServer;
  readonly fsyncP99Ms: ByServer;
  /** Of all servers that are heard. */
  readonly writesPerSecond: number | null;
  readonly readsPerSecond: number | null;
  readonly refusedPerSecond: number | null;
  /** The worst of them. */
  readonly writeP99Ms: number | null;
  readonly readP99Ms: number | null;
}

type Totals = Pick<
  ServerFacts,
  "uptimeMs" | "writesTotal" | "readsTotal" | "refusedTotal"
>;
interface Rates {
  readonly writes: number;
  readonly reads: number;
  readonly refused: number;
}

/** Facts that are closer to each other than this are the same ones, or too few to tell a rate. */
const RATE_MS_MIN = 400;

/** Keeps the totals from which rates are made. */
export class Sampler {
  readonly #before = new Map<number, Totals>();
  readonly #rates = new Map<number, Rates>();

  take(status: ClusterStatus): Sample {
    const heard = status.servers.filter((server) =>
      roleOf(status.leaderId, server) !== "unheard" && server.facts !== null
    ).map(({ id, facts }) => ({ id, facts: facts! }));
    const ids = new Set(heard.map(({ id }) => id));
    for (const id of [...this.#before.keys()]) {
      if (!ids.has(id)) this.#forget(id);
    }
    for (const { id, facts } of heard) this.#note(id, facts);
    const rates = [...this.#rates.values()];
    const sum = (of: (one: Rates) => number) =>
      rates.length === 0 ? null : rates.reduce((all, one) => all + of(one), 0);
    const leader = heard.find(({ id }) => id === status.leaderId);
    return {
      atMs: status.wallMs,
      lagMs: lagsOf(leader?.facts.followers ?? []),
      fsyncP99Ms: Object.fromEntries(
        heard.map(({ id, facts }) => [id, facts.fsyncP99Ms]),
      ),
      writesPerSecond: sum(({ writes }) => writes),
      readsPerSecond: sum(({ reads }) => reads),
      refusedPerSecond: sum(({ refused }) => refused),
      writeP99Ms: worst(heard.map(({ facts }) => facts.writeP99Ms)),
      readP99Ms: worst(heard.map(({ facts }) => facts.readP99Ms)),
    };
  }

  #forget(id: number): void {
    this.#before.delete(id);
    this.#rates.delete(id);
  }

  #note(id: number, now: Totals): void {
    const before = this.#before.get(id);
    // Another process begins to count anew.
    if (before === undefined || now.uptimeMs < before.uptimeMs) {
      this.#rates.delete(id);
      this.#before.set(id, now);
      return;
    }
    const elapsedMs = now.uptimeMs - before.uptimeMs;
    if (elapsedMs < RATE_MS_MIN) return;
    const perSecond = (later: number, earlier: number) => (later - earlier) * 1_000 / elapsedMs;
    this.#rates.set(id, {
      writes: perSecond(now.writesTotal, before.writesTotal),
      reads: perSecond(now.readsTotal, before.readsTotal),
      refused: perSecond(now.refusedTotal, before.refusedTotal),
    });
    this.#before.set(id, now);
  }
}

function lagsOf(followers: readonly FollowerFacts[]): ByServer {
  return Object.fromEntries(followers.map(({ id, lagMs }) => [id, lagMs]));
}

function worst(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : Math.max(...known);
}

/** The last samples, the oldest first; a gap in time is one empty sample, so that no line crosses it. */
export class Samples {
  readonly list: Sample[] = [];

  add(sample: Sample): void {
    const last = this.list.at(-1);
    if (last !== undefined && sample.atMs <= last.atMs) this.list.length = 0;
    else if (last !== undefined && sample.atMs - last.atMs > GAP_MS) {
      this.list.push(gap(last));
    }
    this.list.push(sample);
    if (this.list.length > SAMPLES_MAX) {
      this.list.splice(0, this.list.length - SAMPLES_MAX);
    }
  }
}

const GAP_MS = 3_500;

function gap({ atMs }: Sample): Sample {
  return {
    atMs: atMs + 1_000,
    lagMs: {},
    fsyncP99Ms: {},
    writesPerSecond: null,
    readsPerSecond: null,
    refusedPerSecond: null,
    writeP99Ms: null,
    readP99Ms: null,
  };
}
