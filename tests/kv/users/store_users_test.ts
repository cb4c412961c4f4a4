/** Users in the store: whose a command is, what it comes to, and what snapshots keep. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { neededVersion } from "../../../lib/kv/cluster_version.ts";
import { findAbsoluteTimes } from "../../../lib/kv/commands/absolute_times.ts";
import {
  encodeCommand,
  endCommand,
  ExpiryKind,
  innerOf,
  Op,
  SetFlag,
} from "../../../lib/kv/commands/command.ts";
import { commandsProblem } from "../../../lib/kv/commands/command_check.ts";
import { Result, Status } from "../../../lib/kv/commands/result.ts";
import { Rewriting } from "../../../lib/kv/commands/rewriting.ts";
import { RaisedRecords } from "../../../lib/kv/raised_records.ts";
import { RecordCheck } from "../../../lib/kv/record_check.ts";
import { SnapshotReader } from "../../../lib/kv/snapshot_reader.ts";
import { Store } from "../../../lib/kv/store.ts";
import {
  ChangeUserFlag,
  encodeChangeUser,
  encodeDeleteUser,
} from "../../../lib/kv/users/operations.ts";
import { latin1Bytes } from "../../../lib/util/latin1.ts";
import { type Modification, UserProblem } from "../../../lib/kv/users/user_changes.ts";
import { ByteFormatError, ByteWriter, writeU32, writeU64 } from "../../../lib/util/bytes.ts";
import { byUser as by } from "./by_user.ts";
import { isMatch } from "./model.ts";

const SEED = 11;

function plain(op: Op, key = "", value = "", fill?: (bytes: Uint8Array, at: number) => void) {
  const out = new ByteWriter();
  const source = latin1Bytes(key + value);
  const at = encodeCommand(out, op, source, 0, key.length, key.length, source.length);
  fill?.(out.bytes, at);
  return out.copy();
}

function group(op: Op, commands: readonly Uint8Array[]): Uint8Array {
  const out = new ByteWriter();
  const at = encodeCommand(out, op, new Uint8Array(0), 0, 0, 0, 0);
  writeU32(out.bytes, at + 9, commands.length);
  for (const one of commands) out.raw(one);
  endCommand(out, at);
  return out.copy();
}

function transaction(watched: readonly string[], commands: readonly Uint8Array[]): Uint8Array {
  const out = new ByteWriter();
  const at = encodeCommand(out, Op.transaction, new Uint8Array(0), 0, 0, 0, 0);
  writeU32(out.bytes, at + 8, watched.length);
  writeU32(out.bytes, at + 12, commands.length);
  for (const key of watched) {
    out.u64(0);
    out.u16(key.length);
    out.raw(latin1Bytes(key));
  }
  for (const one of commands) {
    out.u8(7);
    out.raw(one);
  }
  endCommand(out, at);
  return out.copy();
}

function rules(...texts: string[]): Modification[] {
  return texts.map((rule) => ({ kind: "rule", rule }));
}

function changeUser(name: string, flags: number, ...texts: string[]): Uint8Array {
  const out = new ByteWriter();
  encodeChangeUser(out, name, rules(...texts), flags);
  return out.copy();
}

function deleteUser(...names: string[]): Uint8Array {
  const out = new ByteWriter();
  encodeDeleteUser(out, names);
  return out.copy();
}

class Driver {
  store = new Store({ hashSeed: SEED });
  readonly result = new Result();

  apply(...commands: Uint8Array[]): Result {
    this.store.beginEntry(this.store.appliedIndex + 1, 1_000);
    for (const bytes of commands) {
      assertEquals(commandsProblem(bytes, 0), null);
      this.store.lookAhead(bytes, 0, bytes.length);
      this.store.applyCommand(bytes, 0, this.result);
    }
    this.store.endEntry();
    return this.result;
  }

  read(bytes: Uint8Array): Result {
    this.store.read(bytes, 0, this.result);
    return this.result;
  }

  /** The first user, who may do everything. */
  root(): Driver {
    this.apply(plain(Op.set, "app:a", "1"), plain(Op.set, "b", "2"), plain(Op.set, "app:c", "3"));
    assertEquals(
      this.apply(changeUser("root", 0, "on", "nopass", "~*", "+@all")).status,
      Status.integer,
    );
    return this;
  }

  user(name: string, ...texts: string[]): number {
    const { status, integer } = this.apply(by(1, "acl|setuser", changeUser(name, 0, ...texts)));
    assertEquals(status, Status.integer);
    return integer.toNumber();
  }

  /** Through a snapshot into another store, with every check that there is on the way. */
  restored(): Store {
    const snapshot = this.store.beginSnapshot();
    const out = new ByteWriter();
    while (snapshot.next(out, 100));
    snapshot.close();
    const check = new RecordCheck(SEED, snapshot.head);
    check.add(out.view());
    check.finish();
    const reader = new SnapshotReader({ hashSeed: SEED }, snapshot.head);
    reader.add(out.view());
    return reader.finish();
  }
}

const { notPermittedCommand, notPermittedKey, notAuthenticated, stored, found } = Status;

Deno.test("users in the store: before there are any, nothing is different, to the byte", () => {
  const driver = new Driver();
  driver.apply(plain(Op.set, "a", "1"));
  const { head } = driver.store.beginSnapshot();
  assertEquals([head.users, driver.store.users.count], [null, 0]);
  // The digest that a store without users has always had for this entry.
  assertEquals(driver.store.digest(), driver.store.digestAt(1));
  const raised = new RaisedRecords(SEED, 0);
  const snapshot = new Driver();
  snapshot.apply(plain(Op.set, "a", "1"));
  const walk = snapshot.store.beginSnapshot();
  const out = new ByteWriter();
  while (walk.next(out, 100));
  raised.raise(out.view());
  assertEquals(
    raised.digestWith(driver.store.users, driver.store.clientSessions, driver.store.loadedScripts),
    driver.store.digest(),
  );
});

Deno.test("users in the store: once there is one, a write or a read that is nobody's is refused", () => {
  const driver = new Driver().root();
  const { store } = driver;
  const digest = store.digest();
  const writes = [
    plain(Op.set, "a", "1"),
    plain(Op.delete, "b"),
    plain(Op.flush),
    group(Op.deleteGroup, [plain(Op.delete, "b")]),
    transaction([], [plain(Op.delete, "b")]),
    transaction([], [by(1, "del", plain(Op.delete, "b"))]),
    deleteUser("root"),
  ];
  for (const bytes of writes) assertEquals(driver.apply(bytes).status, notAuthenticated);
  for (const op of [Op.get, Op.keys, Op.size, Op.randomKey]) {
    assertEquals(driver.read(plain(op, op === Op.get ? "b" : "")).status, notAuthenticated);
  }
  assertEquals(driver.read(plain(Op.constant, "", "hello")).status, found);
  assertEquals(store.digest(), digest);
  assertEquals(store.keys, 3);
});

Deno.test("users in the store: only the first one is made by nobody, or what the data directory's owner asks for", () => {
  const driver = new Driver().root();
  const refused = driver.apply(changeUser("eve", 0, "on", "nopass", "+@all"));
  assertEquals([refused.status, refused.version], [Status.userProblem, UserProblem.notFirst]);
  const within = driver.apply(by(1, "exec", transaction([], [changeUser("eve", 0, "on")])));
  assertEquals(within.list[0]!.status, Status.userProblem);
  assertEquals(driver.store.users.count, 1);
  const reset = changeUser("root2", ChangeUserFlag.byReset, "on", "nopass", "+@all");
  assertEquals(driver.apply(reset).integer.toNumber(), 2);
  assertEquals(driver.store.users.list().map(({ name }) => name), ["root", "root2"]);
});

Deno.test("users in the store: a command is decided by the permissions at its index, also in one entry", () => {
  const driver = new Driver().root();
  const id = driver.user("alice", "on", "nopass", "~app:*", "+set", "+del");
  const set = by(id, "set", plain(Op.set, "app:a", "9"));
  assertEquals(driver.apply(set).status, stored);
  const revoke = by(1, "acl|setuser", changeUser("alice", 0, "-set"));
  assertEquals(driver.apply(set, revoke, set).status, notPermittedCommand);
  assertEquals(driver.apply(by(id, "set", plain(Op.set, "b", "9"))).status, notPermittedCommand);
  assertEquals(driver.apply(by(id, "del", plain(Op.delete, "b"))).status, notPermittedKey);
  assertEquals(driver.apply(by(id, "del", plain(Op.delete, "app:a"))).status, Status.deleted);
  driver.user("alice", "off", "+@all", "~*");
  assertEquals(driver.apply(set).status, notPermittedCommand);
  driver.user("alice", "on");
  assertEquals(driver.apply(set).status, stored);
  assertEquals(
    driver.apply(by(1, "acl|deluser", deleteUser("alice", "nobody"))).integer.toNumber(),
    1,
  );
  assertEquals(driver.apply(set).status, notPermittedCommand);
  // A user of the same name is another one.
  assert(driver.user("alice", "on", "nopass", "~*", "+@all") !== id);
  assertEquals(driver.apply(set).status, notPermittedCommand);
  assertEquals(driver.read(by(id, "get", plain(Op.get, "b"))).status, notPermittedCommand);
});

Deno.test("users in the store: each key of a command has to be permitted, or none of it is done", () => {
  const driver = new Driver().root();
  const id = driver.user("alice", "on", "nopass", "~app:*", "%R~b", "%W~w", "+@all");
  const { store } = driver;
  const digest = store.digest();
  const sets = (...keys: string[]) => group(Op.group, keys.map((key) => plain(Op.set, key, "x")));
  assertEquals(driver.apply(by(id, "mset", sets("app:a", "b"))).status, notPermittedKey);
  assertEquals(store.digest(), digest);
  assertEquals(driver.apply(by(id, "mset", sets("app:a", "w"))).status, Status.integer);
  const deletes = group(Op.deleteGroup, [plain(Op.delete, "w"), plain(Op.delete, "b")]);
  assertEquals(driver.apply(by(id, "del", deletes)).status, notPermittedKey);
  const reads = (...keys: string[]) => group(Op.readGroup, keys.map((key) => plain(Op.get, key)));
  assertEquals(driver.read(by(id, "mget", reads("app:a", "b"))).status, Status.list);
  assertEquals(driver.read(by(id, "mget", reads("app:a", "w"))).status, notPermittedKey);
  // To ask whether it is there is permitted to whoever may do anything with it.
  assertEquals(driver.read(by(id, "exists", reads("app:a", "b", "w"))).status, Status.list);
  assertEquals(driver.read(by(id, "exists", reads("x"))).status, notPermittedKey);
  assertEquals(driver.apply(by(id, "getset", plain(Op.setWith, "w", "1"))).status, notPermittedKey);
  assertEquals(driver.apply(by(id, "set", plain(Op.setWith, "w", "1"))).status, stored);
  const withGet = plain(Op.setWith, "w", "1", (bytes, at) => bytes[at + 17] = SetFlag.returnOld);
  assertEquals(driver.apply(by(id, "set", withGet)).status, notPermittedKey);
  assertEquals(driver.apply(by(id, "flushall", plain(Op.flush))).status, notPermittedKey);
  assertEquals(driver.read(by(id, "dbsize", plain(Op.size))).status, notPermittedKey);
  assertEquals(driver.read(by(1, "dbsize", plain(Op.size))).integer.toNumber(), 4);
  assertEquals(driver.apply(by(1, "flushall", plain(Op.flush))).status, Status.deleted);
});

Deno.test("users in the store: in a transaction each command is judged by itself, and watched keys with it", () => {
  const driver = new Driver().root();
  const id = driver.user("alice", "on", "nopass", "~app:*", "+@all", "-append");
  const parts = [
    by(id, "set", plain(Op.set, "app:a", "9")),
    by(id, "set", plain(Op.set, "b", "9")),
    by(id, "append", plain(Op.append, "app:a", "9", (bytes, at) => writeU32(bytes, at + 8, 100))),
    by(id, "get", plain(Op.get, "app:a")),
    by(id, "get", plain(Op.get, "b")),
    plain(Op.delete, "app:a"),
    plain(Op.constant, "", "PONG"),
    by(1, "get", plain(Op.get, "b")),
  ];
  const { status, list, listLength } = driver.apply(by(id, "exec", transaction([], parts)));
  assertEquals(status, Status.list);
  assertEquals(list.slice(0, listLength).map((one) => one.status), [
    stored,
    notPermittedKey,
    notPermittedCommand,
    found,
    notPermittedKey,
    notAuthenticated,
    found,
    found,
  ]);
  const part = list[3]!;
  assertEquals(part.bytes.slice(part.offset, part.offset + part.length), latin1Bytes("9"));
  assertEquals(list[3]!.tag, 7);
  const watched = by(id, "exec", transaction(["b"], [parts[0]!]));
  assertEquals(driver.apply(watched).status, notPermittedKey);
  assertEquals(
    driver.apply(by(id, "exec", transaction(["app:x"], [parts[0]!]))).status,
    Status.list,
  );
  driver.user("alice", "-exec");
  assertEquals(driver.apply(by(id, "exec", transaction([], []))).status, notPermittedCommand);
});

Deno.test("users in the store: walks show the keys that one may read, and no others", () => {
  const patterns = fc.array(
    fc.constantFrom("~a*", "%R~*b", "%W~c*", "~?", "%R~[ab]*", "~abc", "%W~*"),
    { maxLength: 4 },
  );
  const keys = fc.uniqueArray(fc.stringMatching(/^[abc]{1,4}$/), { maxLength: 20 });
  fc.assert(fc.property(patterns, keys, fc.nat(), (texts, names, first) => {
    const driver = new Driver();
    for (const name of names) driver.apply(plain(Op.set, name, "1"));
    driver.apply(changeUser("root", 0, "on", "nopass", "~*", "+@all"));
    const id = driver.user("alice", "on", "nopass", "+@all", ...texts);
    const open = names.filter((name) =>
      texts.some((text) => text[1] !== "W" && isMatch(text.slice(text.indexOf("~") + 1), name))
    ).sort();
    const shown = ({ list, listLength }: Result) =>
      list.slice(0, listLength).map(({ bytes, offset, length }) =>
        String.fromCharCode(...bytes.subarray(offset, offset + length))
      ).sort();
    assertEquals(shown(driver.read(by(id, "keys", plain(Op.keys)))), open);
    assertEquals(shown(driver.read(by(1, "keys", plain(Op.keys)))), names.toSorted());
    const scanned: string[] = [];
    let cursor = 0;
    do {
      const result = driver.read(by(
        id,
        "scan",
        plain(Op.scan, "", "*", (bytes, at) => {
          writeU64(bytes, at + 8, cursor);
          writeU32(bytes, at + 16, 3);
        }),
      ));
      assertEquals(result.status, Status.list);
      scanned.push(...shown(result));
      cursor = result.cursor;
    } while (cursor !== 0);
    assertEquals(scanned.sort(), open);
    const random = driver.read(by(
      id,
      "randomkey",
      plain(Op.randomKey, "", "", (bytes, at) => {
        writeU32(bytes, at + 8, first);
      }),
    ));
    assertEquals(random.status === found, open.length > 0);
    if (random.status !== found) return;
    const { bytes, offset, length } = random;
    assert(open.includes(String.fromCharCode(...bytes.subarray(offset, offset + length))));
  }));
});

Deno.test("users in the store: snapshots and digests have them, and a snapshot without is refused", () => {
  const driver = new Driver().root();
  const before = driver.store.digest();
  const id = driver.user("alice", "on", "nopass", "~app:*", "+set");
  assert(driver.store.digest() !== before);
  const other = new Driver();
  other.store = driver.restored();
  assertEquals(other.store.digest(), driver.store.digest());
  assertEquals(other.store.users.encode(), driver.store.users.encode());
  assertEquals(other.store.digestAt(5), driver.store.digestAt(5));
  const set = by(id, "set", plain(Op.set, "b", "9"));
  assertEquals(other.apply(set).status, notPermittedKey);
  // An id is not given again after it either.
  driver.apply(by(1, "acl|deluser", deleteUser("alice")));
  other.store = driver.restored();
  assertEquals(other.user("bob"), 3);
  const { head } = driver.store.beginSnapshot();
  for (const users of [null, other.store.users.encode(), new Uint8Array(20)]) {
    const check = new RecordCheck(SEED, { ...head, keys: 0, users });
    assertThrows(() => check.finish(), ByteFormatError);
    const reader = new SnapshotReader({ hashSeed: SEED }, { ...head, keys: 0, users });
    assertThrows(() => reader.finish(), ByteFormatError);
  }
});

Deno.test("whose a command is makes no difference to what else is asked about it", () => {
  const until = (bytes: Uint8Array, at: number) => {
    bytes[at + 8] = ExpiryKind.absolute;
    writeU64(bytes, at + 9, 5_000);
  };
  const set = plain(Op.set, "a", "x".repeat(20_000), until);
  const expire = plain(Op.expire, "a", "", until);
  const both = transaction(["k"], [by(3, "set", set), by(3, "get", plain(Op.get, "a")), set]);
  const store = new Store({ hashSeed: SEED });
  store.beginEntry(1, 1);
  store.applyCommand(set, 0, new Result());
  store.endEntry();
  for (const inner of [set, expire, both, group(Op.group, [set, set])]) {
    const outer = by(3, "set", inner);
    assertEquals(innerOf(outer, 0), outer.length - inner.length);
    assertEquals(innerOf(inner, 0), 0);
    const places: number[] = [];
    const placesInside: number[] = [];
    findAbsoluteTimes(outer, 0, outer.length, 100, places);
    findAbsoluteTimes(inner, 0, inner.length, 100 + innerOf(outer, 0), placesInside);
    assert(places.length > 0);
    assertEquals(places, placesInside);
    assertEquals(
      new Rewriting().bytesOf(store, outer, 0),
      new Rewriting().bytesOf(store, inner, 0),
    );
    assertEquals(neededVersion(outer, 0), 3);
  }
  assertEquals(neededVersion(transaction([], [by(3, "get", plain(Op.get, "a"))]), 0), 3);
  assertEquals(neededVersion(changeUser("a", 0, "on"), 0), 3);
  assertEquals(neededVersion(deleteUser("a"), 0), 3);
});

Deno.test("operations of users: what a peer or a file has is checked, nesting too", () => {
  const good = [
    by(1, "set", plain(Op.set, "a", "1")),
    by(0xffff_ffff, "exec", transaction(["w"], [by(1, "get", plain(Op.get, "a"))])),
    changeUser("root", ChangeUserFlag.byReset, "on", "~a*", "+get"),
    deleteUser("a", "b"),
    deleteUser(),
  ];
  for (const bytes of good) assertEquals(commandsProblem(bytes, 0), null);
  const set = plain(Op.set, "a", "1");
  const bad: [Uint8Array, RegExp][] = [
    [by(1, "get", plain(Op.get, "a")), /64 is unknown among the writes/],
    [by(1, "set", by(1, "set", set)), /two users/],
    [by(1, "exec", transaction([], [by(1, "exec", transaction([], []))])), /within another/],
    [by(1, "exec", transaction([], [by(1, "get", by(1, "get", plain(Op.get, "a")))])), /two users/],
    [by(1, "set", new Uint8Array(0)), /cut off/],
    [by(1, "set", new Uint8Array([...set, ...set])), /length is wrong/],
    [group(Op.group, [by(1, "set", set)]), /does not belong/],
    [changeUser("a b", 0, "on"), /name is none/],
    [changeUser("a", 2, "on"), /flags/],
    [changeUser("a", 0, "+nosuch"), /rule for users is none/],
    [deleteUser("a b"), /name is none/],
  ];
  for (const [bytes, problem] of bad) {
    const found = commandsProblem(bytes, 0);
    assert(found !== null && problem.test(found), `${problem}: ${found}`);
  }
  const unknown = by(1, "set", set);
  unknown[12] = 0x7f;
  assert(/command number \d+ is unknown/.test(commandsProblem(unknown, 0) ?? ""));
});

Deno.test("operations of users: what passes the check can be applied, however it was damaged", () => {
  const commands = [
    by(1, "set", plain(Op.set, "app:a", "1")),
    by(
      2,
      "exec",
      transaction(["app:w"], [
        by(2, "get", plain(Op.get, "a")),
        by(2, "mset", group(Op.group, [plain(Op.set, "app:a", "1")])),
      ]),
    ),
    by(1, "acl|setuser", changeUser("alice", 0, "on", "~a*", "+get")),
    by(1, "acl|deluser", deleteUser("alice", "bob")),
  ];
  const damage = fc.tuple(fc.constantFrom(...commands), fc.nat(), fc.nat({ max: 255 }), fc.nat());
  let applied = 0;
  fc.assert(
    fc.property(damage, ([bytes, at, value, other]) => {
      const damaged = bytes.slice();
      damaged[at % bytes.length] = value;
      damaged[other % bytes.length] = value;
      if (commandsProblem(damaged, 0) !== null) return;
      const driver = new Driver().root();
      driver.user("alice", "on", "nopass", "~app:*", "+@all");
      driver.apply(damaged);
      applied++;
    }),
    { numRuns: 2_000 },
  );
  assert(applied > 100, `${applied} were applied`);
});
