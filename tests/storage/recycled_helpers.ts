/** A log whose last segment is a recycled file. */
import { assertEquals } from "@std/assert";
import type { Entry } from "../../lib/raft/types.ts";
import { DataDirectory } from "../../lib/storage/data_directory.ts";
import { listSegments, readSegmentHead, scanLog } from "../../lib/storage/recovery/scan_log.ts";
import type { LogOwner, SegmentHead } from "../../lib/storage/segments/segment_head.ts";
import type { SegmentScan } from "../../lib/storage/recovery/scan_records.ts";
import { SPARE_SUFFIX } from "../../lib/storage/segments/spare_segments.ts";
import type { LogStorage } from "../../lib/storage/types.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import {
  batch,
  CLUSTER,
  entry,
  FORMED,
  INCARNATION,
  options,
  persist,
  PREPARED,
  vote,
} from "./helpers.ts";
import { contentsOf, takeSnapshot } from "./snapshot_helpers.ts";

/** Several pages each, so that stale bytes stay after the page that a write ends with. */
export const SIZES = { segmentBytesMax: 20_000, reserveBytes: 4_096 };
export const OWNER: LogOwner = { clusterId: CLUSTER, serverId: 1, incarnation: INCARNATION };
const SNAPSHOT_EVERY = 60;
const PAYLOAD = "v".repeat(200);

/** A server that overwrites the same segments again and again; its snapshots free them. */
export class RecyclingServer {
  readonly disk: SimDisk;
  readonly directory: DataDirectory;
  readonly log: LogStorage;
  readonly entries: Entry[] = [];

  constructor(disk: SimDisk) {
    this.disk = disk;
    this.directory = DataDirectory.open(disk, options(SIZES));
    if (this.directory.formation === null) {
      this.directory.saveFormation(PREPARED);
      this.directory.saveFormation(FORMED);
    }
    this.log = this.directory.openLog().log;
    persist(disk, this.log, batch(vote(1, 1)));
  }

  /** Appends the next entry, alone or as the last of `count`; now and then takes a snapshot. */
  write(count = 1): void {
    const { disk, log, entries } = this;
    const fresh: Entry[] = [];
    for (let i = 0; i < count; i++) fresh.push(this.next(i));
    persist(disk, log, batch(null, ...fresh));
    entries.push(...fresh);
    const index = entries.length;
    if (index % SNAPSHOT_EVERY >= count) return;
    takeSnapshot(disk, this.directory, { index, term: 1 }, contentsOf(entries, index));
    log.compact(index + 1);
    disk.completeAll();
  }

  /** The entry that `write` would append, or the one `ahead` of it. */
  next(ahead = 0): Entry {
    const index = this.entries.length + 1 + ahead;
    return entry(index, 1, `${index}${PAYLOAD}`);
  }

  /** Writes until the last segment is a recycled one, and has some entries. */
  untilRecycled(): void {
    for (let i = 0; i < 1_000; i++) {
      this.write();
      const { recycled, firstIndex } = lastHead(this.disk);
      if (recycled && this.entries.length > firstIndex + 8) return;
    }
    throw new Error("no segment was ever recycled");
  }
}

/** A server whose last segment is recycled. */
export function makeRecycled(): RecyclingServer {
  const server = new RecyclingServer(new SimDisk());
  server.untilRecycled();
  return server;
}

export function lastHead(disk: SimDisk): SegmentHead {
  const head = readSegmentHead(disk, "1/wal", OWNER, listSegments(disk, "1/wal").at(-1)!);
  if (typeof head === "string") throw new Error(head);
  return head;
}

/** How a scan sees the last segment; the log has no damage. */
export function lastScan(disk: SimDisk): SegmentScan {
  const scan = scanLog(disk, "1/wal", OWNER, { index: 0, term: 0 }, { keepFromIndex: 1 });
  assertEquals(scan.damage.filter(({ reason }) => reason !== "the file is missing"), []);
  return scan.segments.at(-1)!;
}

/** Opens what a crash left. */
export function reopen(disk: SimDisk) {
  const directory = DataDirectory.open(disk, options(SIZES));
  return { directory, ...directory.openLog() };
}

export function spares(disk: SimDisk): string[] {
  return disk.list("1/wal").filter((name) => name.endsWith(SPARE_SUFFIX));
}
