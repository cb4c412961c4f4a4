/** A startup that finds damage and continues as a repairing server. */
import { assert, assertEquals } from "@std/assert";
import type { Entry } from "../../lib/raft/types.ts";
import { Random } from "../../lib/util/random.ts";
import { DataDirectory } from "../../lib/storage/data_directory.ts";
import { SimCrash, SimDisk } from "../sim/sim_disk.ts";
import {
  batch,
  entry,
  markSynced,
  openFormed,
  options,
  persist,
  refusal,
  segmentPath,
  vote,
} from "./helpers.ts";
import {
  bodyOf,
  contentsOf,
  Loaded,
  receiveSnapshot,
  settled,
  takeSnapshot,
} from "./snapshot_helpers.ts";

const SMALL = { segmentBytesMax: 700, reserveBytes: 0 };

function open(disk: SimDisk) {
  const directory = DataDirectory.open(disk, options(SMALL));
  const loaded = new Loaded();
  return { directory, loaded, ...directory.openLog({ ...loaded.options, repair: true }) };
}

/** Entries 1 to 30 of term 4 over several segments, a snapshot at 5, damage in segment 2. */
function damaged(): { disk: SimDisk; entries: Entry[] } {
  const disk = new SimDisk();
  const { directory, log } = openFormed(disk, SMALL);
  persist(disk, log, batch(vote(4, 3)));
  const entries = Array.from({ length: 30 }, (_, i) => entry(i + 1, 4));
  for (const one of entries) persist(disk, log, batch(null, one));
  markSynced(disk, log);
  takeSnapshot(disk, directory, { index: 5, term: 4 }, contentsOf(entries, 5));
  disk.kill();
  flip(disk, segmentPath(2), 400);
  return { disk, entries };
}

function flip(disk: SimDisk, path: string, at: number): void {
  disk.corrupt(path, (bytes) => {
    bytes[at]! ^= 1;
    return bytes;
  });
}

Deno.test("a repairing start keeps what is sound, and says what may be lost", () => {
  const { disk, entries } = damaged();
  const { recovered, loaded, log, directory } = open(disk);
  const count = recovered.entries.at(-1)!.index;
  assert(count >= 5 && count < 20, `${count} entries`);
  assertEquals(recovered.entries, entries.slice(5, count));
  assertEquals(loaded.text, contentsOf(entries, 5));
  const { fromIndex, lastIndexSeen, reason } = recovered.damaged!;
  assertEquals([fromIndex, lastIndexSeen], [count + 1, 30]);
  assert(reason.includes(segmentPath(2)), reason);
  assertEquals(recovered.hardState, vote(4, 3, true));
  const aside = disk.list("1/wal").filter((name) => name.startsWith("damaged-"));
  assert(aside.length > 2);
  persist(disk, log, batch(null, ...entries.slice(count)));
  log.finishRepair();
  directory.close();
  disk.powerLoss(new Random(1));
  const after = open(disk).recovered;
  assertEquals(after.damaged, null);
  assertEquals(after.entries, entries.slice(5));
  assertEquals(disk.list("1/wal").filter((name) => name.startsWith("damaged-")), []);
});

Deno.test("a crash at any operation of a repairing start never launders the damage", () => {
  const { disk, entries } = damaged();
  const expected = open(disk.clone()).recovered;
  let operation = 0;
  for (let through = false; !through;) {
    operation++;
    for (let seed = 0; seed < 6; seed++) {
      const copy = disk.clone();
      copy.crashAtOperation = operation;
      through = true;
      try {
        open(copy);
      } catch (error) {
        if (!(error instanceof SimCrash)) throw error;
        through = false;
      }
      copy.powerLoss(new Random(operation * 10 + seed));
      const note = `operation ${operation}, outcome ${seed}`;
      const said = refusal(() => DataDirectory.open(copy, options(SMALL)).openLog());
      assert(said !== null, note);
      copy.kill();
      const { recovered, loaded } = open(copy);
      assertEquals(recovered.damaged, expected.damaged, note);
      assertEquals(recovered.entries, expected.entries, note);
      assertEquals(recovered.hardState, expected.hardState, note);
      assertEquals(loaded.text, contentsOf(entries, 5), note);
    }
  }
  assert(operation > 15, `only ${operation} operations`);
});

Deno.test("damage that may hide a vote leaves no vote to give in the highest term seen", () => {
  const disk = new SimDisk();
  const { log } = openFormed(disk, SMALL);
  persist(disk, log, batch(vote(3, 2)), batch(null, entry(1, 3)));
  const before = disk.contents(segmentPath(1)).findLastIndex((byte) => byte !== 0);
  persist(disk, log, batch(vote(4, 2)), batch(null, entry(2, 4)));
  markSynced(disk, log);
  disk.kill();
  // After the marker before it: the hard state of term 4.
  flip(disk, segmentPath(1), before + 1 + 48 + 20);
  const { recovered } = open(disk);
  assertEquals(recovered.entries, [entry(1, 3)]);
  assertEquals(recovered.hardState, vote(4, 1, true));
  assertEquals(recovered.damaged!.lastIndexSeen, 2);
});

Deno.test("the only snapshot of a restarted log is damaged: refused, or all is fetched again", () => {
  const giver = new SimDisk();
  const from = openFormed(giver, SMALL);
  const entries = Array.from({ length: 20 }, (_, i) => entry(i + 1, 2));
  persist(giver, from.log, batch(vote(2, 2), ...entries));
  const position = { index: 20, term: 2 };
  takeSnapshot(giver, from.directory, position, contentsOf(entries, 20));
  const disk = new SimDisk();
  const { directory, log } = openFormed(disk, SMALL);
  receiveSnapshot(disk, directory, position, bodyOf(from.directory, position));
  settled(disk, (done) => log.restart(position, done));
  persist(disk, log, batch(vote(5, 3), entry(21, 5)));
  directory.close();
  const path = `1/snapshot/${disk.list("1/snapshot")[0]}`;
  flip(disk, path, 300);
  const said = refusal(() => DataDirectory.open(disk, options(SMALL)).openLog());
  assert(said?.includes(path) && said.includes("begins with entry 21"), said ?? "it started");
  disk.kill();
  const { recovered } = open(disk);
  assertEquals(recovered.snapshot, null);
  assertEquals(recovered.entries, []);
  assertEquals(recovered.hardState, vote(5, 3, true));
  const { fromIndex, lastIndexSeen } = recovered.damaged!;
  assertEquals([fromIndex, lastIndexSeen], [1, 21]);
});

Deno.test("damage during a repair widens what has to be fetched", () => {
  const { disk } = damaged();
  const first = open(disk);
  const sequence = disk.list("1/wal").filter((name) => !name.startsWith("damaged-")).length;
  assertEquals(sequence, 1);
  first.directory.close();
  const path = `1/wal/${disk.list("1/wal").find((name) => !name.startsWith("damaged-"))}`;
  flip(disk, path, 150);
  const { recovered } = open(disk);
  assertEquals(recovered.damaged!.fromIndex, 6);
  assertEquals(recovered.damaged!.lastIndexSeen, 30);
  assertEquals(recovered.entries, []);
  assertEquals(recovered.hardState, vote(4, 3, true));
});

Deno.test("a record of repair that is damaged at any byte stops the start", () => {
  const { disk } = damaged();
  open(disk).directory.close();
  for (let at = 0; at < disk.contents("1/repairing").length; at++) {
    const copy = disk.clone();
    flip(copy, "1/repairing", at);
    assert(refusal(() => open(copy))?.includes("1/repairing"), `at ${at}`);
  }
});
