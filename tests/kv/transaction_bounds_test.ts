import { assert, assertEquals } from "@std/assert";
import { encodeCommand, endCommand, ExpiryKind, Op } from "../../lib/kv/commands/command.ts";
import { commandsProblem } from "../../lib/kv/commands/command_check.ts";
import { REPLY_VALUE_BYTES_MAX } from "../../lib/kv/commands/reads.ts";
import { Result, Status } from "../../lib/kv/commands/result.ts";
import { Store } from "../../lib/kv/store.ts";
import { ByteWriter, writeU32, writeU64 } from "../../lib/util/bytes.ts";

const KEY = new TextEncoder().encode("k");
const VALUE_BYTES = 1_048_576;

/** A transaction of so many commands, each of which shows the value and gives it another deadline. */
function showAndExpire(count: number): Uint8Array {
  const out = new ByteWriter();
  const at = encodeCommand(out, Op.transaction, KEY, 0, 0, 0, 0);
  writeU32(out.bytes, at + 12, count);
  for (let i = 1; i <= count; i++) {
    out.u8(17);
    const inner = encodeCommand(out, Op.getExpire, KEY, 0, KEY.length, 0, 0);
    out.bytes[inner + 8] = ExpiryKind.relative;
    writeU64(out.bytes, inner + 9, 1_000 + i);
  }
  endCommand(out, at);
  return out.copy();
}

Deno.test("a transaction of writes keeps no more of the values they show than a reply carries", () => {
  const store = new Store({ hashSeed: 1 });
  const result = new Result();
  const set = new ByteWriter();
  const value = new Uint8Array(KEY.length + VALUE_BYTES).fill(0x78);
  value.set(KEY);
  encodeCommand(set, Op.set, value, 0, KEY.length, KEY.length, value.length);
  store.beginEntry(1, 1_000);
  store.applyCommand(set.bytes, 0, result);
  store.endEntry();
  const command = showAndExpire(80);
  assertEquals(commandsProblem(command, 0), null);
  store.beginEntry(2, 1_000);
  store.applyCommand(command, 0, result);
  store.endEntry();
  const parts = result.list.slice(0, result.listLength);
  const kept = new Set(parts.map((part) => part.bytes.buffer));
  let keptBytes = 0;
  for (const buffer of kept) keptBytes += buffer.byteLength;
  assert(keptBytes <= REPLY_VALUE_BYTES_MAX, `${keptBytes} bytes are kept`);
  assertEquals(parts.filter(({ status }) => status === Status.found).length, 64);
  assertEquals(parts.filter(({ status }) => status === Status.tooMuch).length, 16);
  // All of it was done: the last one's deadline stands.
  assertEquals(store.nextDeadlineMs(), 1_000 + 1_080);
});
