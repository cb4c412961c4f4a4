/** Client sessions in the store: each write is done once, and its reply is given again. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { neededVersion } from "../../../lib/kv/cluster_version.ts";
import { findAbsoluteTimes } from "../../../lib/kv/commands/absolute_times.ts";
import {
  encodeCommand,
  encodeSet,
  endCommand,
  ExpiryKind,
  Op,
} from "../../../lib/kv/commands/command.ts";
import { commandsProblem } from "../../../lib/kv/commands/command_check.ts";
import { Result, Status } from "../../../lib/kv/commands/result.ts";
import { RecordCheck } from "../../../lib/kv/record_check.ts";
import { SESSION_REPLIES_MAX } from "../../../lib/kv/sessions/client_session.ts";
import {
  CLIENT_SESSIONS_BYTES_MAX,
  CLIENT_SESSIONS_MAX,
  ClientSessions,
  USER_SESSIONS_MAX,
} from "../../../lib/kv/sessions/client_sessions.ts";
import { REPLY_BYTES_MAX } from "../../../lib/kv/sessions/kept_reply.ts";
import { InSessionFlag } from "../../../lib/kv/sessions/operations.ts";
import { encodeChangeUser } from "../../../lib/kv/users/operations.ts";
import { ByteFormatError, ByteWriter, writeU32, writeU64 } from "../../../lib/util/bytes.ts";
import { byUser as by } from "../users/by_user.ts";
import {
  close,
  HASH_SEED,
  incr,
  inSession,
  keep,
  open,
  plain,
  SessionDriver,
  set,
  TTL_MS,
} from "./session_driver.ts";

const { noSession, sessionsFull, notKept, integer, stored, deleted, notFound } = Status;
const { bind } = InSessionFlag;

function transaction(...commands: Uint8Array[]): Uint8Array {
  const out = new ByteWriter();
  const at = encodeCommand(out, Op.transaction, new Uint8Array(0), 0, 0, 0, 0);
  writeU32(out.bytes, at + 12, commands.length);
  for (const one of commands) {
    out.u8(30);
    out.raw(one);
  }
  endCommand(out, at);
  return out.copy();
}

Deno.test("client sessions: a write that is sent again is not done again, and gets the first reply", () => {
  const driver = new SessionDriver();
  const id = driver.open();
  const first = driver.apply(inSession(id, 1, 1, incr("n")));
  assertEquals([first.status, first.integer.toNumber()], [integer, 1]);
  assertEquals(driver.apply(inSession(id, 2, 1, incr("n"))).integer.toNumber(), 2);
  const again = driver.apply(inSession(id, 1, 1, incr("n")));
  assertEquals([again.status, again.integer.toNumber()], [integer, 1]);
  assertEquals(driver.get("n"), "2");
  // Out of order, and within one entry.
  const [later, sooner] = driver.entry(
    1,
    inSession(id, 4, 3, incr("n")),
    inSession(id, 3, 3, incr("n")),
  );
  assertEquals([later!.integer.toNumber(), sooner!.integer.toNumber()], [3, 4]);
});

Deno.test("client sessions: the digest is that of what is there, however much an entry changes it", () => {
  const driver = new SessionDriver();
  const [first, second, third] = [driver.open(), driver.open(), driver.open()];
  const same = () => assertEquals(driver.restored().store.digest(), driver.store.digest());
  same();
  driver.entry(
    1,
    inSession(first, 1, 1, set("a", "1")),
    inSession(second, 1, 1, set("b", "1")),
    inSession(first, 2, 2, incr("n")),
    inSession(first, 3, 2, set("a", "2")),
    inSession(first, 3, 2, set("a", "2")),
    keep(first, third),
  );
  same();
  const before = driver.store.digest();
  // Between the commands of an entry, too; and one that is used and ended within it.
  const between: string[] = [];
  driver.between = () => between.push(driver.store.digest());
  driver.entry(
    1,
    inSession(second, 2, 2, set("b", "2")),
    inSession(second, 3, 3, set("b", "3")),
    close(second),
    inSession(first, 4, 4, set("a", "4")),
  );
  same();
  assertEquals(new Set([before, ...between]).size, 5);
  driver.entry(2 * TTL_MS);
  assertEquals(driver.store.clientSessions.count, 0);
  same();
});

Deno.test("client sessions: below what is acknowledged, and without the session, nothing is done", () => {
  const driver = new SessionDriver();
  const id = driver.open();
  driver.apply(inSession(id, 1, 1, incr("n")));
  driver.apply(inSession(id, 3, 3, incr("n")));
  // 2 was never done: its client has given it up, and it must not be done any more.
  for (const sequence of [1, 2]) {
    assertEquals(driver.apply(inSession(id, sequence, 1, incr("n"))).status, noSession);
  }
  assertEquals(driver.apply(inSession(id + 1, 9, 9, incr("n"))).status, noSession);
  assertEquals(driver.apply(close(id)).status, deleted);
  assertEquals(driver.apply(inSession(id, 4, 3, incr("n"))).status, noSession);
  assertEquals(driver.apply(close(id)).status, notFound);
  assertEquals(driver.get("n"), "2");
  assertEquals(driver.open(), id + 1);
});

Deno.test("client sessions: one ends by the log's time; its writes and pings keep it alive", () => {
  const driver = new SessionDriver();
  const [a, b, c] = [driver.open(), driver.open(), driver.open()];
  driver.entry(TTL_MS - 5, inSession(a, 1, 1, incr("n")), keep(b, 77));
  assertEquals(driver.store.nextDeadlineMs() <= driver.nowMs + 5, true);
  assertEquals(driver.ping(b).integer.toNumber(), TTL_MS);
  driver.entry(5);
  assertEquals(driver.store.clientSessions.count, 2);
  assertEquals(driver.ping(c).status, noSession);
  // In the very entry whose time is its deadline it is over already.
  const [late] = driver.entry(TTL_MS - 5, inSession(a, 2, 2, incr("n")));
  assertEquals([late!.status, driver.get("n")], [noSession, "1"]);
  assertEquals([driver.store.clientSessions.count, driver.store.clientSessions.bytes], [0, 0]);
  assertEquals(driver.store.nextDeadlineMs(), Infinity);
  assert(!driver.store.hasDueKeys());
});

Deno.test("client sessions: a snapshot has them, with what is kept, and without them it is refused", () => {
  const driver = new SessionDriver();
  const id = driver.open();
  driver.apply(inSession(id, 1, 1, incr("n")));
  const other = driver.restored();
  assertEquals(other.store.digest(), driver.store.digest());
  const again = other.apply(inSession(id, 1, 1, incr("n")));
  assertEquals([again.integer.toNumber(), other.get("n")], [1, "1"]);
  assertEquals(other.open(), id + 1);
  const { head } = driver.store.beginSnapshot();
  assertEquals(
    new Set([head.clientSessions === null, driver.store.clientSessions.areUnused]).size,
    1,
  );
  for (const clientSessions of [null, other.store.clientSessions.encode(), new Uint8Array(20)]) {
    const check = new RecordCheck(HASH_SEED, { ...head, keys: 0, clientSessions });
    assertThrows(() => check.finish(), ByteFormatError);
  }
});

Deno.test("client sessions: before one was opened nothing is different", () => {
  const driver = new SessionDriver();
  driver.apply(set("a", "1"));
  assertEquals(driver.store.beginSnapshot().head.clientSessions, null);
  assertEquals(driver.store.clientSessions.digestLow, 0);
  assertEquals(driver.store.clientSessions.digestHigh, 0);
});

Deno.test("client sessions: bounds on sessions, open replies and bytes are answered, and nothing is done", () => {
  const driver = new SessionDriver();
  const id = driver.open();
  for (let n = 1; n <= SESSION_REPLIES_MAX; n++) driver.apply(inSession(id, n, 1, incr("n")));
  const next = SESSION_REPLIES_MAX + 1;
  assertEquals(driver.apply(inSession(id, next, 1, incr("n"))).status, sessionsFull);
  assertEquals(driver.get("n"), `${SESSION_REPLIES_MAX}`);
  // What is open can be asked again, and acknowledging one makes room.
  assertEquals(driver.apply(inSession(id, 7, 1, incr("n"))).integer.toNumber(), 7);
  assertEquals(driver.apply(inSession(id, next, 2, incr("n"))).integer.toNumber(), next);
  driver.apply(inSession(id, next + 1, next + 1, incr("n")));
  assertEquals(driver.store.clientSessions.byId(id)!.replies.size, 1);

  const many = Array.from({ length: CLIENT_SESSIONS_MAX }, () => open(86_400_000));
  const results = driver.entry(1, ...many);
  assertEquals(results.at(-2)!.status, integer);
  assertEquals(results.at(-1)!.status, sessionsFull);

  // Replies of 60 KB: 17 of one session, and of all 16 MiB.
  driver.apply(set("big", "x".repeat(60_000)));
  const show = transaction(plain(Op.get, "big"));
  let done = 0;
  const { clientSessions } = driver.store;
  for (let one = id + 1; !clientSessions.areFull; one++) {
    for (let n = 1; n < 40 && !clientSessions.areFull; n++) {
      const { status } = driver.apply(inSession(one, n, 1, show));
      if (status === sessionsFull) break;
      assertEquals(status, Status.list);
      done++;
      assert(n <= 18);
    }
  }
  const { bytes } = clientSessions;
  // Whoever has little is not kept from counting; of what is long he is told no more than that it was done.
  const small = id + 100;
  const again = (n: number, command: Uint8Array, flags = 0) =>
    driver.apply(inSession(small, n, 1, command, flags));
  for (let i = 0; i < 2; i++) assertEquals(again(1, incr("m")).integer.toNumber(), 1);
  assertEquals([again(2, show).status, again(2, show).status], [Status.list, notKept]);
  assertEquals(again(3, set("k", "v"), bind).status, sessionsFull);
  for (let n = 3; n < 40; n++) again(n, incr("m"));
  assert(clientSessions.byId(small)!.bytes < 1_400);
  assertEquals(driver.apply(inSession(small, 40, 40, incr("m"))).status, integer);
  assert(
    bytes >= CLIENT_SESSIONS_BYTES_MAX && bytes <= CLIENT_SESSIONS_BYTES_MAX + 70_000,
    `${bytes}`,
  );
  assert(done >= 270 && done < 290, `${done}`);
});

Deno.test("client sessions: of a reply that is too long it is kept that the write was done", () => {
  const driver = new SessionDriver();
  const id = driver.open();
  driver.apply(set("big", "x".repeat(REPLY_BYTES_MAX + 1)));
  const first = driver.apply(inSession(id, 1, 1, plain(Op.getDelete, "big")));
  assertEquals([first.status, first.length], [Status.found, REPLY_BYTES_MAX + 1]);
  assertEquals(driver.apply(inSession(id, 1, 1, plain(Op.getDelete, "big"))).status, notKept);
});

Deno.test("client sessions: a transaction is one write; its reply is written as whoever asks again wants it", () => {
  const driver = new SessionDriver();
  const id = driver.open();
  const both = transaction(incr("n"), plain(Op.get, "n"), set("m", "x"), plain(Op.get, "none"));
  for (let time = 0; time < 2; time++) {
    if (time === 1) both[16] = 77;
    const result = driver.apply(inSession(id, 1, 1, both));
    assertEquals(result.status, Status.list);
    const [n, shown, m, none] = result.list;
    assertEquals([n!.integer.toNumber(), n!.tag], [1, time === 0 ? 30 : 77]);
    assertEquals([m!.status, m!.version, none!.status], [stored, 1, notFound]);
    assertEquals(new TextDecoder().decode(shown!.bytes.subarray(shown!.offset).slice(0, 1)), "1");
  }
  assertEquals(driver.get("n"), "1");
});

Deno.test("client sessions: what a leader reads within an entry takes nothing off what a transaction may", () => {
  const [leader, follower] = [new SessionDriver(), new SessionDriver()];
  const sets = Array.from({ length: 45_000 }, (_, i) => set(`k${i}`, "v"));
  const keys = plain(Op.keys, "", "none");
  for (
    const { store, entry } of [leader, follower].map((driver) => ({
      store: driver.store,
      entry: driver.entry.bind(driver),
    }))
  ) {
    entry(1, open(), ...sets);
    const read = () => store.read(keys, 0, new Result());
    if (store === leader.store) leader.between = () => [1, 2, 3, 4, 5].forEach(read);
    const [first, second] = entry(1, transaction(keys), inSession(1, 1, 1, transaction(keys)));
    assertEquals([first, second].map((one) => one!.list[0]!.status), [Status.list, Status.list]);
  }
  assertEquals(leader.store.digest(), follower.store.digest());
});

Deno.test("client sessions: how far a user's walk gets does not depend on what it has read before", () => {
  const [leader, follower] = [new SessionDriver(), new SessionDriver()];
  const out = new ByteWriter();
  const patterns = Array.from({ length: 100 }, (_, i) => `~*<${i}>*`);
  const rules = ["on", "nopass", "+@all", ...patterns].map((rule) =>
    ({ kind: "rule", rule }) as const
  );
  encodeChangeUser(out, "root", [{ kind: "rule", rule: "on" }, { kind: "rule", rule: "nopass" }, {
    kind: "rule",
    rule: "~*",
  }, { kind: "rule", rule: "+@all" }]);
  const root = out.copy();
  out.clear();
  encodeChangeUser(out, "bob", rules);
  const bob = by(1, "acl|setuser", out.copy());
  const key = (i: number) => `${`${i}`.padStart(300, "x")}<${i % 2 === 0 ? 0 : 99}>`;
  const sets = Array.from({ length: 1_000 }, (_, i) => by(1, "set", set(key(i), "v")));
  const scan = plain(Op.scan, "", "*");
  writeU32(scan, 16, 1_000);
  for (const driver of [leader, follower]) {
    driver.entry(1, root);
    driver.entry(1, bob);
    driver.entry(1, by(2, "raftkv.session|open", open()), ...sets);
    if (driver === leader) driver.store.read(by(2, "get", plain(Op.get, key(1))), 0, new Result());
    const walk = inSession(1, 1, 1, by(2, "exec", transaction(by(2, "scan", scan))));
    const shown = driver.apply(walk).list[0]!;
    assertEquals(shown.status, Status.list);
    assert(shown.listLength > 0 && shown.listLength < 1_000, `${shown.listLength} keys`);
  }
  assertEquals(leader.store.digest(), follower.store.digest());
});

Deno.test("client sessions: a session is its user's, and what was refused first is refused again", () => {
  const driver = new SessionDriver();
  const nobodys = driver.open();
  const change = (name: string, ...rules: string[]) => {
    const out = new ByteWriter();
    encodeChangeUser(out, name, rules.map((rule) => ({ kind: "rule", rule })));
    return out.copy();
  };
  driver.apply(change("root", "on", "nopass", "~*", "+@all"));
  driver.apply(by(1, "acl|setuser", change("bob", "on", "nopass", "~*", "+@all")));
  const id = driver.apply(by(1, "raftkv.session|open", open())).integer.toNumber();
  const mine = (userId: number, session: number, sequence = 1) => {
    return driver.apply(inSession(session, sequence, 1, by(userId, "incr", incr("n")))).status;
  };
  assertEquals([mine(1, id), mine(2, id), mine(1, nobodys)], [integer, noSession, noSession]);
  assertEquals(driver.apply(by(2, "raftkv.session|close", close(id))).status, notFound);
  driver.apply(by(1, "acl|setuser", change("bob", "-incr")));
  const bobs = driver.apply(by(2, "raftkv.session|open", open())).integer.toNumber();
  assertEquals(mine(2, bobs), Status.notPermittedCommand);
  driver.apply(by(1, "acl|setuser", change("bob", "+incr")));
  assertEquals([mine(2, bobs), mine(2, bobs, 2)], [Status.notPermittedCommand, integer]);
  // None takes all of them.
  const rest = Array.from({ length: USER_SESSIONS_MAX }, () => {
    return by(1, "raftkv.session|open", open(86_400_000));
  });
  const opened = driver.entry(1, ...rest).map(({ status }) => status);
  assertEquals([opened.at(-2), opened.at(-1)], [integer, sessionsFull]);
  assertEquals(driver.apply(by(2, "raftkv.session|open", open())).status, integer);
  // A leader's own, which has no user.
  assertEquals(driver.apply(keep(id)).status, stored);
  assertEquals(driver.get("n"), null);
});

Deno.test("client sessions: a bound key goes with its session, unless somebody has written it since", () => {
  const driver = new SessionDriver();
  const id = driver.open();
  for (const [n, key] of ["mine", "taken", "gone", "again"].entries()) {
    driver.apply(inSession(id, n + 1, n + 1, set(key, "v"), bind));
  }
  driver.apply(inSession(id, 5, 5, set("free", "v")));
  driver.apply(set("taken", "by another"));
  driver.apply(plain(Op.delete, "gone"));
  driver.apply(inSession(id, 6, 6, set("again", "w"), bind));
  // Nothing was written, so nothing is bound.
  const conditional = plain(Op.setWith, "taken", "v");
  conditional[17] = 1;
  assertEquals(driver.apply(inSession(id, 7, 7, conditional, bind)).status, Status.notDone);
  const other = driver.restored();
  for (const one of [driver, other]) {
    one.entry(TTL_MS);
    assertEquals(one.store.clientSessions.count, 0);
    assertEquals(["mine", "again", "gone"].map((key) => one.get(key)), [null, null, null]);
    assertEquals(["taken", "free"].map((key) => one.get(key)), ["by another", "v"]);
  }
  assertEquals(other.store.digest(), driver.store.digest());
  // By its end in order as well.
  const next = driver.open();
  driver.apply(inSession(next, 1, 1, set("mine", "v"), bind));
  driver.apply(close(next));
  assertEquals(driver.get("mine"), null);
});

Deno.test("client sessions: in a new cluster numbers and bound versions are above the gap", () => {
  const driver = new SessionDriver();
  const id = driver.open();
  driver.apply(inSession(id, 1, 1, set("k", "v"), bind));
  const raised = ClientSessions.decode(driver.store.clientSessions.encode());
  raised.raise(1_000);
  assertEquals(raised.byId(id)!.keys.get("k"), 1_001);
  assertEquals(raised.open(0, TTL_MS, 0).id, 1_000 + id + 1);
  const decoded = ClientSessions.decode(raised.encode());
  assertEquals([decoded.digestLow, decoded.digestHigh], [raised.digestLow, raised.digestHigh]);
});

Deno.test("client sessions: what stands in a session needs cluster version 4, and is looked at as without", () => {
  const absolute = set("k", "v");
  absolute[8] = ExpiryKind.absolute;
  writeU64(absolute, 9, 5_000);
  const command = inSession(1, 1, 1, by(3, "set", absolute));
  const closing = by(3, "raftkv.session|close", close(1));
  assertEquals([open(), closing, keep(1), command].map((one) => neededVersion(one, 0)), [
    4,
    4,
    4,
    4,
  ]);
  const places: number[] = [];
  findAbsoluteTimes(command, 0, command.length, 0, places);
  assertEquals(places, [33 + 14 + 9]);
});

Deno.test("client sessions: malformed operations are refused before they are applied", () => {
  const wrong = (bytes: Uint8Array, change: (bytes: Uint8Array) => void = () => {}) => {
    const copy = bytes.slice();
    change(copy);
    return commandsProblem(copy, 0);
  };
  const good = inSession(1, 5, 3, incr("n"));
  for (
    const bad of [
      wrong(open(1)),
      wrong(open(1e12)),
      wrong(close(0)),
      wrong(keep(1, 2), (bytes) => bytes[11] = 3),
      wrong(keep(1, 0)),
      wrong(good, (bytes) => writeU64(bytes, 24, 6)),
      wrong(good, (bytes) => writeU64(bytes, 24, 0)),
      wrong(good, (bytes) => writeU64(bytes, 8, 0)),
      wrong(good, (bytes) => bytes[32] = 2),
      wrong(good, (bytes) => bytes[33 + 3]!++),
      wrong(inSession(1, 1, 1, good)),
      wrong(inSession(1, 1, 1, open())),
      wrong(inSession(1, 1, 1, plain(Op.get, "n"))),
      wrong(inSession(1, 1, 1, transaction(incr("n")), bind)),
      wrong(inSession(1, 1, 1, transaction(good))),
      wrong(transaction(open())),
      wrong(transaction(by(1, "raftkv.session|close", close(1)))),
      wrong(by(1, "incr", good)),
      wrong(good.subarray(0, 40)),
    ]
  ) assert(bad !== null);
  assertEquals(wrong(good), null);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.integer({ min: 0, max: 80 }), (noise, at) => {
      const bytes = good.slice();
      bytes.set(noise.subarray(0, Math.max(0, bytes.length - at)), Math.min(at, bytes.length));
      commandsProblem(bytes, 0); // ends, and throws nothing
    }),
  );
});

Deno.test("client sessions: bytes that no changes could have made are refused, whatever is damaged", () => {
  const driver = new SessionDriver();
  const [first, second] = [driver.open(), driver.open()];
  driver.apply(inSession(first, 1, 1, incr("n")));
  driver.apply(inSession(first, 2, 1, transaction(incr("n"), plain(Op.get, "n"))));
  driver.apply(inSession(second, 7, 3, set("k", "v"), bind));
  const good = driver.store.clientSessions.encode()!;
  fc.assert(fc.property(fc.nat(good.length - 1), fc.nat(255), fc.boolean(), (at, byte, isCut) => {
    const bytes = isCut ? good.slice(0, at) : good.slice();
    if (!isCut) bytes[at] = byte;
    try {
      // What passes has one form only, and is used like any other.
      const sessions = ClientSessions.decode(bytes);
      assertEquals(sessions.encode(), bytes);
      for (const session of [...sessions.all()]) sessions.end(session);
      assertEquals([sessions.count, sessions.bytes], [0, 0]);
    } catch (error) {
      assert(error instanceof ByteFormatError, String(error));
    }
  }));
});

/** What a client can do; sequences are counted by the run. */
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("write" as const) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("again" as const), which: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("acknowledge" as const), to: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("time" as const), ms: fc.nat(4_000) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("open" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("close" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("snapshot" as const) }) },
);

Deno.test("client sessions: at random, a counter is what was acknowledged, and servers agree", () => {
  fc.assert(fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
    const driver = new SessionDriver();
    let twin = new SessionDriver();
    const apply = (laterMs: number, ...commands: Uint8Array[]) => {
      twin.entry(laterMs, ...commands);
      return driver.entry(laterMs, ...commands);
    };
    let id = 0;
    let next = 1;
    let lowest = 1;
    /** As the store knows it. */
    let told = 1;
    let deadlineMs = -1;
    let count = 0;
    /** By sequence: the sum that the write was answered with. */
    const sums = new Map<number, number>();
    const write = (sequence: number) => {
      const isOpen = id > 0 && driver.nowMs + 1 < deadlineMs && sequence >= told;
      const from = Math.min(lowest, sequence);
      const [result] = apply(1, inSession(id === 0 ? 999 : id, sequence, from, incr("n")));
      if (!isOpen) return assertEquals(result!.status, noSession);
      deadlineMs = driver.nowMs + TTL_MS;
      told = Math.max(told, from);
      if (!sums.has(sequence)) sums.set(sequence, ++count);
      assertEquals(result!.integer.toNumber(), sums.get(sequence));
    };
    for (const one of steps) {
      switch (one.kind) {
        case "write":
          write(next++);
          break;
        case "again":
          write(Math.max(1, next - 1 - one.which));
          break;
        case "acknowledge":
          lowest = Math.min(lowest + one.to, next);
          break;
        case "time":
          apply(one.ms);
          break;
        case "open":
          id = apply(1, open())[0]!.integer.toNumber();
          [next, lowest, told] = [1, 1, 1];
          sums.clear();
          deadlineMs = driver.nowMs + TTL_MS;
          break;
        case "close":
          apply(1, close(id === 0 ? 999 : id));
          id = 0;
          break;
        case "snapshot":
          twin = twin.restored();
          break;
      }
      assertEquals(twin.store.digest(), driver.store.digest());
    }
    assertEquals(driver.get("n"), count === 0 ? null : `${count}`);
    assertEquals(twin.store.clientSessions.encode(), driver.store.clientSessions.encode());
  }));
});

Deno.test("more sessions than one entry ends: no key goes with them that is not due", () => {
  const driver = new SessionDriver();
  driver.apply(withDeadline("later", 1_000_000));
  for (let i = 0; i < 1_500; i++) driver.open();
  driver.entry(2 * TTL_MS);
  assert(driver.store.hasDueKeys());
  assertEquals(driver.get("later"), "v");
  driver.entry(1);
  assertEquals(driver.store.hasDueKeys(), false);
  assertEquals(driver.get("later"), "v");
});

function withDeadline(key: string, ttlMs: number): Uint8Array {
  const out = new ByteWriter();
  const bytes = new TextEncoder().encode(`${key}v`);
  encodeSet(out, ExpiryKind.relative, ttlMs, bytes, 0, key.length, key.length, bytes.length);
  return out.copy();
}
