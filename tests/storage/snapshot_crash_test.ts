/**
 * A life with snapshots: votes, appends, snapshots of its own, compaction, one from another server,
 * a restart of the log after it, a replaced suffix. It is ended by a power loss or a kill at every
 * operation of its disk. What comes back is what was acknowledged, or that and what was under way.
 */
import { assert, assertEquals } from "@std/assert";
import type { PersistBatch } from "../../lib/raft/types.ts";
import { Random } from "../../lib/util/random.ts";
import { DataDirectory } from "../../lib/storage/data_directory.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import { livesThrough, remainsOf } from "./crashes.ts";
import { batch, entry, FORMED, options, persist, PREPARED, vote } from "./helpers.ts";
import { CONFIGURATION, contentsOf, settled, takeSnapshot } from "./snapshot_helpers.ts";
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

function live(disk: SimDisk, ledger: Ledger): void {
  const directory = DataDirectory.open(disk, options(SMALL));
  directory.saveFormation(PREPARED);
  directory.saveFormation(FORMED);
  ledger.formed = true;
  const { log } = directory.openLog();
  const { snapshots } = directory;
  const write = (one: PersistBatch) => {
    const { keep } = promise(ledger, one);
    persist(disk, log, one);
    keep();
  };
  const own = (index: number) => {
    const { term } = HISTORY[index - 1]!;
    takeSnapshot(disk, directory, { index, term }, contentsOf(HISTORY, index), 200, 2);
  };
  write(batch(vote(1, 2)));
  for (let i = 0; i < 10; i++) write(batch(null, HISTORY[i]!));
  own(6);
  log.compact(6);
  disk.completeAll();
  for (let i = 10; i < 18; i++) write(batch(i % 3 === 0 ? vote(1, 2) : null, HISTORY[i]!));
  own(14);
  log.compact(15);
  disk.completeAll();
  // A snapshot that is given up, and one that is begun and left there.
  snapshots.begin({ index: 16, term: 1 }, CONFIGURATION).abort();
  // Entries of a leader that does not prevail, over several segments: the snapshot replaces them.
  for (let index = 19; index < 70; index++) write(batch(null, entry(index, 1, `stale ${index}`)));
  snapshots.receive({ index: 30, term: 2 }, 4000).write(0, BODY.subarray(0, 10));
  const part = snapshots.receive(RECEIVED, BODY.length);
  for (let at = 0; at < BODY.length; at += 900) part.write(at, BODY.subarray(at, at + 900));
  ledger.logs.push(HISTORY.slice(0, 40));
  settled(disk, (done) => part.finish(done));
  settled(disk, (done) => log.restart(RECEIVED, done));
  ledger.logs = [ledger.logs.at(-1)!];
  write(batch(vote(3, 3)));
  for (let i = 40; i < 52; i++) write(batch(null, HISTORY[i]!, entry(i + 2, 2, "lost")));
  write(batch(vote(3, 3), ...HISTORY.slice(50, 54)));
  own(48);
  log.compact(49);
  disk.completeAll();
  own(53);
  log.compact(54);
  disk.completeAll();
  write(batch(null, ...HISTORY.slice(54)));
  directory.close();
}

function runUntil(operation: number) {
  const disk = new SimDisk();
  const ledger = newLedger();
  const finished = livesThrough(disk, operation, () => live(disk, ledger));
  return { disk, ledger, finished };
}

Deno.test("a crash at every operation of a life with snapshots keeps what was acknowledged", () => {
  const loaded = new Set<number>();
  let operation = 0;
  for (let finished = false; !finished;) {
    operation++;
    const run = runUntil(operation);
    finished = run.finished;
    for (const { remains, note } of remainsOf(run.disk, operation, 4)) {
      loaded.add(check(remains, run.ledger, note));
    }
  }
  assert(operation > 300, `only ${operation} operations`);
  assertEquals([...loaded].sort((a, b) => a - b), [0, 6, 14, 40, 48, 53]);
});

Deno.test("a second crash at any operation of the start after the first keeps it too", () => {
  for (let operation = 200; operation < 800; operation += 7) {
    const { disk, ledger, finished } = runUntil(operation);
    if (finished) break;
    disk.powerLoss(new Random(operation));
    for (let second = 1; second < 60; second++) {
      const copy = disk.clone();
      const start = () => DataDirectory.open(copy, options(SMALL)).openLog();
      const through = livesThrough(copy, second, start);
      copy.powerLoss(new Random(second));
      check(copy, ledger, `operations ${operation} and ${second}`);
      if (through) break;
    }
  }
});
