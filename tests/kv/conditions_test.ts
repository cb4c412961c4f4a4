/** setIf, deleteIf, setAll and digest: what they do, and what the check of commands lets pass. */
import { assertEquals, assertMatch } from "@std/assert";
import { findAbsoluteTimes } from "../../lib/kv/commands/absolute_times.ts";
import {
  type Comparison,
  Comparison as Is,
  encodeCommand,
  encodeKeyOnly,
  encodeSet,
  endCommand,
  ExpiryKind,
  GroupFlag,
  Op,
  SetFlag,
} from "../../lib/kv/commands/command.ts";
import { commandsProblem } from "../../lib/kv/commands/command_check.ts";
import { Result, Status } from "../../lib/kv/commands/result.ts";
import { Store } from "../../lib/kv/store.ts";
import { ByteWriter, writeU32, writeU64 } from "../../lib/util/bytes.ts";
import { xxh3 } from "../../lib/util/xxh3.ts";

const text = new TextEncoder();
const decoder = new TextDecoder();

function digestOf(value: string): Uint8Array {
  const bytes = text.encode(value);
  const out = new Uint8Array(8);
  xxh3(bytes, 0, bytes.length, out);
  return out;
}

interface Setting {
  readonly flags?: number;
  readonly kind?: ExpiryKind;
  readonly ms?: number;
}

function setIf(
  value: string,
  comparison: number,
  comparedWith: string | Uint8Array,
  { flags = 0, kind = ExpiryKind.never, ms = 0 }: Setting = {},
): Uint8Array {
  const source = text.encode(`k${value}`);
  const compared = typeof comparedWith === "string" ? text.encode(comparedWith) : comparedWith;
  const out = new ByteWriter();
  const at = encodeCommand(out, Op.setIf, source, 0, 1, 1, source.length);
  out.bytes[at + 8] = kind;
  writeU64(out.bytes, at + 9, ms);
  out.bytes[at + 17] = flags;
  out.bytes[at + 18] = comparison;
  writeU32(out.bytes, at + 19, compared.length);
  out.raw(compared);
  endCommand(out, at);
  return out.copy();
}

function deleteIf(comparison: number, comparedWith: string | Uint8Array): Uint8Array {
  const compared = typeof comparedWith === "string" ? text.encode(comparedWith) : comparedWith;
  const out = new ByteWriter();
  const at = encodeCommand(out, Op.deleteIf, text.encode("k"), 0, 1, 0, 0);
  out.bytes[at + 8] = comparison;
  out.raw(compared);
  endCommand(out, at);
  return out.copy();
}

function setAll(flags: number, keys: string, innerFlags = 0, ms = 0): Uint8Array {
  const out = new ByteWriter();
  const at = encodeCommand(out, Op.setAll, new Uint8Array(0), 0, 0, 0, 0);
  out.bytes[at + 8] = flags;
  writeU32(out.bytes, at + 9, keys.length);
  for (const key of keys) {
    const source = text.encode(`${key}new`);
    const inner = encodeCommand(out, Op.setWith, source, 0, 1, 1, source.length);
    out.bytes[inner + 8] = ms === 0 ? ExpiryKind.never : ExpiryKind.absolute;
    writeU64(out.bytes, inner + 9, ms);
    out.bytes[inner + 17] = innerFlags;
  }
  endCommand(out, at);
  return out.copy();
}

function keyOnly(op: Op, key = "k"): Uint8Array {
  const out = new ByteWriter();
  encodeKeyOnly(out, op, text.encode(key), 0, 1);
  return out.copy();
}

class OneKey {
  readonly store = new Store({ hashSeed: 1 });
  readonly result = new Result();

  apply(bytes: Uint8Array): Status {
    assertEquals(commandsProblem(bytes, 0), null);
    this.store.beginEntry(this.store.appliedIndex + 1, 1_000);
    this.store.applyCommand(bytes, 0, this.result);
    this.store.endEntry();
    return this.result.status;
  }

  set(value: string, ms = 0, key = "k"): void {
    const source = text.encode(`${key}${value}`);
    const out = new ByteWriter();
    const kind = ms === 0 ? ExpiryKind.never : ExpiryKind.absolute;
    encodeSet(out, kind, ms, source, 0, 1, 1, source.length);
    assertEquals(this.apply(out.copy()), Status.stored);
  }

  /** The value and the deadline; null where it is not there. */
  get(key = "k"): [string, number] | null {
    const { result } = this;
    this.store.read(keyOnly(Op.get, key), 0, result);
    return result.status === Status.found ? [shown(result), result.deadlineMs] : null;
  }
}

function shown({ bytes, offset, length }: Result): string {
  return decoder.decode(bytes.slice(offset, offset + length));
}

/** Which comparisons with "old" hold for a key of this value, null for one that is not there. */
function holding(value: string | null): Comparison[] {
  const isOld = value === "old";
  return isOld ? [Is.equal, Is.digestEqual] : [Is.differs, Is.digestDiffers];
}

Deno.test("setIf and deleteIf are done where the comparison holds, and change nothing where it does not", () => {
  for (const value of ["old", "Old", "ol", "", null]) {
    for (const comparison of Object.values(Is)) {
      const isDigest = comparison === Is.digestEqual || comparison === Is.digestDiffers;
      const compared = isDigest ? digestOf("old") : "old";
      const isMet = holding(value).includes(comparison);
      const about = `${value} by comparison ${comparison}`;
      const one = new OneKey();
      if (value !== null) one.set(value);
      const before = one.store.digest();
      const said = one.apply(setIf("new", comparison, compared));
      assertEquals(said, isMet ? Status.stored : Status.notDone, about);
      assertEquals(one.get()?.[0] ?? null, isMet ? "new" : value, about);
      if (!isMet) assertEquals(one.store.digest(), before, about);
      else assertEquals(one.result.version, value === null ? 1 : 2, about);

      const other = new OneKey();
      if (value !== null) other.set(value);
      const deleted = other.apply(deleteIf(comparison, compared));
      const wanted = value === null ? Status.notFound : isMet ? Status.deleted : Status.notDone;
      assertEquals(deleted, wanted, about);
      assertEquals(other.get()?.[0] ?? null, isMet ? null : value, about);
    }
  }
});

Deno.test("setIf shows the old value where it is asked to, done or not, and keeps the deadline", () => {
  const one = new OneKey();
  const flags = SetFlag.returnOld | SetFlag.keepExpiry;
  assertEquals(one.apply(setIf("x", Is.differs, "old", { flags })), Status.notFound);
  assertEquals(one.get(), ["x", 0]);
  one.set("old", 5_000);
  assertEquals(one.apply(setIf("y", Is.equal, "other", { flags })), Status.found);
  assertEquals(shown(one.result), "old");
  assertEquals(one.get(), ["old", 5_000]);
  assertEquals(one.apply(setIf("y", Is.equal, "old", { flags })), Status.found);
  assertEquals(shown(one.result), "old");
  assertEquals(one.get(), ["y", 5_000]);
  const kind = ExpiryKind.relative;
  assertEquals(one.apply(setIf("z", Is.equal, "y", { kind, ms: 30 })), Status.stored);
  assertEquals(one.get(), ["z", 1_030]);
  assertEquals(one.apply(setIf("w", Is.digestEqual, digestOf("z"))), Status.stored);
  assertEquals(one.get(), ["w", 0]);
});

Deno.test("no value has an empty digest", () => {
  const one = new OneKey();
  const none = new Uint8Array(0);
  for (const value of ["", "old"]) {
    one.set(value);
    assertEquals(one.apply(setIf("new", Is.digestEqual, none)), Status.notDone);
    assertEquals(one.apply(deleteIf(Is.digestEqual, none)), Status.notDone);
    assertEquals(one.apply(setIf("new", Is.digestDiffers, none)), Status.stored);
    assertEquals(one.apply(deleteIf(Is.digestDiffers, none)), Status.deleted);
  }
});

Deno.test("setAll stores all or nothing, and each key keeps its own deadline where it is to", () => {
  const one = new OneKey();
  one.set("old", 5_000, "a");
  assertEquals(one.apply(setAll(GroupFlag.ifAllAbsent, "ba")), Status.notDone);
  assertEquals(one.apply(setAll(GroupFlag.ifAllPresent, "ab")), Status.notDone);
  assertEquals([one.get("a"), one.get("b")], [["old", 5_000], null]);
  assertEquals(one.apply(setAll(0, "ab", SetFlag.keepExpiry)), Status.integer);
  assertEquals([one.get("a"), one.get("b")], [["new", 5_000], ["new", 0]]);
  assertEquals(one.apply(setAll(GroupFlag.ifAllPresent, "ab", 0, 7_000)), Status.integer);
  assertEquals([one.get("a"), one.get("b")], [["new", 7_000], ["new", 7_000]]);
  assertEquals(one.apply(setAll(GroupFlag.ifAllAbsent, "cdc")), Status.integer);
  assertEquals([one.get("c"), one.get("d")], [["new", 0], ["new", 0]]);
});

Deno.test("digest shows 16 hexadecimal digits, and when the key expires", () => {
  const one = new OneKey();
  one.store.read(keyOnly(Op.digest), 0, one.result);
  assertEquals(one.result.status, Status.notFound);
  one.set("Hello world", 5_000);
  one.store.read(keyOnly(Op.digest), 0, one.result);
  assertEquals([shown(one.result), one.result.deadlineMs], ["b6acb9d84a38ff74", 5_000]);
  const work = one.store.readWork;
  one.set("x".repeat(500_000));
  one.store.read(keyOnly(Op.digest), 0, one.result);
  assertEquals(one.store.readWork - work >= 500_000, true, "it counts as work on reads");
});

Deno.test("absolute times within setIf and setAll are found, so that the leader moves them", () => {
  const kind = ExpiryKind.absolute;
  const places: number[] = [];
  const one = setIf("v", Is.equal, "old", { kind, ms: 5_000 });
  findAbsoluteTimes(one, 0, one.length, 0, places);
  assertEquals(places, [9]);
  places.length = 0;
  const all = setAll(0, "ab", 0, 5_000);
  findAbsoluteTimes(all, 0, all.length, 0, places);
  // 13 is the head, and the first command has 18 bytes, a key of 1 and a value of 3.
  assertEquals(places, [13 + 9, 13 + 22 + 9]);
});

Deno.test("what is not as it should be in setIf, deleteIf and setAll is refused by the check", () => {
  const digest = new Uint8Array(8);
  const bad: [Uint8Array, RegExp][] = [
    [setIf("v", 0, "x"), /comparison is unknown/],
    [setIf("v", 5, "x"), /comparison is unknown/],
    [deleteIf(0, "x"), /comparison is unknown/],
    [deleteIf(255, digest), /comparison is unknown/],
    [setIf("v", Is.equal, "x", { flags: SetFlag.ifAbsent }), /flags/],
    [setIf("v", Is.equal, "x", { kind: 3 as ExpiryKind }), /expiry kind/],
    [setIf("v", Is.digestEqual, digest.subarray(1)), /length/],
    [deleteIf(Is.digestDiffers, new Uint8Array(9)), /length/],
    [setAll(4, "a"), /flags/],
    [setAll(0, "a", SetFlag.returnOld), /flags/],
    [setAll(0, "a", SetFlag.ifAbsent), /flags/],
  ];
  const tooLong = setIf("v", Is.equal, "x");
  writeU32(tooLong, 19, 3);
  bad.push([tooLong, /length/]);
  const more = setAll(0, "ab");
  writeU32(more, 9, 3);
  bad.push([more, /as many commands/]);
  const plain = setAll(0, "a");
  plain[13 + 4] = Op.append;
  bad.push([plain, /does not belong/]);
  // Alone a setWith may have any flag; a group of sets may have none of setAll's.
  const group = setAll(GroupFlag.ifAllPresent, "a");
  group[4] = Op.group;
  bad.push([group, /flags/]);
  bad.push([keyOnly(Op.digest), /unknown among the writes/]);
  for (const [bytes, problem] of bad) assertMatch(commandsProblem(bytes, 0) ?? "none", problem);
});
