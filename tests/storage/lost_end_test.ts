/** Disks that lost what they had said to be durable, and the trace that gives them away. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { DataDirectory } from "../../lib/storage/data_directory.ts";
import { inspectDirectory } from "../../lib/storage/inspection/inspect.ts";
import { listSegments } from "../../lib/storage/recovery/scan_log.ts";
import { readU64 } from "../../lib/util/bytes.ts";
import type { SimDisk } from "../sim/sim_disk.ts";
import { options, refusal, segmentPath } from "./helpers.ts";
import { lastHead, makeRecycled, reopen, SIZES, spares } from "./recycled_helpers.ts";
import { Loaded } from "./snapshot_helpers.ts";

function place(disk: SimDisk, path: string, bytes: Uint8Array): void {
  if (disk.exists(path)) disk.vanish(path);
  const file = disk.open(path, { create: true });
  file.truncate(bytes.length);
  file.write(0, bytes);
  file.syncNow();
  file.close();
  disk.syncDirectory("1/wal");
}

/** A log whose last segment is recycled, ended by a kill, and its last sequence. */
function killed(): { disk: SimDisk; last: number } {
  const { disk } = makeRecycled();
  const last = lastHead(disk).sequence;
  disk.kill();
  return { disk, last };
}

/** The last segments are gone, and the file of the very last one has another name, as it had before. */
function loseEnd(disk: SimDisk, last: number, segments: number, name: string): void {
  const bytes = disk.contents(segmentPath(last)).slice();
  for (let i = 0; i < segments; i++) disk.vanish(segmentPath(last - i));
  // The segment that is last now knows of no other one: its end marker did not come through, either.
  const before = segmentPath(last - segments);
  const end = disk.contents(before).length;
  disk.corrupt(before, (all) => {
    let at = all.findLastIndex((byte) => byte !== 0) + 1;
    // The end marker is the last record; 48 bytes, as any.
    at = Math.min(at, end);
    return all.fill(0, at - 48, at);
  });
  place(disk, name, bytes);
}

function open(disk: SimDisk, repair = false) {
  const directory = DataDirectory.open(disk, options(SIZES));
  return { directory, ...directory.openLog({ ...new Loaded().options, repair }) };
}

Deno.test("an old name with a head above the log's last segment is damage: refused or repaired", () => {
  const { disk, last } = killed();
  const oldest = listSegments(disk, "1/wal")[0]!;
  const name = segmentPath(oldest - 1);
  loseEnd(disk, last, 1, name);
  for (let start = 0; start < 2; start++) {
    const said = refusal(() => open(disk)) ?? "it started";
    assert(said.includes(`segment ${last}`), said);
    assert(!/nothing is lost|not needed/.test(said), said);
    disk.kill();
  }
  const { problems } = inspectDirectory(disk, "1");
  assert(problems.some(({ path }) => path === segmentPath(last)), JSON.stringify(problems));
  const { recovered } = open(disk, true);
  assert(recovered.damaged !== null);
  assert(recovered.hardState.suspect);
});

Deno.test("a spare with a head two segments on is damage, and a refused start leaves it there", () => {
  const { disk, last } = killed();
  for (const name of spares(disk)) disk.vanish(`1/wal/${name}`);
  const name = `${segmentPath(1)}.spare`;
  loseEnd(disk, last, 2, name);
  for (let start = 0; start < 2; start++) {
    const said = refusal(() => open(disk));
    assertMatch(said ?? "it started", new RegExp(`${name} is of segment ${last}`));
    assert(disk.exists(name));
    disk.kill();
  }
  assert(inspectDirectory(disk, "1").problems.length > 0);
  const { recovered, directory } = open(disk, true);
  assert(recovered.damaged !== null);
  assert(!disk.exists(name));
  directory.close();
});

Deno.test("a spare or a new file on its way to be the next segment proves nothing", () => {
  for (const suffix of [".spare", ".new"]) {
    const { disk, last } = killed();
    const { recovered } = reopen(disk.clone());
    for (const name of spares(disk)) disk.vanish(`1/wal/${name}`);
    const name = `${segmentPath(suffix === ".new" ? last + 1 : 1)}${suffix}`;
    const bytes = nextHeadOver(disk, last);
    place(disk, name, bytes);
    assertEquals(inspectDirectory(disk, "1").problems, []);
    const again = reopen(disk).recovered;
    assertEquals(again.hardState, recovered.hardState);
    assertEquals(again.entries, recovered.entries);
  }
});

/** What the next segment's file would hold: made by letting the server go on for a segment. */
function nextHeadOver(disk: SimDisk, last: number): Uint8Array {
  const copy = disk.clone();
  const server = reopen(copy);
  let next = 0;
  for (let n = server.recovered.entries.at(-1)!.index; next <= last; n++) {
    server.log.persist({
      hardState: { term: 2 + n, votedFor: 1, suspect: false },
      entries: [],
      messagesAfterSync: [],
    }, (error) => assertEquals(error, null));
    copy.completeAll();
    next = listSegments(copy, "1/wal").at(-1)!;
  }
  const bytes = copy.contents(segmentPath(next)).slice();
  assertEquals(readU64(bytes, 40), last + 1);
  return bytes;
}
