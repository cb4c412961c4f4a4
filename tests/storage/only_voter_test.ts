/** Damage, and who else could have what was lost: what the log says of its members decides, not who founded. */
import { assert, assertEquals } from "@std/assert";
import { makeConfiguration } from "../../lib/raft/configuration.ts";
import { encodeConfiguration } from "../../lib/raft/configuration_codec.ts";
import { ENVELOPE_BYTES, writeEnvelope } from "../../lib/raft/envelope.ts";
import { type Configuration, type Entry, EntryKind } from "../../lib/raft/types.ts";
import { DataDirectory } from "../../lib/storage/data_directory.ts";
import { newestConfiguration, votersOf } from "../../lib/storage/recovery/only_voter.ts";
import type { FoundingMember } from "../../lib/storage/types.ts";
import { describeMembers, incarnation } from "../raft/members.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import { batch, CLUSTER, entry, markSynced, options, persist, refusal, vote } from "./helpers.ts";
import { settled } from "./snapshot_helpers.ts";

const SMALL = { segmentBytesMax: 1_500, reserveBytes: 0 };
const OWN = { ...SMALL, makeIncarnation: () => incarnation(1) };

const ALONE = describeMembers({ voters: [1] });
const LEARNER = describeMembers({ voters: [1], learners: [2] });
const JOINT = describeMembers({ voters: [1, 2], votersOutgoing: [1] });
const BOTH = describeMembers({ voters: [1, 2] });
const THREE = describeMembers({ voters: [1, 2, 3] });
const LEAVING = describeMembers({ voters: [1], votersOutgoing: [1, 2, 3] });

function founders(count: number): FoundingMember[] {
  return Array.from({ length: count }, (_, i) => ({
    serverId: i + 1,
    incarnation: incarnation(i + 1),
  }));
}

function configurationEntry(index: number, term: number, configuration: Configuration): Entry {
  const payload = encodeConfiguration(configuration);
  const data = new Uint8Array(ENVELOPE_BYTES + payload.length);
  writeEnvelope(data, EntryKind.configuration, index);
  data.set(payload, ENVELOPE_BYTES);
  return { index, term, data };
}

/** Server 1 of a cluster that `count` founded, its log empty. */
function founded(count: number) {
  const disk = new SimDisk();
  const directory = DataDirectory.open(disk, options(OWN));
  const members = founders(count);
  directory.saveFormation({ stage: "prepared", clusterId: CLUSTER, members });
  directory.saveFormation({ stage: "formed", clusterId: CLUSTER, members });
  return { disk, directory, ...directory.openLog() };
}

/** Entries of term 1, one a batch: 10 of commands, `changes`, and 10 more; ends the process in order. */
function withChanges(count: number, changes: readonly Configuration[]): SimDisk {
  const { disk, directory, log } = founded(count);
  persist(disk, log, batch(vote(1, 1)));
  const last = 20 + changes.length;
  for (let index = 1; index <= last; index++) {
    const change = changes[index - 11];
    const one = change === undefined ? entry(index, 1) : configurationEntry(index, 1, change);
    persist(disk, log, batch(null, one));
    if (index % 3 === 0) markSynced(disk, log);
  }
  directory.close();
  disk.completeAll();
  return disk;
}

/** The byte in the middle of the first record that has `payload`. */
function flip(disk: SimDisk, payload: string): void {
  const wanted = new TextEncoder().encode(payload);
  for (const name of disk.list("1/wal").filter((one) => /^\d+\.log$/.test(one))) {
    const bytes = disk.contents(`1/wal/${name}`);
    const at = bytes.findIndex((_, from) => wanted.every((byte, i) => bytes[from + i] === byte));
    if (at < 0) continue;
    return disk.corrupt(`1/wal/${name}`, (all) => {
      all[at]! ^= 1;
      return all;
    });
  }
  throw new Error(`No segment has ${payload}`);
}

function start(disk: SimDisk) {
  disk.kill();
  const directory = DataDirectory.open(disk, options(OWN));
  return directory.openLog({ repair: true, load: () => {} });
}

function isRefused(disk: SimDisk): boolean {
  const before = disk.files().map((path) => [path, disk.contents(path)]);
  const said = refusal(() => start(disk));
  if (said === null) return false;
  assert(said.includes("whole cluster"), said);
  assertEquals(disk.files().map((path) => [path, disk.contents(path)]), before);
  return true;
}

Deno.test("a cluster of one that grew repairs, wherever the damage is", () => {
  const changes = [LEARNER, JOINT, BOTH, THREE];
  for (const payload of ["3/1", "9/1", "17/1", "22/1"]) {
    const disk = withChanges(1, changes);
    flip(disk, payload);
    assertEquals(isRefused(disk), false, payload);
  }
});

Deno.test("three that shrank to one refuse, wherever the damage is: nobody has what is lost", () => {
  const changes = [LEAVING, ALONE];
  for (const payload of ["3/1", "9/1", "15/1", "21/1"]) {
    const disk = withChanges(3, changes);
    flip(disk, payload);
    assertEquals(isRefused(disk), true, payload);
  }
});

Deno.test("where nothing was changed, the founders are the members", () => {
  for (const [count, refuses] of [[1, true], [2, false], [3, false]] as const) {
    const disk = withChanges(count, []);
    flip(disk, "9/1");
    assertEquals(isRefused(disk), refuses, `${count} founders`);
  }
});

Deno.test("while others don't vote yet, or still do, only a voter could have what is lost", () => {
  const cases = [[[LEARNER], true], [[LEARNER, JOINT], false], [[LEAVING], false]] as const;
  for (const [changes, refuses] of cases) {
    const disk = withChanges(1, changes);
    flip(disk, "9/1");
    assertEquals(isRefused(disk), refuses);
  }
});

Deno.test("a configuration that was replaced says nothing, before the damage and after it", () => {
  for (const payload of ["5/1", "12/2", "13/2"]) {
    const { disk, directory, log } = founded(1);
    persist(disk, log, batch(vote(1, 1)));
    for (let index = 1; index <= 10; index++) {
      persist(disk, log, batch(null, entry(index, 1)));
      markSynced(disk, log);
    }
    persist(disk, log, batch(null, configurationEntry(11, 1, THREE)));
    persist(disk, log, batch(vote(2, 1), entry(11, 2)));
    for (const index of [12, 13]) persist(disk, log, batch(null, entry(index, 2)));
    markSynced(disk, log);
    directory.close();
    disk.completeAll();
    flip(disk, payload);
    assertEquals(isRefused(disk), true, payload);
  }
});

/** A snapshot of 20 entries that were all compacted, in this configuration; damaged where `at` says. */
function withSnapshot(configuration: Configuration, at: (bytes: Uint8Array) => number): SimDisk {
  const { disk, directory, log } = founded(1);
  persist(disk, log, batch(vote(1, 1)));
  const entries = Array.from({ length: 20 }, (_, i) => entry(i + 1, 1));
  for (const one of entries) persist(disk, log, batch(null, one));
  const writer = directory.snapshots.begin({ index: 20, term: 1 }, configuration);
  const counts = {
    index: 20,
    clockMs: 7,
    floor: 3,
    keys: 5,
    digest: "d",
    clusterVersion: 1,
    users: null,
    clientSessions: null,
    loadedScripts: null,
  };
  writer.head(counts);
  writer.records(new TextEncoder().encode("hello"));
  settled(disk, (done) => writer.finish(done));
  settled(disk, (done) => log.restart({ index: 20, term: 1 }, done));
  persist(disk, log, batch(null, entry(21, 1)));
  markSynced(disk, log);
  directory.close();
  disk.completeAll();
  const path = `1/snapshot/${disk.list("1/snapshot").find((name) => name.endsWith(".snap"))}`;
  disk.corrupt(path, (bytes) => {
    bytes[at(bytes)]! ^= 1;
    return bytes;
  });
  return disk;
}

Deno.test("a snapshot whose contents are damaged still says who the members are", () => {
  // In the records, which come at the end.
  const inRecords = (bytes: Uint8Array) => bytes.length - 40;
  assertEquals(isRefused(withSnapshot(THREE, inRecords)), false);
  assertEquals(isRefused(withSnapshot(ALONE, inRecords)), true);
  // Where its configuration can't be read either, there are the founders.
  assertEquals(isRefused(withSnapshot(THREE, () => 100)), true);
});

Deno.test("a repair that was begun is continued: what it set aside is not looked at any more", () => {
  const disk = withChanges(1, [LEARNER, JOINT, BOTH]);
  flip(disk, "3/1");
  assertEquals(start(disk).recovered.damaged?.fromIndex, 3);
  assertEquals(start(disk).recovered.damaged?.fromIndex, 3);
  // And it is damaged again, before anything came that names members.
  flip(disk, "2/1");
  assertEquals(start(disk).recovered.damaged?.fromIndex, 1);
});

Deno.test("members: the newest by index; another life of this id is another server", () => {
  const self = { serverId: 1, incarnation: incarnation(1) };
  const only = (configuration: Configuration | null, count = 1) =>
    votersOf(configuration, founders(count), self).isOnlySelf;
  assertEquals([only(null), only(null, 2), only(makeConfiguration([1])), only(ALONE)], [
    ...[true, false, true, true],
  ]);
  const later = describeMembers({ voters: [2], learners: [1] }, [], 2);
  assertEquals([only(later), only(makeConfiguration([1, 2]), 3)], [false, false]);
  assertEquals(votersOf(null, founders(1), { ...self, incarnation: incarnation(1, 2) }), {
    ...{ count: 1, isOnlySelf: false },
  });
  const known = newestConfiguration(
    [configurationEntry(4, 1, THREE), configurationEntry(7, 1, BOTH)],
    [{ index: 6, configuration: THREE }],
  );
  assertEquals(known, BOTH);
  const inSnapshot = newestConfiguration([configurationEntry(4, 1, THREE)], [
    { index: 6, configuration: ALONE },
  ]);
  assertEquals(inSnapshot, ALONE);
  const unknown = { index: 9, term: 1, data: new Uint8Array(ENVELOPE_BYTES + 1) };
  assertEquals(newestConfiguration([unknown], []), null);
});
