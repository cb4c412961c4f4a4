/** Faults that bring a leader back into what went on without it. */
import type { Random } from "../../lib/util/random.ts";
import type { ClientConnection } from "./client_connection.ts";
import type { Handler } from "./heap.ts";
import { Kind } from "./kinds.ts";
import type { RaftState } from "../../lib/raft/state.ts";
import { isLeading, type SnapshotFaultSetting } from "./snapshot_faults.ts";
import type { SimServer } from "./sim_server.ts";

const LOOK_INTERVAL_US = 5_000;
/** Its successor's first entry answers nobody, so it takes one more for a client to be mistaken. */
const ENTRIES_MIN = 2;

export interface LeaderFaultSetting extends SnapshotFaultSetting {
  readonly connections: Set<ClientConnection>;
}

export class LeaderFaults {
  readonly #setting: LeaderFaultSetting;
  /** Whose events the looks are. */
  readonly #owner: Handler;

  constructor(setting: LeaderFaultSetting, owner: Handler) {
    this.#setting = setting;
    this.#owner = owner;
  }

  /**
   * What a leader sends is lost while its clients go on writing; then it falls asleep, and another takes
   * its place, whose messages wait at the sleeper's door. Some of the clients go there. Once what the sleeper's clients wait for is
   * committed over, its successor loses the connection from it, and sends it all anew: so one of the
   * messages that it wakes up to replaces its entries and commits in their place, before it has done
   * anything else about its lost leadership.
   */
  overtake(durationMs: number, random: Random): (() => void) | null {
    const { servers, fabric, options } = this.#setting;
    const leaders = servers.filter(isLeading);
    if (leaders.length === 0 || servers.length < 3) return null;
    const leader = random.pick(leaders);
    if (leader.isPaused) return null;
    const others = servers.map(({ id }) => id).filter((id) => id !== leader.id);
    for (const to of others) fabric.cut(leader.id, to);
    const { life } = leader;
    let isOver = false;
    const end = () => {
      if (isOver) return;
      isOver = true;
      if (leader.life === life) leader.resume();
      for (const to of others) fabric.mend(leader.id, to);
    };
    const entries = ENTRIES_MIN + random.between(0, 3);
    // Before anybody campaigns.
    const awakeMs = Math.min(options.timing.electionTimeoutMs * 0.9, durationMs / 2);
    const untilUs = fabric.world.now + awakeMs * 1_000;
    const fallAsleep = () => {
      if (isOver || leader.life !== life || leader.isPaused || !isLeading(leader)) return end();
      const waiting = leader.probe!.waitingEntries();
      const isLast = fabric.world.now >= untilUs;
      if (waiting < entries && !isLast) return this.#later(LOOK_INTERVAL_US, fallAsleep);
      if (waiting < ENTRIES_MIN) return end();
      leader.pause();
      this.#sendSomeAway(leader, random);
      this.#awaitSuccessor(leader, () => isOver, end);
    };
    fallAsleep();
    return end;
  }

  /** The others wait for a server that sleeps; were all to do so, nothing would be committed over. */
  #sendSomeAway(sleeper: SimServer, random: Random): void {
    const own = [...this.#setting.connections].filter(({ server }) => server === sleeper);
    const first = random.between(0, 1);
    for (const [at, connection] of own.entries()) if (at % 2 === first) connection.reset();
  }

  #awaitSuccessor(sleeper: SimServer, isOver: () => boolean, wake: () => void): void {
    const { servers, fabric } = this.#setting;
    const { life } = sleeper;
    const look = () => {
      if (isOver() || sleeper.life !== life) return;
      const state = sleeper.probe!.raft()!;
      const successor = servers.find((server) => {
        const theirs = server.probe?.raft() ?? null;
        return theirs !== null && isLeading(server) && overtaken(state, theirs) >= ENTRIES_MIN;
      });
      if (successor === undefined) return this.#later(LOOK_INTERVAL_US, look);
      sleeper.links.all.find(({ toId }) => toId === successor.id)?.reset("reset by the network");
      // Until the successor has heard of it, and what it sends then has come.
      const { delayMinMs, delayMeanMs } = fabric.options;
      this.#later(4_000 * (delayMinMs + delayMeanMs) + LOOK_INTERVAL_US, wake);
    };
    look();
  }

  #later(delayUs: number, call: () => void): void {
    this.#setting.fabric.world.schedule(delayUs, this.#owner, Kind.faultEnd, 0, 0, null, call);
  }
}

/** How many entries of a leader of before were replaced by what its successor has committed. */
function overtaken(state: RaftState, successor: RaftState): number {
  const last = Math.min(state.log.lastIndex, successor.commitIndex);
  let first = Math.max(state.commitIndex, state.log.snapshot.index, successor.log.snapshot.index);
  do first++; while (first <= last && state.log.termAt(first) === successor.log.termAt(first));
  return last - first + 1;
}
