/**
 * Whoever changes a cluster's members while everything else goes wrong, too: new servers join on empty disks,
 * members are removed, replaced after the loss of their disk or machine, demoted and promoted, several at
 * once, and move to other addresses; machines that were given up come back with what they had. So clusters
 * grow and shrink between one voter and seven.
 */
import type { Random } from "../../lib/util/random.ts";
import type { SimAddress } from "./address_book.ts";
import type { Handler, SimEvent } from "./heap.ts";
import { Kind } from "./kinds.ts";
import { MemberWishes, type OperatorSetting, type Wanted } from "./member_wishes.ts";
import type { SimServer } from "./sim_server.ts";
import { isLeading } from "./snapshot_faults.ts";
import { isJointVoting } from "./votings.ts";

/** Something that takes several steps: each `yield` waits for the next look. */
type Task = Generator<void, void, void>;

/** How often the operator looks how far things have come. */
const LOOK_INTERVAL_US = 50_000;
/** And gives up what has not come to an end. */
const LOOKS_MAX = 300;
const TASKS_MAX = 3;
const RESTART_MAX_US = 500_000;

export class Operator implements Handler {
  readonly #setting: OperatorSetting;
  readonly #random: Random;
  readonly #wishes: MemberWishes;
  #tasks: Task[] = [];
  #isLooking = false;
  /** Lost members that are still to be replaced, by their ids: whether each was to stay a learner. */
  readonly #missing = new Map<number, boolean>();

  /** `random`: for what is drawn after a task has begun. */
  constructor(setting: OperatorSetting, random: Random) {
    this.#setting = setting;
    this.#random = random;
    this.#wishes = new MemberWishes(setting);
  }

  handle(event: SimEvent): void {
    event.call!();
  }

  get isReady(): boolean {
    return this.#wishes.isReady;
  }

  /** Something has begun, and is not at its end. */
  get isAtWork(): boolean {
    return this.#isLooking;
  }

  /** Begins one of the things that operators do; null where there is none to do now. */
  begin(random: Random): (() => void) | null {
    if (this.#wishes.isSettling || !this.isReady || this.#tasks.length >= TASKS_MAX) return null;
    const task = this.#draw(random);
    if (task === null) return null;
    this.#tasks.push(limited(task));
    if (!this.#isLooking) this.#look();
    return () => {};
  }

  #look(): void {
    this.#tasks = this.#tasks.filter((task) => task.next().done !== true);
    this.#isLooking = this.#tasks.length > 0;
    if (!this.#isLooking) return;
    const { world } = this.#setting.fabric;
    world.schedule(LOOK_INTERVAL_US, this, Kind.faultEnd, 0, 0, null, () => this.#look());
  }

  #draw(random: Random): Task | null {
    const { options } = this.#setting;
    const members = this.#wishes.members.filter(({ isAway }) => !isAway);
    if (members.length === 0) return null;
    const leader = members.find(isLeading);
    const victim = leader !== undefined && random.chance(0.4) ? leader : random.pick(members);
    if (random.chance(options.moves)) {
      // One after the other: who moved before has to be found again first.
      const mayMove = (server: SimServer) => this.#wishes.mayMove(server);
      if (this.#wishes.moved() !== null || !mayMove(victim)) return null;
      const other = random.pick(members);
      return other !== victim && mayMove(other) && random.chance(0.4)
        ? this.#swap(victim, other)
        : this.#move(victim);
    }
    const dice = random.unit();
    const staysLearner = random.chance(options.learners);
    if (dice < 0.25) return this.#grow(random, staysLearner || this.#wishes.isFull);
    if (dice < 0.45) return this.#replace(this.#wishes.lost() ?? victim, random, staysLearner);
    if (dice < 0.6) return this.#remove(victim, random);
    if (dice < 0.7) return this.#comeBack(random);
    if (dice < 0.8) return this.#once(() => [{ kind: "demote", server: victim }]);
    if (dice < 0.9) return this.#promote(random);
    return this.#several(victim, random, staysLearner);
  }

  /** A new server joins. */
  *#grow(random: Random, staysLearner: boolean): Task {
    const server = this.#newServer(this.#wishes.freeId(random), this.#setting.addresses.next());
    if (server !== null) yield* this.#add(server, staysLearner);
  }

  /**
   * A server loses its disk, or its machine; its old life is removed, and a new one takes its id. It may wait
   * already while the old one is a member, and it may have the address of the old one.
   */
  *#replace(old: SimServer, random: Random, staysLearner: boolean): Task {
    const { atlas, options, addresses } = this.#setting;
    if (!old.isOut && !old.isAway) {
      if (!atlas.mayHarm(old)) return;
      if (random.chance(options.wipes)) {
        old.crash("an operator: its disk is lost");
        old.harm("wipe", random);
        // By its old command line: it is turned away.
        if (random.chance(0.5)) old.restartIn(random.between(1_000, RESTART_MAX_US));
        const looks = random.between(0, 20);
        for (let i = 0; i < looks; i++) yield;
      } else old.turnOff("an operator: its machine is lost");
    }
    const isInPlace = random.chance(0.5);
    if (isInPlace || old.isOut) old.turnOff("an operator: it is replaced");
    const address = isInPlace ? old.address : addresses.next();
    let server = random.chance(0.4) ? this.#newServer(old.serverId, address) : null;
    while (this.#wishes.isMember(old)) {
      this.#wishes.ask(() => [{ kind: "remove", server: old }]);
      yield;
    }
    if (this.#wishes.hasMember(old.serverId)) return;
    server ??= this.#newServer(old.serverId, address);
    if (server === null) return;
    yield* this.#add(server, staysLearner);
    if (this.#wishes.isMember(server)) this.#setting.fabric.world.counters.add("members replaced");
  }

  *#remove(server: SimServer, random: Random): Task {
    while (this.#wishes.isMember(server)) {
      this.#wishes.ask(() => [{ kind: "remove", server }]);
      yield;
    }
    const looks = random.between(0, 60);
    for (let i = 0; i < looks; i++) yield;
    // Else it stays, and is to be quiet.
    const isToGo = random.chance(0.6) && !this.#wishes.isMember(server);
    if (isToGo && this.#setting.atlas.mayHarm(server)) {
      server.turnOff("an operator: removed");
    }
  }

  /** A machine that was given up is there again, with the data that it had. */
  *#comeBack(random: Random): Task {
    const { everyServer, addresses } = this.#setting;
    const away = [...everyServer.values()].filter(({ isAway, isOut }) => isAway && !isOut);
    if (away.length === 0) return;
    const server = random.pick(away);
    if (addresses.isTaken(server.address)) {
      server.place.moveTo(addresses.next(), this.#wishes.places);
    }
    server.turnOn(random.between(1_000, RESTART_MAX_US));
    this.#setting.fabric.world.counters.add("old lives come back");
    yield;
  }

  *#promote(random: Random): Task {
    const learners = this.#wishes.members.filter((member) => !this.#wishes.isVoter(member));
    if (learners.length === 0) return;
    const server = random.pick(learners);
    yield* this.#once(() => [{ kind: "promote", server }]);
  }

  /** Several changes in one step: one comes, one goes, one is a learner from now on. */
  *#several(victim: SimServer, random: Random, staysLearner: boolean): Task {
    const { addresses, servers } = this.#setting;
    const server = this.#newServer(this.#wishes.freeId(random), addresses.next());
    if (server === null) return;
    const other = random.pick(servers);
    while (!this.#wishes.isMember(server)) {
      if (server.isOut || server.isAway) return;
      this.#wishes.ask(() => {
        const wanted: Wanted[] = [{ kind: "add", server, staysLearner }];
        if (this.#wishes.isMember(victim)) wanted.push({ kind: "remove", server: victim });
        if (other !== victim && this.#wishes.isVoter(other)) {
          wanted.push({ kind: "demote", server: other });
        }
        return wanted;
      });
      yield;
    }
  }

  *#once(wanted: () => Wanted[]): Task {
    this.#wishes.ask(wanted);
    yield;
  }

  *#move(server: SimServer): Task {
    yield* this.#relocate([[server, this.#setting.addresses.next()]]);
  }

  /** Each has the other's addresses from then on. */
  *#swap(one: SimServer, other: SimServer): Task {
    this.#setting.fabric.world.counters.add("addresses swapped");
    yield* this.#relocate([[one, other.address], [other, one.address]]);
  }

  *#relocate(moves: readonly (readonly [SimServer, SimAddress])[]): Task {
    const { places } = this.#wishes;
    for (const [server, address] of moves) places.set(server.serverId, address);
    for (const [server, address] of moves) {
      server.crash("an operator: it moves");
      server.place.moveTo(address, places);
    }
    this.#setting.fabric.world.counters.add("servers moved", moves.length);
    yield;
    for (const [server] of moves) {
      if (server.isDown) server.restartIn(this.#random.between(1_000, RESTART_MAX_US));
    }
  }

  *#add(server: SimServer, staysLearner: boolean): Task {
    while (!this.#wishes.isMember(server)) {
      // Somebody else has its id by now, or its disk refuses.
      if (server.isOut || server.isAway || this.#wishes.hasMember(server.serverId)) return;
      this.#wishes.ask(() => [{ kind: "add", server, staysLearner }]);
      yield;
    }
    this.#setting.fabric.world.counters.add("newcomers added");
  }

  // The end of a run.

  /** No new tasks; from here on only what is lost changes. */
  settle(): void {
    this.#wishes.settle();
    this.#tasks = [this.#settle()];
    if (!this.#isLooking) this.#look();
  }

  /** What is still to come before the members are those that the run ends with; null where nothing is. */
  unsettled(): string | null {
    const voting = this.#wishes.voting;
    if (isJointVoting(voting)) return "a joint configuration is in effect";
    if (voting.willVote.length > 0) return `learners ${voting.willVote.join(", ")} don't vote`;
    const lost = this.#wishes.lost();
    if (lost !== null) return `${lost.name} is lost, and a member`;
    const moved = this.#wishes.moved();
    if (moved !== null) return `where ${moved.name} is now is not in the log`;
    const missing = [...this.#missing.keys()];
    return missing.length > 0 ? `nobody has id ${missing.join(", ")} again` : null;
  }

  #newServer(serverId: number, address: SimAddress): SimServer | null {
    return this.#wishes.newServer(serverId, address, this.#random.between(1_000, RESTART_MAX_US));
  }

  /** Whoever is lost is removed; its next life, where it gets one, is what it was itself. */
  *#settle(): Task {
    const { options, addresses } = this.#setting;
    // And whether each is replaced.
    const lost = new Map<SimServer, boolean>();
    const newcomers = new Map<number, SimServer>();
    while (this.unsettled() !== null) {
      const next = this.#wishes.lost();
      const [missing] = this.#missing;
      if (next !== null) {
        if (!lost.has(next)) lost.set(next, this.#random.chance(options.replaced));
        // At every look: a change that was under way may have made it a learner, or a voter, meanwhile.
        if (lost.get(next)!) this.#missing.set(next.serverId, this.#wishes.staysLearner(next));
        this.#wishes.ask(() =>
          this.#wishes.isMember(next) ? [{ kind: "remove", server: next }] : []
        );
      } else if (missing !== undefined) {
        const [id, staysLearner] = missing;
        const server = newcomers.get(id) ?? this.#newServer(id, addresses.next());
        if (server === null || this.#wishes.hasMember(id)) this.#missing.delete(id);
        else {
          newcomers.set(id, server);
          this.#wishes.ask(() =>
            this.#wishes.hasMember(id) ? [] : [{ kind: "add", server, staysLearner }]
          );
        }
      }
      yield;
    }
  }
}

/** Gives up after a while. */
function* limited(task: Task): Task {
  for (let i = 0; i < LOOKS_MAX && task.next().done !== true; i++) yield;
}
