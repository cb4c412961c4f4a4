import { assertEquals, assertThrows } from "@std/assert";
import { type DiskDone, DiskError, type DiskFile, DiskFullError } from "../../lib/host/ports.ts";
import { NewFile, type NewFileEnd } from "../../lib/storage/files/new_file.ts";
import { SimDisk } from "../sim/sim_disk.ts";

/** A disk on which nothing can be renamed. */
class NamelessDisk extends SimDisk {
  readonly #reason: Error;

  constructor(reason: Error) {
    super();
    this.#reason = reason;
    this.makeDirectory("d");
  }

  override renameLater(from: string, _to: string, done: DiskDone): void {
    this.later("names", from, () => done(this.#reason));
  }
}

/** A file with some bytes that is about to get its name; `ends` says what it was told. */
function naming(disk: SimDisk) {
  const ends: (NewFileEnd | Error | null)[] = [];
  const file = new NewFile(disk, "d/file", "d/file.new", (end) => ends.push(end));
  file.append(Uint8Array.of(1, 2, 3));
  file.finish((error) => ends.push(error));
  return { file, ends };
}

/** Completes what waits until the file is on its way to its name. */
function abortWhileNaming(disk: SimDisk, file: NewFile): void {
  const renameLater = disk.renameLater.bind(disk);
  disk.renameLater = (from, to, done) => {
    renameLater(from, to, done);
    file.abort();
  };
}

/** A disk that counts the bytes of each write, and tells of each sync. */
class CountingDisk extends SimDisk {
  readonly done: (number | "sync")[] = [];

  override open(path: string, options: { create?: boolean; readOnly?: boolean } = {}): DiskFile {
    const file = super.open(path, options);
    const writeLater = file.writeLater.bind(file);
    file.writeLater = (offset, bytes, done) => {
      this.done.push(bytes.length);
      writeLater(offset, bytes, done);
    };
    const sync = file.sync.bind(file);
    file.sync = (done) => {
      this.done.push("sync");
      sync(done);
    };
    return file;
  }
}

Deno.test("of a new file that somebody waits for, what is written is synced every few megabytes", () => {
  const disk = new CountingDisk();
  disk.makeDirectory("d");
  const file = new NewFile(disk, "d/file", "d/file.new", () => {});
  const mebibyte = new Uint8Array(1_048_576);
  const flush = () => {
    file.append(mebibyte);
    file.flushSome((error) => assertEquals(error, null));
    disk.completeAll();
  };
  for (let i = 0; i < 6; i++) flush();
  const written = mebibyte.length;
  assertEquals(disk.done, [written, written, written, written, "sync", written, written]);
  file.finish(() => {});
  disk.completeAll();
  assertEquals([disk.done.slice(7), disk.files()], [[0, "sync"], ["d/file"]]);
});

Deno.test("a new file for whose name there is no room is removed, and says so", () => {
  const full = new DiskFullError("no room");
  const disk = new NamelessDisk(full);
  const { ends } = naming(disk);
  disk.completeAll();
  assertEquals([ends, disk.files()], [["full", full], []]);
});

Deno.test("a new file that is aborted while a full disk refuses its name goes, and nothing else", () => {
  const disk = new NamelessDisk(new DiskFullError("no room"));
  const { file, ends } = naming(disk);
  abortWhileNaming(disk, file);
  disk.completeAll();
  assertEquals([ends, disk.files()], [["aborted"], []]);
});

Deno.test("a new file that is aborted on its way to its name goes from there", () => {
  const disk = new SimDisk();
  disk.makeDirectory("d");
  const { file, ends } = naming(disk);
  abortWhileNaming(disk, file);
  disk.completeAll();
  assertEquals([ends, disk.files()], [["aborted"], []]);
});

Deno.test("a disk that fails while an aborted file gets its name is not trusted any more", () => {
  const disk = new NamelessDisk(new DiskError("input/output error"));
  const { file } = naming(disk);
  abortWhileNaming(disk, file);
  assertThrows(() => disk.completeAll(), DiskError, "input/output error");
});

Deno.test("a sync that fails is never overlooked, not of a file that was given up meanwhile either", () => {
  const disk = new SimDisk();
  disk.makeDirectory("d");
  const file = new NewFile(disk, "d/file", "d/file.new", () => {});
  file.append(Uint8Array.of(1, 2, 3));
  file.flush(() => {});
  file.abort();
  disk.faults.syncFails = (path) => path === "d/file.new";
  disk.faults.writeFails = (path) => path === "d/file.new";
  assertThrows(() => disk.completeAll(), DiskError);
});
