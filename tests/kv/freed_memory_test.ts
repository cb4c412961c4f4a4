import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { Op } from "../../lib/kv/commands/command.ts";
import { Result, Status } from "../../lib/kv/commands/result.ts";
import { Store } from "../../lib/kv/store.ts";
import { encodeCommand, type ModelCommand } from "./model.ts";

function byteOf(step: number): number {
  return 97 + step % 26;
}

const steps = fc.array(
  fc.record({
    key: fc.nat(11).map((n) => `key-${n}`),
    deletes: fc.boolean(),
    // Around the largest slot, one buffer among spare ones, more than all spare ones may be.
    bytes: fc.oneof(
      fc.integer({ min: 30_000, max: 36_000 }),
      fc.integer({ min: 100_000, max: 1_100_000 }),
      fc.integer({ min: 2_000_000, max: 2_600_000 }),
    ),
  }),
  { minLength: 10, maxLength: 60 },
);

Deno.test("what is given back at once was in no other value: large ones against a plain map", () => {
  const result = new Result();
  fc.assert(
    fc.property(steps, (steps) => {
      const store = new Store({ hashSeed: 5 });
      const plain = new Map<string, { bytes: number; fill: number }>();
      const run = (command: ModelCommand) => {
        store.beginEntry(store.appliedIndex + 1, 1);
        store.applyCommand(encodeCommand(command), 0, result);
        store.endEntry();
      };
      for (const [step, { key, deletes, bytes }] of steps.entries()) {
        if (deletes && plain.delete(key)) run({ op: Op.delete, key });
        else {
          const fill = byteOf(step);
          run({ op: Op.set, key, value: String.fromCharCode(fill).repeat(bytes) });
          plain.set(key, { bytes, fill });
        }
      }
      let total = 0;
      for (const [key, { bytes, fill }] of plain) {
        store.read(encodeCommand({ op: Op.get, key }), 0, result);
        assertEquals([result.status, result.length], [Status.found, bytes]);
        const value = result.bytes.subarray(result.offset, result.offset + bytes);
        assertEquals(value.findIndex((byte) => byte !== fill), -1);
        total += key.length + bytes;
      }
      assertEquals([store.keys, store.bytes], [plain.size, total]);
    }),
    { numRuns: 12 },
  );
});
