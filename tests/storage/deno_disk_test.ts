/** What only the real disk has: modes, symbolic links, processes; and the log on it. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { DenoDisk } from "../../lib/host/deno_disk.ts";
import { DiskError, DiskFullError } from "../../lib/host/ports.ts";
import { DataDirectory } from "../../lib/storage/data_directory.ts";
import type { LogStorage } from "../../lib/storage/types.ts";
import type { PersistBatch } from "../../lib/raft/types.ts";
import { batch, entry, openFormed, options, refusal, vote } from "./helpers.ts";
import { CONFIGURATION } from "./snapshot_helpers.ts";
import { untilClosed } from "./late_locks.ts";
import { makeRoot } from "./temporary.ts";

const HOLDER = new URL("./lock_holder.ts", import.meta.url).pathname;

function persist(log: LogStorage, one: PersistBatch): Promise<void> {
  return new Promise((resolve, reject) => {
    log.persist(one, (error) => error === null ? resolve() : reject(error));
  });
}

/** Starts a process that wants the lock, and returns what it says. */
async function startHolder(root: string, stay: boolean) {
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--allow-read", "--allow-write", HOLDER, root, stay ? "stay" : ""],
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const said = (await reader.read()).value?.trim();
  const end = async () => {
    if (stay) process.kill("SIGKILL");
    await process.status;
    await reader.cancel();
  };
  return { said, end };
}

Deno.test("directories are made with mode 0700 and files with 0600", async () => {
  const root = `${makeRoot()}/data`;
  const disk = new DenoDisk(root);
  await disk.prepareLock("1/lock");
  const { directory } = openFormed(disk);
  const mode = (path: string) => (Deno.statSync(`${root}${path}`).mode ?? 0) & 0o777;
  for (const path of ["", "/1", "/1/wal"]) assertEquals(mode(path), 0o700, path);
  for (const path of ["/1/identity", "/1/formation", "/1/lock", "/1/reserve"]) {
    assertEquals(mode(path), 0o600, path);
  }
  directory.close();
});

Deno.test("a symbolic link is refused, and so is a directory in a file's place", () => {
  const root = makeRoot();
  const disk = new DenoDisk(root);
  Deno.symlinkSync("/etc/hostname", `${root}/link`);
  Deno.symlinkSync(`${root}/nowhere`, `${root}/dangling`);
  disk.makeDirectory("folder");
  for (const path of ["link", "dangling", "folder"]) {
    assertThrows(() => disk.open(path, { create: true }), DiskError, path);
  }
  assertEquals(Deno.lstatSync(`${root}/dangling`).isSymlink, true);
  assertEquals(disk.exists("dangling"), true);
});

Deno.test("a data directory may be a symbolic link to a directory, and no file in it may be one", async () => {
  const root = makeRoot();
  Deno.mkdirSync(`${root}/volume`);
  Deno.symlinkSync("volume", `${root}/1`);
  const disk = new DenoDisk(root);
  await disk.prepareLock("1/lock");
  const { directory, log } = openFormed(disk);
  await persist(log, batch(vote(1, 1), entry(1, 1)));
  directory.close();
  assert(Deno.statSync(`${root}/volume/wal`).isDirectory);

  await disk.prepareLock("1/lock");
  const again = openFormed(disk);
  assertEquals(again.recovered.entries, [entry(1, 1)]);
  again.directory.close();

  Deno.renameSync(`${root}/1/identity`, `${root}/elsewhere`);
  Deno.symlinkSync("../elsewhere", `${root}/1/identity`);
  await disk.prepareLock("1/lock");
  const start = () => DataDirectory.open(disk, options());
  assertThrows(start, DiskError, "1/identity: it is a symbolic link");
});

Deno.test("a log on the real disk comes back after a close and after none", async () => {
  const root = makeRoot();
  const disk = new DenoDisk(root);
  await disk.prepareLock("1/lock");
  const first = openFormed(disk);
  const entries = [];
  for (let index = 1; index <= 40; index++) {
    entries.push(entry(index, 1, "x".repeat(index * 20)));
    await persist(first.log, batch(index === 1 ? vote(1, 1) : null, entries.at(-1)!));
  }
  first.directory.close();
  assert(disk.list("1/wal").length > 3);
  await disk.prepareLock("1/lock");
  const second = openFormed(disk);
  assertEquals(second.recovered.entries, entries);
  entries.push(entry(41, 1));
  await persist(second.log, batch(null, entries.at(-1)!));
  // As a killed process leaves it: nothing closed, the lock gone.
  disk.unlock("1/lock");
  await disk.prepareLock("1/lock");
  const third = openFormed(disk);
  assertEquals(third.recovered.entries, entries);
  assertEquals(third.recovered.hardState, vote(1, 1));
  third.directory.close();
  second.log.close();
});

Deno.test("two processes never hold one directory, and kill -9 gives it back", async () => {
  const root = makeRoot();
  const first = await startHolder(root, true);
  assertEquals(first.said, "locked");
  const second = await startHolder(root, false);
  assertEquals(second.said, "refused");
  await second.end();
  const disk = new DenoDisk(root);
  await disk.prepareLock("1/lock");
  const said = refusal(() => DataDirectory.open(disk, options())) ?? "it opened";
  assert(said.includes("in use by another"), said);
  await first.end();
  await disk.prepareLock("1/lock");
  const directory = DataDirectory.open(disk, options());
  const third = await startHolder(root, false);
  assertEquals(third.said, "refused");
  await third.end();
  directory.close();
  await untilClosed(`${root}/1/lock`);
});

Deno.test("a write without room is a DiskFullError that names the file", () => {
  // Linux' device that never has room.
  const file = new DenoDisk("/dev").open("full");
  const error = assertThrows(() => file.write(0, Uint8Array.of(1)), DiskFullError);
  assert(error.message.includes("/dev/full"), error.message);
  file.close();
});

Deno.test("a large file that is removed keeps its bytes for who has it open, then gives them back", async () => {
  const root = makeRoot();
  const disk = new DenoDisk(root);
  const size = 40 * 1_048_576;
  const file = disk.open("large", { create: true });
  file.truncate(size);
  file.write(size - 1, Uint8Array.of(5));
  const error = await new Promise((done) => disk.removeLater("large", done));
  assertEquals([error, disk.exists("large")], [null, false]);
  const last = new Uint8Array(1);
  assertEquals([file.size(), file.read(size - 1, last), last[0]], [size, 1, 5]);
  const descriptors = () =>
    [...Deno.readDirSync("/proc/self/fd")].filter(({ name }) => {
      try {
        return Deno.readLinkSync(`/proc/self/fd/${name}`).startsWith(`${root}/large`);
      } catch {
        return false;
      }
    }).length;
  assertEquals(descriptors(), 2);
  file.close();
  while (descriptors() > 0) await new Promise((resolve) => setTimeout(resolve, 5));
});

Deno.test("the lock is given back once all that the log has begun is over", async () => {
  const root = makeRoot();
  const disk = new DenoDisk(root);
  await disk.prepareLock("1/lock");
  const { directory, log } = openFormed(disk, { segmentBytesMax: 20_000 });
  const entries = Array.from({ length: 200 }, (_, i) => entry(i + 1, 1, "v".repeat(900)));
  await persist(log, batch(vote(1, 1)));
  for (const one of entries) {
    await persist(log, batch(null, one));
    if (one.index % 100 !== 0) continue;
    const writer = directory.snapshots.begin({ index: one.index, term: 1 }, CONFIGURATION);
    writer.head({
      index: one.index,
      clockMs: 7,
      floor: 3,
      keys: 0,
      digest: "d1",
      clusterVersion: 1,
      users: null,
      clientSessions: null,
      loadedScripts: null,
    });
    await new Promise<void>((resolve, reject) =>
      writer.finish((error) => error === null ? resolve() : reject(error))
    );
  }
  const names = () => [...Deno.readDirSync(`${root}/1/wal`)].map(({ name }) => name).sort();
  const before = names();
  log.compact(201);
  directory.close();
  const next = new DenoDisk(root);
  for (;;) {
    await next.prepareLock("1/lock");
    if (next.lock("1/lock")) break;
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  const taken = names();
  await new Promise((resolve) => setTimeout(resolve, 300));
  assertEquals(names(), taken, "files changed under the next owner of the lock");
  assert(taken.length > 0 && before.length >= taken.length);
  next.unlock("1/lock");
});
