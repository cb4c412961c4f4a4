/**
 * Random walks in which the disks of less than a majority lose what they held, terms and votes
 * included, while leaders sleep, links are cut and servers are down. Coarser steps than in
 * random_walk_test.ts: here elections and commits are frequent, so that every loss matters.
 */
import { assert, assertEquals } from "@std/assert";
import { Random } from "../../lib/util/random.ts";
import { bytes, Cluster, textOf, TICKS, WALK_OVERRIDES } from "./cluster.ts";
import { setElapsed } from "./time.ts";

class DamageWalk {
  readonly random: Random;
  readonly ids: number[];
  readonly victims: readonly number[];
  readonly cluster: Cluster;
  readonly rounds = new Map<string, number>();
  proposals = 0;
  damages = 0;
  settled = 0;

  constructor(seed: number) {
    this.random = new Random(seed);
    this.ids = this.random.pick([[1, 2, 3], [1, 2, 3], [1, 2, 3, 4], [1, 2, 3, 4, 5]]);
    const most = Math.floor((this.ids.length - 1) / 2) + (this.ids.length % 2 === 0 ? 1 : 0);
    this.victims = this.ids.slice(0, this.random.between(1, most));
    this.cluster = new Cluster({
      voters: this.ids,
      seed,
      overrides: WALK_OVERRIDES,
      onReady: (server, ready) => {
        for (const { round, readIndex } of ready.reads) {
          // A leader begins some by itself, to learn who is sound.
          const least = this.rounds.get(`${server.id}/${round}`) ?? 0;
          assert(readIndex >= least, `round ${round} reads at ${readIndex}, before ${least}`);
        }
      },
    });
  }

  step(): void {
    const { cluster, random, ids } = this;
    const id = random.pick(ids);
    const dice = random.unit();
    if (dice < 0.3) this.propose();
    else if (dice < 0.4) cluster.settle();
    else if (dice < 0.5) this.tickSome();
    else if (dice < 0.62) this.campaign(id);
    else if (dice < 0.68) this.isolate(id);
    else if (dice < 0.76) cluster.heal();
    else if (dice < 0.82) this.read();
    else if (dice < 0.86) this.snapshot(id);
    else if (dice < 0.9) this.damage(random.pick(this.victims));
    else if (!cluster.at(id).up) cluster.restart(id);
    else if (random.chance(0.5)) this.crash(id);
  }

  propose(): void {
    for (const leader of this.cluster.leaders()) {
      if (this.cluster.raft(leader).propose(bytes(`p${this.proposals}`)).accepted) this.proposals++;
      this.cluster.process(leader);
    }
    if (this.random.chance(0.7)) this.cluster.settle();
  }

  /** Time passes for some only: the others sleep. */
  tickSome(): void {
    const awake = this.ids.filter(() => this.random.chance(0.6));
    const ticks = this.random.between(1, TICKS);
    for (let i = 0; i < ticks; i++) {
      this.cluster.tick(awake);
      this.cluster.settle();
    }
  }

  campaign(id: number): void {
    const { cluster, random, ids } = this;
    for (const other of ids) {
      const { state } = cluster.raft(other);
      if (state.role.kind !== "leader" && random.chance(0.8)) setElapsed(state, TICKS);
    }
    if (!cluster.at(id).up || cluster.raft(id).state.role.kind === "leader") return;
    cluster.timeout(id);
    cluster.settle();
  }

  isolate(id: number): void {
    this.cluster.heal();
    this.cluster.isolate(id);
    if (this.random.chance(0.2)) this.cluster.isolate(this.random.pick(this.ids));
  }

  read(): void {
    for (const leader of this.cluster.leaders()) {
      const round = this.cluster.raft(leader).requestRead();
      if (round > 0) this.rounds.set(`${leader}/${round}`, this.cluster.safety.committed.size);
      this.cluster.process(leader);
    }
  }

  snapshot(id: number): void {
    const { cluster } = this;
    const { up, raft } = cluster.at(id);
    const { output, log } = raft.state;
    if (!up || Math.min(output.applyingIndex, log.durableIndex) <= log.snapshot.index) return;
    cluster.compact(id, this.random.between(0, cluster.snapshot(id).index));
  }

  /** Loses some of what is durable, or all, term and vote included, and starts again. */
  damage(id: number): void {
    const { cluster, random } = this;
    const { disk } = cluster.at(id);
    const repairing = random.chance(0.5);
    if (random.chance(0.2)) {
      Object.assign(disk, { snapshot: null, firstIndex: 1, entries: [] });
    }
    const end = disk.firstIndex + disk.entries.length;
    const fromIndex = random.between(Math.max(disk.firstIndex, end - 4), end);
    const lastTerm = disk.entries[fromIndex - 1 - disk.firstIndex]?.term ?? 0;
    const least = Math.max(lastTerm, disk.snapshot?.position.term ?? 0);
    const term = random.between(Math.max(least, disk.hardState.term - 2), disk.hardState.term);
    this.forgetRounds(id);
    cluster.damage(id, fromIndex, { term, votedFor: 0, suspect: true }, repairing);
    cluster.restart(id);
    this.damages++;
  }

  crash(id: number): void {
    this.forgetRounds(id);
    this.cluster.crash(id);
    this.cluster.queue = this.cluster.queue.filter(({ from, to }) => from !== id && to !== id);
  }

  /** A restarted core numbers its rounds from 1 again. */
  forgetRounds(id: number): void {
    for (const key of this.rounds.keys()) if (key.startsWith(`${id}/`)) this.rounds.delete(key);
  }

  /** The faults end: all elect, commit, agree, and nobody has to doubt itself any more. */
  recover(): void {
    const { cluster, ids } = this;
    cluster.heal();
    for (const id of ids) if (!cluster.at(id).up) cluster.restart(id);
    cluster.settle();
    cluster.run(4 * TICKS);
    cluster.runUntil(() => {
      const leader = cluster.leaders().at(-1);
      return leader !== undefined && cluster.raft(leader).propose(bytes("end")).accepted;
    }, 40 * TICKS);
    const isDone = (id: number) => textOf(cluster.at(id).applied.at(-1)!) === "end";
    cluster.runUntil(() => ids.every((id) => cluster.at(id).applied.length > 0 && isDone(id)));
    assertEquals(new Set(ids.map((id) => cluster.at(id).applied.map(textOf).join(" "))).size, 1);
    cluster.runUntil(() => ids.every((id) => !cluster.raft(id).state.suspect));
    assertEquals(ids.filter((id) => cluster.at(id).disk.repairing), []);
    this.settled++;
  }
}

Deno.test("250 walks with damaged disks lose nothing that was committed, and recover", () => {
  let damages = 0;
  let leaders = 0;
  let committed = 0;
  for (let seed = 1; seed <= 250; seed++) {
    const walk = new DamageWalk(seed);
    try {
      for (let i = 0; i < 300; i++) walk.step();
      walk.recover();
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.stack : error}`);
    }
    damages += walk.damages;
    leaders += walk.cluster.safety.leaders.size;
    committed += walk.cluster.safety.committed.size;
  }
  // A walk in which nothing happens would prove nothing.
  assert(damages > 2_000, `only ${damages} damaged disks`);
  assert(leaders > 1_000, `only ${leaders} leaders`);
  assert(committed > 3_000, `only ${committed} entries committed`);
});
