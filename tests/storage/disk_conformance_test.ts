/** What every disk has to do, asked of the simulated one and of the real one. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { DenoDisk } from "../../lib/host/deno_disk.ts";
import { type Disk, DiskError, type DiskFile } from "../../lib/host/ports.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import { makeRoot } from "./temporary.ts";

interface Subject {
  readonly name: string;
  make(): { disk: Disk; settle(): Promise<void>; prepare(path: string): Promise<void> };
}

const SUBJECTS: Subject[] = [
  {
    name: "simulated disk",
    make() {
      const disk = new SimDisk();
      const settle = () => Promise.resolve(disk.completeAll());
      return { disk, settle, prepare: () => Promise.resolve() };
    },
  },
  {
    name: "real disk",
    make() {
      const disk = new DenoDisk(makeRoot());
      const settle = () => new Promise<void>((resolve) => setTimeout(resolve, 50));
      return { disk, settle, prepare: (path) => disk.prepareLock(path) };
    },
  },
];

function readAll(file: DiskFile): number[] {
  const bytes = new Uint8Array(file.size());
  assertEquals(file.read(0, bytes), bytes.length);
  return [...bytes];
}

/** A completion to wait for, which says whether it came too early. */
function completion() {
  let resolve: (error: Error | null) => void = () => {};
  const came = new Promise<Error | null>((done) => resolve = done);
  return { came, done: (error: Error | null) => resolve(error) };
}

for (const { name, make } of SUBJECTS) {
  Deno.test(`${name}: bytes are seen where they were written, holes as zeroes`, () => {
    const { disk } = make();
    const file = disk.open("a", { create: true });
    assertEquals(file.size(), 0);
    assertEquals(file.read(0, new Uint8Array(4)), 0);
    file.write(3, Uint8Array.of(1, 2));
    assertEquals(readAll(file), [0, 0, 0, 1, 2]);
    file.write(1, Uint8Array.of(9, 9, 9));
    assertEquals(readAll(file), [0, 9, 9, 9, 2]);
    const part = new Uint8Array(4);
    assertEquals(file.read(3, part), 2);
    assertEquals([...part], [9, 2, 0, 0]);
    file.close();
  });

  Deno.test(`${name}: truncating cuts, and grows with zeroes`, () => {
    const { disk } = make();
    const file = disk.open("a", { create: true });
    file.write(0, new Uint8Array(1500).fill(7));
    file.truncate(700);
    assertEquals(file.size(), 700);
    file.truncate(1200);
    const bytes = readAll(file);
    assertEquals(bytes.length, 1200);
    assert(bytes.every((byte, i) => byte === (i < 700 ? 7 : 0)));
    file.close();
  });

  Deno.test(`${name}: a sync calls back later, once, and a deferred call comes later too`, async () => {
    const { disk, settle } = make();
    const file = disk.open("a", { create: true });
    file.write(0, Uint8Array.of(1));
    const synced = completion();
    let calls = 0;
    file.sync((error) => {
      calls++;
      synced.done(error);
    });
    assertEquals(calls, 0);
    let deferred = 0;
    disk.defer(() => deferred++);
    assertEquals(deferred, 0);
    await settle();
    assertEquals(await synced.came, null);
    assertEquals([calls, deferred], [1, 1]);
    file.syncNow();
    file.close();
  });

  Deno.test(`${name}: syncs that are awaited call back later too, one after another`, async () => {
    const { disk, settle } = make();
    const file = disk.open("a", { create: true });
    for (let i = 0; i < 100; i++) {
      file.write(i, Uint8Array.of(i));
      const synced = completion();
      let calls = 0;
      file.sync((error) => {
        calls++;
        synced.done(error);
      }, true);
      assertEquals(calls, 0);
      await settle();
      assertEquals(await synced.came, null);
      assertEquals(calls, 1);
    }
    file.close();
  });

  Deno.test(`${name}: names: made, listed in order, renamed over another, removed`, () => {
    const { disk } = make();
    assertEquals(disk.list("d"), []);
    disk.makeDirectory("d");
    disk.makeDirectory("d");
    disk.syncDirectory(".");
    for (const file of ["d/b", "d/a", "d/c"]) {
      const opened = disk.open(file, { create: true });
      opened.write(0, new TextEncoder().encode(file));
      opened.close();
    }
    assertEquals(disk.list("d"), ["a", "b", "c"]);
    assert(disk.exists("d") && disk.exists("d/a") && !disk.exists("d/x"));
    disk.rename("d/a", "d/b");
    disk.remove("d/c");
    disk.syncDirectory("d");
    assertEquals(disk.list("d"), ["b"]);
    const file = disk.open("d/b", { readOnly: true });
    assertEquals(new TextDecoder().decode(Uint8Array.from(readAll(file))), "d/a");
    file.close();
  });

  Deno.test(`${name}: a later write is there once it is done, and not said before`, async () => {
    const { disk, settle } = make();
    const file = disk.open("a", { create: true });
    file.write(0, new Uint8Array(8).fill(1));
    const written = completion();
    let calls = 0;
    file.writeLater(4, new Uint8Array(3000).fill(2), (error) => {
      calls++;
      written.done(error);
    });
    assertEquals(calls, 0);
    assertThrows(() => file.write(0, Uint8Array.of(9)), Error, "under way");
    await settle();
    assertEquals([await written.came, calls], [null, 1]);
    const bytes = readAll(file);
    assertEquals(bytes.length, 3004);
    assert(bytes.every((byte, i) => byte === (i < 4 ? 1 : 2)));
    file.write(1, Uint8Array.of(7));
    assertEquals(readAll(file).slice(0, 5), [1, 7, 1, 1, 2]);
    file.close();
  });

  Deno.test(`${name}: a later read fills what it was given, and says where the file ends before`, async () => {
    const { disk, settle } = make();
    const file = disk.open("a", { create: true });
    const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => i % 251);
    file.write(0, bytes);
    // While another handle is written to, and after its name is gone.
    const reader = disk.open("a", { readOnly: true });
    const read = completion();
    const into = new Uint8Array(200_000);
    let calls = 0;
    reader.readLater(50_000, into, (error) => {
      calls++;
      read.done(error);
    });
    assertEquals(calls, 0);
    assertThrows(() => reader.read(0, new Uint8Array(1)), Error, "under way");
    file.write(300_000, Uint8Array.of(1));
    disk.remove("a");
    await settle();
    assertEquals([await read.came, calls], [null, 1]);
    assertEquals(into, bytes.slice(50_000, 250_000));
    const beyond = completion();
    reader.readLater(299_999, new Uint8Array(3), beyond.done);
    await settle();
    const error = await beyond.came;
    assertEquals([error?.name, error?.message.endsWith("it became shorter")], ["DiskError", true]);
    const again = completion();
    reader.readLater(3, into.subarray(0, 2), again.done);
    await settle();
    assertEquals([await again.came, ...into.subarray(0, 2)], [null, 3, 4]);
    reader.close();
    file.close();
  });

  Deno.test(`${name}: later changes of names take place in the order asked for`, async () => {
    const { disk, settle } = make();
    disk.makeDirectory("d");
    for (const path of ["d/a", "d/b"]) {
      const file = disk.open(path, { create: true });
      file.write(0, new TextEncoder().encode(path));
      file.close();
    }
    const order: string[] = [];
    const last = completion();
    const noted = (what: string) => (error: Error | null) => void order.push(`${what} ${error}`);
    disk.removeLater("d/b", noted("removed"));
    disk.renameLater("d/a", "d/b", noted("renamed"));
    disk.syncDirectoryLater("d", noted("synced"));
    disk.renameLater("d/x", "d/y", (error) => last.done(error));
    assertEquals([order, disk.list("d")], [[], ["a", "b"]]);
    await settle();
    const missing = await last.came;
    assert(missing instanceof DiskError && missing.message.includes("d/x"), String(missing));
    assertEquals(order, ["removed null", "renamed null", "synced null"]);
    assertEquals(disk.list("d"), ["b"]);
    const file = disk.open("d/b", { readOnly: true });
    assertEquals(new TextDecoder().decode(Uint8Array.from(readAll(file))), "d/a");
    file.close();
  });

  Deno.test(`${name}: to remove later what is gone by then is no error`, async () => {
    const { disk, settle } = make();
    disk.open("a", { create: true }).close();
    const ends: (Error | null)[] = [];
    for (const path of ["a", "a", "never", "no/such"]) {
      disk.removeLater(path, (error) => ends.push(error));
    }
    await settle();
    assertEquals([ends, disk.exists("a")], [[null, null, null, null], false]);
  });

  Deno.test(`${name}: a lock is given back once all that was begun has ended`, async () => {
    const begin: ((disk: Disk, file: DiskFile, done: (error: Error | null) => void) => void)[] = [
      (_, file, done) => file.sync(done),
      (_, file, done) => file.writeLater(0, Uint8Array.of(1), done),
      (_, file, done) => file.readLater(0, new Uint8Array(0), done),
      (disk, _, done) => disk.removeLater("gone", done),
      (disk, _, done) => disk.syncDirectoryLater(".", done),
    ];
    for (const operation of begin) {
      const { disk, settle, prepare } = make();
      const file = disk.open("a", { create: true });
      const ended = completion();
      await prepare("lock");
      assert(disk.lock("lock"));
      operation(disk, file, ended.done);
      disk.unlock("lock");
      const tooEarly = prepare("lock");
      // Older runtimes wait for a lock: by the time it is there, nothing is under way any more.
      const isKnownAtOnce = disk instanceof SimDisk || "tryLockSync" in Deno.FsFile.prototype;
      if (isKnownAtOnce) assert(!disk.lock("lock"), "not as long as it is under way");
      await tooEarly;
      await settle();
      assertEquals(await ended.came, null);
      await prepare("lock");
      assert(disk.lock("lock"));
      disk.unlock("lock");
      file.close();
    }
  });

  Deno.test(`${name}: a file that is open is read on though its name is gone`, async () => {
    const { disk, settle } = make();
    const file = disk.open("a", { create: true });
    file.write(0, Uint8Array.of(1, 2, 3));
    const removed = completion();
    disk.removeLater("a", removed.done);
    await settle();
    assertEquals(await removed.came, null);
    assertEquals([readAll(file), disk.exists("a")], [[1, 2, 3], false]);
    file.close();
  });

  Deno.test(`${name}: what is not there is an error that names it`, () => {
    const { disk } = make();
    assertThrows(() => disk.open("missing"), DiskError, "missing");
    assertThrows(() => disk.open("no/such", { create: true }), DiskError, "no/such");
    assertThrows(() => disk.remove("missing"), DiskError, "missing");
    assertThrows(() => disk.rename("missing", "b"), DiskError, "missing");
    assertThrows(() => disk.syncDirectory("missing"), DiskError, "missing");
  });

  Deno.test(`${name}: a lock is given once until it is given back`, async () => {
    const { disk, prepare } = make();
    await prepare("lock");
    assert(disk.lock("lock"));
    await prepare("lock");
    assert(!disk.lock("lock"));
    disk.unlock("lock");
    await prepare("lock");
    assert(disk.lock("lock"));
    disk.unlock("lock");
  });
}
