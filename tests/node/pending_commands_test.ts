/** The ring of a connection's commands, and the bytes of its reads, which are moved now and then. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { PendingCommands } from "../../lib/node/session/pending_commands.ts";
import { PendingKind } from "../../lib/node/session/pending_kind.ts";
import { ClientError } from "../../lib/wire/command_batch.ts";

/** As in lib/node/session/pending_commands.ts: beyond this the bytes are moved, where half of them are done. */
const READ_BYTES_COMPACT = 16_384;

/** A ring, and what each of its reads should find at its place. */
class Checked {
  readonly pending = new PendingCommands();
  /** How often the bytes were moved while some were left behind. */
  moves = 0;
  readonly #wanted = new Map<number, Uint8Array>();

  pushRead(size: number): void {
    const { pending } = this;
    const number = pending.tail;
    const source = new Uint8Array(size + 7).fill(0xff);
    for (let i = 0; i < size; i++) source[i + 3] = (number * 31 + i) & 0x7f;
    pending.pushBytes(PendingKind.read, 0, 0, 0, 0, 1, source, 3, 3 + size);
    this.#wanted.set(number, source.slice(3, 3 + size));
  }

  pushWrite(): void {
    this.pending.push(PendingKind.write, 0, 0, 0, 0);
  }

  /** Checks the next command, and passes it; all others must be right as well. */
  pass(): void {
    const { pending } = this;
    if (pending.evaluated === pending.tail) return;
    const before = pending.readBytes.length;
    pending.passEvaluated(0);
    if (pending.readBytes.length < before) this.moves++;
    this.expectAll();
  }

  /** The whole of what waits is refused, as where a leadership is lost. */
  refuse(position: number): void {
    this.pending.refuse(position, ClientError.noLeader);
    this.#wanted.delete(position);
    this.expectAll();
  }

  expectAll(): void {
    const { pending } = this;
    for (let p = pending.evaluated; p < pending.tail; p++) {
      const wanted = this.#wanted.get(p);
      if (wanted === undefined) continue;
      const start = pending.readStart(p);
      const found = pending.readBytes.bytes.subarray(start, start + wanted.length);
      assert(start + wanted.length <= pending.readBytes.length, `read ${p} ends after the end`);
      // Compared as text: a deep comparison of hundreds of arrays takes long.
      assertEquals(`${p}: ${found}`, `${p}: ${wanted}`);
    }
  }
}

Deno.test("pending: more waiting reads than their buffer's bound, with more after them, stay what they are", () => {
  const ring = new Checked();
  for (let i = 0; i < 100; i++) ring.pushRead(250);
  // As many come as are answered: the buffer never runs empty, and must not grow for ever.
  let most = 0;
  for (let i = 0; i < 300; i++) {
    ring.pass();
    ring.pushRead(250);
    most = Math.max(most, ring.pending.readBytes.length);
  }
  assert(ring.moves >= 3, `moved ${ring.moves} times`);
  assert(most <= 3 * 100 * 250, `${most} bytes are held for 100 reads`);
  while (ring.pending.evaluated < ring.pending.tail) ring.pass();
});

Deno.test("pending: nothing is moved for few bytes", () => {
  const ring = new Checked();
  for (let round = 0; round < 10; round++) {
    const count = Math.floor((READ_BYTES_COMPACT - 1) / 250);
    for (let i = 0; i < count; i++) ring.pushRead(250);
    for (let i = 0; i < count; i++) ring.pass();
  }
  assertEquals(ring.moves, 0);
});

Deno.test("pending: whatever comes, passes and is refused: each read finds its own bytes", () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.tuple(fc.constant("read"), fc.integer({ min: 9, max: 2_000 })) },
    { weight: 1, arbitrary: fc.tuple(fc.constant("write"), fc.constant(0)) },
    { weight: 3, arbitrary: fc.tuple(fc.constant("pass"), fc.integer({ min: 1, max: 5 })) },
    { weight: 1, arbitrary: fc.tuple(fc.constant("refuse"), fc.nat(50)) },
  );
  let moves = 0;
  const runs = fc.property(fc.array(step, { minLength: 60, maxLength: 120 }), (steps) => {
    const ring = new Checked();
    for (let i = 0; i < 20; i++) ring.pushRead(1_000);
    for (const [what, n] of steps) {
      const { evaluated, tail } = ring.pending;
      if (what === "read") ring.pushRead(n);
      else if (what === "write") ring.pushWrite();
      else if (what === "pass") { for (let i = 0; i < n; i++) ring.pass(); }
      else if (evaluated + n < tail) ring.refuse(evaluated + n);
    }
    while (ring.pending.evaluated < ring.pending.tail) ring.pass();
    moves += ring.moves;
  });
  fc.assert(runs, { numRuns: 60 });
  assert(moves > 30, `moved ${moves} times`);
});
