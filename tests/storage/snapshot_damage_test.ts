/**
 * Every byte flipped, every file cut at every length, every file deleted, in a directory with two
 * snapshots and a log that was compacted; with a node that can repair and with one that can't. No
 * start ever comes back with another entry or other contents, and none misses what was acknowledged
 * without knowing it.
 */
import { assert, assertEquals } from "@std/assert";
import type { Entry, HardState } from "../../lib/raft/types.ts";
import { DataDirectory } from "../../lib/storage/data_directory.ts";
import type { RecoveredLog } from "../../lib/storage/types.ts";
import { SPARE_SUFFIX } from "../../lib/storage/segments/spare_segments.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import {
  batch,
  entry,
  markSynced,
  openFormed,
  options,
  persist,
  refusal,
  vote,
} from "./helpers.ts";
import { contentsOf, Loaded, takeSnapshot } from "./snapshot_helpers.ts";

const SMALL = { segmentBytesMax: 600, reserveBytes: 64 };

interface Original {
  disk: SimDisk;
  entries: Entry[];
  hardState: HardState;
  files: string[];
}

/** Entries 1 to 30, snapshots at 10 and 22, the log kept after the first; the last two unproven. */
function makeOriginal(): Original {
  const disk = new SimDisk();
  const { directory, log } = openFormed(disk, SMALL);
  const entries: Entry[] = [];
  for (let index = 1; index <= 30; index++) {
    if (index % 6 === 1) persist(disk, log, batch(vote(index, 2)));
    const term = Math.floor((index - 1) / 6) * 6 + 1;
    entries.push(entry(index, term));
    persist(disk, log, batch(null, entries.at(-1)!));
    if (index === 10 || index === 22) {
      takeSnapshot(disk, directory, { index, term }, contentsOf(entries, index));
      log.compact(index + 1);
      disk.completeAll();
    }
    if (index === 29) markSynced(disk, log);
  }
  disk.kill();
  // A start looks at no spare segment.
  const under = (name: string) =>
    disk.list(`1/${name}`).filter((file) => !file.endsWith(SPARE_SUFFIX))
      .map((file) => `1/${name}/${file}`);
  const files = ["1/identity", "1/formation", "1/reserve", ...under("wal"), ...under("snapshot")];
  return { disk, entries, hardState: vote(25, 2), files };
}

type Outcome = "refused" | "repairing" | "suspect" | "fallback" | "harmless";

/** Opens the damaged directory, checks what it says of itself, and names the outcome. */
function outcomeOf(disk: SimDisk, original: Original, repair: boolean, note: string): Outcome {
  const { entries, hardState } = original;
  const loaded = new Loaded();
  const opened: { directory: DataDirectory; recovered: RecoveredLog }[] = [];
  const said = refusal(() => {
    const directory = DataDirectory.open(disk, options(SMALL));
    opened.push({ directory, ...directory.openLog({ ...loaded.options, repair }) });
  });
  if (said !== null) {
    assert(said.length > 60 && /\b1\b/.test(said), `${note}: ${said}`);
    disk.kill();
    return "refused";
  }
  const { directory, recovered } = opened[0]!;
  const index = recovered.snapshot?.position.index ?? 0;
  assertEquals(loaded.text, contentsOf(entries, index), note);
  const first = recovered.entries[0]?.index ?? index + 1;
  assert(first <= index + 1, note);
  assertEquals(recovered.entries, entries.slice(first - 1, first - 1 + recovered.entries.length));
  const last = first - 1 + recovered.entries.length;
  directory.close();
  const { damaged } = recovered;
  if (damaged !== null) {
    assert(repair && recovered.hardState.suspect, note);
    assertEquals(damaged.fromIndex, last + 1, note);
    assert(damaged.lastIndexSeen >= last && damaged.lastIndexSeen <= 30, note);
    checkRepairing(disk, recovered, note);
    return "repairing";
  }
  assertEquals(disk.exists("1/repairing"), false, note);
  if (recovered.hardState.suspect) {
    assert(last >= 28, note);
    return "suspect";
  }
  assertEquals(last, 30, note);
  assertEquals(recovered.hardState, hardState, note);
  return recovered.notes.length > 0 ? "fallback" : "harmless";
}

/** The next starts know of the repair too, until it is over. */
function checkRepairing(disk: SimDisk, before: RecoveredLog, note: string): void {
  const said = refusal(() => DataDirectory.open(disk, options(SMALL)).openLog());
  assert(said?.includes("being repaired"), note);
  disk.kill();
  const directory = DataDirectory.open(disk, options(SMALL));
  const { log, recovered } = directory.openLog({ repair: true });
  assertEquals(recovered.damaged, before.damaged, note);
  assertEquals(recovered.entries, before.entries, note);
  assertEquals(recovered.hardState, before.hardState, note);
  log.finishRepair();
  directory.close();
  const after = DataDirectory.open(disk, options(SMALL)).openLog().recovered;
  assertEquals(after.damaged, null, note);
  assertEquals(after.entries, before.entries, note);
  assert(!disk.list("1/wal").some((name) => name.startsWith("damaged")), note);
}

function tally(original: Original, variants: Iterable<[string, SimDisk]>) {
  const counts = new Map<string, number>();
  for (const [note, disk] of variants) {
    for (const repair of [false, true]) {
      const outcome = outcomeOf(disk.clone(), original, repair, `${note}, repair ${repair}`);
      const key = `${repair ? "repair" : "plain"} ${outcome}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  }
  return (key: string) => counts.get(key) ?? 0;
}

function changed(disk: SimDisk, path: string, change: (bytes: Uint8Array) => Uint8Array): SimDisk {
  const copy = disk.clone();
  copy.corrupt(path, change);
  return copy;
}

Deno.test("a flipped bit at any byte is refused, repaired, suspect, passed by or harmless", () => {
  const original = makeOriginal();
  const { disk, files } = original;
  function* flips(): Generator<[string, SimDisk]> {
    for (const path of files) {
      for (let at = 0; at < disk.contents(path).length; at++) {
        yield [
          `${path} at ${at}`,
          changed(disk, path, (bytes) => {
            bytes[at]! ^= 1 << (at % 8);
            return bytes;
          }),
        ];
      }
    }
  }
  const count = tally(original, flips());
  for (const key of ["plain refused", "repair refused", "repair repairing", "plain suspect"]) {
    assert(count(key) > 50, `${key}: ${count(key)}`);
  }
  for (const key of ["plain fallback", "repair fallback"]) {
    assert(count(key) > 800, `${count(key)}`);
  }
  assertEquals(count("plain repairing"), 0);
  // With repair, only the two files that say who this is can't be done without.
  const whoIsThis = disk.contents("1/identity").length + disk.contents("1/formation").length;
  assertEquals(count("repair refused"), whoIsThis);
});

Deno.test("a file cut at any length is refused, repaired, passed by or harmless", () => {
  const original = makeOriginal();
  const { disk, files } = original;
  function* cuts(): Generator<[string, SimDisk]> {
    for (const path of files) {
      for (let size = 0; size < disk.contents(path).length; size++) {
        yield [`${path} cut to ${size}`, changed(disk, path, (bytes) => bytes.slice(0, size))];
      }
    }
  }
  const count = tally(original, cuts());
  assertEquals(count("plain suspect"), 0);
  assert(count("plain refused") > 500 && count("repair repairing") > 500);
  assert(count("plain fallback") > 800);
});

Deno.test("with the newest snapshot damaged too, a flipped bit at any byte of the log is repaired", () => {
  const original = makeOriginal();
  const { disk, files } = original;
  const flip = (at: number) => (bytes: Uint8Array) => {
    bytes[at]! ^= 1 << (at % 8);
    return bytes;
  };
  const twice = changed(disk, files.at(-1)!, flip(200));
  function* flips(): Generator<[string, SimDisk]> {
    for (const path of files.filter((one) => one.includes("wal"))) {
      for (let at = 0; at < disk.contents(path).length; at++) {
        yield [`newest snapshot, and ${path} at ${at}`, changed(twice, path, flip(at))];
      }
    }
  }
  const count = tally(original, flips());
  assertEquals(count("repair refused"), 0);
  assert(count("repair repairing") > 500, `${count("repair repairing")}`);
});

Deno.test("any file that is gone is refused, repaired, or not needed", () => {
  const original = makeOriginal();
  const { disk, files } = original;
  for (const path of files) {
    const copy = disk.clone();
    copy.vanish(path);
    const plain = outcomeOf(copy.clone(), original, false, `without ${path}`);
    const repaired = outcomeOf(copy.clone(), original, true, `without ${path}, repair`);
    const isNeeded = path.includes("wal") && path !== files.find((one) => one.includes("wal"));
    // The newest snapshot has all that the oldest segment holds, and the log all that it has.
    const isSpare = /snapshot|reserve/.test(path) || (path.includes("wal") && !isNeeded);
    if (isSpare) assertEquals([plain, repaired], ["harmless", "harmless"], path);
    else if (isNeeded) assert(plain === "refused" || plain === "fallback", path);
    else assertEquals([plain, repaired], ["refused", "refused"], path);
    if (plain === "refused" && path.includes("wal")) assertEquals(repaired, "repairing", path);
  }
});

Deno.test("an older snapshot that the log does not go back to is no way out", () => {
  const original = makeOriginal();
  const { disk, files, entries } = original;
  disk.vanish(files.find((path) => path.includes("wal"))!);
  const newest = files.at(-1)!;
  disk.corrupt(newest, (bytes) => bytes.slice(0, 200));
  const said = refusal(() => DataDirectory.open(disk.clone(), options(SMALL)).openLog());
  assert(said?.includes(newest) && said.includes("no older state"), said ?? "it started");
  const loaded = new Loaded();
  const directory = DataDirectory.open(disk, options(SMALL));
  const { recovered } = directory.openLog({ ...loaded.options, repair: true });
  assertEquals(loaded.text, contentsOf(entries, 10));
  assertEquals(recovered.entries, []);
  assertEquals(recovered.damaged?.fromIndex, 11);
  assertEquals(recovered.damaged?.lastIndexSeen, 30);
});
