/** Backups of a server, by its snapshots: which one, how many, for how long. */
import { assert, assertEquals } from "@std/assert";
import { Backups } from "../../lib/node/snapshots/backups.ts";
import { LATER } from "../../lib/wire/backup.ts";
import type { SnapshotMaker } from "../../lib/node/snapshots/snapshot_maker.ts";
import type { Store } from "../../lib/kv/store.ts";
import type { SnapshotPosition } from "../../lib/raft/types.ts";
import type { SnapshotFile, SnapshotFiles, WrittenBody } from "../../lib/storage/types.ts";

const NOTHING_MADE = { bytes: 0, of: 100 };

/** A server whose time, store and snapshots the test moves by hand. */
class Fake {
  nowMs = 0;
  appliedIndex = 10;
  snapshots: SnapshotPosition[] = [];
  wanted = 0;
  open = 0;
  /** The snapshot that is being taken, and how much of it is written. */
  running: SnapshotPosition | null = null;
  written = 0;
  readonly backups: Backups;

  constructor() {
    const clock = { monotonicMs: () => this.nowMs, wallMs: () => 5_000 + this.nowMs };
    const files: Pick<SnapshotFiles, "list" | "open"> = {
      list: () => this.snapshots,
      open: (position) => this.#file(position),
    };
    this.backups = new Backups(files as SnapshotFiles, clock);
  }

  elapse(): void {
    const { running } = this;
    const maker: Pick<SnapshotMaker, "want" | "runningIndex" | "openRunning"> = {
      want: () => this.wanted++,
      runningIndex: running?.index ?? Infinity,
      openRunning: () => running === null ? null : { position: running, body: this.#body(running) },
    };
    const store = { appliedIndex: this.appliedIndex };
    this.backups.elapse(this.nowMs, store as Store, maker as SnapshotMaker);
  }

  #body({ index }: SnapshotPosition): WrittenBody {
    this.open++;
    const written = () => this.written;
    return {
      get bytes() {
        return written();
      },
      readBody(_offset, into) {
        into.fill(index);
        return Math.min(into.length, written());
      },
      close: () => this.open--,
    };
  }

  #file(position: SnapshotPosition): SnapshotFile {
    this.open++;
    const body = new Uint8Array(300_000).fill(position.index);
    const file: Pick<SnapshotFile, "position" | "bodyBytes" | "readBody" | "close"> = {
      position,
      bodyBytes: body.length,
      readBody(offset, into) {
        const part = body.subarray(offset, offset + into.length);
        into.set(part);
        return part.length;
      },
      close: () => this.open--,
    };
    return file as SnapshotFile;
  }
}

function pieceOf(server: Fake, id: number): Uint8Array {
  const piece = server.backups.next(id);
  if (!(piece instanceof Uint8Array)) throw new Error(`no piece: ${piece}`);
  return piece;
}

Deno.test("a backup is given while its snapshot is written, and continues in the file", () => {
  const server = new Fake();
  const id = server.backups.begin(10)!;
  server.elapse();
  assertEquals([server.wanted, server.open], [1, 0]);
  server.running = { index: 9, term: 1 };
  server.elapse();
  assertEquals(server.open, 0, "what is being taken is too old");
  server.running = { index: 10, term: 1 };
  server.elapse();
  assertEquals(server.open, 1);
  const state = server.backups.state(id, { bytes: 5, of: 100 })!;
  assertEquals([state.isReady, state.index, state.bytes, state.madeBytes], [true, 10, 100, 5]);
  server.written = 262_143;
  assertEquals(server.backups.next(id), LATER, "not a whole piece");
  server.written = 262_144;
  assertEquals(pieceOf(server, id).length, 262_144);
  assertEquals(server.backups.next(id), LATER);
  server.running = null;
  server.snapshots = [{ index: 10, term: 1 }];
  server.elapse();
  assertEquals(server.open, 1, "the file in place of what was written");
  assertEquals(pieceOf(server, id).length, 300_000 - 262_144);
  assertEquals(pieceOf(server, id).length, 0);
});

Deno.test("a backup ends where its snapshot is given up: what was given is no part of another", () => {
  const server = new Fake();
  const id = server.backups.begin(10)!;
  server.running = { index: 10, term: 1 };
  server.elapse();
  server.written = 262_144;
  pieceOf(server, id);
  server.running = { index: 11, term: 1 };
  server.elapse();
  assertEquals([server.open, server.backups.next(id)], [0, null]);
});

Deno.test("a backup waits until all that was asked for is applied and in a snapshot", () => {
  const server = new Fake();
  server.snapshots = [{ index: 9, term: 1 }];
  const id = server.backups.begin(12)!;
  server.elapse();
  assertEquals(server.wanted, 0, "what a snapshot of now holds is not enough");
  assertEquals(server.backups.state(id, NOTHING_MADE)?.isReady, false);
  assertEquals(server.backups.next(id), LATER);
  server.appliedIndex = 13;
  server.elapse();
  assertEquals(server.wanted, 1);
  server.snapshots = [{ index: 11, term: 1 }];
  server.elapse();
  assertEquals([server.wanted, server.open], [2, 0], "one that was under way is too old");
  server.snapshots = [{ index: 13, term: 2 }];
  server.elapse();
  const ready = { isReady: true, index: 13, term: 2, takenMs: 5_000, bytes: 300_000 };
  assertEquals(server.backups.state(id, NOTHING_MADE), { ...ready, madeBytes: 300_000 });
  const sizes = [1, 2, 3].map(() => pieceOf(server, id).length);
  assertEquals(sizes, [262_144, 300_000 - 262_144, 0]);
  server.backups.end(id);
  assertEquals([server.open, server.backups.state(id, NOTHING_MADE)], [0, null]);
});

Deno.test("a snapshot that holds enough is given at once", () => {
  const server = new Fake();
  server.snapshots = [{ index: 10, term: 1 }];
  const id = server.backups.begin(10)!;
  server.elapse();
  assertEquals(server.wanted, 0);
  assert(server.backups.state(id, NOTHING_MADE)!.isReady);
});

Deno.test("two at a time; one that nobody asks for is given up, its file closed", () => {
  const server = new Fake();
  server.snapshots = [{ index: 10, term: 1 }];
  const first = server.backups.begin(1)!;
  const second = server.backups.begin(1)!;
  assertEquals(server.backups.begin(1), null);
  server.elapse();
  assertEquals(server.open, 2);
  server.nowMs = 14_000;
  assert(server.backups.next(second) !== null);
  assertEquals(server.backups.nextDeadlineMs(), 15_000);
  server.nowMs = 15_000;
  server.elapse();
  assertEquals(server.backups.state(first, NOTHING_MADE), null);
  assertEquals(server.open, 1);
  assertEquals(server.backups.nextDeadlineMs(), 29_000);
  assert(server.backups.begin(1) !== null);
});
