/**
 * Random walks: 3 to 5 servers, messages lost, copied and reordered, syncs held back, processes
 * killed at any point and restarted from what their disks hold, logs compacted and followers that lag
 * given snapshots, which may be held, overtaken and repeated. Each server checks its invariants
 * at every step, `Safety` the properties that hold between servers. After each walk the faults end,
 * and the cluster must elect a leader, commit, and agree.
 */
import { assertEquals } from "@std/assert";
import { assert } from "../../lib/util/assert.ts";
import { Random } from "../../lib/util/random.ts";
import { bytes, Cluster, textOf, TICKS, WALK_OVERRIDES } from "./cluster.ts";
import { setElapsed } from "./time.ts";
import { deliverUnreliably, type NetworkRates } from "./unreliable.ts";

interface Rates extends NetworkRates {
  readonly crash: number;
  readonly hold: number;
  readonly partition: number;
  readonly snapshot: number;
}

/** Each fault is off in some walks, so that rare combinations are not always drowned by all. */
function drawRates(random: Random): Rates {
  const rate = (most: number) => random.chance(0.35) ? 0 : random.unit() * most;
  return {
    loss: rate(0.3),
    copy: rate(0.3),
    reorder: rate(0.8),
    crash: rate(0.5),
    hold: rate(0.8),
    partition: rate(0.8),
    snapshot: rate(1),
  };
}

class Walk {
  readonly random: Random;
  readonly cluster: Cluster;
  readonly rates: Rates;
  readonly ids: number[];
  /** Those whose disks may lose what they held: always less than a majority. */
  readonly victims: readonly number[];
  damages = 0;
  readonly rounds = new Map<string, number>();
  proposals = 0;
  reads = 0;

  constructor(seed: number) {
    this.random = new Random(seed);
    this.ids = this.random.pick([[1, 2, 3], [3, 5, 8, 9], [1, 2, 3, 4, 5]]);
    this.rates = drawRates(this.random);
    const most = Math.floor(this.ids.length / 2);
    this.victims = this.random.chance(0.5) ? [] : this.ids.slice(0, this.random.between(1, most));
    this.cluster = new Cluster({
      voters: this.ids,
      seed,
      overrides: WALK_OVERRIDES,
      onReady: (server, ready) => {
        for (const { round, readIndex } of ready.reads) {
          const least = this.rounds.get(`${server.id}/${round}`);
          // A leader begins some by itself, to learn who is sound.
          if (least === undefined) continue;
          assert(readIndex >= least, `round ${round} reads at ${readIndex}, before ${least}`);
          this.reads++;
        }
      },
    });
  }

  step(): void {
    const { cluster, random } = this;
    const id = random.pick(this.ids);
    const server = cluster.at(id);
    const dice = random.unit();
    if (dice < 0.72 && cluster.queue.length > 0) this.deliver();
    else if (dice < 0.80) cluster.tick([id]);
    else if (dice < 0.88) this.propose();
    else if (dice < 0.90) this.read();
    else if (dice < 0.92) this.snapshot(id);
    else if (dice < 0.93) {
      if (server.up) cluster.holdDisk(id, random.chance(this.rates.hold));
    } else if (dice < 0.95) {
      if (server.up) cluster.syncDisk(id);
    } else if (dice < 0.96) this.disturb();
    else if (dice < 0.97) this.partition();
    else if (dice < 0.98) this.jumpClocks();
    else if (!server.up) cluster.restart(id);
    else if (this.victims.includes(id)) this.damage(id);
    else if (random.chance(this.rates.crash)) this.crash(id);
  }

  /** Splits the cluster in two, cuts one link one way, or heals everything. */
  partition(): void {
    const { cluster, random, ids } = this;
    if (!random.chance(this.rates.partition)) return cluster.heal();
    if (random.chance(0.3)) return cluster.cutOneWay(random.pick(ids), random.pick(ids));
    const side = ids.filter(() => random.chance(0.5));
    cluster.cut(side, ids.filter((id) => !side.includes(id)));
  }

  /** Some clocks run ahead and somebody campaigns: safety must not depend on time. */
  jumpClocks(): void {
    const { cluster, random, ids } = this;
    for (const id of ids) {
      const { state } = cluster.raft(id);
      if (state.role.kind !== "leader" && random.chance(0.8)) setElapsed(state, TICKS);
    }
    const id = random.pick(ids);
    if (cluster.at(id).up && cluster.raft(id).state.role.kind !== "leader") cluster.timeout(id);
  }

  /** Snapshots and compacts as far as some entries in front of it, or meddles with those on the way. */
  snapshot(id: number): void {
    const { cluster, random, rates } = this;
    const { up, raft, snapshots, fileReads } = cluster.at(id);
    if (!up) return;
    if (fileReads.held) cluster.holdReads(id, random.chance(0.5));
    else if (random.chance(0.15)) cluster.holdReads(id, random.chance(rates.hold));
    else if (random.chance(0.3)) {
      const { output, log } = raft.state;
      const last = Math.min(output.applyingIndex, log.durableIndex);
      if (last > log.snapshot.index) cluster.trim(id, random.between(log.snapshot.index, last));
    } else if (snapshots.held) cluster.holdInstall(id, random.chance(0.7));
    else if (random.chance(0.1)) cluster.snapshotFailed(id, random.pick(this.ids));
    else if (random.chance(0.2)) cluster.holdInstall(id, random.chance(rates.hold));
    else if (random.chance(rates.snapshot)) {
      const { output, log } = raft.state;
      if (Math.min(output.applyingIndex, log.durableIndex) <= log.snapshot.index) return;
      const { index } = cluster.snapshot(id);
      cluster.compact(id, random.chance(0.5) ? index : random.between(0, index));
    }
  }

  deliver(): void {
    deliverUnreliably(this.cluster, this.random, this.rates);
  }

  propose(): void {
    const id = this.random.pick(this.ids);
    const server = this.cluster.at(id);
    if (!server.up) return;
    if (server.raft.propose(bytes(`p${this.proposals}`)).accepted) this.proposals++;
    this.cluster.process(id);
  }

  /** A read must see everything that any server knew to be committed when it was asked for. */
  read(): void {
    const leaders = this.cluster.leaders();
    if (leaders.length === 0) return;
    // An old leader is asked as well: it must never answer.
    const leader = this.random.pick(leaders);
    const round = this.cluster.raft(leader).requestRead();
    if (round > 0) this.rounds.set(`${leader}/${round}`, this.cluster.safety.committed.size);
    this.cluster.process(leader);
  }

  disturb(): void {
    const { cluster, random } = this;
    const [a, b] = [random.pick(this.ids), random.pick(this.ids)];
    if (random.chance(0.5)) {
      if (cluster.at(a).up) cluster.raft(a).transferLeadership();
    } else if (cluster.at(a).up && a !== b) {
      cluster.raft(a).peerDisconnected(b);
    }
    cluster.process(a);
  }

  /** A restarted core numbers its rounds from 1 again. */
  forgetRounds(id: number): void {
    for (const key of this.rounds.keys()) if (key.startsWith(`${id}/`)) this.rounds.delete(key);
  }

  crash(id: number): void {
    this.cluster.crash(id);
    this.forgetRounds(id);
    for (const other of this.ids) {
      const { up, raft } = this.cluster.at(other);
      if (up && other !== id && this.random.chance(0.5)) raft.peerDisconnected(id);
    }
  }

  /** Loses some of what is durable, or all; the log's beginning and the terms fit what is left. */
  damage(id: number): void {
    const { cluster, random } = this;
    const { disk } = cluster.at(id);
    const repairing = random.chance(0.5);
    if (repairing && random.chance(0.2)) {
      Object.assign(disk, { snapshot: null, firstIndex: 1, entries: [] });
    }
    const fromIndex = random.between(disk.firstIndex, disk.firstIndex + disk.entries.length);
    const lastTerm = disk.entries[fromIndex - 1 - disk.firstIndex]?.term ?? 0;
    const least = Math.max(lastTerm, disk.snapshot?.position.term ?? 0);
    const term = random.between(least, disk.hardState.term);
    cluster.damage(id, fromIndex, { term, votedFor: 0, suspect: true }, repairing);
    this.forgetRounds(id);
    this.damages++;
  }

  /** The faults end: a leader, a commit, and the same contents everywhere. */
  recover(): void {
    const { cluster } = this;
    cluster.heal();
    for (const id of this.ids) {
      if (!cluster.at(id).up) cluster.restart(id);
      cluster.holdDisk(id, false);
      cluster.holdInstall(id, false);
      cluster.holdReads(id, false);
    }
    cluster.settle();
    // Whoever led alone has noticed by then, so that the last proposal goes to the one real leader.
    cluster.run(4 * TICKS);
    cluster.runUntil(() => {
      const leader = cluster.leaders().at(-1);
      return leader !== undefined && cluster.raft(leader).propose(bytes("end")).accepted;
    }, 40 * TICKS);
    cluster.settle();
    const isDone = (id: number) => textOf(cluster.at(id).applied.at(-1)!) === "end";
    cluster.runUntil(() => this.ids.every(isDone), 10 * TICKS);
    const texts = this.ids.map((id) => cluster.at(id).applied.map(textOf).join(" "));
    assert(texts[0]!.endsWith("end"), "the last proposal was not committed");
    assertEquals(new Set(texts).size, 1);
    cluster.runUntil(() => this.ids.every((id) => !cluster.raft(id).state.suspect));
    assertEquals(this.ids.filter((id) => cluster.at(id).disk.repairing), []);
  }
}

function walk(seed: number, steps: number): Walk {
  const walk = new Walk(seed);
  try {
    for (let i = 0; i < steps; i++) walk.step();
    walk.recover();
  } catch (error) {
    throw new Error(`seed ${seed}: ${error instanceof Error ? error.stack : error}`);
  }
  return walk;
}

Deno.test("300 random walks keep every property of Figure 3 and then make progress", () => {
  let proposals = 0;
  let reads = 0;
  let terms = 0;
  let replaced = 0;
  let fileReads = 0;
  let damages = 0;
  for (let seed = 1; seed <= 300; seed++) {
    const done = walk(seed, 1_500);
    proposals += done.proposals;
    reads += done.reads;
    terms += done.cluster.safety.leaders.size;
    replaced += done.cluster.snapshots.replaced;
    damages += done.damages;
    for (const server of done.cluster.servers.values()) fileReads += server.fileReads.answered;
  }
  // A walk in which nothing happens would prove nothing.
  assert(proposals > 3_000, `only ${proposals} proposals`);
  assert(reads > 500, `only ${reads} reads`);
  assert(terms > 600, `only ${terms} leaders`);
  assert(damages > 300, `only ${damages} damaged disks`);
  assert(fileReads > 300, `only ${fileReads} reads of entries that left memory`);
  assert(replaced > 60, `only ${replaced} logs replaced by a snapshot`);
});
