/**
 * Members come, go, move and are replaced at random, while servers crash and are cut off. Once that ends,
 * all members are there, hear each other where they are, and hold the same; nobody else disturbs them.
 */
import { assert, assertEquals } from "@std/assert";
import type { MemberChange } from "../../lib/raft/types.ts";
import { Random } from "../../lib/util/random.ts";
import { electionTimeoutMs, Fleet, type Machine, placed } from "./fleet.ts";

const STEPS = 40;
const MEMBERS_MAX = 7;

class Walk {
  readonly fleet: Fleet;
  readonly random: Random;
  readonly clusterId: string;
  /** What was done, for whoever looks at a walk that failed. */
  readonly done: string[] = [];
  #drawn = 0;

  constructor(seed: number) {
    this.fleet = new Fleet(seed);
    this.random = new Random(seed);
    const founders = this.fleet.found(this.random.between(1, 3));
    this.clusterId = founders[0]!.directory!.formation!.clusterId;
  }

  step(): void {
    const { random } = this;
    const draw = random.unit();
    if (draw < 0.25) this.#add();
    else if (draw < 0.4) this.#remove();
    else if (draw < 0.55) this.#move();
    else if (draw < 0.7) this.#restart();
    else if (draw < 0.85) this.#cut();
    else this.fleet.heal();
    this.fleet.pass(random.between(1, 2 * electionTimeoutMs));
  }

  /** The machines that the newest leader, or any that runs, has as members. */
  members(): Machine[] {
    const known = this.#newest()?.node?.raft?.state.configurations;
    if (known === undefined) return [];
    const { incarnations } = known.newest;
    return [...this.fleet.machines.values()].filter(({ id, incarnation }) =>
      incarnations.get(id) === incarnation
    );
  }

  #newest(): Machine | null {
    const leaders = [...this.fleet.machines.values()].filter(({ role }) => role === "leader");
    const termOf = ({ node }: Machine) => node!.raft!.state.term;
    return leaders.sort((a, b) => termOf(b) - termOf(a))[0] ?? null;
  }

  #pick<T>(from: readonly T[]): T | null {
    return from.length === 0 ? null : from[this.random.between(0, from.length - 1)]!;
  }

  #propose(change: MemberChange): void {
    const refused = this.#newest()?.node?.members.propose([change], () => {});
    this.done.push(`${change.kind} ${change.id}: ${refused?.reason ?? "begun"}`);
  }

  /** One more, or one in the place of another that was removed. */
  #add(): void {
    const waiting = [...this.fleet.machines.values()].filter(({ directory, node }) =>
      node !== null && directory!.formation === null
    );
    const taken = this.members().map(({ id }) => id);
    if (waiting.length === 0 && taken.length < MEMBERS_MAX) {
      const id = this.random.between(1, MEMBERS_MAX);
      if (taken.includes(id)) return;
      const name = `m${++this.#drawn}`;
      waiting.push(this.fleet.add(name, id, [placed(id, name)], this.clusterId));
    }
    const next = this.#pick(waiting);
    if (next !== null) this.#propose(this.fleet.adding(next));
  }

  #remove(): void {
    const members = this.members();
    const gone = members.length > 1 ? this.#pick(members) : null;
    if (gone !== null) this.#propose({ kind: "remove", id: gone.id });
  }

  #move(): void {
    // Two that move before the log has the first one's place would look for each other where neither is.
    if (!this.isSettled() || this.#isLogBehind()) return;
    const moving = this.#pick(this.members());
    if (moving === null) return;
    this.fleet.stop(moving.name);
    const hostname = `place-${++this.#drawn}`;
    moving.file = moving.file.map((one) =>
      one.id === moving.id ? placed(moving.id, hostname) : one
    );
    this.done.push(`${moving.name} moves to ${hostname}`);
    this.fleet.start(moving.name);
  }

  /** A member is not where the log says or, where that says nothing yet, the founders' file. */
  #isLogBehind(): boolean {
    const { links } = this.#newest()!.node!;
    return this.members().some(({ id, own }) => {
      const { hostname } = links.members.of(id)?.logged ?? placed(id);
      return hostname !== own.hostname;
    });
  }

  #restart(): void {
    const one = this.#pick([...this.fleet.machines.values()]);
    if (one === null) return;
    this.done.push(`${one.name} restarts`);
    if (one.node !== null) this.fleet.stop(one.name);
    this.fleet.pass(this.random.between(1, 100));
    this.fleet.start(one.name);
  }

  #cut(): void {
    const one = this.#pick(this.members());
    if (one === null) return;
    this.done.push(`${one.name} is cut off`);
    this.fleet.isolate(one.name);
  }

  /** All is well again: true once the members are in touch, vote and hold the same. */
  isSettled(): boolean {
    const leader = this.#newest();
    if (leader === null) return false;
    const { configurations, commitIndex } = leader.node!.raft!.state;
    const { current, currentIndex } = configurations;
    const ids = [...current.voters];
    if (currentIndex > commitIndex || current.votersOutgoing.length + current.learners.length > 0) {
      return false;
    }
    const members = this.members();
    return members.length === ids.length && members.every((one) => this.#isWell(one, leader, ids));
  }

  #isWell({ id, node }: Machine, leader: Machine, ids: readonly number[]): boolean {
    const { store, raft, links } = node!;
    const others = ids.filter((other) => other !== id);
    const up = links.outbound.filter(({ isUp }) => isUp).map(({ peerId }) => peerId);
    return store !== null && raft!.state.leaderId === leader.id &&
      store.digest() === leader.node!.store!.digest() &&
      raft!.state.configurations.current.voters.join() === ids.join() &&
      up.sort((a, b) => a - b).join() === others.join();
  }
}

for (let seed = 1; seed <= 12; seed++) {
  Deno.test(`members come, go and move at random, and all ends well: seed ${seed}`, () => {
    const walk = new Walk(seed);
    const { fleet } = walk;
    try {
      for (let i = 0; i < STEPS; i++) walk.step();
      fleet.heal();
      fleet.until(() => walk.isSettled(), 200 * electionTimeoutMs);
      // From here on nothing happens by itself: those that were removed leave the others alone.
      const { term } = fleet.leader().node!.raft!.state;
      fleet.pass(20 * electionTimeoutMs);
      assertEquals(fleet.leader().node!.raft!.state.term, term);
      assert(walk.isSettled());
    } catch (error) {
      console.log(walk.done.join("\n"));
      throw error;
    }
  });
}
