/**
 * The crash table of docs/data-directory.md, row by row: a life that comes by every row is ended at each
 * operation of its disk. Whatever is left, startup accepts it, and an inspection finds no fault with it;
 * and each row of the page is met.
 */
import { assertEquals } from "@std/assert";
import { Random } from "../../lib/util/random.ts";
import { DataDirectory } from "../../lib/storage/data_directory.ts";
import { type DirectoryReport, inspectDirectory } from "../../lib/storage/inspection/inspect.ts";
import { scanLog } from "../../lib/storage/recovery/scan_log.ts";
import { readU64 } from "../../lib/util/bytes.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import { livesThrough, remainsOf } from "./crashes.ts";
import {
  batch,
  entry,
  FORMED,
  markSynced,
  options,
  persist,
  PREPARED,
  refusal,
  vote,
} from "./helpers.ts";
import { OWNER } from "./recycled_helpers.ts";
import { BODY, HISTORY, RECEIVED } from "./snapshot_ledger.ts";
import { contentsOf, Loaded, settled, takeSnapshot } from "./snapshot_helpers.ts";

const SIZES = { segmentBytesMax: 4_600, reserveBytes: 900 };
const PAGE = new URL("../../docs/data-directory.md", import.meta.url);

/** The first column of the table, a row each. */
function rowsOfThePage(): string[] {
  const text = Deno.readTextFileSync(PAGE);
  const table = text.slice(text.indexOf("| the crash came "));
  const lines = table.slice(0, table.indexOf("\n\n")).split("\n").slice(2);
  return lines.map((line) => line.split("|")[1]!.trim());
}

/** What is left after a crash, as the rows tell states apart. */
interface Remains {
  readonly disk: SimDisk;
  readonly report: DirectoryReport;
  readonly names: readonly string[];
  readonly wal: readonly string[];
  readonly snapshots: readonly string[];
  /** A batch was being written when the crash came, of entries up to this index; else null. */
  readonly pendingIndex: number | null;
  /** Which life: a first one, a startup after a torn tail, or a repairing one. */
  readonly life: "first" | "after a torn tail" | "repairing";
}

type Row = (remains: Remains) => boolean;

const lastSegment = ({ report }: Remains) => report.segments.at(-1);
const scan = ({ disk, report }: Remains) =>
  scanLog(disk, "1/wal", OWNER, report.snapshots[0]?.position ?? { index: 0, term: 0 });

/** What has to be there for a row to be met. */
const ROWS: Readonly<Record<string, Row>> = {
  "before `identity` had its name": ({ names }) =>
    !names.includes("identity") && names.includes("identity.new"),
  "while `formation` was replaced": ({ names }) => names.includes("formation.new"),
  "between the first segment and `formed`": ({ report, wal }) =>
    report.formation?.stage === "prepared" && wal.includes("0000000000000001.log"),
  "while a batch was written, nothing of it arrived": ({ report, pendingIndex }) =>
    pendingIndex !== null && report.log?.tornBytes === 0 && report.log.lastIndex < pendingIndex,
  "…and all of it arrived": ({ report, pendingIndex }) =>
    pendingIndex !== null && report.log?.lastIndex === pendingIndex,
  "…and some of it arrived": ({ report, pendingIndex }) =>
    pendingIndex !== null && (report.log?.tornBytes ?? 0) > 0,
  "while a segment was made": ({ wal }) => wal.some((name) => name.endsWith(".log.new")),
  "while a segment became a spare": ({ wal }) => wal.some((name) => name.endsWith(".spare")),
  "while a segment was made of a spare": ({ disk, wal }) =>
    wal.some((name) => isRecycled(disk, name)),
  "before the old segment had its end marker": (remains) =>
    remains.wal.length > 1 && lastSegment(remains) !== undefined && scan(remains).unused !== null,
  "after the end marker": ({ report }) => {
    const [before, last] = report.segments.slice(-2);
    return before?.closed === true && last !== undefined && last.usedBytes === 104;
  },
  "while startup cut a torn tail": ({ life }) => life === "after a torn tail",
  "while the reserve was written or removed": ({ disk, names }) =>
    names.includes("reserve") && disk.contents("1/reserve").length !== SIZES.reserveBytes,
  "while a snapshot was written or received": ({ snapshots }) =>
    snapshots.some((name) => name.endsWith(".new")) &&
      snapshots.every((name) => !name.endsWith(".part")) ||
    snapshots.some((name) => name.endsWith(".part")),
  "after its rename, before older ones were gone": ({ report }) => report.snapshots.length === 3,
  "while segments were removed": ({ report }) => (report.log?.firstIndex ?? 1) > 1,
  "between a received snapshot and `restart()`": ({ report }) =>
    report.snapshots[0]?.position.index === RECEIVED.index &&
    report.segments.every(({ restarts }) => !restarts),
  "while `restart()` removed segments": ({ report, wal }) =>
    report.segments[0]?.restarts === true && wal.length > report.segments.length,
  "at any step of a repair at startup": ({ names, life }) =>
    life === "repairing" && names.includes("repairing"),
};

/** A spare that has the head of a segment to come already. */
function isRecycled(disk: SimDisk, name: string): boolean {
  if (!name.endsWith(".spare")) return false;
  return readU64(disk.contents(`1/wal/${name}`), 40) !== Number(name.slice(0, 16));
}

interface Progress {
  pendingIndex: number | null;
}

/** A life that comes by every row but the last lives of a disk. */
function live(disk: SimDisk, progress: Progress): void {
  const directory = DataDirectory.open(disk, options(SIZES));
  directory.saveFormation(PREPARED);
  directory.saveFormation(FORMED);
  const { log } = directory.openLog();
  const append = (from: number, to: number, term = 0) => {
    for (let index = from; index <= to; index++) {
      progress.pendingIndex = index;
      const one = term === 0 ? HISTORY[index - 1]! : entry(index, term, "w".repeat(700));
      persist(disk, log, batch(index % 9 === 0 ? vote(1, 2) : null, one));
      progress.pendingIndex = null;
    }
  };
  const own = (index: number) => {
    const { term } = HISTORY[index - 1]!;
    takeSnapshot(disk, directory, { index, term }, contentsOf(HISTORY, index), 200);
    log.compact(index + 1);
    disk.completeAll();
  };
  persist(disk, log, batch(vote(1, 2)));
  append(1, 12);
  own(6);
  // The tails of other leaders' terms fill segments, so that some become spares and are recycled.
  for (let round = 0; round < 4; round++) {
    const from = 13 + round;
    append(from, from + 9, 1);
    persist(disk, log, batch(null, HISTORY[from - 1]!));
    own(from);
  }
  const part = directory.snapshots.receive(RECEIVED, BODY.length);
  for (let at = 0; at < BODY.length; at += 900) part.write(at, BODY.subarray(at, at + 900));
  settled(disk, (done) => part.finish(done));
  settled(disk, (done) => log.restart(RECEIVED, done));
  append(41, 46);
  markSynced(disk, log);
  directory.close();
}

/** Compares an inspection with startup: both take the directory, or `isDamaged` and neither does. */
function assertAgree(
  disk: SimDisk,
  report: DirectoryReport,
  isDamaged: boolean,
  note: string,
): void {
  if (!isDamaged) assertEquals(report.problems, [], note);
  const start = () => {
    const directory = DataDirectory.open(disk, options(SIZES));
    if (directory.formation?.stage === "formed") directory.openLog(new Loaded().options);
    directory.close();
  };
  const said = refusal(start);
  const unused = report.notes.find((one) => one.includes("was made and never used"));
  if (unused !== undefined) {
    const path = unused.slice(0, unused.indexOf(" "));
    assertEquals(disk.exists(path), false, note);
    const isKept = disk.exists("1/wal/0000000000000000.log.spare");
    assertEquals(unused.includes("keeps it as a spare"), isKept, note);
  }
  assertEquals(said !== null, isDamaged, `${note}: ${said}`);
}

Deno.test("on every row of the crash table an inspection agrees with startup", () => {
  const met = new Set<string>();
  const meet = (
    disk: SimDisk,
    note: string,
    pendingIndex: number | null,
    life: Remains["life"] = "first",
  ): Remains => {
    const before = disk.operations;
    const report = inspectDirectory(disk, "1");
    assertEquals(disk.operations, before, "inspecting changed the disk");
    const lists = {
      names: disk.list("1"),
      wal: disk.list("1/wal"),
      snapshots: disk.list("1/snapshot"),
    };
    const remains = { disk, report, ...lists, pendingIndex, life };
    for (const [name, row] of Object.entries(ROWS)) if (row(remains)) met.add(name);
    assertAgree(disk.clone(), report, life === "repairing" && isRepairing(disk), note);
    return remains;
  };

  const torn: SimDisk[] = [];
  for (let operation = 1, finished = false; !finished; operation++) {
    const disk = new SimDisk();
    const progress: Progress = { pendingIndex: null };
    finished = livesThrough(disk, operation, () => live(disk, progress));
    for (const { remains, note } of remainsOf(disk, operation, 3)) {
      const { report } = meet(remains, note, progress.pendingIndex);
      if ((report.log?.tornBytes ?? 0) > 0) torn.push(remains.clone());
    }
  }

  const lastTorn = torn.at(-1);
  if (lastTorn === undefined) throw new Error("No crash tore a tail");
  secondCrashes(lastTorn, {}, (disk, note) => meet(disk, note, null, "after a torn tail"));
  const damaged = damage(lastTorn);
  secondCrashes(damaged, { repair: true }, (disk, note) => meet(disk, note, null, "repairing"));

  const rows = rowsOfThePage();
  assertEquals(Object.keys(ROWS), rows, "the page's rows and those of this test");
  assertEquals(rows.filter((name) => !met.has(name)), [], "rows that were never met");
});

/** Ends a startup on `before` at each operation. */
function secondCrashes(
  before: SimDisk,
  open: { repair?: boolean },
  check: (disk: SimDisk, note: string) => void,
): void {
  for (let operation = 1, through = false; !through; operation++) {
    const disk = before.clone();
    through = livesThrough(disk, operation, () => {
      const directory = DataDirectory.open(disk, options(SIZES));
      directory.openLog({ ...new Loaded().options, ...open });
    });
    disk.powerLoss(new Random(operation));
    check(disk, `second crash at operation ${operation}`);
  }
}

function damage(disk: SimDisk): SimDisk {
  const copy = disk.clone();
  copy.kill();
  const last = copy.list("1/wal").filter((name) => name.endsWith(".log")).at(-1)!;
  copy.corrupt(`1/wal/${last}`, (bytes) => {
    bytes[60]! ^= 1;
    return bytes;
  });
  return copy;
}

/** Until the record is there and the log was restarted, the damage is still in its place. */
function isRepairing(disk: SimDisk): boolean {
  return disk.exists("1/repairing") || inspectDirectory(disk, "1").problems.length > 0;
}

Deno.test("an inspection decides as startup does: a part without those before it", () => {
  const whole = new SimDisk();
  live(whole, { pendingIndex: null });
  const parts = ["identity", "formation", "wal", "snapshot", "reserve", "repairing"];
  for (let present = 0; present < 1 << parts.length; present++) {
    const disk = whole.clone();
    disk.kill();
    if (!disk.exists("1/repairing")) disk.open("1/repairing", { create: true }).close();
    parts.forEach((name, i) => {
      if ((present & 1 << i) !== 0) return;
      const inside = disk.list(`1/${name}`);
      for (const file of inside) disk.vanish(`1/${name}/${file}`);
      if (disk.exists(`1/${name}`)) disk.vanish(`1/${name}`);
    });
    const report = inspectDirectory(disk, "1");
    const open = () => {
      const directory = DataDirectory.open(disk, options(SIZES));
      if (directory.formation?.stage === "formed") directory.openLog(new Loaded().options);
    };
    const there = parts.filter((_, i) => (present & 1 << i) !== 0).join(" ");
    assertEquals(refusal(open) !== null, report.problems.length > 0, `with ${there}`);
  }
});
