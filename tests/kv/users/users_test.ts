import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Glob } from "../../../lib/kv/commands/glob.ts";
import { SnapshotReader } from "../../../lib/kv/snapshot_reader.ts";
import { Store } from "../../../lib/kv/store.ts";
import { Access, CATEGORIES, COMMAND_NUMBERS } from "../../../lib/kv/users/command_numbers.ts";
import { matchesPattern } from "../../../lib/kv/users/match_pattern.ts";
import { isRule, isUserName, parseRule } from "../../../lib/kv/users/rules.ts";
import { newUserFields, type Password } from "../../../lib/kv/users/user.ts";
import { latin1Bytes } from "../../../lib/util/latin1.ts";
import {
  decodeModifications,
  encodeModifications,
  type Modification,
  modified,
  UserProblem,
} from "../../../lib/kv/users/user_changes.ts";
import { Users, USERS_MAX } from "../../../lib/kv/users/users.ts";
import { ByteFormatError, ByteWriter } from "../../../lib/util/bytes.ts";
import { isMatch, ModelUser } from "./model.ts";

const NAMES = ["root", "alice", "bob", "carol"];
const PARTS = ["a", "b", ":", "*", "?", "[ab]", "[^a]", "[a-c]", "\\*", "app:", "["];
const KEYS = ["", "a", "b", "ab", "app:a", "app:b:a", "*", "a*", "[", "abc", "ba:", "app:app:"];
const NEEDS = ["none", "read", "write", "both"] as const;

const pattern = fc.array(fc.constantFrom(...PARTS), { minLength: 1, maxLength: 5 })
  .map((parts) => parts.join(""));
const key = fc.oneof(
  fc.constantFrom(...KEYS.slice(1)),
  fc.array(fc.constantFrom("a", "b", ":", "*", "app:"), { minLength: 1, maxLength: 6 })
    .map((parts) => parts.join("")),
);
const command = fc.constantFrom(...COMMAND_NUMBERS.map(({ name }) => name));
const rule = fc.oneof(
  fc.constantFrom("on", "off", "nopass", "resetpass", "resetkeys", "~*", "reset", "+@all"),
  fc.constantFrom("-@all", "resetchannels", "&*", "+acl", "-acl|setuser", "on", "nopass", "+@all"),
  fc.tuple(fc.constantFrom("~", "%R~", "%W~"), pattern).map((parts) => parts.join("")),
  fc.tuple(fc.constantFrom("+", "-"), command).map((parts) => parts.join("")),
  fc.tuple(fc.constantFrom("+@", "-@"), fc.constantFrom(...CATEGORIES))
    .map((parts) => parts.join("")),
  fc.tuple(fc.constantFrom(">", "<"), fc.constantFrom("p1", "p2", "p3"))
    .map((parts) => parts.join("")),
);

interface Change {
  readonly name: string;
  readonly rules: readonly string[];
  readonly isDeleted: boolean;
}
const change: fc.Arbitrary<Change> = fc.record({
  name: fc.constantFrom(...NAMES),
  rules: fc.array(rule, { maxLength: 6 }),
  isDeleted: fc.nat({ max: 5 }).map((one) => one === 0),
});

/** A stand-in for what scrypt makes of a password. */
function passwordOf(text: string): Password {
  const hash = new Uint8Array(32).fill(text.charCodeAt(text.length - 1));
  return { logN: 14, r: 8, p: 1, salt: latin1Bytes(`salt${text}`), hash };
}

function modificationOf(text: string): Modification {
  const parsed = parseRule(text);
  if (parsed.kind === "rule") return parsed;
  if (parsed.kind === "nothing" || parsed.kind === "problem") throw new Error(text);
  return { kind: parsed.kind, password: passwordOf(parsed.password) };
}

/** Through the bytes of the log and back. */
function throughLog(modifications: readonly Modification[]): Modification[] {
  const out = new ByteWriter();
  out.u8(7);
  encodeModifications(out, modifications);
  return decodeModifications(out.bytes, 1, out.length);
}

function setUser(users: Users, index: number, name: string, ...rules: string[]) {
  return users.change(index, name, throughLog(rules.map(modificationOf)));
}

/** The same change of the model; false where it is refused, and then nothing is changed. */
function changeModel(model: Map<string, ModelUser>, { name, rules, isDeleted }: Change): boolean {
  const after = new Map(model);
  if (isDeleted) after.delete(name);
  else {
    const user = model.get(name)?.copy() ?? new ModelUser();
    for (const one of rules) if (!user.follow(one)) return false;
    after.set(name, user);
  }
  const isEmpty = after.size === 0 && model.size === 0;
  if (!isEmpty && ![...after.values()].some(({ administers }) => administers)) return false;
  model.clear();
  for (const [one, user] of after) model.set(one, user);
  return true;
}

function assertSame(users: Users, model: Map<string, ModelUser>, keys: readonly string[]): void {
  assertEquals(users.list().map(({ name }) => name), [...model.keys()].sort());
  for (const [name, theirs] of model) {
    const id = users.idOf(name);
    const user = users.byId(id)!;
    assertEquals(user.letsIn, theirs.letsIn);
    assertEquals(user.passwords, theirs.passwords.map(passwordOf));
    for (const { name: command, number } of COMMAND_NUMBERS) {
      const expected = theirs.isOn && theirs.allowsCommand(command);
      assertEquals(users.mayRun(id, number), expected, `${name} ${command}`);
    }
    for (const need of NEEDS) {
      for (const key of keys) {
        const bytes = latin1Bytes(`<${key}>`);
        const found = users.mayTouch(id, Access[need], bytes, 1, key.length);
        assertEquals(found, theirs.allowsKey(need, key), `${name} ${need} ${key}`);
        if (users.mayTouchAll(id, Access[need])) assert(found, `${name} ${need} ${key}`);
      }
    }
  }
}

Deno.test("users: any changes leave what a plain reading of the rules says, also after a snapshot", () => {
  let done = 0;
  const first = { name: "root", rules: ["on", "nopass", "+@all"], isDeleted: false };
  const check = (all: readonly Change[], keys: readonly string[]) => {
    const users = new Users();
    const model = new Map<string, ModelUser>();
    for (const [at, one] of all.entries()) {
      const before = users.encode();
      const isDone = one.isDeleted
        ? !("problem" in users.delete(at + 1, [one.name]))
        : "id" in setUser(users, at + 1, one.name, ...one.rules);
      assertEquals(isDone, changeModel(model, one), JSON.stringify(one));
      if (isDone) done++;
      else assertEquals(users.encode(), before);
      assertEquals(users.count > 0, model.size > 0);
    }
    assertSame(users, model, [...KEYS, ...keys]);
    const restored = Users.decode(users.encode(), all.length);
    for (const field of ["digestLow", "digestHigh", "revision"] as const) {
      assertEquals(restored[field], users[field]);
    }
    assertSame(restored, model, keys);
  };
  const keys = fc.array(key, { maxLength: 6 });
  const changes = fc.array(change, { maxLength: 25 });
  fc.assert(fc.property(changes, keys, (all, keys) => check(all, keys)), { numRuns: 50 });
  const begun = changes.map((all) => [first, ...all]);
  fc.assert(fc.property(begun, keys, (all, keys) => check(all, keys)), { numRuns: 250 });
  assert(done > 1_000, `${done} changes were done`);
});

Deno.test("users: what a list shows of a user makes the same user again", () => {
  fc.assert(
    fc.property(fc.array(rule, { maxLength: 20 }), (rules) => {
      const users = new Users();
      setUser(users, 1, "root", "on", "nopass", "+@all");
      if ("problem" in setUser(users, 2, "alice", ...rules)) return;
      const { isOn, hasNoPassword, commandRules, channels, allChannels } = users.byName("alice")!;
      const shown = [
        isOn ? "on" : "off",
        ...(hasNoPassword ? ["nopass"] : []),
        ...users.byName("alice")!.keyRules(),
        ...(allChannels ? ["&*"] : channels.map((text) => `&${text}`)),
        ...commandRules,
      ];
      setUser(users, 3, "bob", ...shown);
      assertEquals(users.byName("bob")!.keyRules(), users.byName("alice")!.keyRules());
      for (const { number } of COMMAND_NUMBERS) {
        const allowed = users.byName("alice")!.allowsCommand(number);
        assertEquals(users.byName("bob")!.allowsCommand(number), allowed);
      }
    }),
  );
});

Deno.test("users: patterns match as Glob and as a plain trying out of them do", () => {
  fc.assert(
    fc.property(pattern, key, (text, name) => {
      const bytes = latin1Bytes(text);
      const around = latin1Bytes(`<${name}>`);
      const found = matchesPattern(bytes, 0, bytes.length, around, 1, 1 + name.length);
      assertEquals(found, isMatch(text, name), `${text} ${name}`);
      assertEquals(found, new Glob(bytes, 0, bytes.length).matches(around, 1, name.length));
    }),
    { numRuns: 3_000 },
  );
});

Deno.test("users: there is always one left who gets in and may change users", () => {
  const users = new Users();
  const none = { problem: UserProblem.noAdministrator, at: 1 };
  assertEquals(setUser(users, 1, "alice", "on", "+@all"), none);
  assertEquals(users.encode(), null);
  assertEquals(setUser(users, 2, "alice", "on", "nopass", "+@all"), { id: 1 });
  assertEquals(users.delete(3, ["alice"]), { problem: UserProblem.noAdministrator });
  for (
    const rules of [["off"], ["resetpass"], ["-acl"], ["-acl|setuser"], ["reset"], ["-@admin"]]
  ) {
    const { problem } = setUser(users, 3, "alice", ...rules) as { problem: UserProblem };
    assertEquals(problem, UserProblem.noAdministrator, rules.join());
  }
  assertEquals(users.revision, 2);
  assertEquals(setUser(users, 4, "bob", "on", ">p1", "+acl"), { id: 2 });
  assertEquals(users.delete(5, ["alice", "bob", "nobody"]), {
    problem: UserProblem.noAdministrator,
  });
  assertEquals(users.delete(6, ["alice", "alice", "nobody"]), { count: 1 });
  assertEquals(users.delete(7, ["alice"]), { count: 0 });
  assertEquals(users.revision, 6);
  assertEquals(users.idOf("alice"), 0);
  // Whoever held the old id does not become the new user.
  assertEquals(setUser(users, 8, "alice", "on"), { id: 3 });
  assertEquals(users.byId(1), undefined);
});

Deno.test("users: a change is refused whole, with the modification that can't be done", () => {
  const users = new Users();
  setUser(users, 1, "root", "on", "nopass", "+@all", "~*", "&*");
  const before = users.encode();
  const { keysAfterAll, channelsAfterAll, noSuchPassword } = UserProblem;
  const cases: [string[], UserProblem, number][] = [
    [["off", "on", "~a*"], keysAfterAll, 2],
    [["resetkeys", "~*", "%R~a"], keysAfterAll, 2],
    [["&news"], channelsAfterAll, 0],
    [[">p1", "<p2"], noSuchPassword, 1],
    [
      ["~a", ...Array.from({ length: 1_000 }, (_, i) => `~${i}`)].toSpliced(0, 0, "resetkeys"),
      UserProblem.tooManyRules,
      1_000,
    ],
    [
      ["resetkeys", ...Array.from({ length: 17 }, (_, i) => `~${i}${"x".repeat(4_000)}`)],
      UserProblem.tooManyRules,
      17,
    ],
    [Array.from({ length: 17 }, (_, i) => `>p${i}`), UserProblem.tooManyPasswords, 16],
  ];
  for (const [rules, problem, at] of cases) {
    assertEquals(setUser(users, 2, "root", ...rules), { problem, at }, rules.slice(0, 3).join(" "));
    assertEquals(users.encode(), before);
  }
});

Deno.test("users: a change looks at each pattern that was there once, however many rules it has", () => {
  let looks = 0;
  const keys = Array.from({ length: 990 }, (_, i) => ({
    access: Access.both,
    get pattern() {
      looks++;
      return latin1Bytes(`${"x".repeat(50)}${i}`);
    },
  }));
  const user = { ...newUserFields(1, "alice"), keys };
  const rules = Array.from({ length: 2_000 }, (_, i) => `~${"x".repeat(50)}${994 - i % 995}`);
  const changed = modified(user, rules.map(modificationOf));
  if ("problem" in changed) throw new Error(JSON.stringify(changed));
  assertEquals(changed.fields.keys.length, 995);
  // What they are, how long they are together, and what they open once the first rule was repeated.
  assert(looks <= 5 * keys.length, `${looks} looks`);
});

Deno.test("users: a change that comes to too many rules is ended there, whatever follows", () => {
  const rules = Array.from({ length: 3_000 }, (_, i): Modification => {
    return { kind: "rule", rule: `&${i}` };
  });
  let followed = 0;
  const counted = new Proxy(rules, {
    get: (target, key) => {
      if (typeof key === "string" && /^\d+$/.test(key)) followed++;
      return Reflect.get(target, key, target);
    },
  });
  const problem = UserProblem.tooManyRules;
  assertEquals(modified(newUserFields(1, "alice"), counted), { problem, at: 999 });
  assert(followed <= 1_000, `${followed} of them were looked at`);
});

Deno.test("users: there are at most 10,000", () => {
  const users = new Users();
  setUser(users, 1, "root", "on", "nopass", "+@all");
  for (let i = 1; i < USERS_MAX; i++) setUser(users, 1, `user${i}`);
  assertEquals(users.count, USERS_MAX);
  assertEquals(setUser(users, 2, "more"), { problem: UserProblem.tooManyUsers, at: 0 });
  assertEquals(setUser(users, 2, "user7", "on"), { id: 8 });
  assertEquals(Users.decode(users.encode(), 2).encode(), users.encode());
});

Deno.test("users: a snapshot's are taken in by pieces, each of bounded length", () => {
  const store = new Store({ hashSeed: 1 });
  store.beginEntry(1, 0);
  setUser(store.users, 1, "root", "on", "nopass", "+@all");
  for (let i = 0; i < 400; i++) {
    setUser(store.users, 1, `user${i}`, "on", ">p1", `~${"x".repeat(500)}*`);
  }
  store.endEntry();
  const { head } = store.beginSnapshot();
  const reader = new SnapshotReader({ hashSeed: 1 }, head);
  const pieces: number[] = [];
  for (let piece = reader.addHead(); piece > 0; piece = reader.addHead()) pieces.push(piece);
  const total = head.users!.length;
  assert(total > 200_000 && pieces.length >= Math.floor(total / 34_000), `${pieces.length} pieces`);
  assert(pieces.every((piece) => piece <= 32_768 + 700), pieces.join());
  assertEquals(reader.finish().users.encode(), store.users.encode());
  // Whoever takes none in before has them at the end.
  assertEquals(new SnapshotReader({ hashSeed: 1 }, head).finish().digest(), store.digest());
});

Deno.test("users: the digest tells apart what differs, and what came by another way", () => {
  const seen = new Set<string>();
  const note = (users: Users) => {
    const text = `${users.digestLow} ${users.digestHigh}`;
    assert(!seen.has(text), text);
    seen.add(text);
  };
  assertEquals([new Users().digestLow, new Users().digestHigh], [0, 0]);
  const users = new Users();
  setUser(users, 1, "root", "on", "nopass", "+@all");
  note(users);
  for (const [at, text] of ["on", ">p1", ">p2", "~a", "%R~b", "&c", "+get", "-get"].entries()) {
    setUser(users, 2 + at, "alice", text);
    note(users);
  }
  users.delete(20, ["alice"]);
  note(users);
  const other = new Users();
  setUser(other, 20, "root", "on", "nopass", "+@all");
  note(other);
});

Deno.test("users: bytes that no changes could have made are refused", () => {
  const users = new Users();
  setUser(users, 1, "root", "on", "nopass", "+@all");
  setUser(users, 2, "alice", "on", ">p1", "~app:*", "%R~b*", "&news", "-@all", "+get");
  const bytes = users.encode()!;
  let refused = 0;
  for (let at = 0; at < bytes.length; at++) {
    for (const flip of [1, 0x80, 0xff]) {
      const damaged = bytes.slice();
      damaged[at]! ^= flip;
      try {
        const other = Users.decode(damaged, 2);
        // What a checksum has to find: another salt, name, rule. It is at least a sound set of users.
        assertEquals(other.encode(), damaged);
      } catch (error) {
        assert(error instanceof ByteFormatError, String(error));
        refused++;
      }
    }
    assertThrows(() => Users.decode(bytes.subarray(0, at), 2), ByteFormatError);
  }
  assert(refused > bytes.length, `${refused}`);
  assertThrows(() => Users.decode(bytes, 1), ByteFormatError);
});

Deno.test("rules: what is typed becomes one form, or is refused in Redis's words", () => {
  const rules: [string, string][] = [
    ["ON", "on"],
    ["allkeys", "~*"],
    ["AllCommands", "+@all"],
    ["nocommands", "-@all"],
    ["allchannels", "&*"],
    ["%rw~a", "~a"],
    ["%WR~a", "~a"],
    ["%r~a", "%R~a"],
    ["+GET", "+get"],
    ["+@READ", "+@read"],
    ["-Client|Kill", "-client|kill"],
    ["~", "~"],
    ["~a~b", "~a~b"],
  ];
  for (const [typed, kept] of rules) {
    assertEquals(parseRule(typed), { kind: "rule", rule: kept });
    assertEquals(isRule(typed), typed === kept);
  }
  const syntax = ["", "~a b", "%~a", "%RR~a", "%X~a", "%R", "&a b", "foo", "~a\0", "on "];
  for (const typed of syntax) {
    assertEquals(parseRule(typed), { kind: "problem", problem: "Syntax error" }, typed);
  }
  const unknown = [
    "+nosuch",
    "-nosuch",
    "+@nosuch",
    "-@",
    "+",
    "-",
    "+client|nosuch",
    "+constructor",
  ];
  for (const typed of unknown) {
    const problem = "Unknown command or category name in ACL";
    assertEquals(parseRule(typed), { kind: "problem", problem }, typed);
  }
  assertEquals(parseRule(">secret"), { kind: "addPassword", password: "secret" });
  assertEquals(parseRule("<secret"), { kind: "removePassword", password: "secret" });
  for (const typed of ["clearselectors", "sanitize-payload"]) {
    assertEquals(parseRule(typed), { kind: "nothing" });
  }
  for (const typed of ["#abc", "!abc", "(~a +get)", "+get|x", "-select|0"]) {
    const parsed = parseRule(typed);
    assertNotEquals(parsed.kind === "problem" ? parsed.problem : "Syntax error", "Syntax error");
  }
});

Deno.test("rules: a user's name is 1 to 64 letters without spaces", () => {
  for (const name of ["a", "x".repeat(64), "alice@example.org"]) assert(isUserName(name));
  for (const name of ["", "x".repeat(65), "a b", "é", "a\n"]) assertEquals(isUserName(name), false);
});

Deno.test("changes of users: what a peer or a file has is checked before it is taken", () => {
  const out = new ByteWriter();
  encodeModifications(out, ["on", "~a*", ">p1", "-@all", "+get"].map(modificationOf));
  const bytes = out.copy();
  assertEquals(decodeModifications(bytes, 0, bytes.length).length, 5);
  for (let at = 0; at < bytes.length; at++) {
    const damaged = bytes.slice();
    damaged[at]! ^= 0x80;
    try {
      decodeModifications(damaged, 0, damaged.length);
    } catch (error) {
      assert(error instanceof ByteFormatError, String(error));
    }
  }
  for (const rule of ["ON", "allkeys", "+nosuch", "", ">p"]) {
    const bad = new ByteWriter();
    encodeModifications(bad, [{ kind: "rule", rule }]);
    assertThrows(() => decodeModifications(bad.bytes, 0, bad.length), ByteFormatError);
  }
});
