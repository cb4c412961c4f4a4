/**
 * Damage of every kind against small logs. What holds in all cases: startup is refused, or what comes
 * back is what was written; and where anything that may have been synced is gone, the server knows
 * itself suspect. No entry ever differs, and nothing below a marker is dropped.
 */
import { assert, assertEquals } from "@std/assert";
import type { Entry } from "../../lib/raft/types.ts";
import { Random } from "../../lib/util/random.ts";
import { markerOffsets } from "../../lib/storage/segments/records.ts";
import { type LogOwner, segmentGeneration } from "../../lib/storage/segments/segment_head.ts";
import { scanLog } from "../../lib/storage/recovery/scan_log.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import {
  batch,
  CLUSTER,
  entry,
  INCARNATION,
  markSynced,
  openFormed,
  persist,
  refusal,
  segmentPath,
  vote,
} from "./helpers.ts";

const OWNER: LogOwner = { clusterId: CLUSTER, serverId: 1, incarnation: INCARNATION };
const SMALL = { segmentBytesMax: 900, reserveBytes: 0 };

/** A log of several segments, its process killed without a word. */
function makeLog(count: number): { disk: SimDisk; entries: Entry[] } {
  const disk = new SimDisk();
  const { log } = openFormed(disk, SMALL);
  const entries: Entry[] = [];
  persist(disk, log, batch(vote(1, 1)));
  for (let index = 1; index <= count; index++) {
    entries.push(entry(index, 1));
    persist(disk, log, batch(null, entries.at(-1)!));
  }
  disk.kill();
  return { disk, entries };
}

/** Opens a damaged log; returns null where it was refused, else what came back. */
function tryOpen(disk: SimDisk) {
  let opened: ReturnType<typeof openFormed> | undefined;
  const said = refusal(() => opened = openFormed(disk, SMALL));
  if (said !== null) {
    assert(said.length > 60, said);
    return null;
  }
  return opened!;
}

function lastSegment(disk: SimDisk): string {
  return `1/wal/${disk.list("1/wal").at(-1)}`;
}

/** Entries below the last marker of the last segment: their loss can be proven. */
function provenEntries(disk: SimDisk): number {
  const copy = disk.clone();
  const path = lastSegment(copy);
  const generation = segmentGeneration(OWNER, copy.list("1/wal").length);
  const last = markerOffsets(copy.contents(path), generation).at(-1);
  if (last !== undefined) copy.corrupt(path, (bytes) => bytes.fill(0, last));
  return scanLog(copy, "1/wal", OWNER, { index: 0, term: 0 }).replay.entries.length;
}

function assertPrefix(found: readonly Entry[], written: readonly Entry[], note: string): void {
  assert(found.length <= written.length, note);
  found.forEach((one, i) => assertEquals(one, written[i], note));
}

Deno.test("a flipped bit at any byte of the log is refused, or cuts the unproven end as suspect", () => {
  const { disk, entries } = makeLog(14);
  const proven = provenEntries(disk);
  assert(proven > 0 && proven < entries.length);
  let refused = 0;
  let suspected = 0;
  for (const name of disk.list("1/wal")) {
    const path = `1/wal/${name}`;
    for (let at = 0; at < disk.contents(path).length; at++) {
      const copy = disk.clone();
      copy.corrupt(path, (bytes) => {
        bytes[at]! ^= 1 << (at % 8);
        return bytes;
      });
      const opened = tryOpen(copy);
      if (opened === null) {
        refused++;
        continue;
      }
      const note = `${path} at ${at}`;
      const { recovered } = opened;
      assertPrefix(recovered.entries, entries, note);
      assert(recovered.entries.length >= proven, note);
      assertEquals(recovered.hardState.term, 1, note);
      const closedSegment = path !== lastSegment(disk);
      if (recovered.hardState.suspect) suspected++;
      // Only the unused end of a closed segment may change without a word.
      else assert(closedSegment && recovered.entries.length === entries.length, note);
    }
  }
  assert(refused > 500 && suspected > 100, `${refused} refused, ${suspected} suspect`);
});

Deno.test("a file of the log that was cut or grown to any length is refused", () => {
  const { disk } = makeLog(10);
  for (const name of disk.list("1/wal")) {
    const path = `1/wal/${name}`;
    const length = disk.contents(path).length;
    for (let size = 0; size <= length + 1; size++) {
      if (size === length) continue;
      const copy = disk.clone();
      copy.corrupt(path, (bytes) => {
        const changed = new Uint8Array(size);
        changed.set(bytes.subarray(0, size));
        return changed;
      });
      assertEquals(tryOpen(copy), null, `${path} at ${size}`);
    }
  }
});

Deno.test("a batch torn at any byte while it was written is cut, and leaves the server suspect", () => {
  const { disk, entries } = makeLog(9);
  const path = lastSegment(disk);
  const before = disk.contents(path);
  const { log } = openFormed(disk, SMALL);
  disk.kill();
  const settled = disk.contents(path);
  const start = log.bytes();
  const last = entry(10, 1, "the last one");
  const second = openFormed(disk, SMALL);
  persist(disk, second.log, batch(vote(2, 2), last));
  disk.kill();
  const full = disk.contents(path);
  assert(before.length === full.length && start > 0);
  const from = firstDifference(settled, full);
  const to = full.length - [...full].reverse().findIndex((byte) => byte !== 0);
  for (let cut = from; cut <= to; cut++) {
    for (const filler of [0, 0xa5]) {
      const copy = disk.clone();
      copy.corrupt(path, (bytes) => bytes.fill(filler, cut, to));
      const opened = tryOpen(copy);
      if (opened === null) throw new Error(`refused at ${cut}`);
      const { recovered } = opened;
      const whole = cut === to;
      assertEquals(recovered.entries, whole ? [...entries, last] : entries, `at ${cut}`);
      const clean = whole || recovered.cutBytes === 0;
      assertEquals(recovered.hardState.suspect, !clean, `at ${cut}`);
      if (cut > from + 48 && !whole) assert(recovered.cutBytes > 0 || filler === 0);
    }
  }
});

Deno.test("suspicion outlasts crashes at every step of the start that found it", () => {
  const { disk, entries } = makeLog(9);
  const path = lastSegment(disk);
  const zeroes = endOf(disk.contents(path));
  disk.corrupt(path, (bytes) => bytes.fill(0x77, zeroes, zeroes + 300));
  for (let operation = 1; operation < 60; operation++) {
    for (let seed = 0; seed < 30; seed++) {
      const copy = disk.clone();
      copy.crashAtOperation = operation;
      let finished = false;
      try {
        openFormed(copy, SMALL);
        finished = true;
      } catch (error) {
        assert(error instanceof Error && error.name === "SimCrash", String(error));
      }
      copy.powerLoss(new Random(seed));
      const { recovered } = openFormed(copy, SMALL);
      assertEquals(recovered.entries, entries);
      assert(recovered.hardState.suspect, `laundered at operation ${operation}, seed ${seed}`);
      if (finished) operation = 60;
    }
  }
});

Deno.test("suspicion ends when the node says so, and stays ended", () => {
  const { disk } = makeLog(3);
  const path = lastSegment(disk);
  disk.corrupt(path, (bytes) => bytes.fill(0x77, endOf(bytes), endOf(bytes) + 9));
  const { log, recovered } = openFormed(disk, SMALL);
  assert(recovered.hardState.suspect);
  persist(disk, log, batch({ ...recovered.hardState, suspect: false }));
  disk.powerLoss(new Random(1));
  assertEquals(openFormed(disk, SMALL).recovered.hardState, vote(1, 1));
});

Deno.test("segments that are missing, swapped, repeated or from another life are refused", () => {
  const { disk } = makeLog(30);
  const names = disk.list("1/wal");
  assert(names.length >= 4);
  for (const name of names) {
    const copy = disk.clone();
    copy.vanish(`1/wal/${name}`);
    assertEquals(tryOpen(copy), null, `without ${name}`);
  }
  for (let i = 1; i < names.length; i++) {
    const copy = disk.clone();
    const [a, b] = [segmentPath(i), segmentPath(i + 1)];
    const [first, second] = [copy.contents(a), copy.contents(b)];
    copy.corrupt(a, () => second);
    copy.corrupt(b, () => first);
    assertEquals(tryOpen(copy), null, `swapped ${i}`);
    const repeated = disk.clone();
    repeated.corrupt(b, () => first);
    assertEquals(tryOpen(repeated), null, `repeated ${i}`);
  }
});

Deno.test("a segment of the same place in another history is refused by the chain", () => {
  const { disk } = makeLog(30);
  const other = new SimDisk();
  const { log } = openFormed(other, SMALL);
  persist(other, log, batch(vote(1, 1)));
  for (let index = 1; index <= 30; index++) {
    persist(other, log, batch(null, entry(index, 1, `${index}/x`)));
  }
  other.kill();
  for (const name of disk.list("1/wal")) {
    const copy = disk.clone();
    copy.corrupt(`1/wal/${name}`, () => other.contents(`1/wal/${name}`));
    assertEquals(tryOpen(copy), null, name);
  }
});

Deno.test("recycled bytes of older records after the log's end never replay", () => {
  const { disk, entries } = makeLog(4);
  const path = lastSegment(disk);
  const bytes = disk.contents(path);
  const end = endOf(bytes);
  for (let from = 104; from < end; from++) {
    const copy = disk.clone();
    copy.corrupt(path, (contents) => {
      contents.set(bytes.subarray(from, Math.min(end, from + contents.length - end)), end);
      return contents;
    });
    const opened = tryOpen(copy);
    if (opened === null) continue;
    assertEquals(opened.recovered.entries, entries, `from ${from}`);
    assert(opened.recovered.hardState.suspect, `from ${from}`);
  }
});

Deno.test("a value that looks like a marker does not turn a torn tail into damage", () => {
  const disk = new SimDisk();
  const large = { segmentBytesMax: 8192, reserveBytes: 0 };
  const { log } = openFormed(disk, large);
  persist(disk, log, batch(null, entry(1, 1)));
  markSynced(disk, log);
  const marker = disk.contents(segmentPath(1));
  const payload = String.fromCharCode(...marker.subarray(endOf(marker) - 60, endOf(marker)));
  persist(disk, log, batch(null, entry(2, 1, payload.repeat(20))));
  disk.kill();
  const end = endOf(disk.contents(segmentPath(1)));
  disk.corrupt(segmentPath(1), (bytes) => bytes.fill(0, end - 3));
  const { recovered } = openFormed(disk, large);
  assertEquals(recovered.entries, [entry(1, 1)]);
  assert(recovered.hardState.suspect);
});

Deno.test("a scan names the file, the bytes and the entries of every damage, and reads on", () => {
  const { disk } = makeLog(30);
  const path = segmentPath(2);
  const generation = segmentGeneration(OWNER, 2);
  const [, second, third] = markerOffsets(disk.contents(path), generation);
  disk.corrupt(path, (bytes) => {
    bytes[second! + 60]! ^= 1;
    return bytes;
  });
  disk.corrupt(segmentPath(3), (bytes) => {
    bytes[20]! ^= 0;
    bytes[150]! ^= 1;
    return bytes;
  });
  const scan = scanLog(disk, "1/wal", OWNER, { index: 0, term: 0 });
  assertEquals(scan.damage.length, 2);
  const [first, next] = scan.damage;
  assertEquals([first!.path, first!.offset, first!.end], [path, second! + 48, third]);
  assertEquals(first!.firstIndex, scan.replay.nextIndex);
  assertEquals(first!.lastIndex, first!.firstIndex);
  assertEquals(next!.path, segmentPath(3));
  assert(next!.lastIndex !== null && next!.lastIndex >= next!.firstIndex);
  const said = refusal(() => openFormed(disk, SMALL)) ?? "it started";
  assert(said.includes(path) && said.includes(`byte ${second! + 48}`), said);
  assert(said.includes("2 places"), said);
});

Deno.test("a segment whose head is damaged is one damage: it is not called missing as well", () => {
  const { disk } = makeLog(30);
  const last = disk.list("1/wal").at(-1)!;
  disk.corrupt(`1/wal/${last}`, (bytes) => {
    bytes[90]! ^= 1;
    return bytes;
  });
  const { damage } = scanLog(disk, "1/wal", OWNER, { index: 0, term: 0 });
  assertEquals(damage.map(({ path, reason }) => [path, reason]), [
    [`1/wal/${last}`, "the checksum of its head is wrong"],
  ]);
});

Deno.test("an entry of an unknown kind stops the start with a sentence", () => {
  const disk = new SimDisk();
  const { log } = openFormed(disk);
  const strange = entry(1, 1);
  strange.data[0] = 77;
  persist(disk, log, batch(null, strange));
  disk.kill();
  const said = refusal(() => openFormed(disk));
  assert(said?.includes("kind 77"), said ?? "it started");
});

function firstDifference(a: Uint8Array, b: Uint8Array): number {
  return a.findIndex((byte, i) => byte !== b[i]);
}

function endOf(bytes: Uint8Array): number {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return end;
}
