import { assert, assertEquals } from "@std/assert";
import type { Entry } from "../../lib/raft/types.ts";
import { Random } from "../../lib/util/random.ts";
import { DataDirectory } from "../../lib/storage/data_directory.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import { batch, entry, openFormed, options, persist, vote } from "./helpers.ts";
import {
  bodyOf,
  CONFIGURATION,
  contentsOf,
  Loaded,
  receiveSnapshot,
  settled,
  takeSnapshot,
} from "./snapshot_helpers.ts";

const SMALL = { segmentBytesMax: 700, reserveBytes: 0 };

function many(from: number, to: number, term = 1): Entry[] {
  return Array.from({ length: to - from + 1 }, (_, i) => entry(from + i, term));
}

/** A formed directory with entries 1 to `count`, each in a batch of its own. */
function withEntries(count: number) {
  const disk = new SimDisk();
  const { directory, log } = openFormed(disk, SMALL);
  const entries = many(1, count);
  persist(disk, log, batch(vote(1, 2)));
  for (const one of entries) persist(disk, log, batch(null, one));
  return { disk, directory, log, entries };
}

function reopen(disk: SimDisk) {
  const directory = DataDirectory.open(disk, options(SMALL));
  const loaded = new Loaded();
  return { directory, loaded, ...directory.openLog(loaded.options) };
}

Deno.test("a snapshot comes back with its position, configuration, head and contents", () => {
  const { disk, directory, entries } = withEntries(10);
  takeSnapshot(disk, directory, { index: 7, term: 1 }, contentsOf(entries, 7));
  assertEquals(directory.snapshots.list(), [{ index: 7, term: 1 }]);
  disk.powerLoss(new Random(1));
  const { loaded, recovered } = reopen(disk);
  assertEquals(loaded.text, contentsOf(entries, 7));
  assertEquals(recovered.snapshot, {
    position: { index: 7, term: 1 },
    configuration: CONFIGURATION,
    head: { index: 7, clockMs: 7, floor: 3, keys: loaded.text.length, digest: "d1" },
  });
  assertEquals(recovered.entries, entries);
  assertEquals(recovered.notes, []);
});

Deno.test("compaction keeps what the previous snapshot needs, and the log goes on from there", () => {
  const { disk, directory, log, entries } = withEntries(40);
  const before = disk.list("1/wal").length;
  takeSnapshot(disk, directory, { index: 20, term: 1 }, contentsOf(entries, 20));
  log.compact(21);
  assertEquals(disk.list("1/wal").length, before, "one snapshot may be damaged: all is kept");
  takeSnapshot(disk, directory, { index: 35, term: 1 }, contentsOf(entries, 35));
  log.compact(36);
  assert(disk.list("1/wal").length < before);
  disk.powerLoss(new Random(1));
  const { recovered } = reopen(disk);
  const first = recovered.entries[0]!.index;
  assert(first > 1 && first <= 21, `begins with ${first}`);
  assertEquals(recovered.entries, entries.slice(first - 1));
  assertEquals(recovered.previousTerm, 1);
});

Deno.test("three snapshots leave two", () => {
  const { disk, directory, entries } = withEntries(10);
  for (const index of [3, 5, 9]) {
    takeSnapshot(disk, directory, { index, term: 1 }, contentsOf(entries, index));
  }
  const left = [{ index: 9, term: 1 }, { index: 5, term: 1 }];
  assertEquals(directory.snapshots.list(), left);
  disk.powerLoss(new Random(2));
  assertEquals(reopen(disk).directory.snapshots.list(), left);
});

Deno.test("a received snapshot replaces the log, and the log goes on behind it", () => {
  const giver = withEntries(60);
  const position = { index: 60, term: 1 };
  takeSnapshot(giver.disk, giver.directory, position, contentsOf(giver.entries, 60));
  const body = bodyOf(giver.directory, position);
  const { disk, directory, log } = withEntries(30);
  receiveSnapshot(disk, directory, position, body);
  settled(disk, (done) => log.restart(position, done));
  assertEquals(disk.list("1/wal").length, 1);
  persist(disk, log, batch(vote(2, 3), entry(61, 2)));
  disk.powerLoss(new Random(1));
  const { loaded, recovered } = reopen(disk);
  assertEquals(loaded.text, contentsOf(giver.entries, 60));
  assertEquals(recovered.entries, [entry(61, 2)]);
  assertEquals(recovered.previousTerm, 1);
  assertEquals(recovered.hardState, vote(2, 3));
});
