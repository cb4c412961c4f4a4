/**
 * Random walks in which the members change: added as learners, promoted, demoted, removed and replaced by a
 * new life of the same id, leaders among them, in clusters of one to seven, with messages lost, copied,
 * late and out of order, servers cut off, disks held, processes killed, logs compacted. `Safety` watches the
 * paper's properties, `JointQuorums` each election and commit. After each walk the faults end, and the
 * members of the day must agree and commit.
 *
 * Where lives return, a new life of an id begins with the founders' configuration, as real ones do, in which
 * an earlier life of it may vote; and whichever life of an id was left aside, as it was, may be reached again
 * in the place of the one of today.
 */
import { assert, assertEquals } from "@std/assert";
import { isJoint, isMember, memberIds } from "../../lib/raft/configuration.ts";
import type { RaftState } from "../../lib/raft/raft.ts";
import type { MemberChange } from "../../lib/raft/types.ts";
import { Random } from "../../lib/util/random.ts";
import { bytes, Cluster, textOf, TICKS, WALK_OVERRIDES } from "./cluster.ts";
import { JointQuorums } from "./joint_quorums.ts";
import { incarnation, member } from "./members.ts";
import { setElapsed } from "./time.ts";
import { deliverUnreliably, type NetworkRates } from "./unreliable.ts";

const IDS = [1, 2, 3, 4, 5, 6, 7];

export interface WalkOptions {
  /** One server's disk loses what it held, now and then. */
  readonly hasVictim?: boolean;
  readonly livesReturn?: boolean;
}

export class MembershipWalk {
  readonly random: Random;
  readonly cluster: Cluster;
  readonly quorums = new JointQuorums();
  readonly rates: NetworkRates;
  readonly lives = new Map<number, number>();
  proposals = 0;
  changes = 0;
  replaced = 0;
  rounds = new Map<string, number>();
  readonly refusals = new Map<string, number>();

  damages = 0;
  swaps = 0;
  readonly livesReturn: boolean;
  /** Which life of which server led each term. */
  readonly #led = new Map<number, string>();
  /** One whose disk loses what it held, now and then; 0: none does. */
  readonly victim: number;
  /** So many voters there are at least: the victim must be less than a majority of them. */
  readonly votersMin: number;

  constructor(seed: number, { hasVictim = false, livesReturn = false }: WalkOptions = {}) {
    this.livesReturn = livesReturn;
    const random = this.random = new Random(seed);
    const rate = (most: number) => random.chance(0.4) ? 0 : random.unit() * most;
    this.rates = { loss: rate(0.2), copy: rate(0.3), reorder: rate(0.6) };
    this.votersMin = hasVictim ? 3 : 1;
    const voters = IDS.slice(0, random.between(this.votersMin, 5));
    this.victim = hasVictim ? random.pick(voters) : 0;
    this.cluster = new Cluster({
      voters,
      seed,
      quorums: hasVictim ? undefined : this.quorums,
      overrides: WALK_OVERRIDES,
      onReady: (server, ready) => {
        for (const { round, readIndex } of ready.reads) {
          // A leader begins some by itself, to learn who is sound.
          const least = this.rounds.get(`${server.id}/${round}`) ?? 0;
          assert(readIndex >= least, `round ${round} reads at ${readIndex}, before ${least}`);
        }
      },
    });
    for (const id of IDS) this.lives.set(id, voters.includes(id) ? 1 : 0);
  }

  get ids(): number[] {
    return [...this.cluster.servers.keys()];
  }

  step(): void {
    if (this.livesReturn && this.random.chance(0.02)) this.swap();
    this.act();
    if (this.livesReturn) this.lookWhoLeads();
  }

  act(): void {
    const { cluster, random } = this;
    const id = random.pick(this.ids);
    const server = cluster.at(id);
    const dice = random.unit();
    if (dice < 0.70 && cluster.queue.length > 0) this.deliver();
    else if (dice < 0.78) cluster.tick([id]);
    else if (dice < 0.82) this.propose();
    else if (dice < 0.86) this.change();
    else if (dice < 0.87) this.read();
    else if (dice < 0.885) this.campaign(id);
    else if (dice < 0.91) {
      if (server.up) cluster.holdDisk(id, random.chance(0.4));
    } else if (dice < 0.93) {
      if (server.up) cluster.syncDisk(id);
    } else if (dice < 0.945) this.partition();
    else if (dice < 0.955) this.snapshot(id);
    else if (dice < 0.96) {
      if (server.up) cluster.raft(id).transferLeadership();
      cluster.process(id);
    } else if (!server.up) cluster.restart(id);
    else if (id === this.victim && random.chance(0.3)) this.damage(id);
    else if (random.chance(0.15)) this.crash(id);
  }

  /** Another life of an id is reached from now on; others may notice. */
  swap(): void {
    const { cluster, random } = this;
    const ids = this.ids.filter((id) => cluster.livesAside(id).length > 0);
    if (ids.length === 0) return;
    const id = random.pick(ids);
    cluster.swap(id, random.pick(cluster.livesAside(id)));
    this.swaps++;
    if (!cluster.at(id).up && random.chance(0.7)) cluster.restart(id);
    for (const other of this.ids) {
      const { up, raft } = cluster.at(other);
      if (up && other !== id && random.chance(0.5)) raft.peerDisconnected(id);
    }
  }

  /** `Safety` knows ids alone. */
  lookWhoLeads(): void {
    for (const { id, life, up, raft } of this.cluster.servers.values()) {
      if (!up || raft.state.role.kind !== "leader") continue;
      const { term } = raft.state;
      const name = `life ${life} of server ${id}`;
      const other = this.#led.get(term) ?? name;
      assert(other === name, `${other} and ${name} both led term ${term}`);
      this.#led.set(term, name);
    }
  }

  /** Has the lives reached that the newest log means. */
  reachMembers(): void {
    const { cluster } = this;
    const states = cluster.allLives().map(({ raft }) => raft.state);
    const newest = states.reduce((a, b) =>
      a.log.isUpToDate(b.log.lastIndex, b.log.lastTerm) ? b : a
    );
    const { incarnations } = newest.configurations.versions.at(-1)!;
    for (const id of this.ids) {
      const isMeant = (life: number) => incarnation(id, life) === incarnations.get(id);
      if (isMeant(cluster.at(id).life)) continue;
      const life = cluster.livesAside(id).find(isMeant);
      if (life === undefined) continue;
      cluster.swap(id, life);
      if (!cluster.at(id).up) cluster.restart(id);
      cluster.holdDisk(id, false);
    }
  }

  /** Loses some of what is durable, votes and terms included. */
  damage(id: number): void {
    const { cluster, random } = this;
    const { disk } = cluster.at(id);
    const fromIndex = random.between(disk.firstIndex, disk.firstIndex + disk.entries.length);
    const lastTerm = disk.entries[fromIndex - 1 - disk.firstIndex]?.term ?? 0;
    const least = Math.max(lastTerm, disk.snapshot?.position.term ?? 0);
    const term = random.between(least, disk.hardState.term);
    const hardState = { term, votedFor: 0, suspect: true };
    cluster.damage(id, fromIndex, hardState, random.chance(0.5));
    this.damages++;
  }

  deliver(): void {
    deliverUnreliably(this.cluster, this.random, this.rates);
  }

  propose(): void {
    for (const leader of this.cluster.leaders()) {
      if (this.cluster.raft(leader).propose(bytes(`p${this.proposals}`)).accepted) this.proposals++;
      this.cluster.process(leader);
    }
  }

  /** Any leader is asked, an old one as well. */
  change(): void {
    const { cluster, random } = this;
    const leaders = cluster.leaders();
    if (leaders.length === 0) return;
    const { raft } = cluster.at(random.pick(leaders));
    const count = random.pick([1, 1, 1, 2, 3]);
    const changes: MemberChange[] = [];
    for (let i = 0; i < count; i++) {
      const change = this.drawChange(raft.state);
      if (change !== null) changes.push(change);
    }
    const leaving = changes.filter(({ kind }) => kind === "remove" || kind === "demote").length;
    const { voters } = raft.state.configurations.current;
    if (voters.length - leaving < this.votersMin && leaving > 0) return;
    const result = raft.proposeChange(changes);
    if (result.accepted) this.changes++;
    else this.refusals.set(result.reason, (this.refusals.get(result.reason) ?? 0) + 1);
    cluster.process(raft.state.id);
  }

  drawChange(state: RaftState): MemberChange | null {
    const { random } = this;
    const { current } = state.configurations;
    const id = random.pick(IDS);
    if (!isMember(current, id)) return this.drawAdded(state, id);
    if (current.learners.includes(id) && random.chance(0.3)) return this.drawReplaced(state, id);
    const dice = random.unit();
    if (dice < 0.35) return { kind: "remove", id };
    if (dice < 0.7) return { kind: "promote", id };
    if (dice < 0.85) return { kind: "demote", id };
    return { kind: "move", id, addresses: bytes(`a${random.between(0, 99)}`) };
  }

  /** With its data, or, where its removal is committed, with an empty disk as another server. */
  drawAdded({ configurations, commitIndex }: RaftState, id: number): MemberChange | null {
    const { cluster, random } = this;
    const isOut = configurations.currentIndex <= commitIndex;
    const life = this.lives.get(id)!;
    if (isOut && (life === 0 || random.chance(0.5))) {
      if (cluster.servers.has(id)) this.crash(id);
      if (life > 0) this.replaced++;
      this.lives.set(id, life + 1);
      cluster.join(id, life + 1, this.livesReturn);
    }
    if (!cluster.servers.has(id)) return null;
    const added = member(id, cluster.at(id).life);
    return { kind: "add", ...added, staysLearner: random.chance(0.3) };
  }

  /** A learner's data is lost: an empty disk takes its place. */
  drawReplaced({ configurations, commitIndex }: RaftState, id: number): MemberChange | null {
    const { cluster } = this;
    if (configurations.currentIndex > commitIndex) return null;
    if (cluster.servers.has(id)) this.crash(id);
    const life = this.lives.get(id)! + 1;
    this.replaced++;
    this.lives.set(id, life);
    cluster.join(id, life, this.livesReturn);
    const { incarnation, addresses } = member(id, life);
    return { kind: "replace", id, incarnation, addresses };
  }

  read(): void {
    const leaders = this.cluster.leaders();
    if (leaders.length === 0) return;
    const leader = this.random.pick(leaders);
    const round = this.cluster.raft(leader).requestRead();
    if (round > 0) this.rounds.set(`${leader}/${round}`, this.cluster.safety.committed.size);
    this.cluster.process(leader);
  }

  campaign(id: number): void {
    const { cluster, random } = this;
    for (const other of this.ids) {
      const { state } = cluster.raft(other);
      if (state.role.kind !== "leader" && random.chance(0.8)) setElapsed(state, TICKS);
    }
    if (cluster.at(id).up && cluster.raft(id).state.role.kind !== "leader") cluster.timeout(id);
  }

  partition(): void {
    const { cluster, random, ids } = this;
    if (random.chance(0.4)) return cluster.heal();
    const side = ids.filter(() => random.chance(0.5));
    cluster.cut(side, ids.filter((id) => !side.includes(id)));
  }

  snapshot(id: number): void {
    const { cluster, random } = this;
    const { up, raft } = cluster.at(id);
    const { output, log } = raft.state;
    if (!up || Math.min(output.applyingIndex, log.durableIndex) <= log.snapshot.index) return;
    const { index } = cluster.snapshot(id);
    cluster.compact(id, random.chance(0.5) ? index : random.between(0, index));
  }

  crash(id: number): void {
    this.cluster.crash(id);
    for (const key of this.rounds.keys()) if (key.startsWith(`${id}/`)) this.rounds.delete(key);
    for (const other of this.ids) {
      const { up, raft } = this.cluster.at(other);
      if (up && other !== id && this.random.chance(0.5)) raft.peerDisconnected(id);
    }
  }

  /** The faults end: the members of the day have a leader, commit, and hold the same. */
  recover(): void {
    const { cluster } = this;
    cluster.heal();
    for (const id of this.ids) {
      if (!cluster.at(id).up) cluster.restart(id);
      cluster.holdDisk(id, false);
    }
    cluster.settle();
    cluster.run(4 * TICKS);
    const isSettled = () => {
      this.reachMembers();
      const leader = cluster.leaders().at(-1);
      if (leader === undefined) return false;
      const { configurations, commitIndex } = cluster.raft(leader).state;
      return !isJoint(configurations.current) && configurations.currentIndex <= commitIndex;
    };
    cluster.runUntil(isSettled, 40 * TICKS);
    cluster.run(4 * TICKS);
    cluster.runUntil(
      () => isSettled() && cluster.leader().propose(bytes("end")).accepted,
      40 * TICKS,
    );
    cluster.settle();
    const { current } = cluster.leader().state.configurations;
    const ids = memberIds(current);
    const isDone = (id: number) => {
      const last = cluster.at(id).applied.at(-1);
      return last !== undefined && textOf(last) === "end";
    };
    cluster.runUntil(() => ids.every(isDone), 20 * TICKS);
    const texts = ids.map((id) =>
      cluster.at(id).applied.map(({ index, term }) => `${index}/${term}`)
    );
    assertEquals(new Set(texts.map((list) => list.join(" "))).size, 1);
    for (const { id, incarnation: life } of current.members) {
      assertEquals(life, incarnation(id, cluster.at(id).life), `server ${id} is another one`);
    }
    if (this.victim > 0) {
      cluster.runUntil(() => ids.every((id) => !cluster.raft(id).state.suspect), 20 * TICKS);
    }
    // Whoever is out leaves the others alone.
    const terms = cluster.safety.leaders.size;
    cluster.run(8 * TICKS);
    assertEquals(cluster.safety.leaders.size, terms, "somebody disturbs a cluster that is well");
  }
}
