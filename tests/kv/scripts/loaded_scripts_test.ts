/** Scripts in the store: loaded and flushed by entries, bounded, and the same on every server. */
import { assert, assertEquals, assertMatch, assertNotEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { createHash } from "node:crypto";
import { neededVersion } from "../../../lib/kv/cluster_version.ts";
import { encodeCommand, endCommand, Op } from "../../../lib/kv/commands/command.ts";
import { commandsProblem } from "../../../lib/kv/commands/command_check.ts";
import { Result, Status } from "../../../lib/kv/commands/result.ts";
import { RaisedRecords } from "../../../lib/kv/raised_records.ts";
import { RecordCheck } from "../../../lib/kv/record_check.ts";
import {
  encodedScriptCount,
  LOADED_SCRIPT_BYTES_MAX,
  LOADED_SCRIPTS_BYTES_MAX,
  LOADED_SCRIPTS_ENCODED_BYTES_MAX,
  LOADED_SCRIPTS_MAX,
  LoadedScripts,
} from "../../../lib/kv/scripts/loaded_scripts.ts";
import { encodeFlushScripts, encodeLoadScript } from "../../../lib/kv/scripts/operations.ts";
import { encodeInSession } from "../../../lib/kv/sessions/operations.ts";
import type { SnapshotHead } from "../../../lib/kv/snapshot.ts";
import { SnapshotReader } from "../../../lib/kv/snapshot_reader.ts";
import { Store } from "../../../lib/kv/store.ts";
import { commandNamed } from "../../../lib/kv/users/command_numbers.ts";
import { encodeByUser, encodeChangeUser } from "../../../lib/kv/users/operations.ts";
import { ByteFormatError, ByteWriter, writeU32 } from "../../../lib/util/bytes.ts";
import { latin1 } from "../../../lib/util/latin1.ts";

const SEED = 11;

function sha1(source: string): string {
  return createHash("sha1").update(source, "latin1").digest("hex");
}

function load(source: string, hash = sha1(source)): Uint8Array {
  const out = new ByteWriter();
  encodeLoadScript(out, hash, source);
  return out.copy();
}

function flush(): Uint8Array {
  const out = new ByteWriter();
  encodeFlushScripts(out);
  return out.copy();
}

function byUser(id: number, name: string, command: Uint8Array): Uint8Array {
  const out = new ByteWriter();
  encodeByUser(out, id, commandNamed(name)!.number);
  out.raw(command);
  endCommand(out, 0);
  return out.copy();
}

class Driver {
  readonly store: Store;
  readonly result = new Result();

  constructor(store = new Store({ hashSeed: SEED })) {
    this.store = store;
  }

  apply(bytes: Uint8Array): Status {
    assertEquals(commandsProblem(bytes, 0), null);
    this.store.beginEntry(this.store.appliedIndex + 1, 0);
    this.store.applyCommand(bytes, 0, this.result);
    this.store.endEntry();
    return this.result.status;
  }

  /** What the last one was answered with. */
  get text(): string {
    const { bytes, offset, length } = this.result;
    return latin1(bytes, offset, offset + length);
  }

  head(): SnapshotHead {
    const snapshot = this.store.beginSnapshot();
    snapshot.close();
    return snapshot.head;
  }

  /** Another server's store, from this one's snapshot. */
  restored(): Driver {
    return new Driver(new SnapshotReader({ hashSeed: SEED }, this.head()).finish());
  }
}

Deno.test("loaded scripts: one is found by its SHA-1 once its entry is applied, until a flush", () => {
  const driver = new Driver();
  const { loadedScripts } = driver.store;
  const digest = driver.store.digest();
  assertEquals([loadedScripts.areUnused, loadedScripts.encode()], [true, null]);
  for (const source of ["return 1", "", "return '\xff\x00\x80'"]) {
    assertEquals(driver.apply(load(source)), Status.found);
    assertEquals(driver.text, sha1(source));
    assertEquals(loadedScripts.find(sha1(source)), source);
  }
  assertEquals(loadedScripts.count, 3);
  const loaded = driver.store.digest();
  assertNotEquals(loaded, digest);
  // Again it changes nothing.
  assertEquals(driver.apply(load("return 1")), Status.found);
  assertEquals([loadedScripts.count, driver.store.digest()], [3, loaded]);
  assertEquals(loadedScripts.find(sha1("return 2")), null);
  assertEquals(driver.apply(flush()), Status.deleted);
  assertEquals([loadedScripts.count, loadedScripts.bytes, driver.store.bytes], [0, 0, 0]);
  assertEquals(loadedScripts.find(sha1("return 1")), null);
  assertEquals(loadedScripts.flushedIndex, driver.store.appliedIndex);
  // That there was a flush is state: whoever comes to lead forgets what its engine has kept.
  assertNotEquals(driver.store.digest(), digest);
});

Deno.test("loaded scripts: there are so many, so long, and so many bytes; beyond that nothing is done", () => {
  const many = new Driver();
  for (let i = 0; i < LOADED_SCRIPTS_MAX; i++) many.apply(load(`return ${i}`));
  const digest = many.store.digest();
  assertEquals(many.apply(load("return 'one more'")), Status.tooManyScripts);
  assertEquals(many.apply(load("return 7")), Status.found);
  assertEquals([many.store.loadedScripts.count, many.store.digest()], [LOADED_SCRIPTS_MAX, digest]);
  many.apply(flush());
  assertEquals(many.apply(load("return 'one more'")), Status.found);

  const long = new Driver();
  const count = LOADED_SCRIPTS_BYTES_MAX / LOADED_SCRIPT_BYTES_MAX;
  for (let i = 0; i < count; i++) {
    assertEquals(long.apply(load(`${i}`.padStart(LOADED_SCRIPT_BYTES_MAX, "-"))), Status.found);
  }
  assertEquals(long.apply(load("")), Status.found);
  assertEquals(long.apply(load("x")), Status.tooManyScriptBytes);
  assertEquals(long.store.bytes, LOADED_SCRIPTS_BYTES_MAX + 100 * (count + 1));
  assert(long.head().loadedScripts!.length <= LOADED_SCRIPTS_ENCODED_BYTES_MAX);
  assertEquals(long.restored().store.digest(), long.store.digest());
  const longer = load("y".repeat(LOADED_SCRIPT_BYTES_MAX + 1));
  assertMatch(commandsProblem(longer, 0)!, /a script of 65537 bytes/);
});

Deno.test("loaded scripts: a snapshot hands them on, whatever was done before", () => {
  const step = fc.oneof(
    { weight: 8, arbitrary: fc.integer({ min: 0, max: 12 }).map((n) => load(`return ${n}`)) },
    { weight: 1, arbitrary: fc.constant(null).map(flush) },
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
    const driver = new Driver();
    for (const one of steps) driver.apply(one);
    const other = driver.restored();
    assertEquals(other.store.digest(), driver.store.digest());
    assertEquals(other.store.loadedScripts.encode(), driver.store.loadedScripts.encode());
    assertEquals(other.store.loadedScripts.flushedIndex, driver.store.loadedScripts.flushedIndex);
    for (let n = 0; n <= 12; n++) {
      const hash = sha1(`return ${n}`);
      assertEquals(
        other.store.loadedScripts.find(hash),
        driver.store.loadedScripts.find(hash),
      );
    }
    const head = driver.head();
    new RecordCheck(SEED, head).finish();
    const { users, clientSessions, loadedScripts } = driver.store;
    const raised = new RaisedRecords(SEED, 1_000);
    assertEquals(raised.digestWith(users, clientSessions, loadedScripts), head.digest);
    const encoded = head.loadedScripts;
    assertEquals(encoded === null ? 0 : encodedScriptCount(encoded), loadedScripts.count);
  }));
});

Deno.test("loaded scripts: a snapshot's bytes are decoded in pieces, and other bytes are refused", () => {
  const driver = new Driver();
  for (let i = 0; i < 50; i++) driver.apply(load(`${i}`.padStart(4_000, "-")));
  const head = driver.head();
  const bytes = head.loadedScripts!;
  const pieces = [...LoadedScripts.decodeInPieces(bytes, head.index)];
  assert(pieces.length >= 5 && pieces.every((length) => length <= 36_900), `${pieces}`);
  const wrong: readonly (readonly [string, Uint8Array, number?])[] = [
    ["cut off", bytes.subarray(0, bytes.length - 1)],
    ["too long", new Uint8Array([...bytes, 0])],
    ["nothing at all", new Uint8Array(12)],
    ["flushed later", changed(bytes, (copy) => copy[7] = 60), 50],
    ["one is twice", changed(bytes, (copy) => copy.copyWithin(12 + 4_024, 12, 12 + 4_024))],
    ["a long one", changed(bytes, (copy) => writeU32(copy, 32, LOADED_SCRIPT_BYTES_MAX + 1))],
  ];
  for (const [what, other, index = head.index] of wrong) {
    assertThrows(() => LoadedScripts.decode(other, index), ByteFormatError, undefined, what);
  }
  // A letter of a source, or of a name, is another digest.
  for (const at of [20, 100]) {
    const other = { ...head, loadedScripts: changed(bytes, (copy) => copy[at]! ^= 1) };
    assertThrows(() => new SnapshotReader({ hashSeed: SEED }, other).finish(), ByteFormatError);
    assertThrows(() => new RecordCheck(SEED, other).finish(), ByteFormatError);
  }
  const without = { ...head, loadedScripts: null };
  assertThrows(() => new SnapshotReader({ hashSeed: SEED }, without).finish(), ByteFormatError);
});

function changed(bytes: Uint8Array, change: (copy: Uint8Array) => void): Uint8Array {
  const copy = bytes.slice();
  change(copy);
  return copy;
}

Deno.test("loaded scripts: they need cluster version 5, and stand within no session or transaction", () => {
  for (const command of [load("return 1"), flush()]) {
    assertEquals(neededVersion(command, 0), 5);
    assertEquals(neededVersion(byUser(1, "script|load", command), 0), 5);
    assertEquals(commandsProblem(byUser(1, "script|load", command), 0), null);
    const session = new ByteWriter();
    encodeInSession(session, { id: 1, sequence: 1, lowest: 1, flags: 0 });
    session.raw(command);
    endCommand(session, 0);
    assertMatch(commandsProblem(session.copy(), 0)!, /scripts lies within a session/);
    const transaction = new ByteWriter();
    encodeCommand(transaction, Op.transaction, new Uint8Array(0), 0, 0, 0, 0);
    writeU32(transaction.bytes, 12, 1);
    transaction.u8(0);
    transaction.raw(command);
    endCommand(transaction, 0);
    assertMatch(commandsProblem(transaction.copy(), 0)!, /scripts lies within a transaction/);
  }
  assertMatch(commandsProblem(load("").subarray(0, 20), 0)!, /length is wrong/);
});

Deno.test("loaded scripts: where there are users, one is loaded and flushed by whoever may", () => {
  const driver = new Driver();
  const rules = (...texts: string[]) => texts.map((rule) => ({ kind: "rule", rule } as const));
  const admin = new ByteWriter();
  encodeChangeUser(admin, "admin", rules("on", "nopass", "~*", "+@all"));
  driver.apply(admin.copy());
  const id = driver.result.integer.toNumber();
  assertEquals(driver.apply(load("return 1")), Status.notAuthenticated);
  assertEquals(driver.store.loadedScripts.count, 0);
  assertEquals(driver.apply(byUser(id, "script|load", load("return 1"))), Status.found);
  const app = new ByteWriter();
  encodeChangeUser(app, "app", rules("on", "nopass", "~*", "+get", "+script|exists"));
  driver.apply(byUser(id, "acl|setuser", app.copy()));
  const appId = driver.result.integer.toNumber();
  for (const command of [load("return 2"), flush()]) {
    assertEquals(
      driver.apply(byUser(appId, "script|load", command)),
      Status.notPermittedCommand,
    );
  }
  assertEquals(driver.store.loadedScripts.count, 1);
});
