/** Users outlive what a server's contents outlive: snapshots, other servers, backups, a new cluster. */
import { assert, assertEquals } from "@std/assert";
import { encodeClusterVersion } from "../../lib/kv/cluster_version.ts";
import { RaisedRecords } from "../../lib/kv/raised_records.ts";
import { Result } from "../../lib/kv/commands/result.ts";
import { Store } from "../../lib/kv/store.ts";
import { encodeChangeUser } from "../../lib/kv/users/operations.ts";
import { latin1Bytes } from "../../lib/util/latin1.ts";
import type { Modification } from "../../lib/kv/users/user_changes.ts";
import { LoadedScripts } from "../../lib/kv/scripts/loaded_scripts.ts";
import { ClientSessions } from "../../lib/kv/sessions/client_sessions.ts";
import { Users } from "../../lib/kv/users/users.ts";
import { backupContents, type Contents, readContents } from "../../lib/cli/founding/contents.ts";
import { inspectText } from "../../lib/cli/inspect_text.ts";
import { clusterIdOf, hashSeedOf } from "../../lib/node/peers/cluster_id.ts";
import { applyEntry } from "../../lib/node/log/apply.ts";
import { loadStore } from "../../lib/node/replica.ts";
import { ENVELOPE_BYTES, writeEnvelope } from "../../lib/raft/envelope.ts";
import { type Entry, EntryKind } from "../../lib/raft/types.ts";
import { DataDirectory } from "../../lib/storage/data_directory.ts";
import { NewDirectory } from "../../lib/storage/founding/new_directory.ts";
import { inspectDirectory } from "../../lib/storage/inspection/inspect.ts";
import { snapshotName } from "../../lib/storage/snapshots/snapshot_format.ts";
import { ByteWriter, writeU32 } from "../../lib/util/bytes.ts";
import { checksum } from "../../lib/util/checksum.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import { assemble, HEAD } from "./backup_helpers.ts";
import { batch, openFormed, options, persist, PREPARED, setEntry, vote } from "./helpers.ts";
import { bodyOf, CONFIGURATION, receiveSnapshot, settled } from "./snapshot_helpers.ts";

const NO_SESSIONS = new ClientSessions();
const NO_SCRIPTS = new LoadedScripts();

const KEYS = 5;
const USERS = 40;
const GAP = 1_000;
const AT = { index: KEYS + 1 + USERS, term: 2 };
const NEW = { serverId: 4, incarnation: "4444444444444444" };
const HASH = "h".repeat(32);

function entryOf(index: number, kind: EntryKind, payload: Uint8Array): Entry {
  const data = new Uint8Array(ENVELOPE_BYTES + payload.length);
  writeEnvelope(data, kind, 50);
  data.set(payload, ENVELOPE_BYTES);
  return { index, term: 2, data };
}

/** Each with rules of some 4 KiB: all together are more than what other sections hold. */
function userEntry(i: number): Entry {
  const bytes = latin1Bytes(HASH);
  const modifications: Modification[] = [
    { kind: "addPassword", password: { logN: 14, r: 8, p: 1, salt: bytes, hash: bytes } },
    ...["on", `~${"k".repeat(4_000)}${i}*`, i === 0 ? "+@all" : "+get"]
      .map((rule) => ({ kind: "rule", rule }) as const),
  ];
  const out = new ByteWriter();
  // Nobody's, as only the first can be: so each asks as one who has the data directory.
  encodeChangeUser(out, `user${i}`, modifications, i === 0 ? 0 : 1);
  return entryOf(KEYS + 2 + i, EntryKind.commands, out.copy());
}

function entries(): Entry[] {
  return [
    ...Array.from({ length: KEYS }, (_, i) => setEntry(i + 1, 2)),
    entryOf(KEYS + 1, EntryKind.clusterVersion, encodeClusterVersion(3)),
    ...Array.from({ length: USERS }, (_, i) => userEntry(i)),
  ];
}

/** A disk with the directory of a server that has stopped: its log has all of it. */
function diskWithUsers(): SimDisk {
  const disk = new SimDisk();
  const { directory, log } = openFormed(disk);
  persist(disk, log, batch(vote(3, 1), ...entries()));
  directory.close();
  disk.completeAll();
  return disk;
}

function contentsOf(disk: SimDisk): Contents {
  return readContents({ disk, path: "1", release() {} }).contents;
}

/** As `recover` and `restore` do it. Returns the store that a server of the new cluster has. */
function found(disk: SimDisk, contents: Contents): Store {
  const members = [NEW];
  const hashSeed = hashSeedOf(members);
  const index = contents.position.index + GAP;
  const { clockMs, clusterVersion, keys, users } = contents;
  disk.makeDirectory("new");
  const directory = NewDirectory.begin(disk, {
    path: "new/4",
    identity: NEW,
    clusterId: clusterIdOf(members),
    members,
    position: { index, term: contents.position.term + 1 },
    isSuspect: false,
    segmentBytesMax: 4096,
  });
  const inHead = { clockMs, floor: contents.floor + GAP, keys, clusterVersion, users };
  directory.head({ index, ...inHead, clientSessions: null, loadedScripts: null });
  const records = new RaisedRecords(hashSeed, GAP);
  for (const piece of contents.walk()) {
    records.raise(piece);
    directory.records(piece);
  }
  directory.finish(records.digestWith(Users.decode(users, index), NO_SESSIONS, NO_SCRIPTS));
  let store: Store | null = null;
  const opened = DataDirectory.open(disk, options({ path: "new/4", serverId: 4 }));
  opened.openLog({ load: (file) => store = loadStore({ hashSeed }, file) });
  opened.close();
  disk.completeAll();
  return store!;
}

/** What a server that runs on the directory has. */
function storeOn(disk: SimDisk): Store {
  const contents = contentsOf(disk);
  const store = new Store({ hashSeed: hashSeedOf(PREPARED.members) });
  for (const entry of entries()) applyEntry(store, entry, null, new Result());
  assertEquals(store.users.encode(), contents.users);
  return store;
}

/** Takes a snapshot of the store in the directory, as a server does. */
function takeSnapshot(disk: SimDisk, store: Store): DataDirectory {
  const directory = DataDirectory.open(disk, options());
  directory.openLog();
  const writer = directory.snapshots.begin(AT, CONFIGURATION);
  const snapshot = store.beginSnapshot();
  writer.head(snapshot.head);
  const out = new ByteWriter();
  while (snapshot.next(out, 1_000));
  snapshot.close();
  writer.records(out.view());
  settled(disk, (done) => writer.finish(done));
  return directory;
}

function assertUsers(store: Store | null, users: Uint8Array | null): void {
  assert(users !== null && users.length > 100_000);
  assertEquals(store?.users.encode(), users);
  assertEquals(store?.users.byName("user3")?.passwords.length, 1);
  assertEquals(store?.keys, KEYS);
}

Deno.test("users: a new cluster founded from a stopped server's data has them (recover)", () => {
  const disk = diskWithUsers();
  const contents = contentsOf(disk);
  assertUsers(found(disk, contents), contents.users);
  const file = disk.files().find((path) => path.startsWith("new/") && path.endsWith(".snap"))!;
  assertEquals(disk.contents(file)[8], 3, "builds that know no users refuse it by its head");
});

Deno.test("users: a snapshot has them, here and where it is sent, in whatever pieces", () => {
  const disk = diskWithUsers();
  const store = storeOn(disk);
  const directory = takeSnapshot(disk, store);
  const path = `1/snapshot/${snapshotName(AT)}`;
  assertEquals(disk.contents(path)[8], 3);
  const body = bodyOf(directory, AT);
  directory.close();
  for (const chunkBytes of [1_000, 70_001, body.length]) {
    const other = new SimDisk();
    const opened = openFormed(other);
    receiveSnapshot(other, opened.directory, AT, body, chunkBytes);
    assertEquals(other.contents(path), disk.contents(path));
    const file = opened.directory.snapshots.open(AT);
    assertUsers(loadStore({ hashSeed: hashSeedOf(PREPARED.members) }, file), store.users.encode());
    file.close();
  }
});

Deno.test("users: a snapshot whose head says that it has none is damaged, and is not loaded", () => {
  const disk = diskWithUsers();
  takeSnapshot(disk, storeOn(disk)).close();
  disk.completeAll();
  const path = `1/snapshot/${snapshotName(AT)}`;
  disk.corrupt(path, (bytes) => {
    bytes[8] = 2;
    writeU32(bytes, 36, checksum(bytes.subarray(0, 36)));
    return bytes;
  });
  const [report] = inspectDirectory(disk, "1").snapshots;
  assert(/not that of cluster version 3, or of its users/.test(report!.problem?.message ?? ""));
});

Deno.test("users: a backup has them, and so has the cluster that is founded from it (restore)", () => {
  const disk = diskWithUsers();
  const store = storeOn(disk);
  const directory = takeSnapshot(disk, store);
  const about = { ...HEAD, position: AT, hashSeed: hashSeedOf(PREPARED.members) };
  const bytes = assemble(bodyOf(directory, AT), 50_000, about);
  directory.close();
  const file = disk.open("backup", { create: true });
  file.write(0, bytes);
  file.close();
  const { contents } = backupContents(disk, "backup");
  assertEquals(contents.users, store.users.encode());
  assertUsers(found(disk, contents), store.users.encode());
});

Deno.test("users: inspect tells how many there are, and nothing of their passwords", () => {
  const disk = diskWithUsers();
  takeSnapshot(disk, storeOn(disk)).close();
  disk.completeAll();
  const report = inspectDirectory(disk, "1", { records: true });
  assertEquals(report.problems, []);
  const text = inspectText(report, false);
  assert(text.includes(`, cluster version 3, ${USERS} users`), text);
  for (const shown of [text, JSON.stringify(report)]) {
    assert(!shown.includes("hhhh") && !shown.includes("104,104,104"), "a hash is shown");
    assert(!shown.includes("user3"), "a user is shown");
  }
});
