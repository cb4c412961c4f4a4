/** Two faults that bring servers to need a snapshot, and hit them while they take one over. */
import type { Random } from "../../lib/util/random.ts";
import type { Fabric } from "./fabric.ts";
import type { Handler } from "./heap.ts";
import { Kind } from "./kinds.ts";
import type { SimOptions } from "./options.ts";
import type { SimServer } from "./sim_server.ts";

export interface SnapshotFaultSetting {
  readonly fabric: Fabric;
  readonly options: SimOptions;
  readonly servers: readonly SimServer[];
}

/** How often a server that is left behind is looked at. */
const LOOK_INTERVAL_US = 100_000;

export class SnapshotFaults {
  readonly #setting: SnapshotFaultSetting;
  /** Whose events the looks are. */
  readonly #owner: Handler;
  #leavesBehind = false;

  constructor(setting: SnapshotFaultSetting, owner: Handler) {
    this.#setting = setting;
    this.#owner = owner;
  }

  /**
   * Nothing reaches a follower until the leader's log in memory begins after the follower's end, and
   * mostly until its files do: it needs a snapshot then.
   */
  leaveBehind(durationMs: number, random: Random): (() => void) | null {
    const { servers, fabric } = this.#setting;
    const followers = servers.filter((server) => !server.isDown && !isLeading(server));
    // One at a time: the others have to go on.
    if (servers.length < 3 || followers.length === 0 || this.#leavesBehind) return null;
    this.#leavesBehind = true;
    const behind = random.pick(followers);
    const others = servers.map(({ id }) => id).filter((id) => id !== behind.id);
    const cuts = others.map((id) => [id, behind.id] as const);
    for (const [from, to] of cuts) fabric.cut(from, to);
    const mayReadFiles = random.chance(0.3);
    let isOver = false;
    const end = () => {
      if (isOver) return;
      isOver = true;
      this.#leavesBehind = false;
      for (const [from, to] of cuts) fabric.mend(from, to);
    };
    const untilUs = fabric.world.now + durationMs * 1000;
    const look = () => {
      if (isOver || fabric.world.now >= untilUs) return;
      const lastIndex = behind.probe?.raft()?.log.lastIndex ?? 0;
      const probe = servers.find(isLeading)?.probe ?? null;
      const hasLeft = probe !== null && probe.raft()!.log.snapshot.index > lastIndex;
      if (hasLeft && (mayReadFiles || !probe.reaches(lastIndex))) end();
      else fabric.world.schedule(LOOK_INTERVAL_US, this.#owner, Kind.faultEnd, 0, 0, null, look);
    };
    look();
    return end;
  }

  /**
   * A server that has all of a snapshot takes long to make it durable, and meanwhile the others end
   * and start again: their logs in memory then reach further back, so that the server may go on with
   * appends behind what the snapshot was to replace.
   */
  hitReceiver(receiverId: number, durationMs: number, random: Random): (() => void) | null {
    const { servers, options, fabric } = this.#setting;
    const receiver = servers.find(({ id }) => id === receiverId);
    if (receiver === undefined || receiver.isDown || servers.length < 3) return null;
    const { electionTimeoutMs } = options.timing;
    receiver.disk.stall(durationMs + electionTimeoutMs * random.between(1, 4));
    const soonMs = Math.min(options.restartMaxMs, electionTimeoutMs);
    for (const server of servers) {
      if (server === receiver) continue;
      server.crash("a fault");
      server.restartIn(random.between(1_000, soonMs * 1000));
    }
    fabric.mendAll();
    return () => {};
  }
}

export function isLeading(server: SimServer): boolean {
  return server.probe?.isOpen() === true && server.probe.isLeader();
}
