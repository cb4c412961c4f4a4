import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { encodeKeyOnly, Op } from "../../lib/kv/commands/command.ts";
import { commandsProblem } from "../../lib/kv/commands/command_check.ts";
import { Result } from "../../lib/kv/commands/result.ts";
import { SnapshotReader } from "../../lib/kv/snapshot_reader.ts";
import { Store } from "../../lib/kv/store.ts";
import { ByteWriter } from "../../lib/util/bytes.ts";
import { CommandBatch } from "../../lib/wire/command_batch.ts";
import { RespCodec } from "../../lib/wire/resp/resp_codec.ts";
import { requestBytes } from "../wire/resp_driver.ts";

const LIMITS = { valueBytesMax: 200, keyBytesMax: 50, commandBytesMax: 2_000 };

/** The writes of requests, as the log has them. */
function writesOf(requests: readonly (readonly string[])[]): Uint8Array[] {
  const codec = new RespCodec(LIMITS, { clientId: 1, remote: "test" });
  const bytes = requestBytes(requests);
  const writes: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const batch = new CommandBatch();
    at += codec.parse(bytes, at, bytes.length, batch, 1000);
    for (let i = 0; i < batch.count; i++) {
      const command = batch.bytes.bytes.slice(batch.starts[i]!, batch.ends[i]!);
      if (command.length > 0 && command[4]! < Op.get) writes.push(command);
    }
  }
  return writes;
}

const key = fc.constantFrom("a", "b", "c");
const value = fc.constantFrom("", "1", "-7", "x", "9223372036854775807", "1.5", "long".repeat(20));
/** Of "", "1" and "x"; the last is none. */
const digest = fc.constantFrom(
  "2d06800538d394c2",
  "65cd25028f98f158",
  "eaf06c6480b2cd11",
  "xxxxxxxxxxxxxxxx",
);
const write = fc.oneof(
  fc.tuple(fc.constantFrom("set", "append", "getset", "setnx"), key, value),
  fc.tuple(fc.constantFrom("incr", "decr", "persist", "getdel", "del"), key),
  fc.tuple(fc.constantFrom("incrby", "incrbyfloat"), key, fc.constantFrom("5", "-5", "100")),
  fc.tuple(fc.constant("setrange"), key, fc.constantFrom("0", "3", "190"), value),
  fc.tuple(fc.constant("pexpire"), key, fc.constantFrom("-1", "0", "5", "1000")),
  fc.tuple(fc.constant("set"), key, value, fc.constantFrom("nx", "xx", "get", "keepttl")),
  fc.tuple(fc.constant("set"), key, value, fc.constant("px"), fc.constantFrom("5", "1000")),
  fc.tuple(fc.constant("getex"), key, fc.constant("px"), fc.constantFrom("5", "1000")),
  fc.tuple(fc.constantFrom("mset", "msetnx"), key, value, key, value),
  fc.tuple(fc.constantFrom("msetex"), fc.constant("2"), key, value, key, value),
  fc.tuple(
    fc.constant("msetex"),
    fc.constant("1"),
    key,
    value,
    fc.constantFrom("nx", "xx", "keepttl"),
  ),
  fc.tuple(fc.constant("set"), key, value, fc.constantFrom("ifeq", "ifne"), value),
  fc.tuple(fc.constant("set"), key, value, fc.constantFrom("ifdeq", "ifdne"), digest),
  fc.tuple(fc.constant("delex"), key, fc.constantFrom("ifeq", "ifne"), value),
  fc.tuple(fc.constant("delex"), key, fc.constantFrom("ifdeq", "ifdne"), digest),
  fc.tuple(fc.constant("unlink"), key, key),
  fc.tuple(fc.constant("flushall")),
);

function contentsOf(store: Store): Map<string, string> {
  const found = new Map<string, string>();
  const decoder = new TextDecoder();
  store.scan(0, 1000, (bytes, start, length) => {
    const name = decoder.decode(bytes.slice(start, start + length));
    const read = new ByteWriter();
    encodeKeyOnly(read, Op.get, bytes, start, start + length);
    const result = new Result();
    store.read(read.bytes, 0, result);
    const text = decoder.decode(result.bytes.slice(result.offset, result.offset + result.length));
    found.set(name, `${text} v${result.version} until ${result.deadlineMs}`);
  });
  return found;
}

Deno.test("writes: servers that apply the same entries hold the same, with different tables", () => {
  fc.assert(fc.property(fc.array(fc.tuple(write, fc.nat(20)), { maxLength: 60 }), (steps) => {
    const one = new Store({ hashSeed: 5, sweepKeysMax: 2 });
    const other = new Store({ hashSeed: 5, sweepKeysMax: 2, capacityHint: 10_000 });
    let stampMs = 1000;
    for (const [request, passedMs] of steps) {
      // Now and then just when the next key is due.
      const nextMs = one.nextDeadlineMs();
      stampMs = passedMs % 4 === 0 && nextMs !== Infinity ? nextMs : stampMs + passedMs;
      for (const store of [one, other]) {
        store.beginEntry(store.appliedIndex + 1, stampMs);
        for (const command of writesOf([request as string[]])) {
          store.applyCommand(command, 0, new Result());
        }
        store.endEntry();
      }
      assertEquals(one.digest(), other.digest());
    }
    assertEquals(contentsOf(one), contentsOf(other));
    assertEquals([one.floor, one.keys, one.bytes], [other.floor, other.keys, other.bytes]);
  }));
});

Deno.test("writes: a key's version grows with each change and never comes back", () => {
  fc.assert(fc.property(fc.array(write, { maxLength: 60 }), (requests) => {
    const store = new Store({ hashSeed: 5 });
    const seen = new Map<string, string>();
    for (const [i, request] of requests.entries()) {
      store.beginEntry(i + 1, 1000 + i);
      for (const command of writesOf([request as string[]])) {
        store.applyCommand(command, 0, new Result());
      }
      store.endEntry();
      for (const [name, state] of contentsOf(store)) {
        const version = `${name} ${/ v(\d+) until/.exec(state)![1]}`;
        // One version, one state: whatever else the key is now would show here.
        assertEquals(seen.get(version) ?? state, state, version);
        seen.set(version, state);
      }
    }
  }));
});

Deno.test("commands: what passes the check can be applied, however it was damaged", () => {
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 0, maxLength: 3 });
  const requests = fc.array(write, { minLength: 1, maxLength: 4 });
  let passed = 0;
  fc.assert(
    fc.property(requests, damage, fc.boolean(), (some, changes, isTransaction) => {
      const plain = some.map((one) => [...one] as string[]);
      const reads = [["get", "a"], ["mget", "a", "b"], ["scan", "0"], ["keys", "*"], ["dbsize"]];
      const all = isTransaction ? [["multi"], ...plain, ...reads, ["exec"]] : plain;
      const bytes = new Uint8Array(writesOf(all).flatMap((command) => [...command]));
      if (bytes.length === 0) return;
      for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
      if (commandsProblem(bytes, 0) !== null) return;
      passed++;
      const store = new Store({ hashSeed: 5 });
      store.beginEntry(1, 1000);
      for (let at = 0; at < bytes.length;) {
        store.applyCommand(bytes, at, new Result());
        at += (bytes[at + 2]! << 8) | bytes[at + 3]!;
      }
      store.endEntry();
    }),
    { numRuns: 1500 },
  );
  assert(passed > 200, `only ${passed} passed the check`);
});

Deno.test("commands: reads, unknown operations and wrong nesting are refused by name", () => {
  const [transaction] = writesOf([["multi"], ["get", "a"], ["incr", "a"], ["exec"]]);
  assertEquals(commandsProblem(transaction!, 0), null);
  const nested = transaction!.slice();
  nested[16 + 1 + 4] = Op.transaction;
  assert(commandsProblem(nested, 0) !== null);
  const [group] = writesOf([["mset", "a", "1", "b", "2"]]);
  assertEquals(commandsProblem(group!, 0), null);
  const mixed = group!.slice();
  mixed[13 + 4] = Op.cas;
  assert(commandsProblem(mixed, 0) !== null);
  const miscounted = group!.slice();
  miscounted[12] = 3;
  assertEquals(commandsProblem(miscounted, 0), "a group does not hold as many commands as it says");
  const unknown = writesOf([["incr", "a"]])[0]!.slice();
  unknown[4] = 40;
  assertEquals(commandsProblem(unknown, 0), "operation 40 is unknown to this version");
  unknown[4] = Op.get;
  assertEquals(
    commandsProblem(unknown, 0),
    "operation 64 is unknown among the writes of this version",
  );
  const flags = writesOf([["set", "a", "1", "nx"]])[0]!.slice();
  flags[17] = 0x80;
  assertEquals(commandsProblem(flags, 0), "flags are set that this version does not know");
});

Deno.test("writes: a read is not applied by itself", () => {
  const store = new Store({ hashSeed: 5 });
  store.beginEntry(1, 1000);
  const read = new Uint8Array([0, 0, 0, 9, Op.get, 0, 0, 1, 0x61]);
  assertThrows(() => store.applyCommand(read, 0, new Result()), Error, "reads are not in the log");
});

Deno.test("writes: all keys go at once, while a snapshot of them is read", () => {
  const store = new Store({ hashSeed: 5 });
  store.beginEntry(1, 1000);
  const requests = ["a", "b", "c"].map((name) => ["set", name, "v", "px", "50"]);
  for (const command of writesOf([...requests, ["incr", "n"], ["incr", "n"]])) {
    store.applyCommand(command, 0, new Result());
  }
  store.endEntry();
  const snapshot = store.beginSnapshot();
  store.beginEntry(2, 1001);
  const [flush, set] = writesOf([["flushall"], ["set", "n", "7"]]);
  store.applyCommand(flush!, 0, new Result());
  assertEquals([store.keys, store.bytes, store.floor, store.digest()], [0, 0, 2, "0".repeat(16)]);
  const result = new Result();
  store.applyCommand(set!, 0, result);
  store.endEntry();
  assertEquals(result.version, 3);
  assertEquals(store.nextDeadlineMs(), Infinity);
  const body = new ByteWriter();
  while (snapshot.next(body, 40)) { /* on */ }
  snapshot.close();
  const reader = new SnapshotReader({ hashSeed: 5 }, snapshot.head);
  reader.add(body.copy());
  const restored = reader.finish();
  assertEquals(contentsOf(restored).size, 4);
  restored.beginEntry(2, 1001);
  restored.applyCommand(flush!, 0, new Result());
  restored.applyCommand(set!, 0, new Result());
  restored.endEntry();
  assertEquals([restored.digest(), restored.floor], [store.digest(), store.floor]);
});
