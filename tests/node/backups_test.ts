/** Backups of a server, by its snapshots: which one, how many, for how long. */
import { assert, assertEquals } from "@std/assert";
import { DiskError } from "../../lib/host/ports.ts";
import type { LogEvent } from "../../lib/node/api.ts";
import { Backups } from "../../lib/node/snapshots/backups.ts";
import { ReadableSnapshots } from "../../lib/node/snapshots/readable_snapshots.ts";
import { LATER } from "../../lib/wire/backup.ts";
import type { SnapshotMaker } from "../../lib/node/snapshots/snapshot_maker.ts";
import type { Store } from "../../lib/kv/store.ts";
import type { SnapshotPosition } from "../../lib/raft/types.ts";
import {
  encodeConfiguration,
  encodePosition,
  encodeStoreHead,
  SECTION_HEAD_BYTES,
  SectionOrder,
  SectionTag,
  writeSectionHead,
} from "../../lib/storage/snapshots/snapshot_format.ts";
import { ByteWriter } from "../../lib/util/bytes.ts";
import { CONFIGURATION } from "../storage/snapshot_helpers.ts";
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
  /** What is written is a spool, and all of it is there. */
  isWhole = false;
  hasRoom = true;
  readonly backups: Backups;
  readonly logged: string[] = [];
  /** What the disk says to whoever opens the snapshot at this index, or reads on in it. */
  brokenIndex = 0;

  /** Which snapshot's bytes are not what they were. */
  damagedIndex = 0;
  /** Clients write. */
  isBusy = true;

  constructor() {
    const clock = { monotonicMs: () => this.nowMs, wallMs: () => 5_000 + this.nowMs };
    const files: Pick<SnapshotFiles, "list" | "open" | "bytesOf"> = {
      list: () => this.snapshots,
      open: (position) => this.#file(position),
      bytesOf: () => 0,
    };
    const log = ({ level }: LogEvent) => void this.logged.push(level);
    this.backups = new Backups(new ReadableSnapshots(files, { log }), clock, this);
  }

  elapse(): void {
    const { running } = this;
    const maker: Pick<SnapshotMaker, "wantSpool" | "runningIndex" | "openRunning"> = {
      wantSpool: () => this.wanted++,
      runningIndex: running?.index ?? Infinity,
      openRunning: () => running === null ? null : { position: running, body: this.#body(running) },
    };
    const store = { appliedIndex: this.appliedIndex };
    this.backups.elapse(this.nowMs, store as Store, maker as SnapshotMaker, this.hasRoom);
  }

  #body({ index }: SnapshotPosition): WrittenBody {
    this.open++;
    const written = () => this.written;
    const isWhole = () => this.isWhole;
    return {
      get isWhole() {
        return isWhole();
      },
      get bytes() {
        return written();
      },
      get bodyBytes() {
        return isWhole() ? written() : null;
      },
      isLost: false,
      readBody: (offset, into) => {
        if (this.brokenIndex === index) throw new DiskError("Could not read it");
        into.fill(index);
        return Math.min(into.length, written() - offset);
      },
      close: () => this.open--,
    };
  }

  #file(position: SnapshotPosition): SnapshotFile {
    const isBroken = () => this.brokenIndex === position.index;
    if (isBroken()) throw new DiskError("Could not open it");
    this.open++;
    const body = bodyAt(position);
    if (this.damagedIndex === position.index) body[body.length - 100]! ^= 1;
    const file: Pick<SnapshotFile, "position" | "bodyBytes" | "readBody" | "close"> = {
      position,
      bodyBytes: body.length,
      readBody(offset, into) {
        if (isBroken()) throw new DiskError("Could not read it");
        const part = body.subarray(offset, offset + into.length);
        into.set(part);
        return part.length;
      },
      close: () => this.open--,
    };
    return file as SnapshotFile;
  }
}

/** 300,000 bytes of sections. */
function bodyAt(position: SnapshotPosition): Uint8Array {
  const { index } = position;
  const out = new ByteWriter();
  const order = new SectionOrder();
  const head = new Uint8Array(SECTION_HEAD_BYTES);
  let chain = 0;
  const section = (tag: number, content: Uint8Array) => {
    chain = writeSectionHead(head, tag, content, chain);
    out.raw(head);
    out.raw(content);
    order.end(tag, content);
  };
  section(SectionTag.position, encodePosition("c".repeat(32), position));
  section(SectionTag.configuration, encodeConfiguration(CONFIGURATION));
  const store = {
    index,
    clockMs: 0,
    floor: 0,
    keys: 1,
    digest: "0",
    clusterVersion: 1,
    users: null,
    clientSessions: null,
    loadedScripts: null,
  };
  section(SectionTag.store, encodeStoreHead(store));
  const endBytes = SECTION_HEAD_BYTES + 16;
  const left = 300_000 - out.length - SECTION_HEAD_BYTES - endBytes;
  section(SectionTag.records, new Uint8Array(left).fill(index));
  section(SectionTag.end, order.encodeEnd());
  return out.copy();
}

function pieceOf(server: Fake, id: number): Uint8Array {
  const piece = server.backups.next(id);
  if (!(piece instanceof Uint8Array)) throw new Error(`no piece: ${piece}`);
  return piece;
}

Deno.test("where no client writes, a piece is as much as there is, up to a MiB", () => {
  const server = new Fake();
  server.isBusy = false;
  const id = server.backups.begin(10)!;
  server.running = { index: 10, term: 1 };
  server.elapse();
  server.written = 262_143;
  assertEquals(server.backups.next(id), "LATER");
  server.written = 400_000;
  assertEquals(pieceOf(server, id).length, 400_000);
  server.written += 2_000_000;
  server.isWhole = true;
  assertEquals([1, 2, 3].map(() => pieceOf(server, id).length), [1_048_576, 951_424, 0]);
});

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

/** A spool that is whole: of one piece and 100 bytes. */
function withSpool(): { server: Fake; id: number } {
  const server = new Fake();
  const id = server.backups.begin(10)!;
  server.running = { index: 10, term: 1 };
  server.elapse();
  server.written = 262_244;
  server.isWhole = true;
  server.running = null;
  server.elapse();
  return { server, id };
}

Deno.test("a spool is read to its end, though no snapshot comes of it", () => {
  const { server, id } = withSpool();
  assertEquals(server.backups.isWaiting, false);
  const { isReady, bytes, madeBytes } = server.backups.state(id, NOTHING_MADE)!;
  assertEquals([isReady, bytes, madeBytes], [true, 262_244, 262_244]);
  server.running = { index: 11, term: 1 };
  server.elapse();
  assertEquals([1, 2, 3].map(() => pieceOf(server, id).length), [262_144, 100, 0]);
  server.backups.end(id);
  assertEquals(server.open, 0);
});

Deno.test("a spool ends where the log has no room", () => {
  const { server, id } = withSpool();
  server.hasRoom = false;
  server.elapse();
  assertEquals([server.open, server.backups.next(id)], [0, null]);
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

Deno.test("a snapshot that can't be opened is none for a backup: an older one will do, or the next", () => {
  const server = new Fake();
  server.snapshots = [{ index: 12, term: 1 }, { index: 10, term: 1 }];
  server.brokenIndex = 12;
  const [old, recent] = [server.backups.begin(9)!, server.backups.begin(11)!];
  for (let i = 0; i < 2; i++) server.elapse();
  assertEquals(server.backups.state(old, NOTHING_MADE)?.index, 10);
  assertEquals([server.backups.state(recent, NOTHING_MADE)?.isReady, server.wanted], [false, 0]);
  server.appliedIndex = 13;
  server.elapse();
  assertEquals([server.wanted, server.logged], [1, ["error"]]);
});

Deno.test("a spool that can't be read on says nothing of a snapshot of the same index", () => {
  const server = new Fake();
  const id = server.backups.begin(10)!;
  server.running = { index: 10, term: 1 };
  server.written = 300_000;
  for (let i = 0; i < 2; i++) server.elapse();
  server.brokenIndex = 10;
  assertEquals([server.backups.next(id), server.logged], [null, ["error"]]);
  server.brokenIndex = 0;
  server.snapshots = [{ index: 10, term: 1 }];
  const next = server.backups.begin(10)!;
  server.elapse();
  assertEquals(server.backups.state(next, NOTHING_MADE)?.isReady, true);
});

Deno.test("a backup whose file can't be read on is given up, and the server continues", () => {
  const server = new Fake();
  server.snapshots = [{ index: 10, term: 1 }];
  const id = server.backups.begin(10)!;
  server.elapse();
  assertEquals(pieceOf(server, id).length, 262_144);
  server.brokenIndex = 10;
  assertEquals([server.backups.next(id), server.open, server.logged], [null, 0, ["error"]]);
  assertEquals(server.backups.state(id, NOTHING_MADE), null);
});

Deno.test("a backup whose snapshot was spoiled on this disk is given up, and the next one is another's", () => {
  const server = new Fake();
  server.snapshots = [{ index: 12, term: 1 }, { index: 11, term: 1 }];
  server.damagedIndex = 12;
  const id = server.backups.begin(10)!;
  server.elapse();
  assertEquals(pieceOf(server, id).length, 262_144);
  assertEquals([server.backups.next(id), server.open, server.logged], [null, 0, ["error"]]);
  const next = server.backups.begin(10)!;
  server.elapse();
  assertEquals(server.backups.state(next, NOTHING_MADE)?.index, 11);
  assertEquals([1, 2, 3].map(() => pieceOf(server, next).length), [262_144, 300_000 - 262_144, 0]);
});
