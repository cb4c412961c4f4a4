/** A store's records with their versions raised, for a new cluster that continues an older one. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { ExpiryKind, Op } from "../../lib/kv/commands/command.ts";
import { Result, Status } from "../../lib/kv/commands/result.ts";
import { RaisedRecords } from "../../lib/kv/raised_records.ts";
import type { SnapshotHead } from "../../lib/kv/snapshot.ts";
import { SnapshotReader } from "../../lib/kv/snapshot_reader.ts";
import { Store } from "../../lib/kv/store.ts";
import { ByteFormatError, ByteWriter } from "../../lib/util/bytes.ts";
import { encodeCommand, type ModelCommand } from "./model.ts";

const GAP = 1_000_000_000;

function apply(store: Store, stampMs: number, ...commands: ModelCommand[]): Result {
  const result = new Result();
  store.beginEntry(store.appliedIndex + 1, stampMs);
  for (const command of commands) store.applyCommand(encodeCommand(command), 0, result);
  store.endEntry();
  return result;
}

function recordsOf(store: Store): Uint8Array {
  const snapshot = store.beginSnapshot();
  const out = new ByteWriter();
  while (snapshot.next(out, 100));
  snapshot.close();
  return out.copy();
}

/** The store that a new cluster begins with, whose hash seed is another. */
function raisedStore(old: Store): Store {
  const bytes = recordsOf(old);
  const raised = new RaisedRecords(5, GAP);
  raised.raise(bytes);
  const head: SnapshotHead = {
    index: old.appliedIndex + GAP,
    clockMs: old.clockMs,
    floor: old.floor + GAP,
    keys: raised.keys,
    digest: raised.digestWith(old.users, old.clientSessions, old.loadedScripts),
    clusterVersion: old.clusterVersion,
    users: old.users.encode(),
    clientSessions: old.clientSessions.encode(),
    loadedScripts: old.loadedScripts.encode(),
  };
  const reader = new SnapshotReader({ hashSeed: 5 }, head);
  reader.add(bytes);
  // It compares the digest with the one of the records that it took in.
  return reader.finish();
}

function read(store: Store, key: string): { value: string; version: number; deadlineMs: number } {
  const result = new Result();
  store.read(encodeCommand({ op: Op.getm, key }), 0, result);
  assertEquals(result.status, Status.found, key);
  const value = new TextDecoder().decode(
    result.bytes.subarray(result.offset, result.offset + result.length),
  );
  return { value, version: result.version, deadlineMs: result.deadlineMs };
}

Deno.test("raised records: values and deadlines stay, versions jump, the digest is the new cluster's", () => {
  const old = new Store({ hashSeed: 77 });
  apply(old, 100, { op: Op.set, key: "a", value: "one" }, { op: Op.set, key: "a", value: "two" });
  const expiry = { expiryKind: ExpiryKind.relative, expiryMs: 5_000 };
  apply(old, 200, { op: Op.set, key: "t", value: "x".repeat(300), ...expiry });
  apply(old, 300, { op: Op.set, key: "gone", value: "g" });
  apply(old, 400, { op: Op.delete, key: "gone" });
  const store = raisedStore(old);
  assertEquals(read(store, "a"), { value: "two", version: 2 + GAP, deadlineMs: 0 });
  assertEquals(read(store, "t"), { value: "x".repeat(300), version: 1 + GAP, deadlineMs: 5_200 });
  assertEquals([store.keys, store.appliedIndex, store.clockMs], [2, old.appliedIndex + GAP, 400]);
});

Deno.test("raised records: no cas with a version that the old cluster gave takes another value", () => {
  const old = new Store({ hashSeed: 77 });
  const sets = (count: number): ModelCommand[] =>
    Array.from({ length: count }, (_, i) => ({ op: Op.set, key: "k", value: `v${i}` }));
  apply(old, 100, ...sets(5), { op: Op.set, key: "gone", value: "g" });
  const store = raisedStore(old);
  // What the old cluster still did, and nobody has any more: versions 6 to 40 of k, a second of gone.
  apply(old, 200, ...sets(35), { op: Op.delete, key: "gone" });
  apply(old, 300, { op: Op.set, key: "gone", value: "other" });
  const given = [...Array(41).keys()].slice(1);
  // The new one continues elsewhere.
  apply(store, 200, ...sets(35), { op: Op.delete, key: "gone" });
  apply(store, 300, { op: Op.set, key: "gone", value: "new" }, ...sets(3));
  for (const version of given) {
    for (const key of ["k", "gone"]) {
      const result = apply(store, 400, { op: Op.cas, key, value: "stale", version });
      assertEquals(result.status, Status.versionDiffers, `${key} ${version}`);
    }
  }
  assert(read(store, "gone").version > GAP);
});

Deno.test("raised records: a version above 2^53 - 1, and bytes that are no records, are refused", () => {
  const store = new Store({ hashSeed: 77 });
  apply(store, 1, { op: Op.set, key: "a", value: "v" });
  const bytes = recordsOf(store);
  const most = Number.MAX_SAFE_INTEGER - 1;
  new RaisedRecords(1, most).raise(bytes.slice());
  assertThrows(() => new RaisedRecords(1, most + 1).raise(bytes.slice()), RangeError);
  assertThrows(() => new RaisedRecords(1, 1).raise(bytes.slice(0, -1)), ByteFormatError);
});
