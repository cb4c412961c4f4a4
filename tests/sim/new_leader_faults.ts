/** Faults that hit leaders when proofs are about them: just elected, asleep, or with entries that others may overwrite. */
import type { Random } from "../../lib/util/random.ts";
import type { Handler } from "./heap.ts";
import { Kind } from "./kinds.ts";
import type { SimOptions } from "./options.ts";
import { between } from "./partitions.ts";
import type { SimServer } from "./sim_server.ts";
import { isLeading, type SnapshotFaultSetting } from "./snapshot_faults.ts";

/** The shape of a fault at a new leader that sets it apart wholly. */
export const CUT_WHOLLY = 3;

export class NewLeaderFaults {
  readonly #setting: SnapshotFaultSetting;
  /** Whose events they are. */
  readonly #owner: Handler;
  /** While a chase is on: see `beginChase`. */
  #chasedUntilUs = 0;

  constructor(setting: SnapshotFaultSetting, owner: Handler) {
    this.#setting = setting;
    this.#owner = owner;
  }

  get isChasing(): boolean {
    return this.#setting.fabric.world.now < this.#chasedUntilUs;
  }

  /** The newest leader goes, or loses touch, before or while its term's first entry gets about. */
  hit(shape: number, random: Random, isFigureEight = false): (() => void) | null {
    const { servers, fabric } = this.#setting;
    const leaders = servers.filter(isLeading).sort((a, b) => b.probe!.term() - a.probe!.term());
    const leader = leaders[0];
    if (leader === undefined) return null;
    if (isFigureEight) this.#freeOthers(leader);
    if (shape === 0) return crash([leader], this.#setting.options, random);
    if (shape === 1) {
      leader.pause();
      return () => leader.resume();
    }
    // Cut off wholly, or all but one follower.
    const others = servers.filter((server) => server !== leader).map((server) => server.id);
    const kept = shape === 2 && others.length > 0 ? random.pick(others) : 0;
    const cuts = between([leader.id], others.filter((id) => id !== kept));
    if (cuts.length === 0) return null;
    for (const [from, to] of cuts) fabric.cut(from, to);
    return () => {
      for (const [from, to] of cuts) fabric.mend(from, to);
    };
  }

  /**
   * A leader sleeps, and wakes while it is still cut off from the others: it has answers of before its
   * sleep, clients that ask it, and somebody else has taken over.
   */
  sleep(durationMs: number, random: Random): (() => void) | null {
    const { servers, fabric } = this.#setting;
    const leaders = servers.filter(isLeading);
    if (leaders.length === 0 || servers.length < 3) return null;
    const leader = random.pick(leaders);
    if (leader.isPaused) return null;
    const cuts = between([leader.id], servers.map(({ id }) => id).filter((id) => id !== leader.id));
    leader.pause();
    // A moment later: answers that are under way still come, and wait with it.
    const { delayMinMs, delayMeanMs } = fabric.options;
    let isCut = false;
    let isOver = false;
    const cut = () => {
      if (isOver) return;
      isCut = true;
      for (const [from, to] of cuts) fabric.cut(from, to);
    };
    const cutUs = 2_000 * (delayMinMs + delayMeanMs);
    fabric.world.schedule(cutUs, this.#owner, Kind.faultEnd, 0, 0, null, cut);
    const wakeUs = random.unit() * durationMs * 1000;
    const wake = () => leader.resume();
    fabric.world.schedule(wakeUs, this.#owner, Kind.faultEnd, 0, 0, null, wake);
    return () => {
      leader.resume();
      isOver = true;
      if (isCut) { for (const [from, to] of cuts) fabric.mend(from, to); }
    };
  }

  /**
   * For a while each new leader is cut off at once, with whatever its clients ask of it, and those cut
   * off before are let back in. So logs part, and come to lead again.
   */
  beginChase(durationMs: number): (() => void) | null {
    const { servers, fabric } = this.#setting;
    if (servers.length < 3) return null;
    this.#chasedUntilUs = fabric.world.now + durationMs * 1000;
    this.chaseNewest();
    return () => fabric.mendAll();
  }

  chaseNewest(): void {
    const { servers, fabric } = this.#setting;
    const leaders = servers.filter(isLeading).sort((a, b) => b.probe!.term() - a.probe!.term());
    const leader = leaders[0];
    if (leader === undefined) return;
    fabric.mendAll();
    // One that comes back with entries that another could overwrite goes on, until a majority has them.
    if (servers.some((other) => couldOverwrite(other, leader))) return;
    const others = servers.filter((server) => server !== leader).map((server) => server.id);
    for (const [from, to] of between([leader.id], others)) fabric.cut(from, to);
  }

  /** Whoever could overwrite what this leader holds gets its chance. */
  #freeOthers(leader: SimServer): void {
    const { servers, fabric } = this.#setting;
    fabric.mendAll();
    for (const server of servers) {
      if (server === leader) continue;
      server.resume();
      if (server.isDown) server.restartIn(1_000);
    }
  }
}

/** They lose power, and start again after a while. */
export function crash(
  servers: readonly SimServer[],
  { restartMaxMs }: SimOptions,
  random: Random,
): () => void {
  for (const server of servers) {
    server.crash("a fault");
    server.restartIn(random.between(1_000, restartMaxMs * 1000));
  }
  return () => {};
}

/** Whether `other` ended its log in a term between that of the leader's old entries and its own. */
function couldOverwrite(other: SimServer, leader: SimServer): boolean {
  const state = leader.probe?.raft() ?? null;
  const theirs = other.probe?.raft()?.log.lastTerm ?? 0;
  if (state === null || state.log.lastIndex - 1 <= state.commitIndex) return false;
  return theirs > state.log.termAt(state.log.lastIndex - 1) && theirs < state.term;
}
