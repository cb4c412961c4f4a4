/** The bound on what a directory takes, as the documents give it, against a life of overwrites. */
import { assert } from "@std/assert";
import { directoryBound } from "../../bench/disk_bound.ts";
import type { Entry } from "../../lib/raft/types.ts";
import { DataDirectory } from "../../lib/storage/data_directory.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import { batch, entry, openFormed, options, persist, vote } from "./helpers.ts";
import { CONFIGURATION, settled } from "./snapshot_helpers.ts";

const FORMULA = "3 S + S/8 + 2 max(L, W) + W + 2 G + 2 R";
const LIMITS = { segmentBytes: 8_192, reserveBytes: 4_096 };
/** What a record takes beside an entry's data, and a batch beside its records: markers, heads. */
const OVERHEAD_BYTES = 200;
/** Identity, formation, lock: a sector or two each. */
const SMALL_FILES_BYTES = 4_096;

Deno.test("the bound is the same in both documents and in the benchmark", () => {
  for (const path of ["docs/data-directory.md", "docs/operating.md", "bench/disk_bound.ts"]) {
    const text = Deno.readTextFileSync(new URL(`../../${path}`, import.meta.url));
    assert(text.includes(FORMULA), `${path} has another bound`);
  }
});

/** Overwrites for many intervals between snapshots; returns the most bytes seen, and the bound. */
function live(snapshotBytes: number, logBytes: number, batchesDuring: number) {
  const disk = new SimDisk();
  const { segmentBytes, reserveBytes } = LIMITS;
  const sizes = { segmentBytesMax: segmentBytes, reserveBytes };
  const { log } = openFormed(disk, sizes);
  log.close();
  disk.kill();
  const directory = DataDirectory.open(disk, options(sizes));
  const opened = directory.openLog();
  let most = 0;
  let index = 0;
  let written = 0;
  const write = () => {
    const one: Entry = entry(++index, 1, "x".repeat(300));
    persist(disk, opened.log, batch(index === 1 ? vote(1, 1) : null, one));
    written += one.data.length + OVERHEAD_BYTES;
    most = Math.max(most, disk.usedBytes());
  };
  const between = Math.max(logBytes, snapshotBytes / 2);
  let during = 0;
  for (let round = 0; round < 8; round++) {
    // Counted from the beginning of the last one, as a node does.
    while (written < between) write();
    written = 0;
    const writer = directory.snapshots.begin({ index, term: 1 }, CONFIGURATION);
    const keepFrom = index + 1;
    writer.head({
      index,
      clockMs: 0,
      floor: 0,
      keys: 1,
      digest: "",
      clusterVersion: 1,
      users: null,
      clientSessions: null,
      loadedScripts: null,
    });
    for (let i = 0; i < batchesDuring; i++) {
      writer.records(new Uint8Array(snapshotBytes / batchesDuring));
      settled(disk, (done) => writer.flush(done));
      write();
    }
    settled(disk, (done) => writer.finish(done));
    opened.log.compact(keepFrom);
    most = Math.max(most, disk.usedBytes());
    disk.completeAll();
    during = Math.max(during, written);
  }
  assert(index > 40 && directory.snapshots.list().length === 2);
  const seen = { snapshotBytes: snapshotBytes + 2_000, logBytesDuringSnapshot: during };
  return { most, bound: directoryBound(seen, { ...LIMITS, logBytes }) + SMALL_FILES_BYTES };
}

Deno.test("a directory under overwrites stays below its bound, and needs most of it", () => {
  let closest = 0;
  for (const snapshotBytes of [4_000, 40_000]) {
    for (const logBytes of [10_000, 60_000]) {
      for (const batchesDuring of [2, 20, 150]) {
        const { most, bound } = live(snapshotBytes, logBytes, batchesDuring);
        const note =
          `S ${snapshotBytes}, L ${logBytes}, ${batchesDuring} batches: ${most}, ${bound}`;
        assert(most <= bound, note);
        closest = Math.max(closest, most / bound);
      }
    }
  }
  assert(closest > 0.6, `the bound is never nearly reached: ${closest}`);
});
