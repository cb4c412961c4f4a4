import { assertEquals } from "@std/assert";
import type { Message, PersistBatch } from "../../lib/raft/types.ts";
import { mayBlockSync } from "../../lib/storage/wal/sync_policy.ts";
import type { DiskFile } from "../../lib/host/ports.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import { batch, entry, openFormed } from "./helpers.ts";

const ENVELOPE = { from: 2, to: 1, term: 1 };
const REST = { success: true, index: 1, hintIndex: 0, hintTerm: 0, readRound: 0 };
const ACK: Message = { kind: "appendResponse", ...ENVELOPE, ...REST };

Deno.test("a sync may block for a small batch that others wait for, and for no other", () => {
  const batchWith = (messagesAfterSync: readonly Message[]): PersistBatch => ({
    hardState: null,
    entries: [],
    messagesAfterSync,
  });
  assertEquals(mayBlockSync(batchWith([ACK]), 65_536), true);
  assertEquals(mayBlockSync(batchWith([ACK]), 65_537), false);
  assertEquals(mayBlockSync(batchWith([]), 100), false);
});

/** A disk that says of each sync of the log whether it may block, and how much was written for it. */
class WatchedDisk extends SimDisk {
  readonly syncs: [mayBlock: boolean, bytes: number][] = [];

  override open(path: string, options?: { create?: boolean; readOnly?: boolean }): DiskFile {
    const file = super.open(path, options);
    if (!path.endsWith(".log")) return file;
    let written = 0;
    const { write, sync } = file;
    file.write = (offset, bytes) => {
      written += bytes.length;
      write.call(file, offset, bytes);
    };
    file.sync = (done, mayBlock = false) => {
      this.syncs.push([mayBlock, written]);
      written = 0;
      sync.call(file, done);
    };
    return file;
  }
}

Deno.test("a sync that brings zeroes ahead to the disk does not block", () => {
  const disk = new WatchedDisk();
  const { log } = openFormed(disk, { segmentBytesMax: 67_108_864 });
  for (let index = 1; index <= 70; index++) {
    const one = batch(null, entry(index, 1, "x".repeat(16_000)));
    log.persist({ ...one, messagesAfterSync: [ACK] }, () => {});
    disk.completeAll();
  }
  const syncs = disk.syncs.slice(-70);
  const large = syncs.filter(([, bytes]) => bytes > 65_536);
  assertEquals(large.map(([mayBlock]) => mayBlock), [false, false], "one in 64 brings zeroes");
  assertEquals(syncs.filter(([mayBlock]) => mayBlock).length, 68);
});
