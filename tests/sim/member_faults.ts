/**
 * Members change while everything else goes wrong, too: some of the founders are removed or made learners,
 * the leader among them at times, and brought back later. So clusters shrink down to one voter, and grow.
 */
import type { MemberChange } from "../../lib/raft/types.ts";
import type { RaftState } from "../../lib/raft/state.ts";
import type { Random } from "../../lib/util/random.ts";
import type { Handler } from "./heap.ts";
import { Kind } from "./kinds.ts";
import type { SimServer } from "./sim_server.ts";
import { isLeading, type SnapshotFaultSetting } from "./snapshot_faults.ts";

/** How often it is looked whether all are voters again. */
const LOOK_INTERVAL_US = 50_000;

export class MemberFaults {
  readonly #setting: SnapshotFaultSetting;
  /** Whose events the looks are. */
  readonly #owner: Handler;
  #isChanging = false;
  #attempts = 0;

  constructor(setting: SnapshotFaultSetting, owner: Handler) {
    this.#setting = setting;
    this.#owner = owner;
  }

  /** Takes the vote from some, all but one at most; the way back is to give it back to all. */
  change(random: Random): (() => void) | null {
    const leader = this.#newestLeader();
    if (leader === null || this.#isChanging) return null;
    const { voters } = stateOf(leader)!.configurations.current;
    const out = random.between(1, Math.max(1, voters.length - 1));
    const changes = voters.map((id) => ({ id, order: random.u32() }))
      .sort((a, b) => a.order - b.order).slice(0, out)
      .map(({ id }): MemberChange => ({ kind: random.chance(0.5) ? "remove" : "demote", id }));
    this.#isChanging = true;
    leader.changeMembers(changes);
    return () => this.#bringBack();
  }

  /** Asks whoever leads, again and again, until every server knows that all are voters. */
  #bringBack(): void {
    const { servers, fabric: { world } } = this.#setting;
    if (servers.every((server) => hasAll(stateOf(server), servers.length))) {
      this.#isChanging = false;
      return;
    }
    const leader = this.#newestLeader();
    const changes = leader === null ? [] : missing(stateOf(leader)!, this.#attempts++);
    if (leader !== null && changes.length > 0) leader.changeMembers(changes);
    const look = () => this.#bringBack();
    world.schedule(LOOK_INTERVAL_US, this.#owner, Kind.faultEnd, 0, 0, null, look);
  }

  #newestLeader(): SimServer | null {
    const leaders = this.#setting.servers.filter((one) => isLeading(one) && !one.isPaused);
    const termOf = (server: SimServer) => stateOf(server)!.term;
    return leaders.sort((a, b) => termOf(b) - termOf(a))[0] ?? null;
  }
}

function stateOf(server: SimServer): RaftState | null {
  return server.probe?.raft() ?? null;
}

function hasAll(state: RaftState | null, servers: number): boolean {
  if (state === null) return false;
  const { current, currentIndex } = state.configurations;
  return current.voters.length === servers && current.votersOutgoing.length === 0 &&
    currentIndex <= state.commitIndex;
}

/**
 * What one change can do towards all being voters: the leader makes voters of learners that keep up. Those
 * that were to stay learners are asked for one by one, as one of them may be down.
 */
function missing({ configurations, options }: RaftState, attempt: number): MemberChange[] {
  const { members } = configurations.current;
  if (members.length === 0) return []; // nothing has ever changed
  const out = options.founders!.filter(({ id }) => members.every((member) => member.id !== id));
  if (out.length > 0) return out.map((founder) => ({ kind: "add", ...founder }));
  const learners = members.filter(({ staysLearner }) => staysLearner);
  return learners.slice(attempt % learners.length).slice(0, 1)
    .map(({ id }) => ({ kind: "promote", id }));
}
