import { assert, assertEquals, assertThrows } from "@std/assert";
import { DataDirectory } from "../../lib/storage/data_directory.ts";
import { inspectDirectory } from "../../lib/storage/inspection/inspect.ts";
import { checksum } from "../../lib/util/checksum.ts";
import { writeU32 } from "../../lib/util/bytes.ts";
import { Random } from "../../lib/util/random.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import { batch, CLUSTER, entry, FORMED, INCARNATION, openFormed, options } from "./helpers.ts";
import { persist, PREPARED, refusal } from "./helpers.ts";

function formedDisk(): SimDisk {
  const disk = new SimDisk();
  const { log, directory } = openFormed(disk);
  persist(disk, log, batch(null, entry(1, 1)));
  directory.close();
  return disk;
}

function open(disk: SimDisk, changes = {}): string {
  return refusal(() => DataDirectory.open(disk, options(changes))) ?? "it opened";
}

Deno.test("an identity is drawn once and survives a power loss right after the open", () => {
  const disk = new SimDisk();
  let drawn = 0;
  const makeIncarnation = () => `${++drawn}`.padStart(16, "0");
  const first = DataDirectory.open(disk, options({ makeIncarnation })).identity;
  for (let seed = 0; seed < 20; seed++) {
    const copy = disk.clone();
    copy.powerLoss(new Random(seed));
    assertEquals(DataDirectory.open(copy, options({ makeIncarnation })).identity, first);
  }
  assertEquals(drawn, 1);
});

Deno.test("a directory is open once at a time, and free again after close, kill and power loss", () => {
  const disk = new SimDisk();
  const first = DataDirectory.open(disk, options());
  assert(open(disk).includes("in use"));
  first.close();
  first.close();
  DataDirectory.open(disk, options());
  disk.kill();
  DataDirectory.open(disk, options());
  disk.powerLoss(new Random(1));
  const last = DataDirectory.open(disk, options());
  last.close();
});

Deno.test("a directory that was refused is not left locked", () => {
  const disk = formedDisk();
  assert(open(disk, { serverId: 2 }).includes("server 1"));
  DataDirectory.open(disk, options()).close();
});

Deno.test("formation goes forward only, with one list and one cluster id", () => {
  const disk = new SimDisk();
  const directory = DataDirectory.open(disk, options());
  assertEquals(directory.formation, null);
  directory.saveFormation(PREPARED);
  directory.saveFormation(PREPARED);
  const other = { ...PREPARED, clusterId: "f".repeat(32) };
  assert(refusal(() => directory.saveFormation(other))?.includes("can't become"));
  const fewer = { ...FORMED, members: [{ serverId: 1, incarnation: INCARNATION }] };
  assert(refusal(() => directory.saveFormation(fewer))?.includes("can't become"));
  directory.saveFormation(FORMED);
  assert(refusal(() => directory.saveFormation(PREPARED))?.includes("can't become"));
  disk.powerLoss(new Random(5));
  const again = DataDirectory.open(disk, options());
  assertEquals(again.formation, FORMED);
  again.saveFormation(FORMED);
});

Deno.test("a formation that does not list this server, or is unsorted, is asserted", () => {
  const directory = DataDirectory.open(new SimDisk(), options());
  const stranger = [{ serverId: 1, incarnation: "b".repeat(16) }];
  assertThrows(() => directory.saveFormation({ ...PREPARED, members: stranger }), Error, "list");
  const unsorted = [...PREPARED.members].reverse();
  assertThrows(() => directory.saveFormation({ ...PREPARED, members: unsorted }), Error, "sorted");
});

Deno.test("the log opens once the cluster is formed, not before", () => {
  const directory = DataDirectory.open(new SimDisk(), options());
  assertThrows(() => directory.openLog(), Error, "before the cluster was formed");
  directory.saveFormation(PREPARED);
  assertThrows(() => directory.openLog(), Error, "before the cluster was formed");
  directory.saveFormation(FORMED);
  assertEquals(directory.openLog().recovered.entries, []);
});

Deno.test("another server's directory, and another cluster's, are refused with both names", () => {
  const disk = formedDisk();
  const server = open(disk, { serverId: 3 });
  assert(server.includes("server 1") && server.includes("server 3"), server);
  const expected = "e".repeat(32);
  const cluster = open(disk, { expectedClusterId: expected });
  assert(cluster.includes(CLUSTER) && cluster.includes(expected), cluster);
  assertEquals(open(disk, { expectedClusterId: CLUSTER }), "it opened");
});

Deno.test("a server that lost its record of forming and all of its log is no new server", () => {
  const disk = formedDisk();
  for (const path of disk.files()) {
    if (path.startsWith("1/wal/") || path === "1/formation" || path === "1/reserve") {
      disk.vanish(path);
    }
  }
  const said = open(disk);
  assert(said.includes("has lost its file formation: wal is there"), said);
  assert(inspectDirectory(disk, "1").problems.length > 0);
});

Deno.test("each file that is lost is refused by what is left", () => {
  for (
    const [name, word] of [["identity", "identity"], ["formation", "formation"], ["wal", "log"]]
  ) {
    const disk = formedDisk();
    disk.vanish(`1/${name}`);
    const said = open(disk);
    assert(said.includes("has lost its") && said.includes(word!), said);
  }
  const disk = formedDisk();
  disk.vanish("1/reserve");
  disk.vanish("1/lock");
  const { recovered, log } = openFormed(disk);
  assertEquals(recovered.entries.length, 1);
  assert(log.hasRoom());
});

Deno.test("a flipped bit or a cut anywhere in identity and formation is refused", () => {
  for (const path of ["1/identity", "1/formation"]) {
    const disk = formedDisk();
    const length = disk.contents(path).length;
    for (let at = 0; at < length; at++) {
      const flipped = disk.clone();
      flipped.corrupt(path, (bytes) => {
        bytes[at]! ^= 1 << (at % 8);
        return bytes;
      });
      assert(open(flipped).startsWith(path), `${path} flipped at ${at}`);
      const cut = disk.clone();
      cut.corrupt(path, (bytes) => bytes.slice(0, at));
      assert(open(cut).startsWith(path), `${path} cut at ${at}`);
    }
  }
});

Deno.test("an unknown format version or checksum algorithm asks for the build that wrote it", () => {
  for (const [at, word] of [[8, "version 9"], [9, "algorithm 9"]] as const) {
    for (const path of ["1/identity", "1/formation"]) {
      const disk = formedDisk();
      disk.corrupt(path, (bytes) => {
        bytes[at] = 9;
        writeU32(bytes, 36, checksum(bytes.subarray(0, 36)));
        return bytes;
      });
      const said = open(disk);
      assert(said.includes(word) && said.includes("build that wrote it"), said);
    }
  }
});

Deno.test("files of two lives of one server are refused", () => {
  const disk = formedDisk();
  const other = new SimDisk();
  DataDirectory.open(other, options({ makeIncarnation: () => "9".repeat(16) })).close();
  disk.corrupt("1/identity", () => other.contents("1/identity"));
  assert(open(disk).includes("two lives"));
});

Deno.test("leftovers of files that were being replaced are removed", () => {
  const disk = formedDisk();
  for (const path of ["1/formation.new", "1/wal/0000000000000002.log.new"]) {
    disk.open(path, { create: true }).close();
  }
  const { directory } = openFormed(disk);
  assertEquals(disk.list("1").filter((name) => name.endsWith(".new")), []);
  assertEquals(disk.list("1/wal").length, 1);
  directory.close();
});

Deno.test("the record of a server that was added later lists the founders, and no such life of this one", () => {
  const founders = [1, 2, 3].map((serverId) => ({ serverId, incarnation: "f".repeat(16) }));
  const joined = { ...FORMED, members: founders, joined: true } as const;
  for (const members of [founders, founders.slice(1)]) {
    const disk = new SimDisk();
    const directory = DataDirectory.open(disk, options());
    directory.saveFormation({ ...joined, members });
    const { log } = directory.openLog();
    persist(disk, log, batch(null, entry(1, 1)));
    directory.close();
    disk.powerLoss(new Random(6));
    const again = DataDirectory.open(disk, options());
    assertEquals(again.formation, { ...joined, members });
    assertEquals(inspectDirectory(disk, options().path).problems, []);
    // The build before refuses it by its version, and not as two lives that are mixed.
    assertEquals(disk.contents(`${options().path}/formation`)[8], 2);
  }
});

Deno.test("the first segment of a server that joins is short: it is looked through before anybody is answered", () => {
  const founders = [2, 3].map((serverId) => ({ serverId, incarnation: "f".repeat(16) }));
  const lengthOf = (record: Parameters<DataDirectory["saveFormation"]>[0], segmentMib: number) => {
    const disk = new SimDisk();
    const segmentBytesMax = segmentMib * 1_048_576;
    const directory = DataDirectory.open(disk, options({ segmentBytesMax }));
    directory.saveFormation(record);
    directory.close();
    const [name] = disk.list("1/wal");
    return disk.contents(`1/wal/${name}`).length / 1_048_576;
  };
  const joined = { ...FORMED, members: founders, joined: true } as const;
  assertEquals([lengthOf(joined, 4), lengthOf(FORMED, 4), lengthOf(joined, 0.5)], [1, 4, 0.5]);
});

Deno.test("a founder's record is none of a server that was added, nor the other way round", () => {
  const directory = DataDirectory.open(new SimDisk(), options());
  const others = [1, 2].map((serverId) => ({ serverId, incarnation: "f".repeat(16) }));
  const save = (record: Parameters<DataDirectory["saveFormation"]>[0]) =>
    assertThrows(() => directory.saveFormation(record), Error, "does not list this server");
  save({ ...FORMED, members: others });
  save({ ...FORMED, joined: true });
});
