/** Taking a snapshot and receiving one, on a disk whose operations end when the test says so. */
import { TimeHistogram } from "../../lib/util/time_histogram.ts";
import { assert, assertEquals } from "@std/assert";
import { ExpiryKind, Op } from "../../lib/kv/commands/command.ts";
import { Result } from "../../lib/kv/commands/result.ts";
import { Store } from "../../lib/kv/store.ts";
import { SnapshotMaker } from "../../lib/node/snapshots/snapshot_maker.ts";
import { type ChunkAnswers, SnapshotReceiver } from "../../lib/node/snapshots/snapshot_receiver.ts";
import { DEFAULT_STORAGE_LIMITS } from "../../lib/node/limits.ts";
import type { NodeHost } from "../../lib/node/api.ts";
import { Snapshots } from "../../lib/node/snapshots/snapshots.ts";
import type { Raft } from "../../lib/raft/raft.ts";
import type { Ready, SnapshotChunk } from "../../lib/raft/types.ts";
import { Meters } from "../../lib/node/facts/meters.ts";
import type { LogStorage, SnapshotFiles } from "../../lib/storage/types.ts";
import { encodeCommand } from "../kv/model.ts";
import { type Completion, SimDisk } from "../sim/sim_disk.ts";
import { openFormed } from "../storage/helpers.ts";
import { CONFIGURATION } from "../storage/snapshot_helpers.ts";

const KEYS = 8_000;
const SLICE_BYTES = 8_192;
const POSITION = { index: 1, term: 1 };
const STORE_OPTIONS = { hashSeed: 5 };

function filledStore(): Store {
  const store = new Store(STORE_OPTIONS);
  setAll(store, 1, KEYS, "v".repeat(300));
  return store;
}

function setAll(store: Store, index: number, keys: number, value: string): void {
  store.beginEntry(index, index);
  for (let i = 0; i < keys; i++) {
    const command = { op: Op.set, key: `key ${i}`, value, expiryKind: ExpiryKind.never };
    store.applyCommand(encodeCommand({ ...command, expiryMs: 0 }), 0, new Result());
  }
  store.endEntry();
}

/** As far as a maker asks it. */
function raftAt(durableIndex: number): Raft {
  const state = { log: { durableIndex, termAt: () => 1 } };
  return { state, configurationAt: () => CONFIGURATION } as unknown as Raft;
}

const RAFT = raftAt(1);

class Bench {
  readonly pending: Completion[] = [];
  readonly disk = new SimDisk({ schedule: (completion) => void this.pending.push(completion) });
  readonly files: SnapshotFiles;
  readonly messages: string[] = [];
  readonly log: LogStorage;
  readonly fatal: Error[] = [];
  /** What a look at the clock costs. */
  lookMs = 0;
  nowMs = 0;
  readonly clock = { monotonicMs: () => this.nowMs += this.lookMs, wallMs: () => 0 };
  readonly host: NodeHost = {
    scheduleTurn: () => {},
    fatal: (error) => void this.fatal.push(error),
    log: ({ message }) => void this.messages.push(message),
  };

  constructor() {
    const { directory, log } = openFormed(this.disk, { reserveBytes: 0 });
    this.files = directory.snapshots;
    this.log = log;
  }

  /** Completes what waits, and what comes of it. */
  settle(): void {
    for (let next = this.pending.shift(); next !== undefined; next = this.pending.shift()) {
      next.complete();
    }
  }

  receiver(answerChunk: ChunkAnswers["answerChunk"]): SnapshotReceiver {
    return new SnapshotReceiver({
      files: this.files,
      storeOptions: STORE_OPTIONS,
      clock: this.clock,
      host: this.host,
      answers: { answerChunk },
    });
  }

  maker(done: { position: unknown }): SnapshotMaker {
    return new SnapshotMaker({
      files: this.files,
      clock: this.clock,
      host: this.host,
      logBytesMin: 1 << 30,
      sliceBytes: SLICE_BYTES,
      events: { snapshotTaken: (position) => done.position = position },
    }, 0);
  }
}

Deno.test("one slice a tick, and no more than twice what is written at a time waits for the disk", () => {
  const bench = new Bench();
  const done = { position: null as unknown };
  const maker = bench.maker(done);
  const store = filledStore();
  maker.want();
  maker.elapse(0, RAFT, store);
  let before = bench.files.bytes();
  for (let i = 0; i < 40; i++) {
    maker.elapse(0, RAFT, store);
    const bytes = bench.files.bytes();
    assert(bytes > before && bytes <= before + 2 * SLICE_BYTES, `${bytes} after ${before}`);
    before = bytes;
  }
  // Nothing of it gets to the disk from now on: slices end.
  for (let i = 0; i < 400; i++) maker.elapse(0, RAFT, store);
  const most = bench.files.bytes();
  assert(most < 2 * 1_048_576 + 4 * SLICE_BYTES, `${most} bytes wait`);
  for (let i = 0; i < 400 && done.position === null; i++) {
    bench.settle();
    maker.elapse(0, RAFT, store);
  }
  assertEquals(done.position, POSITION);
  assertEquals(bench.files.list(), [POSITION]);
});

Deno.test("what is overwritten while the disk stands still is bounded: the snapshot begins again later", () => {
  const bench = new Bench();
  const done = { position: null as unknown };
  const maker = bench.maker(done);
  const store = new Store(STORE_OPTIONS);
  setAll(store, 1, 45, "v".repeat(1_000_000));
  maker.want();
  // The first megabytes wait for the disk for ever; no slice is made after them.
  for (let i = 0; i < 10; i++) maker.elapse(0, RAFT, store);
  assertEquals(maker.runningIndex, 1);
  setAll(store, 2, 45, "w");
  maker.elapse(0, RAFT, store);
  assertEquals(maker.runningIndex, Infinity);
  assertEquals(bench.messages, [
    "A snapshot is given up and begun again later: the disk is too slow for it",
  ]);
  bench.settle();
  // Taken at its time, of what is there then.
  for (let i = 0; i < 50 && done.position === null; i++) {
    maker.elapse(5_001, raftAt(2), store);
    bench.settle();
  }
  assertEquals(done.position, { index: 2, term: 1 });
});

Deno.test("a follower that waits gets larger slices, as long as they take little time", () => {
  const sliceOf = (isUrgent: boolean, lookMs: number) => {
    const bench = new Bench();
    const maker = bench.maker({ position: null });
    const store = filledStore();
    maker.want();
    maker.elapse(0, RAFT, store);
    if (isUrgent) maker.want();
    const before = bench.files.bytes();
    bench.lookMs = lookMs;
    maker.elapse(0, RAFT, store);
    return Math.round((bench.files.bytes() - before) / SLICE_BYTES);
  };
  assertEquals([sliceOf(false, 0), sliceOf(true, 0)], [1, 8]);
  assertEquals([sliceOf(true, 0.5), sliceOf(true, 2)], [3, 1]);
});

Deno.test("a full disk ends a snapshot and nothing else, and it is tried again later", () => {
  const bench = new Bench();
  const done = { position: null as unknown };
  const maker = bench.maker(done);
  const store = filledStore();
  bench.disk.capacityBytes = bench.disk.usedBytes() + 1_400_000;
  maker.want();
  const run = (fromMs: number) => {
    for (let i = 0; i < 600 && done.position === null; i++) {
      maker.elapse(fromMs, RAFT, store);
      bench.settle();
    }
  };
  run(0);
  assertEquals(bench.messages, ["No room for a snapshot"]);
  assertEquals([bench.fatal, bench.disk.list("1/snapshot")], [[], []]);
  bench.disk.capacityBytes = Infinity;
  run(1_000);
  assertEquals(done.position, null, "it is too early");
  run(6_000);
  assertEquals(done.position, POSITION);
});

/** What travels of a snapshot of `store`. */
function bodyOf(store: Store): Uint8Array {
  const giver = new Bench();
  const done = { position: null as unknown };
  const maker = giver.maker(done);
  maker.want();
  while (done.position === null) {
    maker.elapse(0, RAFT, store);
    giver.settle();
  }
  const file = giver.files.open(POSITION);
  const body = new Uint8Array(file.bodyBytes);
  file.readBody(0, body);
  file.close();
  return body;
}

/** A piece of it, from the server `from`. */
function pieceOf(body: Uint8Array, from: number, offset: number, bytes: number): SnapshotChunk {
  return {
    kind: "snapshotChunk",
    from,
    to: 1,
    term: 1,
    index: 1,
    snapshotTerm: 1,
    offset,
    totalBytes: body.length,
    data: body.slice(offset, offset + bytes),
  };
}

Deno.test("what is stored is told to whom the latest piece came from: the leader may be another by then", () => {
  const body = bodyOf(filledStore());
  const bench = new Bench();
  const answers: [number, number][] = [];
  const receiver = bench.receiver((chunk, offset) => answers.push([chunk.from, offset]));
  receiver.receive(pieceOf(body, 2, 0, 300_000));
  receiver.receive(pieceOf(body, 3, 300_000, 300_000));
  bench.settle();
  assertEquals(answers.splice(0), [[3, 300_000], [3, 600_000]]);
  receiver.receive(pieceOf(body, 3, 600_000, 300_000));
  receiver.receive(pieceOf(body, 2, 900_000, body.length));
  bench.settle();
  assertEquals(answers.splice(0), [[2, 900_000], [2, body.length]]);
});

Deno.test("pieces are answered once they are durable, and a resumed stream is told what came", () => {
  const store = filledStore();
  const body = bodyOf(store);
  const bench = new Bench();
  const answers: number[] = [];
  const receiver = bench.receiver((_, offset) => answers.push(offset));
  const piece = (offset: number, bytes: number) => pieceOf(body, 2, offset, bytes);
  receiver.receive(piece(0, 0));
  assertEquals(answers.splice(0), [0]);
  receiver.receive(piece(0, 300_000));
  receiver.receive(piece(300_000, 300_000));
  receiver.receive(piece(900_000, 1_000));
  assertEquals(answers.splice(0), [600_000], "the one after a gap is dropped, and told so");
  bench.settle();
  assertEquals(answers.splice(0), [300_000, 600_000]);
  receiver.receive(piece(600_000, body.length));
  assertEquals([answers.length, receiver.isReceiving], [0, true]);
  bench.settle();
  assertEquals(answers.splice(0), [body.length]);
  assertEquals(bench.files.list(), [POSITION]);
  bench.lookMs = 1;
  let ticks = 0;
  for (; !receiver.isReady; ticks++) receiver.elapse();
  assert(ticks > 20, `loaded in ${ticks} ticks`);
  const received = receiver.takeReady()!;
  assertEquals(received.store.keys, KEYS);
  assertEquals(received.store.beginSnapshot().head, store.beginSnapshot().head);
});

Deno.test("what came of a snapshot is given up once nobody sends the rest, or it is no news", () => {
  const states = {
    leads: { role: { kind: "leader" }, commitIndex: 0 },
    isAhead: { role: { kind: "follower" }, commitIndex: 1 },
    waits: { role: { kind: "follower" }, commitIndex: 0 },
  } as unknown as Record<string, Parameters<SnapshotReceiver["giveUpStale"]>[1]>;
  for (const [name, state] of Object.entries(states)) {
    const bench = new Bench();
    const receiver = bench.receiver(() => {});
    receiver.receive(pieceOf(new Uint8Array(10_000), 2, 0, 0));
    assert(receiver.isReceiving);
    receiver.giveUpStale(9_000, state);
    assertEquals(receiver.isReceiving, name === "waits", `${name}: while pieces may still come`);
    receiver.giveUpStale(10_000, state);
    assert(!receiver.isReceiving, `${name}: after a long silence`);
    bench.settle();
    assertEquals(bench.fatal, []);
  }
});

Deno.test("a snapshot that gave way to a received one is not taken right after that", () => {
  const bench = new Bench();
  const maker = bench.maker({ position: null });
  maker.want();
  maker.elapse(0, RAFT, filledStore());
  assertEquals(maker.runningIndex, 1);
  maker.giveWay();
  maker.abort(); // the received one is installed
  const store = filledStore();
  setAll(store, 2, 1, "w");
  maker.noteApplied(30);
  maker.elapse(0, raftAt(2), store);
  assertEquals(maker.runningIndex, Infinity);
});

Deno.test("whoever received a snapshot takes its own again as soon as one is due", () => {
  const body = bodyOf(filledStore());
  const bench = new Bench();
  const log = { entries: [], durableIndex: 2, firstIndex: 2, termAt: () => 1 };
  const output = { messages: [] };
  const state = { id: 1, role: { kind: "follower" }, commitIndex: 0, output, log };
  const raft = { state, configurationAt: () => CONFIGURATION, restore: () => true };
  const snapshots = new Snapshots({
    raft: raft as unknown as Raft,
    files: bench.files,
    storeOptions: STORE_OPTIONS,
    limits: { ...DEFAULT_STORAGE_LIMITS, snapshotLogBytesMin: 1_000 },
    clock: bench.clock,
    host: bench.host,
    links: { send() {} },
    reader: bench.log.reader,
    compaction: { compact() {} },
    catchUp: {
      reader: bench.log.reader,
      pace: { limit() {} },
      host: bench.host,
      meters: new Meters().catchUp,
    },
    taken: new TimeHistogram(),
  });
  const snapshotChunks = [pieceOf(body, 2, 0, body.length)];
  const ready = { snapshotChunks, entriesNeeded: [], snapshotsNeeded: [], snapshotAnswers: [] };
  snapshots.take(ready as unknown as Ready, 0);
  const empty = new Store(STORE_OPTIONS);
  for (let i = 0; i < 1_000 && !snapshots.hasReceived; i++) {
    snapshots.elapse(0, empty, bench.log);
    bench.settle();
  }
  const { store } = snapshots.takeReceived()!;
  setAll(store, 2, 10, "w");
  snapshots.noteApplied({ index: 2, term: 1, data: new Uint8Array(2_000) });
  // No time passes: what has to wait for a full disk has nothing to wait for here.
  for (let i = 0; i < 1_000 && bench.files.list()[0]!.index < 2; i++) {
    snapshots.elapse(0, store, bench.log);
    bench.settle();
  }
  assertEquals(bench.files.list()[0], { index: 2, term: 1 });
});
