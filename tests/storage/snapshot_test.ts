import { assert, assertEquals } from "@std/assert";
import { DiskError, DiskFullError } from "../../lib/host/ports.ts";
import type { Entry } from "../../lib/raft/types.ts";
import { ByteFormatError, readU32, writeU32 } from "../../lib/util/bytes.ts";
import { checksum } from "../../lib/util/checksum.ts";
import { Random } from "../../lib/util/random.ts";
import { DataDirectory } from "../../lib/storage/data_directory.ts";
import { listSegments, scanLog } from "../../lib/storage/recovery/scan_log.ts";
import { snapshotName } from "../../lib/storage/snapshots/snapshot_format.ts";
import type { WrittenBody } from "../../lib/storage/types.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import {
  batch,
  CLUSTER,
  entry,
  INCARNATION,
  openFormed,
  options,
  persist,
  refusal,
  vote,
} from "./helpers.ts";
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

/**
 * All entries after snapshot `index` come back, and perhaps some before it: those in segments that have
 * nothing after it may be left out.
 */
function assertEntriesBehind(found: readonly Entry[], written: readonly Entry[], index: number) {
  const first = found[0]?.index ?? written.length + 1;
  assert(first <= index + 1, `begins with ${first} after snapshot ${index}`);
  assertEquals(found, written.slice(first - 1));
}

/** The first entry that the segments on the disk hold. */
function firstOnDisk(disk: SimDisk): number {
  const owner = { clusterId: CLUSTER, serverId: 1, incarnation: INCARNATION };
  return scanLog(disk, "1/wal", owner, { index: 0, term: 0 }).replay.firstIndex;
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
    head: {
      index: 7,
      clockMs: 7,
      floor: 3,
      keys: loaded.text.length,
      digest: "d1",
      clusterVersion: 1,
      users: null,
      clientSessions: null,
      loadedScripts: null,
    },
  });
  assertEntriesBehind(recovered.entries, entries, 7);
  assertEquals(recovered.notes, []);
});

Deno.test("compaction keeps what the previous snapshot needs, and the log continues from there", () => {
  const { disk, directory, log, entries } = withEntries(40);
  const before = listSegments(disk, "1/wal").length;
  takeSnapshot(disk, directory, { index: 20, term: 1 }, contentsOf(entries, 20));
  log.compact(21);
  disk.completeAll();
  assertEquals(
    listSegments(disk, "1/wal").length,
    before,
    "one snapshot may be damaged: all is kept",
  );
  takeSnapshot(disk, directory, { index: 35, term: 1 }, contentsOf(entries, 35));
  log.compact(36);
  disk.completeAll();
  assert(listSegments(disk, "1/wal").length < before);
  disk.powerLoss(new Random(1));
  const first = firstOnDisk(disk);
  assert(first > 1 && first <= 21, `begins with ${first}`);
  const { recovered } = reopen(disk);
  assertEntriesBehind(recovered.entries, entries, 35);
  assertEquals(recovered.previousTerm, 1);
});

Deno.test("compaction never takes an entry that it was told to keep", () => {
  const { disk, directory, log, entries } = withEntries(40);
  for (const index of [33, 40]) {
    takeSnapshot(disk, directory, { index, term: 1 }, contentsOf(entries, index));
  }
  let removed = 0;
  for (let keepFrom = 1; keepFrom <= 41; keepFrom++) {
    const before = listSegments(disk, "1/wal").length;
    log.compact(keepFrom);
    disk.completeAll();
    removed += before - listSegments(disk, "1/wal").length;
    assert(firstOnDisk(disk) <= Math.min(keepFrom, 34), `from ${keepFrom}`);
    assertEntriesBehind(reopen(disk.clone()).recovered.entries, entries, 40);
  }
  assert(removed > 3, `${removed} segments`);
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

Deno.test("a received snapshot replaces the log, and the log continues after it", () => {
  const giver = withEntries(60);
  const position = { index: 60, term: 1 };
  takeSnapshot(giver.disk, giver.directory, position, contentsOf(giver.entries, 60));
  const body = bodyOf(giver.directory, position);
  const { disk, directory, log, entries } = withEntries(30);
  takeSnapshot(disk, directory, { index: 8, term: 1 }, contentsOf(entries, 8));
  receiveSnapshot(disk, directory, position, body);
  settled(disk, (done) => log.restart(position, done));
  assertEquals(listSegments(disk, "1/wal").length, 1);
  assertEquals(directory.snapshots.list(), [position]);
  persist(disk, log, batch(vote(2, 3), entry(61, 2)));
  disk.powerLoss(new Random(1));
  const { loaded, recovered } = reopen(disk);
  assertEquals(loaded.text, contentsOf(giver.entries, 60));
  assertEquals(recovered.entries, [entry(61, 2)]);
  assertEquals(recovered.previousTerm, 1);
  assertEquals(recovered.hardState, vote(2, 3));
});

Deno.test("a snapshot that comes in pieces of any size is the same file", () => {
  const { disk, directory, entries } = withEntries(10);
  const position = { index: 10, term: 1 };
  takeSnapshot(disk, directory, position, contentsOf(entries, 10));
  const body = bodyOf(directory, position);
  const path = `1/snapshot/${disk.list("1/snapshot")[0]}`;
  for (let chunkBytes = 1; chunkBytes <= body.length; chunkBytes += 1 + (chunkBytes >> 2)) {
    const other = withEntries(2);
    receiveSnapshot(other.disk, other.directory, position, body, chunkBytes);
    assertEquals(other.disk.contents(path), disk.contents(path), `${chunkBytes} at a time`);
  }
});

Deno.test("a damaged piece is refused at any byte, and a body that ends early or late", () => {
  const { disk, directory, entries } = withEntries(6);
  const position = { index: 6, term: 1 };
  takeSnapshot(disk, directory, position, contentsOf(entries, 6));
  const body = bodyOf(directory, position);
  const receiver = withEntries(1);
  const refuses = (bytes: Uint8Array, announced = bytes.length, at = position) =>
    refusal(() => receiver.directory.snapshots.receive(at, announced).write(0, bytes)) !== null;
  for (let at = 0; at < body.length; at++) {
    const copy = body.slice();
    copy[at]! ^= 1 << (at % 8);
    assert(refuses(copy), `byte ${at}`);
    assert(refuses(body.slice(0, at)), `cut to ${at}`);
  }
  assert(refuses(new Uint8Array([...body, 0])));
  assert(refuses(new Uint8Array([...body, ...body])));
  assert(refuses(body, body.length, { index: 6, term: 2 }), "another position");
  for (const bodyBytes of [0, -1, 1.5, NaN, 2 ** 53]) assert(refuses(body, bodyBytes));
  receiver.disk.completeAll();
  assertEquals(receiver.disk.list("1/snapshot"), []);
  assertEquals(receiver.directory.snapshots.list(), []);
});

Deno.test("a part continues where a broken link left it; one of another snapshot begins again", () => {
  const { disk, directory, entries } = withEntries(10);
  const position = { index: 10, term: 1 };
  takeSnapshot(disk, directory, position, contentsOf(entries, 10));
  const body = bodyOf(directory, position);
  const receiver = withEntries(1);
  const { snapshots } = receiver.directory;
  const first = snapshots.receive(position, body.length);
  assertEquals(first.write(0, body.subarray(0, 100)), 100);
  assertEquals(first.write(0, body.subarray(0, 100)), 100, "a repeated chunk is dropped");
  assertEquals(first.write(150, body.subarray(150, 200)), 100, "so is one after a gap");
  assertEquals(first.write(100, new Uint8Array(body.length)), 100, "and one that is too long");
  assertEquals(snapshots.receive(position, body.length).heldBytes, 100);
  snapshots.receive({ index: 12, term: 1 }, body.length);
  receiver.disk.completeAll();
  assertEquals(receiver.disk.list("1/snapshot").length, 1);
  const again = snapshots.receive(position, body.length);
  assertEquals(again.heldBytes, 0);
  again.write(0, body);
  settled(receiver.disk, (done) => again.finish(done));
  assertEquals(snapshots.list(), [position]);
});

Deno.test("a full disk or an abort at any moment leaves nothing of a snapshot, and no harm", () => {
  const { disk, directory, log, entries } = withEntries(20);
  const free = disk.usedBytes();
  let refused = 0;
  for (let sectors = 0; sectors < 12; sectors++) {
    disk.capacityBytes = free + sectors * 512;
    try {
      takeSnapshot(disk, directory, { index: 20, term: 1 }, contentsOf(entries, 20));
      break;
    } catch (error) {
      assert(error instanceof DiskFullError, String(error));
      refused++;
    }
    assertEquals(disk.usedBytes(), free);
    assertEquals(directory.snapshots.list(), []);
    assertEquals(directory.snapshots.bytes(), 0);
  }
  assert(refused > 2, `${refused} refused`);
  disk.capacityBytes = Infinity;
  const writer = directory.snapshots.begin({ index: 21, term: 1 }, CONFIGURATION);
  writer.head({
    index: 21,
    clockMs: 0,
    floor: 0,
    keys: 0,
    digest: "",
    clusterVersion: 1,
    users: null,
    clientSessions: null,
    loadedScripts: null,
  });
  let called = 0;
  writer.finish(() => called++);
  writer.abort();
  const next = directory.snapshots.begin({ index: 21, term: 1 }, CONFIGURATION);
  disk.completeAll();
  assertEquals(called, 0, "done of an aborted snapshot");
  next.abort();
  persist(disk, log, batch(null, entry(21, 1)));
  assertEntriesBehind(reopen(disk.clone()).recovered.entries, many(1, 21), 20);
});

Deno.test("a failed sync of a snapshot is reported, and leaves none", () => {
  const { disk, directory, entries } = withEntries(5);
  disk.faults.syncFails = (path) => path.includes("snapshot");
  let failed = false;
  try {
    takeSnapshot(disk, directory, { index: 5, term: 1 }, contentsOf(entries, 5));
  } catch (error) {
    failed = error instanceof DiskError;
  }
  assert(failed);
  assertEquals(directory.snapshots.list(), []);
});

Deno.test("a full disk lets a restart of the log change nothing, and be tried again", () => {
  const { disk, directory, log, entries } = withEntries(20);
  const position = { index: 20, term: 1 };
  takeSnapshot(disk, directory, position, contentsOf(entries, 20));
  disk.capacityBytes = disk.usedBytes();
  let full = false;
  try {
    settled(disk, (done) => log.restart(position, done));
  } catch (error) {
    full = error instanceof DiskFullError;
  }
  assert(full);
  assertEntriesBehind(reopen(disk.clone()).recovered.entries, entries, 20);
  disk.capacityBytes = Infinity;
  settled(disk, (done) => log.restart(position, done));
  persist(disk, log, batch(null, entry(21, 1)));
  assertEquals(reopen(disk.clone()).recovered.entries, [entry(21, 1)]);
});

Deno.test("a snapshot whose contents can't be loaded falls back like a damaged one", () => {
  const { disk, directory, entries } = withEntries(20);
  for (const index of [8, 16]) {
    takeSnapshot(disk, directory, { index, term: 1 }, contentsOf(entries, index));
  }
  disk.kill();
  const again = DataDirectory.open(disk, options(SMALL));
  const { recovered } = again.openLog({
    load(file) {
      if (file.position.index === 16) throw new ByteFormatError("a key is twice in it");
    },
  });
  assertEquals(recovered.snapshot?.position.index, 8);
  assertEntriesBehind(recovered.entries, entries, 8);
  assertEquals(recovered.hardState.suspect, false);
  assert(recovered.notes[0]!.includes("a key is twice in it"), recovered.notes[0]);
  assertEquals(again.snapshots.list(), [{ index: 8, term: 1 }]);
  assertEquals(disk.list("1/snapshot").filter((name) => name.endsWith(".damaged")).length, 1);
  takeSnapshot(disk, again, { index: 18, term: 1 }, contentsOf(entries, 18));
  assertEquals(disk.list("1/snapshot").length, 2, "what was set aside goes with the next one");
});

Deno.test("a snapshot of another server or version stops the start, and is not set aside", () => {
  const { disk, directory, entries } = withEntries(5);
  takeSnapshot(disk, directory, { index: 5, term: 1 }, contentsOf(entries, 5));
  disk.kill();
  const path = `1/snapshot/${disk.list("1/snapshot")[0]}`;
  disk.corrupt(path, (bytes) => {
    bytes[8] = 6;
    writeU32(bytes, 36, checksum(bytes.subarray(0, 36)));
    return bytes;
  });
  const said = refusal(() => reopen(disk));
  assert(
    said?.includes("format version 6, and this build knows versions 1 to 5"),
    said ?? "it started",
  );
  assert(disk.exists(path));
});

Deno.test("a snapshot's bytes are those of builds before until the cluster version is raised", () => {
  const files = [1, 2].map((clusterVersion) => {
    const { disk, directory, entries } = withEntries(5);
    const at = { index: 5, term: 1 };
    takeSnapshot(disk, directory, at, contentsOf(entries, 5), 60, clusterVersion);
    const body = bodyOf(directory, at);
    const file = directory.snapshots.open(at);
    assertEquals(file.head.clusterVersion, clusterVersion);
    file.close();
    return { disk, directory, body, bytes: disk.contents(`1/snapshot/${snapshotName(at)}`) };
  });
  const [first, second] = files as [typeof files[0], typeof files[0]];
  assertEquals([first.bytes[8], second.bytes[8]], [1, 2]);
  // index, clock, floor, keys: u64 each; the digest's length and text; then the version.
  const store = 40 + 12 + 32 + 12 + 2 + 8 * CONFIGURATION.voters.length + 2;
  assertEquals(readU32(first.bytes, store + 4), 4 * 8 + 2 + 2);
  assertEquals(readU32(second.bytes, store + 4), 4 * 8 + 2 + 2 + 2);
  assertEquals(second.body.length, first.body.length + 2);
});

Deno.test("a received snapshot of a raised cluster version gets the head that builds before refuse", () => {
  const { disk, directory, entries } = withEntries(9);
  const at = { index: 9, term: 1 };
  takeSnapshot(disk, directory, at, contentsOf(entries, 9), 60, 2);
  const body = bodyOf(directory, at);
  for (const chunkBytes of [1, 50, body.length]) {
    const other = withEntries(3);
    receiveSnapshot(other.disk, other.directory, at, body, chunkBytes);
    assertEquals(other.disk.contents(`1/snapshot/${snapshotName(at)}`)[8], 2);
    assertEquals(bodyOf(other.directory, at), body);
    const file = other.directory.snapshots.open(at);
    assertEquals(file.head.clusterVersion, 2);
    file.close();
  }
});

Deno.test("a snapshot of a later cluster version stops the start in words, and is not set aside", () => {
  const { disk, directory, entries } = withEntries(5);
  const at = { index: 5, term: 1 };
  takeSnapshot(disk, directory, at, contentsOf(entries, 5), 60, 6);
  disk.kill();
  const said = refusal(() => reopen(disk));
  assert(said?.includes("the cluster version is 6, and this build knows 1 to 5"), said ?? "");
  assert(disk.exists(`1/snapshot/${snapshotName(at)}`));
});

const HEAD_OF_300 = {
  index: 1,
  clockMs: 7,
  floor: 3,
  keys: 300,
  digest: "d1",
  clusterVersion: 1,
  users: null,
  clientSessions: null,
  loadedScripts: null,
};

Deno.test("a snapshot on its way to its name can't be opened as one that is written, and is listed soon", () => {
  const disk = new SimDisk();
  const { directory, log } = openFormed(disk, SMALL);
  persist(disk, log, batch(vote(1, 1), entry(1, 1)));
  const position = { index: 1, term: 1 };
  const writer = directory.snapshots.begin(position, CONFIGURATION);
  writer.head(HEAD_OF_300);
  let isDone = false;
  writer.finish(() => isDone = true);
  const opened: boolean[] = [];
  while (!isDone) {
    const body = writer.openBody();
    body?.close();
    opened.push(body !== null);
    assert(disk.completeNext(), "it is done in the end");
  }
  assert(opened.includes(true) && opened.at(-1) === false, opened.join());
  assertEquals(directory.snapshots.list()[0], position);
  directory.close();
});

function readAll(body: WrittenBody): Uint8Array {
  const bytes = new Uint8Array(body.bytes + 10);
  return bytes.subarray(0, body.readBody(0, bytes));
}

Deno.test("a snapshot's body can be read while it is written, before it is in the file, too", () => {
  const disk = new SimDisk();
  const { directory, log } = openFormed(disk, SMALL);
  persist(disk, log, batch(vote(1, 1), entry(1, 1)));
  const writer = directory.snapshots.begin({ index: 1, term: 1 }, CONFIGURATION);
  const body = writer.openBody()!;
  const headless = body.bytes;
  writer.head(HEAD_OF_300);
  writer.records(new Uint8Array(300).fill(7));
  const reads = [readAll(body)];
  assert(headless > 0 && reads[0]!.length === body.bytes && body.bytes > headless + 300);
  let isFlushed = false;
  writer.flush(() => isFlushed = true);
  writer.records(new Uint8Array(200).fill(8));
  reads.push(readAll(body)); // some is on its way to the file, some waits
  assert(reads[1]!.length > reads[0]!.length + 200);
  while (!isFlushed) assert(disk.completeNext());
  reads.push(readAll(body));
  settled(disk, (done) => writer.flushSome(done)); // the first records are in the file alone
  writer.records(new Uint8Array(100).fill(9));
  reads.push(readAll(body));
  for (let offset = 0; offset < body.bytes; offset += 7) {
    const piece = new Uint8Array(50);
    const read = body.readBody(offset, piece);
    assertEquals(piece.subarray(0, read), reads[3]!.subarray(offset, offset + 50));
  }
  settled(disk, (done) => writer.finish(done));
  const whole = bodyOf(directory, { index: 1, term: 1 });
  assert(whole.length > reads[3]!.length);
  for (const early of reads) assertEquals(early, whole.subarray(0, early.length));
  const late = new Uint8Array(whole.length);
  assertEquals(body.readBody(0, late), whole.length, "also once it has its name");
  assertEquals(late, whole);
  body.close();
  directory.close();
});
