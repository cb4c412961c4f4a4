/** A full disk: what goes without any room, what comes back when, and that no crash in between costs anything. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { DiskFullError } from "../../lib/host/ports.ts";
import type { Entry } from "../../lib/raft/types.ts";
import type { LogStorage } from "../../lib/storage/types.ts";
import { SNAPSHOT_RESERVE_FILE } from "../../lib/storage/reserves/snapshot_reserve.ts";
import {
  SNAPSHOT_RESERVE_FILES,
  SnapshotReserves,
} from "../../lib/storage/reserves/snapshot_reserves.ts";
import { inspectDirectory } from "../../lib/storage/inspection/inspect.ts";
import { Random } from "../../lib/util/random.ts";
import { SimCrash, SimDisk } from "../sim/sim_disk.ts";
import { livesThrough, remainsOf } from "./crashes.ts";
import {
  batch,
  entry,
  markSynced,
  openFormed,
  persist,
  refusal,
  seekRoom,
  vote,
} from "./helpers.ts";
import { takeSnapshot } from "./snapshot_helpers.ts";

const SIZES = { segmentBytesMax: 6_000, reserveBytes: 16_384 };
const SNAPSHOT_RESERVE = `1/snapshot/${SNAPSHOT_RESERVE_FILE}`;

/** Somebody else fills the disk, and takes whatever comes free. */
function fill(disk: SimDisk): void {
  disk.capacityBytes = disk.usedBytes();
  disk.hasGreedyNeighbour = true;
}

function snapshotReserves(disk: SimDisk): number {
  const paths = SNAPSHOT_RESERVE_FILES.map((name) => `1/snapshot/${name}`);
  return paths.reduce((total, path) => total + disk.contents(path).length, 0);
}

/** The neighbour's files go. */
function free(disk: SimDisk): void {
  disk.hasGreedyNeighbour = false;
  disk.capacityBytes = Infinity;
}

/** Calls the ticks of so many seconds, in which a snapshot may take `snapshotBytes`. */
function tick(
  disk: SimDisk,
  opened: ReturnType<typeof openFormed>,
  fromMs: number,
  snapshotBytes: number,
  ms = 10_000,
): number {
  for (let nowMs = fromMs; nowMs <= fromMs + ms; nowMs += 100) {
    opened.directory.snapshots.keepReserve(snapshotBytes, nowMs);
    opened.log.seekRoom(nowMs);
    disk.completeAll();
  }
  return fromMs + ms;
}

Deno.test("a greedy neighbour gets nothing of the reserve: it becomes the log, and startup needs none", () => {
  const disk = new SimDisk();
  const { log } = openFormed(disk, SIZES);
  persist(disk, log, batch(vote(1, 1), entry(1, 1)));
  fill(disk);
  let index = 1;
  while (log.hasRoom()) persist(disk, log, batch(null, entry(++index, 1, "d".repeat(200))));
  assert(!disk.exists("1/reserve"), "the reserve was not turned into log");
  for (let i = 0; i < 20; i++) persist(disk, log, batch(null, entry(++index, 1, "d".repeat(200))));
  persist(disk, log, batch(vote(2, 3)));
  markSynced(disk, log);
  disk.powerLoss(new Random(1));
  const again = openFormed(disk, SIZES);
  assertEquals([again.recovered.cutBytes, again.recovered.entries.length], [0, index]);
  assertEquals(again.recovered.hardState, vote(2, 3));
  assert(!again.log.hasRoom());
  persist(disk, again.log, batch(vote(3, 1)), batch(null, entry(index + 1, 3)));
});

Deno.test("a new reserve is not written into the file that is just becoming the log", () => {
  const disk = new SimDisk();
  const { log } = openFormed(disk, SIZES);
  persist(disk, log, batch(vote(1, 1), entry(1, 1)));
  fill(disk);
  let index = 1;
  for (let nowMs = 0; index < 60; nowMs += 100) {
    let done = false;
    const next = batch(null, entry(++index, 1, "d".repeat(200)));
    log.persist(next, (error) => done = error === null);
    if (!log.hasRoom() && disk.hasGreedyNeighbour) {
      // The neighbour goes while the reserve is on its way to its new name.
      assert(disk.exists("1/reserve"));
      free(disk);
    }
    log.seekRoom(nowMs);
    disk.completeAll();
    assert(done);
  }
  disk.powerLoss(new Random(1));
  assertEquals(openFormed(disk, SIZES).recovered.entries.length, index);
});

Deno.test("what becomes the log's next segment counts as room all the while, but for one head", () => {
  const disk = new SimDisk();
  const { log } = openFormed(disk, SIZES);
  persist(disk, log, batch(vote(1, 1), entry(1, 1)));
  fill(disk);
  const data = "d".repeat(200);
  let index = 1;
  while (log.hasRoom()) persist(disk, log, batch(null, entry(++index, 1, data)));
  // From the first file of the reserve on to the second.
  let steps = 0;
  let beforeBytes = log.roomBytes();
  for (const { reserveBytes } = SIZES; beforeBytes > reserveBytes / 2 - 1_000;) {
    let done = false;
    log.persist(batch(null, entry(++index, 1, data)), (error) => done = error === null);
    for (; !done; steps++) {
      assert(log.roomBytes() > beforeBytes - 1_000, `${beforeBytes}, then ${log.roomBytes()}`);
      assert(disk.completeNext(), "nothing is under way");
    }
    beforeBytes = log.roomBytes();
  }
  assert(!disk.exists("1/reserve.2"), "the log did not come to the second file");
  assert(steps > index, `${steps} steps for ${index} entries`);
});

Deno.test("wherever the log ends when the disk fills up, startup and the end of a segment find room", () => {
  let reserves = 0;
  for (let bytes = 0; bytes < 6_000; bytes += 37) {
    const disk = new SimDisk();
    const { log } = openFormed(disk, SIZES);
    persist(disk, log, batch(vote(1, 1), entry(1, 1, "x".repeat(bytes))));
    fill(disk);
    if (bytes % 2 === 0) markSynced(disk, log);
    if (bytes % 3 === 0) disk.kill();
    else disk.powerLoss(new Random(bytes));
    const note = `${bytes} bytes`;
    for (let start = 0; start < 3; start++) {
      assertEquals(refusal(() => openFormed(disk, SIZES).directory.close()), null, note);
      disk.completeAll();
    }
    const again = openFormed(disk, SIZES);
    persist(disk, again.log, batch(vote(2, 2), entry(2, 2, "y".repeat(4_000))));
    if (!disk.exists("1/reserve")) reserves++;
    disk.powerLoss(new Random(bytes));
    const last = openFormed(disk, SIZES).recovered;
    assertEquals([last.entries.length, last.cutBytes], [2, 0], note);
  }
  assert(reserves > 100, `${reserves} times the reserve was needed`);
});

Deno.test("startup needs pieces of the reserve only where the tail has no room of its own", () => {
  const disk = new SimDisk();
  const { log } = openFormed(disk, SIZES);
  persist(disk, log, batch(vote(1, 1), entry(1, 1)));
  // A tail as builds before left it: the file has no blocks after the last record.
  const path = "1/wal/0000000000000001.log";
  const { length } = disk.contents(path);
  const used = disk.contents(path).findLastIndex((byte) => byte !== 0) + 1;
  const end = Math.ceil(used / 512) * 512;
  const filler = entry(2, 1, "z".repeat(end - used - 90));
  persist(disk, log, batch(null, filler));
  disk.corrupt(path, (bytes) => bytes);
  disk.kill();
  fill(disk);
  assertEquals(disk.contents(path).length, length);
  assertEquals(refusal(() => openFormed(disk, SIZES)), null);
});

Deno.test("where writing over needs room, starts and votes without a reserve take a piece of the snapshots'", () => {
  for (let seed = 0; seed < 40; seed++) {
    const random = new Random(seed);
    const disk = new SimDisk();
    disk.copiesOnWrite = true;
    const opened = openFormed(disk, SIZES);
    persist(disk, opened.log, batch(vote(1, 1), entry(1, 1)));
    tick(disk, opened, 0, 20_000);
    disk.capacityBytes = disk.usedBytes() + random.between(0, 3_000);
    // Deletes, two at a time, until nothing is left of the log's own reserve.
    let index = 1;
    for (let error: Error | null = null; error === null;) {
      const [one, other] = [1, 2].map((n) => {
        return entry(index + n, 1, "d".repeat(random.between(20, 200)));
      });
      opened.log.persist(batch(null, one!, other!), (failure) => error = failure);
      disk.completeAll();
      if (error === null) index += 2;
    }
    const kept = snapshotReserves(disk);
    for (let term = 2; term < 6; term++) {
      disk.kill();
      const note = `seed ${seed}, term ${term}`;
      let again = opened;
      assertEquals(refusal(() => again = openFormed(disk, SIZES)), null, note);
      const { entries, cutBytes } = again.recovered;
      assertEquals([entries.length, cutBytes], [index, 0], note);
      for (let i = 0; i < 5; i++) persist(disk, again.log, batch(vote(10 * term + i, 2)));
      assert(snapshotReserves(disk) > (2 * kept) / 3 - 1, `${note}: one of three will do`);
    }
  }
});

Deno.test("a kill while a batch finds no room leaves no torn tail", () => {
  let crashes = 0;
  for (let sectors = 0; sectors < 40; sectors += 3) {
    for (let operation = 1; operation < 40; operation++) {
      const disk = new SimDisk();
      const { log } = openFormed(disk, SIZES);
      persist(disk, log, batch(vote(1, 1), entry(1, 1)));
      disk.capacityBytes = disk.usedBytes() + sectors * 512;
      disk.crashAtOperation = disk.operations + operation;
      let index = 1;
      try {
        // More than the disk and the reserve have.
        for (; index < 12; index++) {
          persist(disk, log, batch(null, entry(index + 1, 1, "v".repeat(3_000))));
        }
      } catch (error) {
        if (error instanceof SimCrash) crashes++;
        else assert(error instanceof DiskFullError, String(error));
      }
      disk.kill();
      const { recovered } = openFormed(disk, SIZES);
      const note = `${sectors} sectors, operation ${operation}`;
      assertEquals([recovered.cutBytes, recovered.hardState.suspect], [0, false], note);
      assert(recovered.entries.length >= index, note);
    }
  }
  assert(crashes > 300, `${crashes}`);
});

Deno.test("where writing over needs room, the reserve goes in pieces to who is quicker", () => {
  const disk = new SimDisk();
  const MIB = 1_048_576;
  const sizes = { segmentBytesMax: 64_000, reserveBytes: 4 * MIB };
  const { log } = openFormed(disk, sizes);
  persist(disk, log, batch(vote(1, 1), entry(1, 1)));
  disk.copiesOnWrite = true;
  disk.capacityBytes = disk.usedBytes();
  let index = 1;
  const write = () => persist(disk, log, batch(null, entry(++index, 1, "d".repeat(20_000))));
  write();
  assert(!log.hasRoom());
  assertEquals(disk.contents("1/reserve").length, MIB, "one piece was enough");
  for (let i = 0; i < 60; i++) write();
  assert(!disk.exists("1/reserve"), "the pieces were not used");
  disk.powerLoss(new Random(3));
  disk.capacityBytes = Infinity;
  assertEquals(openFormed(disk, sizes).recovered.entries.length, index);
});

Deno.test("room counts once it was there for five seconds, and as much again as the reserve", () => {
  const disk = new SimDisk();
  const opened = openFormed(disk, SIZES);
  const { log } = opened;
  persist(disk, log, batch(vote(1, 1), entry(1, 1)));
  fill(disk);
  let index = 1;
  while (log.hasRoom()) persist(disk, log, batch(null, entry(++index, 1, "d".repeat(200))));
  let nowMs = tick(disk, opened, 0, 0);
  // Enough for the reserve, and not for twice as much.
  disk.hasGreedyNeighbour = false;
  disk.capacityBytes = disk.usedBytes() + 24_000;
  nowMs = tick(disk, opened, nowMs, 0);
  assert(disk.exists("1/reserve") && !log.hasRoom(), "no room to speak of was enough");
  disk.capacityBytes = Infinity;
  const times: boolean[] = [];
  for (let second = 0; second < 10; second++) {
    nowMs = tick(disk, opened, nowMs, 0, 1_000);
    times.push(log.hasRoom());
  }
  assertEquals(times.slice(0, 5), [false, false, false, false, false]);
  assert(times.at(-1), "the room is not seen");
  assert(!disk.exists("1/room.new"), "what was written to see whether it fits is there");
});

Deno.test("room that comes and goes within seconds is none", () => {
  const disk = new SimDisk();
  const opened = openFormed(disk, SIZES);
  const { log } = opened;
  fill(disk);
  let index = 0;
  while (log.hasRoom()) persist(disk, log, batch(null, entry(++index, 1, "d".repeat(200))));
  const capacityBytes = disk.capacityBytes;
  let nowMs = 0;
  disk.hasGreedyNeighbour = false;
  for (let i = 0; i < 20; i++) {
    disk.capacityBytes = Infinity;
    nowMs = tick(disk, opened, nowMs, 0, 3_000);
    disk.capacityBytes = capacityBytes;
    nowMs = tick(disk, opened, nowMs, 0, 3_000);
    assert(!log.hasRoom(), `after ${nowMs} ms`);
  }
});

Deno.test("the snapshot's reserve grows with the store, and sets are refused where it can't", () => {
  const disk = new SimDisk();
  const opened = openFormed(disk, SIZES);
  let nowMs = tick(disk, opened, 0, 20_000);
  assert(disk.contents(SNAPSHOT_RESERVE).length >= 20_000);
  nowMs = tick(disk, opened, nowMs, 90_000);
  const { length } = disk.contents(SNAPSHOT_RESERVE);
  assert(length >= 90_000 && opened.log.hasRoom(), `${length}`);
  disk.capacityBytes = disk.usedBytes() + 5_000;
  nowMs = tick(disk, opened, nowMs, 200_000);
  assert(!opened.log.hasRoom(), "it can't grow, and sets are taken");
  // The log's reserve was not touched.
  persist(disk, opened.log, batch(vote(1, 1), entry(1, 1)));
  assert(disk.exists("1/reserve"));
  nowMs = tick(disk, opened, nowMs, 90_000);
  assert(!opened.log.hasRoom(), "there is no room beside the reserves");
  free(disk);
  tick(disk, opened, nowMs, 90_000);
  assert(opened.log.hasRoom());
});

Deno.test("a store that grows with every tick costs a sync of its reserves now and then", () => {
  const disk = new SimDisk();
  const { directory } = openFormed(disk, SIZES);
  const { snapshots } = directory;
  let wantedBytes = 100_000;
  const pass = (growthBytes: number) => {
    for (let i = 0; i < 1_000; i++) {
      wantedBytes += growthBytes;
      snapshots.keepReserve(wantedBytes, i * 10);
      disk.completeAll();
      assert(i < 10 || snapshots.reserveHolds(wantedBytes), `not at tick ${i}`);
    }
  };
  pass(0);
  const before = disk.operations;
  pass(100);
  // Three files, some ten steps, a few operations each: not three syncs with every tick.
  const operations = disk.operations - before;
  assert(operations > 0 && operations < 300, `${operations} in 1000 ticks`);
});

/** A life on a disk that is full from some moment on, in which snapshots free the log. */
class FullLife {
  readonly disk = new SimDisk();
  acknowledged: Entry[] = [];
  written: Entry[] = [];
  hasSnapshot = 0;
  log: LogStorage | null = null;

  live(): void {
    const { disk } = this;
    const opened = openFormed(disk, SIZES);
    this.log = opened.log;
    const write = (bytes: number) => {
      const next = entry(this.written.length + 1, 1, "e".repeat(bytes));
      this.written.push(next);
      persist(disk, opened.log, batch(null, next));
      this.acknowledged.push(next);
    };
    const snapshot = () => {
      const index = this.acknowledged.length;
      takeSnapshot(disk, opened.directory, { index, term: 1 }, "s".repeat(600), 300);
      this.hasSnapshot = index;
      opened.log.compact(index + 1);
      disk.completeAll();
    };
    tick(disk, opened, 0, 1_000, 300);
    for (let i = 0; i < 3; i++) {
      for (let j = 0; j < 4; j++) write(1_500);
      snapshot();
    }
    fill(disk);
    for (let i = 0; i < 4; i++) {
      for (let j = 0; j < 4; j++) write(900);
      snapshot();
      tick(disk, opened, 1_000 + i * 1_000, 1_000, 400);
    }
  }
}

Deno.test("crashes at any moment of a life on a full disk cost nothing, and no start is refused", () => {
  let crashes = 0;
  for (let operation = 1, isOver = false; !isOver; operation++) {
    const life = new FullLife();
    isOver = livesThrough(life.disk, operation, () => life.live());
    if (isOver) {
      assert(life.log!.earlierBytes() < 20_000, "the log was not freed");
      assertEquals(life.acknowledged.length, 28);
    } else crashes++;
    for (const { remains, note } of remainsOf(life.disk, operation, 3)) {
      let start: ReturnType<typeof openFormed> | null = null;
      const said = refusal(() => start = openFormed(remains, SIZES));
      assertEquals(said, null, note);
      const { recovered, log } = start!;
      const index = recovered.snapshot?.position.index ?? 0;
      const last = recovered.entries.at(-1)?.index ?? index;
      assert(index >= life.hasSnapshot || life.hasSnapshot === 0, note);
      assert(last >= life.acknowledged.length, `${note}: ${last} of ${life.acknowledged.length}`);
      for (const one of recovered.entries) assertEquals(one, life.written[one.index - 1], note);
      persist(remains, log, batch(vote(7, 1)));
    }
  }
  assert(crashes > 300, `${crashes}`);
});

Deno.test("without a file to recycle a batch is refused, and kept nowhere", () => {
  const disk = new SimDisk();
  const none = { segmentBytesMax: 6_000, reserveBytes: 0 };
  const { log } = openFormed(disk, none);
  persist(disk, log, batch(null, entry(1, 1)));
  fill(disk);
  const large = batch(null, entry(2, 1, "x".repeat(3_000)));
  assertThrows(() => persist(disk, log, large), DiskFullError);
  persist(disk, log, batch(null, entry(2, 1, "y")));
  seekRoom(disk, log, 20_000);
  assert(log.hasRoom(), "a server without a reserve knows of no lack of room");
  disk.powerLoss(new Random(1));
  assertEquals(openFormed(disk, none).recovered.entries, [entry(1, 1), entry(2, 1, "y")]);
});

Deno.test("a reserve that is partly made again is the log's as it is", () => {
  const disk = new SimDisk();
  const MIB = 1_048_576;
  const sizes = { segmentBytesMax: 65_536, reserveBytes: 4 * MIB };
  const { log } = openFormed(disk, sizes);
  let index = 0;
  const write = () => persist(disk, log, batch(null, entry(++index, 1, "d".repeat(20_000))));
  write();
  disk.capacityBytes = disk.usedBytes();
  while (log.hasRoom()) write();
  const path = "1/reserve";
  assert(!disk.exists(path), "it is not the log");
  disk.capacityBytes = disk.usedBytes() + 1.5 * MIB;
  seekRoom(disk, log, 10_000);
  assertEquals(disk.contents(path).length, 1.5 * MIB, "a part of it");
  const before = index;
  // A batch that is longer than the part leaves it whole.
  const large = Array.from({ length: 400 }, (_, i) => entry(index + 1 + i, 1, "l".repeat(20_000)));
  assertThrows(() => persist(disk, log, batch(null, ...large)), DiskFullError);
  assertEquals(disk.contents(path).length, 1.5 * MIB, "cut for a batch that is too long");
  // One file that is the log, one that is whole, and the part.
  while (log.roomBytes() > 100_000) write();
  assert((index - before) * 20_000 > 4.5 * MIB, `${index - before} batches`);
  assert(!disk.exists(path) && !log.hasRoom());
  persist(disk, log, batch(vote(9, 1)));
  disk.powerLoss(new Random(1));
  const { recovered } = openFormed(disk, sizes);
  assertEquals([recovered.entries.length, recovered.hardState], [index, vote(9, 1)]);
});

Deno.test("a kill between the reserve's new name and the end marker leaves its room to the log", () => {
  let unused = 0;
  for (let steps = 1; steps < 30; steps++) {
    const disk = new SimDisk();
    const { log } = openFormed(disk, SIZES);
    persist(disk, log, batch(vote(1, 1), entry(1, 1)));
    fill(disk);
    let index = 1;
    while (disk.list("1/wal").length === 1) {
      let isDone = false;
      log.persist(batch(null, entry(++index, 1, "d".repeat(200))), () => isDone = true);
      for (let n = 0; n < steps && !isDone && disk.completeNext();) n++;
      if (!isDone) break;
      disk.completeAll();
    }
    const roomBytes = 2 * 8_192;
    disk.kill();
    const { notes } = inspectDirectory(disk, "1");
    const fate = notes.find((note) => note.includes("was made and never used"));
    const again = openFormed(disk, SIZES);
    const { length } = again.recovered.entries;
    assert(length >= index - 1, `${steps} steps`);
    const isKept = disk.list("1/wal").some((name) => name.endsWith(".spare"));
    assertEquals(fate?.endsWith("the next startup keeps it as a spare.") ?? false, isKept);
    if (!isKept) continue;
    unused++;
    seekRoom(disk, again.log, 10_000);
    let bytes = 0;
    for (let i = 0; bytes < roomBytes - 4_000; i++, bytes += 450) {
      persist(disk, again.log, batch(null, entry(length + 1 + i, 1, "n".repeat(400))));
    }
    disk.powerLoss(new Random(steps));
    const last = openFormed(disk, SIZES).recovered;
    assertEquals([last.cutBytes, last.hardState], [0, vote(1, 1)], `${steps} steps`);
  }
  assert(unused > 0, "no kill came between");
});

Deno.test("a batch longer than every file is refused, there is no room until one goes through, and nothing is given up", () => {
  const disk = new SimDisk();
  const { log } = openFormed(disk, SIZES);
  persist(disk, log, batch(vote(1, 1), entry(1, 1)));
  fill(disk);
  const long = batch(
    null,
    ...Array.from({ length: 60 }, (_, i) => entry(2 + i, 1, "x".repeat(600))),
  );
  for (let nowMs = 0; nowMs < 20_000; nowMs += 200) {
    assertThrows(() => persist(disk, log, long), DiskFullError);
    log.seekRoom(nowMs);
    disk.completeAll();
    assert(!log.hasRoom(), `after ${nowMs} ms`);
  }
  assert(disk.exists("1/reserve"), "the reserve was given up for it");
  persist(disk, log, batch(vote(2, 3)), batch(null, entry(2, 2)));
});

Deno.test("room that was found before the reserve was used again counts no more", () => {
  const disk = new SimDisk();
  const { log } = openFormed(disk, SIZES);
  persist(disk, log, batch(vote(1, 1), entry(1, 1)));
  fill(disk);
  let index = 1;
  const use = () => {
    do persist(disk, log, batch(null, entry(++index, 1, "d".repeat(200)))); while (
      disk.exists("1/reserve")
    );
  };
  use();
  free(disk);
  let nowMs = 0;
  const pass = (untilMs: number) => {
    for (; nowMs <= untilMs && !log.hasRoom(); nowMs += 100) {
      log.seekRoom(nowMs);
      disk.completeAll();
    }
  };
  pass(1_000);
  fill(disk);
  use();
  pass(4_700);
  free(disk);
  pass(9_700);
  assert(!log.hasRoom(), `counted at ${nowMs} ms, there since 4800`);
  pass(20_000);
  assert(log.hasRoom());
});

Deno.test("a snapshot takes a reserve that is free where the longest is being cut", () => {
  const disk = new SimDisk();
  disk.makeDirectory("1/snapshot");
  for (const [name, bytes] of [["reserve.new", 200_000], ["second.new", 70_000]] as const) {
    const file = disk.open(`1/snapshot/${name}`, { create: true });
    file.write(0, new Uint8Array(bytes));
    file.syncNow();
    file.close();
  }
  const reserves = new SnapshotReserves(disk, "1/snapshot", 10_000, () => {}, () => false);
  reserves.start();
  reserves.keep(50_000, 1, 0);
  assert(reserves.holds(50_000));
  assertEquals(reserves.take()?.path, "1/snapshot/second.new");
});
