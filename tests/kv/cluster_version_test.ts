/** The cluster version: its entry, what needs which, and that the store holds it. */
import { assertEquals, assertThrows } from "@std/assert";
import {
  CLUSTER_VERSION_MAX,
  clusterVersionProblem,
  encodeClusterVersion,
  neededVersion,
  readClusterVersion,
} from "../../lib/kv/cluster_version.ts";
import { commandsProblem } from "../../lib/kv/commands/command_check.ts";
import { encodeCommand, encodeKeyOnly, endCommand, Op } from "../../lib/kv/commands/command.ts";
import { commandNamed } from "../../lib/kv/users/command_numbers.ts";
import { encodeByUser } from "../../lib/kv/users/operations.ts";
import { Result, Status } from "../../lib/kv/commands/result.ts";
import { SnapshotReader } from "../../lib/kv/snapshot_reader.ts";
import { Store } from "../../lib/kv/store.ts";
import { ByteWriter, writeU32, writeU64 } from "../../lib/util/bytes.ts";

const text = new TextEncoder();

/** A command on key "k" with a value. */
function command(op: Op, value = ""): Uint8Array {
  const source = text.encode(`k${value}`);
  const out = new ByteWriter();
  encodeCommand(out, op, source, 0, 1, 1, source.length);
  return out.copy();
}

/** A transaction of these, with a watched key of so many bytes. */
function transaction(watchedBytes: number, ...commands: Uint8Array[]): Uint8Array {
  const out = new ByteWriter();
  const at = encodeCommand(out, Op.transaction, new Uint8Array(0), 0, 0, 0, 0);
  writeU32(out.bytes, at + 8, watchedBytes > 0 ? 1 : 0);
  writeU32(out.bytes, at + 12, commands.length);
  if (watchedBytes > 0) {
    out.u64(0);
    out.u16(watchedBytes);
    out.raw(new Uint8Array(watchedBytes).fill(0x61));
  }
  for (const one of commands) {
    out.u8(0);
    out.raw(one);
  }
  endCommand(out, at);
  const bytes = out.copy();
  assertEquals(commandsProblem(bytes, 0), null);
  return bytes;
}

Deno.test("cluster version: what is new needs it, alone and in a transaction; all else needs none", () => {
  const older = command(Op.set, "v");
  writeU64(older, 9, 0);
  const newer = command(Op.deleteIfEqual, "v");
  assertEquals([neededVersion(older, 0), neededVersion(newer, 0)], [0, 2]);
  assertEquals(neededVersion(transaction(0, command(Op.delete)), 0), 0);
  assertEquals(
    neededVersion(transaction(300, command(Op.delete), newer, command(Op.persist)), 0),
    2,
  );
  const newest = command(Op.deleteIf, "v");
  newest[8] = 1;
  assertEquals(neededVersion(newest, 0), 4);
  assertEquals(neededVersion(transaction(0, newer, newest), 0), 4);
  // A read that is in the log, as a transaction is.
  const digest = new ByteWriter();
  encodeKeyOnly(digest, Op.digest, text.encode("k"), 0, 1);
  assertEquals(neededVersion(transaction(3, digest.copy()), 0), 4);
  // 17 stands at the place of an operation in no other command than that one.
  assertEquals(neededVersion(transaction(17, command(Op.delete)), 0), 0);
});

Deno.test("cluster version: who has a user needs what users need, and what the command needs", () => {
  const by = (...commands: Uint8Array[]) => {
    const out = new ByteWriter();
    const at = encodeByUser(out, 1, commandNamed("exec")!.number);
    out.raw(commands.length === 1 ? commands[0]! : transaction(0, ...commands));
    endCommand(out, at);
    return out.copy();
  };
  const older = command(Op.delete);
  const newest = command(Op.deleteIf, "v");
  newest[8] = 1;
  assertEquals(neededVersion(by(older), 0), 3);
  assertEquals(neededVersion(by(newest), 0), 4);
  assertEquals(neededVersion(by(by(older), by(older)), 0), 3);
  assertEquals(neededVersion(by(by(older), by(newest)), 0), 4);
});

Deno.test("cluster version: an entry's payload is two bytes, of a version that this build knows", () => {
  for (let version = 2; version <= CLUSTER_VERSION_MAX; version++) {
    const payload = encodeClusterVersion(version);
    assertEquals(clusterVersionProblem(payload, 0), null);
    assertEquals(readClusterVersion(payload, 0), version);
  }
  const later = clusterVersionProblem(encodeClusterVersion(CLUSTER_VERSION_MAX + 1), 0);
  assertEquals(later, "the cluster version is 6, and this build knows 1 to 5");
  for (const version of [0, 1]) {
    assertEquals(clusterVersionProblem(encodeClusterVersion(version), 0) === null, false);
  }
  assertEquals(clusterVersionProblem(new Uint8Array(3), 0), "a cluster version of 3 bytes");
});

Deno.test("cluster version: a store has the first one until it is raised, never goes back, and hands it on", () => {
  const store = new Store({ hashSeed: 1 });
  assertEquals(store.clusterVersion, 1);
  assertThrows(() => store.raiseClusterVersion(2), Error, "outside an entry");
  const digest = store.digest();
  for (const [at, version] of [2, 1, 2].entries()) {
    store.beginEntry(at + 1, 0);
    store.raiseClusterVersion(version);
    store.endEntry();
    assertEquals(store.clusterVersion, 2);
  }
  // Builds before compare digests, too.
  assertEquals(store.digest(), digest);
  const snapshot = store.beginSnapshot();
  assertEquals(snapshot.head.clusterVersion, 2);
  snapshot.close();
  assertEquals(new SnapshotReader({ hashSeed: 1 }, snapshot.head).finish().clusterVersion, 2);
});

Deno.test("deleteIfEqual removes the key where it has this value, byte for byte, and raises the floor", () => {
  const store = new Store({ hashSeed: 1 });
  const result = new Result();
  let index = 0;
  const apply = (bytes: Uint8Array) => {
    assertEquals(commandsProblem(bytes, 0), null);
    store.beginEntry(++index, 0);
    store.applyCommand(bytes, 0, result);
    store.endEntry();
    return result.status;
  };
  const set = command(Op.set, "value");
  assertEquals(apply(command(Op.deleteIfEqual, "value")), Status.notFound);
  assertEquals(apply(set), Status.stored);
  for (const other of ["", "valu", "value ", "valuE", "alue"]) {
    assertEquals(apply(command(Op.deleteIfEqual, other)), Status.notDone);
  }
  assertEquals(apply(command(Op.deleteIfEqual, "value")), Status.deleted);
  assertEquals([store.keys, store.floor], [0, 1]);
  const get = new ByteWriter();
  encodeKeyOnly(get, Op.get, text.encode("k"), 0, 1);
  store.read(get.copy(), 0, result);
  assertEquals(result.status, Status.notFound);
  assertEquals(apply(set), Status.stored);
  assertEquals(result.version, 2);
});
