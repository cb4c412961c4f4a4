/**
 * A directory that is founded from a copy: whatever operation of the disk the process or the machine
 * dies at, the copy is as it was, and the new directory is whole or not there; the next attempt makes it.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { encodeClusterVersion } from "../../lib/kv/cluster_version.ts";
import { RaisedRecords } from "../../lib/kv/raised_records.ts";
import { LoadedScripts } from "../../lib/kv/scripts/loaded_scripts.ts";
import { ClientSessions } from "../../lib/kv/sessions/client_sessions.ts";
import { Users } from "../../lib/kv/users/users.ts";
import { SNAPSHOT_RECORD_HEAD_BYTES } from "../../lib/kv/snapshot.ts";
import { readU32 } from "../../lib/util/bytes.ts";
import { Store } from "../../lib/kv/store.ts";
import { readContents } from "../../lib/cli/founding/contents.ts";
import { clusterIdOf, hashSeedOf } from "../../lib/node/peers/cluster_id.ts";
import { loadStore } from "../../lib/node/replica.ts";
import { ENVELOPE_BYTES, writeEnvelope } from "../../lib/raft/envelope.ts";
import { type Entry, EntryKind } from "../../lib/raft/types.ts";
import { DataDirectory } from "../../lib/storage/data_directory.ts";
import { NewDirectory } from "../../lib/storage/founding/new_directory.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import { livesThrough, remainsOf } from "./crashes.ts";
import { batch, openFormed, options, persist, refusal, setEntry, vote } from "./helpers.ts";

const NO_SESSIONS = new ClientSessions();
const NO_SCRIPTS = new LoadedScripts();

const GAP = 1_000;
const IDENTITY = { serverId: 4, incarnation: "4444444444444444" };
const MEMBERS = [IDENTITY];
const KEYS = 12;

/** A disk with the directory of a server that has stopped. */
function diskWithCopy(...more: Entry[]): SimDisk {
  const disk = new SimDisk();
  const { directory, log } = openFormed(disk);
  const entries = Array.from({ length: KEYS }, (_, i) => setEntry(i + 1, 2));
  persist(disk, log, batch(vote(3, 1), ...entries, ...more));
  directory.close();
  disk.completeAll();
  return disk;
}

function* recordsOf(piece: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < piece.length;) {
    const [keyLength, valueLength] = [piece[at]! * 256 + piece[at + 1]!, readU32(piece, at + 26)];
    const end = at + SNAPSHOT_RECORD_HEAD_BYTES + keyLength + valueLength;
    yield piece.subarray(at, end);
    at = end;
  }
}

/** As `recover` does it; every step blocks here. */
function found(disk: SimDisk): void {
  const { contents } = readContents({ disk, path: "1", release() {} });
  const hashSeed = hashSeedOf(MEMBERS);
  const index = contents.position.index + GAP;
  const directory = NewDirectory.begin(disk, {
    path: "new/4",
    identity: IDENTITY,
    clusterId: clusterIdOf(MEMBERS),
    members: MEMBERS,
    position: { index, term: contents.position.term + 1 },
    isSuspect: false,
    segmentBytesMax: 4096,
  });
  const { clockMs, clusterVersion, keys, users } = contents;
  const floor = contents.floor + GAP;
  directory.head({
    index,
    clockMs,
    floor,
    keys,
    clusterVersion,
    users,
    clientSessions: null,
    loadedScripts: null,
  });
  const records = new RaisedRecords(hashSeed, GAP);
  for (const piece of contents.walk()) {
    records.raise(piece);
    // Each a section of its own: the head's digest, which comes last, changes the checksums of all.
    for (const record of recordsOf(piece)) directory.records(record);
  }
  directory.finish(records.digestWith(Users.decode(users, index), NO_SESSIONS, NO_SCRIPTS));
}

/** Opens the new directory as a server does; returns its keys and the index where its log begins. */
function open(disk: SimDisk): { keys: number; index: number; clusterVersion: number } {
  const directory = DataDirectory.open(disk, options({ path: "new/4", serverId: 4 }));
  let store = new Store({ hashSeed: 0 });
  const { recovered } = directory.openLog({
    load: (file) => store = loadStore({ hashSeed: hashSeedOf(MEMBERS) }, file),
  });
  assertEquals(recovered.hardState, { term: 4, votedFor: 0, suspect: false });
  assertEquals(recovered.entries, []);
  assertEquals(recovered.snapshot?.configuration.voters, [4]);
  directory.close();
  disk.completeAll();
  const { keys, appliedIndex: index, clusterVersion } = store;
  return { keys, index, clusterVersion };
}

const WHOLE = { keys: KEYS, index: KEYS + GAP, clusterVersion: 1 };

function copyFiles(disk: SimDisk): Map<string, Uint8Array> {
  const names = disk.files().filter((path) => path.startsWith("1/"));
  return new Map(names.map((path) => [path, disk.contents(path)]));
}

/** Checks what a crash left, then tries again. */
function check(disk: SimDisk, before: Map<string, Uint8Array>, note: string): boolean {
  assertEquals(copyFiles(disk), before, `the copy, ${note}`);
  const isThere = disk.list("new/4").length > 0;
  if (!isThere) found(disk);
  assertEquals(open(disk), WHOLE, note);
  assertEquals(disk.exists("new/4.founding"), false, note);
  assertEquals(copyFiles(disk), before, `the copy at last, ${note}`);
  return isThere;
}

Deno.test("founding: a crash at every step leaves the copy, and the new directory whole or not there", () => {
  let operation = 0;
  const outcomes = new Set<boolean>();
  for (let isFinished = false; !isFinished;) {
    operation++;
    const disk = diskWithCopy();
    disk.makeDirectory("new");
    disk.syncDirectory(".");
    const before = copyFiles(disk);
    isFinished = livesThrough(disk, disk.operations + operation, () => found(disk));
    for (const { remains, note } of remainsOf(disk, operation, 6)) {
      const wasThere = check(remains, before, note);
      assert(wasThere || !isFinished, `it was said to be made, ${note}`);
      outcomes.add(wasThere);
    }
  }
  assert(operation > 30, `only ${operation} operations`);
  assertEquals(outcomes.size, 2);
});

Deno.test("founding: a second crash during the next attempt changes nothing of that", () => {
  for (let operation = 3; operation < 40; operation += 5) {
    const disk = diskWithCopy();
    disk.makeDirectory("new");
    disk.syncDirectory(".");
    const before = copyFiles(disk);
    livesThrough(disk, disk.operations + operation, () => found(disk));
    disk.kill();
    for (let second = 1; second < 45; second += 3) {
      for (const { remains, note } of remainsOf(disk.clone(), operation, 2)) {
        if (remains.list("new/4").length > 0) continue;
        livesThrough(remains, remains.operations + second, () => found(remains));
        for (const last of remainsOf(remains, second, 1)) {
          check(last.remains, before, `${note}, then ${last.note}`);
        }
      }
    }
  }
});

Deno.test("founding: the new cluster begins with the cluster version of its contents", () => {
  const version = encodeClusterVersion(2);
  const data = new Uint8Array(ENVELOPE_BYTES + version.length);
  writeEnvelope(data, EntryKind.clusterVersion, 50);
  data.set(version, ENVELOPE_BYTES);
  const disk = diskWithCopy({ index: KEYS + 1, term: 2, data });
  disk.makeDirectory("new");
  found(disk);
  assertEquals(open(disk), { keys: KEYS, index: KEYS + 1 + GAP, clusterVersion: 2 });
  // Builds that know no other version than 1 have to refuse the file by its head.
  const snapshot = disk.files().find((path) => path.endsWith(".snap"))!;
  assertEquals(disk.contents(snapshot)[8], 2);
});

Deno.test("founding: what is taken is refused, whatever is in it; so is what no attempt has made", () => {
  const taken = diskWithCopy();
  taken.makeDirectory("new");
  taken.makeDirectory("new/4");
  taken.open("new/4/notes", { create: true }).close();
  assert(refusal(() => found(taken))?.includes("new/4 is taken: notes is in it"));
  assertEquals(taken.exists("new/4.founding"), false);
  const strange = diskWithCopy();
  strange.makeDirectory("new");
  strange.makeDirectory("new/4.founding");
  strange.open("new/4.founding/letters", { create: true }).close();
  assert(refusal(() => found(strange))?.includes("letters is no file of an attempt"));
});

Deno.test("founding: a full disk, and what reads back wrong, leave nothing of the new directory", () => {
  const full = diskWithCopy();
  full.makeDirectory("new");
  full.capacityBytes = full.usedBytes() + 512;
  const before = copyFiles(full);
  const { contents } = readContents({ disk: full, path: "1", release() {} });
  const directory = NewDirectory.begin(full, {
    path: "new/4",
    identity: IDENTITY,
    clusterId: clusterIdOf(MEMBERS),
    members: MEMBERS,
    position: { index: KEYS + GAP, term: 4 },
    isSuspect: false,
    segmentBytesMax: 4096,
  });
  const head = {
    clockMs: contents.clockMs,
    floor: GAP,
    keys: KEYS,
    clusterVersion: 1,
    users: null,
    clientSessions: null,
    loadedScripts: null,
  };
  directory.head({ index: KEYS + GAP, ...head });
  for (const piece of contents.walk()) directory.records(piece);
  assertThrows(() => directory.finish("0".repeat(16)), Error, "No space left");
  directory.abort();
  assertEquals(full.list("new"), []);
  assertEquals(copyFiles(full), before);
  const rotten = diskWithCopy();
  rotten.makeDirectory("new");
  rotten.faults.readFails = (path) => path.startsWith("new/4.founding/snapshot/");
  const said = refusal(() => found(rotten));
  assert(said?.includes("what was just written reads back wrong"), said ?? "it was founded");
  assertEquals(rotten.exists("new/4"), false);
});
