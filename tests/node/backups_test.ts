/** Backups of a server, by its snapshots: which one, how many, for how long. */
import { assert, assertEquals } from "@std/assert";
import { Backups } from "../../lib/node/snapshots/backups.ts";
import type { SnapshotMaker } from "../../lib/node/snapshots/snapshot_maker.ts";
import type { Store } from "../../lib/kv/store.ts";
import type { SnapshotPosition } from "../../lib/raft/types.ts";
import type { SnapshotFile, SnapshotFiles } from "../../lib/storage/types.ts";

const NOTHING_MADE = { bytes: 0, of: 100 };

/** A server whose time, store and snapshots the test moves by hand. */
class Fake {
  nowMs = 0;
  appliedIndex = 10;
  snapshots: SnapshotPosition[] = [];
  wanted = 0;
  open = 0;
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
    const maker: Pick<SnapshotMaker, "want"> = { want: () => this.wanted++ };
    const store = { appliedIndex: this.appliedIndex };
    this.backups.elapse(this.nowMs, store as Store, maker as SnapshotMaker);
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

Deno.test("a backup waits until all that was asked for is applied and in a snapshot", () => {
  const server = new Fake();
  server.snapshots = [{ index: 9, term: 1 }];
  const id = server.backups.begin(12)!;
  server.elapse();
  assertEquals(server.wanted, 0, "what a snapshot of now holds is not enough");
  assertEquals(server.backups.state(id, NOTHING_MADE)?.isReady, false);
  assertEquals(server.backups.next(id), null);
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
  const sizes = [1, 2, 3].map(() => server.backups.next(id)!.length);
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
