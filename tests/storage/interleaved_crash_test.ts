/**
 * A life in which everything that may run at the same time does: batches, slices of an own snapshot,
 * pieces of a received one, removals of files, all beside each other on one disk, their completions
 * in an order drawn from a seed. It is ended by a kill or a power loss at every operation.
 */
import { assert, assertEquals } from "@std/assert";
import type { PersistBatch } from "../../lib/raft/types.ts";
import { Random } from "../../lib/util/random.ts";
import { DataDirectory } from "../../lib/storage/data_directory.ts";
import type { Done, LogStorage } from "../../lib/storage/types.ts";
import { type Completion, SimDisk } from "../sim/sim_disk.ts";
import { livesThrough, remainsOf } from "./crashes.ts";
import { batch, entry, FORMED, options, PREPARED, vote } from "./helpers.ts";
import { CONFIGURATION, contentsOf } from "./snapshot_helpers.ts";
import {
  BODY,
  check,
  HISTORY,
  type Ledger,
  newLedger,
  promise,
  RECEIVED,
  SMALL,
} from "./snapshot_ledger.ts";

/** Entries of a leader that does not prevail end here. */
const STALE_END = 34;

/** Something that continues by itself: each step begins an operation, and its end lets the next begin. */
type Lane = Generator<(done: Done) => void, void>;

class Life {
  readonly disk: SimDisk;
  readonly ledger: Ledger = newLedger();
  readonly #random: Random;
  readonly #pending: Completion[] = [];
  readonly #idle: Lane[] = [];
  /** The entries that are durable in the log. */
  #durable = 0;
  #isReceived = false;

  constructor(seed: number) {
    this.#random = new Random(seed);
    this.disk = new SimDisk({ schedule: (completion) => void this.#pending.push(completion) });
  }

  run(): void {
    const { disk, ledger } = this;
    const directory = DataDirectory.open(disk, options(SMALL));
    directory.saveFormation(PREPARED);
    directory.saveFormation(FORMED);
    ledger.formed = true;
    const { log } = directory.openLog();
    this.#idle.push(this.#batches(log), this.#ownSnapshots(directory, log));
    this.#idle.push(this.#received(directory));
    while (this.#idle.length + this.#pending.length > 0) this.#step();
    directory.close();
  }

  /** Begins what may begin, or completes what is under way, as drawn. */
  #step(): void {
    const random = this.#random;
    const starts = this.#idle.length;
    const at = random.between(0, starts + this.#pending.length - 1);
    if (at >= starts) {
      // The disk itself keeps the order among changes of names.
      this.#pending.splice(at - starts, 1)[0]!.complete();
      return;
    }
    const lane = this.#idle.splice(at, 1)[0]!;
    const next = lane.next();
    if (next.done === true) return;
    next.value((error) => {
      assertEquals(error, null);
      this.#idle.push(lane);
    });
  }

  *#batches(log: LogStorage): Lane {
    const write = (one: PersistBatch) => (done: Done) => {
      const { keep } = promise(this.ledger, one);
      log.persist(one, (error) => {
        keep();
        this.#durable = this.ledger.logs[0]!.length;
        done(error);
      });
    };
    yield write(batch(vote(1, 2)));
    for (let i = 0; i < 18; i++) yield write(batch(i % 5 === 3 ? vote(1, 2) : null, HISTORY[i]!));
    for (let i = 19; i <= STALE_END; i++) yield write(batch(null, entry(i, 1, `stale ${i}`)));
    while (!this.#isReceived) yield (done) => this.disk.defer(() => done(null));
    yield (done) => {
      this.ledger.logs.push(HISTORY.slice(0, RECEIVED.index));
      log.restart(RECEIVED, (error) => {
        this.ledger.logs = [HISTORY.slice(0, RECEIVED.index)];
        done(error);
      });
    };
    yield write(batch(vote(3, 3)));
    for (let i = 40; i < 58; i++) yield write(batch(null, HISTORY[i]!));
  }

  *#ownSnapshots(directory: DataDirectory, log: LogStorage): Lane {
    for (const index of [5, 9, 13, 46, 50, 54]) {
      const reached = () => this.#durable >= index && (index < 40 || this.#durable > 40);
      while (!reached()) {
        if (index < 40 && this.#isReceived) break;
        yield (done) => this.disk.defer(() => done(null));
      }
      if (index < 40 && this.#isReceived) continue;
      const { term } = HISTORY[index - 1]!;
      const writer = directory.snapshots.begin({ index, term }, CONFIGURATION);
      const text = contentsOf(HISTORY, index);
      writer.head({
        index,
        clockMs: 7,
        floor: 3,
        keys: text.length,
        digest: "d1",
        clusterVersion: 1,
        users: null,
        clientSessions: null,
        loadedScripts: null,
      });
      for (let at = 0; at < text.length; at += 150) {
        writer.records(new TextEncoder().encode(text.slice(at, at + 150)));
        yield (done) => writer.flush(done);
      }
      yield (done) => writer.finish(done);
      log.compact(index + 1);
    }
  }

  *#received(directory: DataDirectory): Lane {
    while (this.#durable < 15) yield (done) => this.disk.defer(() => done(null));
    directory.snapshots.receive({ index: 30, term: 2 }, 4000).write(0, BODY.subarray(0, 10));
    const part = directory.snapshots.receive(RECEIVED, BODY.length);
    for (let at = 0; at < BODY.length; at += 700) {
      part.write(at, BODY.subarray(at, at + 700));
      yield (done) => part.flushSome(done);
    }
    // From here on startup may take the snapshot: the ledger has to be sure of the log until then.
    while (this.#durable < STALE_END) yield (done) => this.disk.defer(() => done(null));
    yield (done) => {
      this.ledger.logs.push(HISTORY.slice(0, RECEIVED.index));
      part.finish(done);
    };
    this.#isReceived = true;
  }
}

function runUntil(seed: number, operation: number): { life: Life; finished: boolean } {
  const life = new Life(seed);
  return { life, finished: livesThrough(life.disk, operation, () => life.run()) };
}

Deno.test("a crash at every operation keeps what was acknowledged, whatever runs at the same time", () => {
  const loaded = new Set<number>();
  let operations = 0;
  for (let seed = 1; seed <= 3; seed++) {
    for (let operation = 1;; operation++) {
      const { life, finished } = runUntil(seed, operation);
      for (const { remains, note } of remainsOf(life.disk, operation, 2)) {
        // What waits for its end in this life is dead: the copy begins again.
        loaded.add(check(remains.clone(), life.ledger, `seed ${seed}, ${note}`));
      }
      operations++;
      if (finished) break;
    }
  }
  assert(operations > 600, `only ${operations} operations`);
  assert(loaded.has(40) && loaded.has(54), `${[...loaded]}`);
});
