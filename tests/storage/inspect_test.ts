import { assert, assertEquals } from "@std/assert";
import { inspectDirectory } from "../../lib/storage/inspection/inspect.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import { DataDirectory } from "../../lib/storage/data_directory.ts";
import {
  batch,
  CLUSTER,
  entry,
  INCARNATION,
  markSynced,
  openFormed,
  options,
  persist,
  segmentPath,
  vote,
} from "./helpers.ts";
import { CONFIGURATION, contentsOf, takeSnapshot } from "./snapshot_helpers.ts";

const SMALL = { segmentBytesMax: 700, reserveBytes: 64 };

function makeDirectory(): SimDisk {
  const disk = new SimDisk();
  const { directory, log } = openFormed(disk, SMALL);
  persist(disk, log, batch(vote(3, 2)));
  const entries = Array.from({ length: 20 }, (_, i) => entry(i + 1, 3));
  for (const one of entries) persist(disk, log, batch(null, one));
  markSynced(disk, log);
  takeSnapshot(disk, directory, { index: 12, term: 3 }, contentsOf(entries, 12));
  disk.kill();
  return disk;
}

/** Inspects, and makes sure that nothing was changed. */
function inspect(disk: SimDisk, records = false) {
  const before = disk.operations;
  const report = inspectDirectory(disk, "1", { records });
  assertEquals(disk.operations, before, "inspecting changed the disk");
  return report;
}

Deno.test("a sound directory is described from identity to the last record", () => {
  const disk = makeDirectory();
  const report = inspect(disk, true);
  assertEquals(report.problems, []);
  assertEquals(report.notes, []);
  assertEquals(report.identity, { serverId: 1, incarnation: INCARNATION });
  assertEquals(report.formation?.clusterId, CLUSTER);
  assertEquals(report.formation?.stage, "formed");
  const [snapshot] = report.snapshots;
  assertEquals(snapshot!.position, { index: 12, term: 3 });
  assertEquals(snapshot!.configuration, CONFIGURATION);
  assertEquals(snapshot!.head!.digest, "d1");
  assertEquals(snapshot!.bytes, disk.contents(snapshot!.path).length);
  assert(report.segments.length > 2);
  assertEquals(report.segments.at(-1)!.lastIndex, 20);
  report.segments.slice(1).forEach((segment, i) => {
    assertEquals(segment.firstIndex, report.segments[i]!.lastIndex + 1);
    assert(report.segments[i]!.closed);
  });
  assertEquals(report.log, {
    firstIndex: 1,
    lastIndex: 20,
    lastTerm: 3,
    hardState: vote(3, 2),
    tornBytes: 0,
  });
  const kinds = report.records!.map((record) => record.kind);
  assertEquals(kinds.filter((kind) => kind === "entries").length, 20);
  assertEquals(kinds.filter((kind) => kind === "hardState").length, 1);
  assert(!kinds.includes("damaged"));
  assert(report.records!.some((one) => one.text === "20 to 20, term 3"));
});

Deno.test("a torn tail is a note, and damage is a problem with file and byte", () => {
  const torn = makeDirectory();
  const last = `1/wal/${torn.list("1/wal").at(-1)}`;
  const end = torn.contents(last).findLastIndex((byte) => byte !== 0) + 1;
  torn.corrupt(last, (bytes) => bytes.fill(7, end, end + 20));
  const report = inspect(torn, true);
  assertEquals(report.problems, []);
  assertEquals(report.log!.tornBytes, 20);
  assert(report.notes[0]!.includes(last) && report.notes[0]!.includes("20 bytes"));
  assertEquals(report.records!.at(-1)!.kind, "damaged");
  assertEquals(report.records!.at(-1)!.offset, end);

  const damaged = makeDirectory();
  damaged.corrupt(segmentPath(1), (bytes) => {
    bytes[300]! ^= 1;
    return bytes;
  });
  const [problem] = inspect(damaged, true).problems;
  assertEquals(problem!.path, segmentPath(1));
  assert(problem!.offset! > 104 && problem!.offset! <= 300);
  assert(problem!.message.includes("may be lost"));
});

Deno.test("a flipped bit in any checked byte is found, and so is a file that is gone", () => {
  const disk = makeDirectory();
  const snapshot = `1/snapshot/${disk.list("1/snapshot")[0]}`;
  const files = ["1/identity", "1/formation", snapshot, segmentPath(1), segmentPath(2)];
  for (const path of files) {
    const end = disk.contents(path).findLastIndex((byte) => byte !== 0) + 1;
    for (let at = 0; at < end; at++) {
      const copy = disk.clone();
      copy.corrupt(path, (bytes) => {
        bytes[at]! ^= 1 << (at % 8);
        return bytes;
      });
      const { problems } = inspect(copy);
      assert(problems.some((one) => one.path === path), `${path} at ${at}`);
    }
    // Nothing says that a snapshot was there, as long as the log goes back to the beginning.
    if (path === snapshot) continue;
    const copy = disk.clone();
    copy.vanish(path);
    const { problems, notes } = inspect(copy);
    const isInSnapshot = path === segmentPath(1);
    assert((isInSnapshot ? notes : problems).length > 0, `without ${path}`);
  }
});

Deno.test("directories that are empty, unformed, absent or being repaired are described", () => {
  const disk = new SimDisk();
  assert(inspect(disk).notes[0]!.includes("No server"));
  DataDirectory.open(disk, options(SMALL)).close();
  assert(inspect(disk).notes[0]!.includes("no cluster"));
  const damaged = makeDirectory();
  const last = `1/wal/${damaged.list("1/wal").at(-1)}`;
  damaged.corrupt(last, (bytes) => {
    bytes[20]! ^= 1;
    return bytes;
  });
  DataDirectory.open(damaged, options(SMALL)).openLog({ repair: true });
  damaged.kill();
  const report = inspect(damaged);
  assert(report.repairing!.reason.includes(last));
  assertEquals(report.problems, []);
  assert(report.segments[0]!.restarts);
  assert(report.notes.some((note) => note.includes("set aside")));
});
