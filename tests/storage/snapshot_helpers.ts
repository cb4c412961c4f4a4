/** Snapshots of made-up contents: the "store" is the list of the payloads of all entries. */
import { makeConfiguration } from "../../lib/raft/configuration.ts";
import { assert } from "@std/assert";
import { bytesToHex } from "../../lib/util/hex.ts";
import type { Entry, SnapshotPosition } from "../../lib/raft/types.ts";
import type { DataDirectory } from "../../lib/storage/data_directory.ts";
import type { Done, OpenLogOptions, SnapshotFile } from "../../lib/storage/types.ts";
import type { SimDisk } from "../sim/sim_disk.ts";

export const CONFIGURATION = makeConfiguration([1, 2, 3]);

/** Contents that a snapshot at `index` has: a few sections' worth, told apart by every entry. */
export function contentsOf(entries: readonly Entry[], index: number): string {
  return entries.slice(0, index).map((entry) =>
    `${entry.index}:${bytesToHex(entry.data, 0, entry.data.length)}`
  ).join(" ");
}

/** What a load put together; `begun` counts how often it began again. */
export class Loaded {
  text = "";
  begun = 0;

  readonly options: OpenLogOptions = {
    load: (file) => this.load(file),
  };

  load(file: SnapshotFile): void {
    this.begun++;
    this.text = "";
    for (let part = file.nextSection(); part !== null; part = file.nextSection()) {
      this.text += new TextDecoder().decode(part);
    }
    assert(this.text.length === file.head.keys, "the head counts letters here");
  }
}

/** Calls `start` and completes what it waits for; throws what `done` gets. */
export function settled(disk: SimDisk, start: (done: Done) => void): void {
  let result: Error | null | undefined;
  start((error) => result = error);
  assert(result === undefined, "done was called from within the call");
  disk.completeAll();
  assert(result !== undefined, "done was not called");
  if (result !== null) throw result;
}

/** Writes a snapshot of `text`, in sections of `sectionLetters`. */
export function takeSnapshot(
  disk: SimDisk,
  directory: DataDirectory,
  position: SnapshotPosition,
  text: string,
  sectionLetters = 60,
  clusterVersion = 1,
): void {
  const writer = directory.snapshots.begin(position, CONFIGURATION);
  writer.head({
    index: position.index,
    clockMs: 7,
    floor: 3,
    keys: text.length,
    digest: "d1",
    clusterVersion,
    users: null,
    clientSessions: null,
    loadedScripts: null,
  });
  for (let at = 0; at < text.length; at += sectionLetters) {
    writer.records(new TextEncoder().encode(text.slice(at, at + sectionLetters)));
  }
  settled(disk, (done) => writer.finish(done));
}

/** All of a snapshot's body. */
export function bodyOf(directory: DataDirectory, position: SnapshotPosition): Uint8Array {
  const file = directory.snapshots.open(position);
  const body = new Uint8Array(file.bodyBytes);
  assert(file.readBody(0, body) === body.length);
  file.close();
  return body;
}

/** Receives `body` in chunks. */
export function receiveSnapshot(
  disk: SimDisk,
  directory: DataDirectory,
  position: SnapshotPosition,
  body: Uint8Array,
  chunkBytes = 50,
): void {
  const part = directory.snapshots.receive(position, body.length);
  while (part.heldBytes < body.length) {
    part.write(part.heldBytes, body.subarray(part.heldBytes, part.heldBytes + chunkBytes));
  }
  settled(disk, (done) => part.finish(done));
}
