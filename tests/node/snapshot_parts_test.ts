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
import { bodyOfRunning, SnapshotSender } from "../../lib/node/snapshots/snapshot_sender.ts";
import { Snapshots } from "../../lib/node/snapshots/snapshots.ts";
import type { Raft } from "../../lib/raft/raft.ts";
import type { Message, Ready, SnapshotChunk } from "../../lib/raft/types.ts";
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
const IDLE_LEADER = { isBusy: false, isLeader: true };

class Bench {
  readonly pending: Completion[] = [];
  readonly disk = new SimDisk({ schedule: (completion) => void this.pending.push(completion) });
  readonly files: SnapshotFiles;
  readonly messages: string[] = [];
  readonly log: LogStorage;
  readonly fatal: Error[] = [];
  /** So many were asked for. */
  turns = 0;
  /** What a look at the clock costs. */
  lookMs = 0;
  nowMs = 0;
  readonly clock = { monotonicMs: () => this.nowMs += this.lookMs, wallMs: () => 0 };
  readonly host: NodeHost = {
    scheduleTurn: () => void this.turns++,
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

  maker(done: { position: unknown }, load = IDLE_LEADER): SnapshotMaker {
    return new SnapshotMaker({
      files: this.files,
      clock: this.clock,
      host: this.host,
      logBytesMin: 1 << 30,
      sliceBytes: SLICE_BYTES,
      load,
      events: {
        snapshotTaken: (position) => done.position = position,
        snapshotWritten: () => {},
      },
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

Deno.test("slices for a backup follow what the disk has; fewer, once a tick, where clients write or wait", () => {
  const wholeAfter = (isBusy: boolean, isLeader: boolean) => {
    const bench = new Bench();
    const maker = bench.maker({ position: null }, { isBusy, isLeader });
    const store = filledStore();
    maker.wantSpool();
    maker.elapse(0, RAFT, store);
    let elapsed = 0;
    for (; maker.runningIndex < Infinity; elapsed++) {
      maker.elapse(0, RAFT, store);
      bench.settle();
    }
    return elapsed;
  };
  // 2.7 MB by slices of 64 KiB, or of 16.
  const [hurried, leading, busy] = [
    wholeAfter(false, false),
    wholeAfter(false, true),
    wholeAfter(true, false),
  ];
  assert(hurried < 5, `${hurried}`);
  assert(leading > 35 && leading < 50, `${leading}`);
  assert(busy > 140, `${busy}`);
});

Deno.test("while a slice for a backup is written, the next one is made", () => {
  const bench = new Bench();
  const maker = bench.maker({ position: null }, { isBusy: false, isLeader: false });
  maker.wantSpool();
  const store = filledStore();
  maker.elapse(0, RAFT, store);
  maker.elapse(0, RAFT, store);
  const made = [maker.madeBytes];
  for (let i = 0; i < 4; i++) {
    const [writing, ...others] = bench.pending.splice(0);
    assertEquals(others, [], "one write at a time");
    writing!.complete();
    made.push(maker.madeBytes);
  }
  const slices = made.map((bytes) => Math.round(bytes / made[0]!));
  assertEquals(slices, [1, 3, 4, 5, 6]);
});

Deno.test("for a backup alone a spool is written: no snapshot, nothing of it synced or left", () => {
  const bench = new Bench();
  const done = { position: null as unknown };
  const maker = bench.maker(done);
  const store = filledStore();
  const syncs = () => bench.pending.filter(({ kind }) => kind === "sync").length;
  maker.wantSpool();
  maker.elapse(0, RAFT, store);
  const { body } = maker.openRunning()!;
  let synced = 0;
  for (let i = 0; i < 600 && !body.isWhole; i++) {
    maker.elapse(0, RAFT, store);
    synced += syncs();
    bench.settle();
  }
  assert(body.isWhole);
  assertEquals([synced, done.position, bench.files.list()], [0, null, []]);
  assertEquals(bench.messages, ["Contents written for a backup"]);
  assertEquals(bench.disk.list("1/snapshot"), []);
  const read = new Uint8Array(body.bytes);
  assertEquals(body.readBody(0, read), read.length);
  body.close();
  assertEquals(read, bodyOf(store));
  // A follower needs a real one.
  maker.want();
  for (let i = 0; i < 600 && done.position === null; i++) {
    maker.elapse(0, RAFT, store);
    bench.settle();
  }
  assertEquals(bench.files.list(), [POSITION]);
});

Deno.test("where a snapshot is due, a backup has that one", () => {
  const bench = new Bench();
  const done = { position: null as unknown };
  const maker = bench.maker(done);
  const store = filledStore();
  maker.wantSpool();
  maker.want();
  for (let i = 0; i < 600 && done.position === null; i++) {
    maker.elapse(0, RAFT, store);
    bench.settle();
  }
  assertEquals(bench.files.list(), [POSITION]);
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

Deno.test("pieces are answered once they are written, and a resumed stream is told what came", () => {
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

Deno.test("what came is loaded while more comes, and counts once all is durable", () => {
  const store = filledStore();
  const body = bodyOf(store);
  const bench = new Bench();
  const receiver = bench.receiver(() => {});
  const chunkBytes = 65_536;
  for (let offset = 0; offset < body.length; offset += chunkBytes) {
    receiver.receive(pieceOf(body, 2, offset, chunkBytes));
    assert(!receiver.isReady && !receiver.isLoading);
    bench.settle();
  }
  bench.lookMs = 4;
  let ticks = 0;
  for (; !receiver.isReady; ticks++) receiver.elapse();
  assert(ticks < 30, `${ticks} ticks for what came last`);
  const received = receiver.takeReady()!;
  assertEquals(received.store.beginSnapshot().head, store.beginSnapshot().head);
  assertEquals(received.configuration, CONFIGURATION);
});

/** A piece while its sender does not know how long the snapshot will be. */
function earlyPieceOf(body: Uint8Array, offset: number, bytes: number): SnapshotChunk {
  return { ...pieceOf(body, 2, offset, bytes), totalBytes: null };
}

Deno.test("a snapshot travels, and is loaded, while it is made", () => {
  const store = filledStore();
  const [giver, taker] = [new Bench(), new Bench()];
  let now = 0;
  const done = { position: null as unknown };
  const maker = giver.maker(done);
  maker.want();
  maker.elapse(0, RAFT, store);
  const chunks: SnapshotChunk[] = [];
  const early: number[] = [];
  const links = {
    // As the links do: the sender uses the bytes of a chunk again.
    send(message: Message) {
      const chunk = message as SnapshotChunk;
      chunks.push({ ...chunk, data: chunk.data.slice() });
    },
  };
  const body = bodyOfRunning(maker.openRunning()!);
  const sender = new SnapshotSender(1, body, 65_536, 0, links);
  const answers: number[] = [];
  const receiver = taker.receiver((_, offset) => answers.push(offset));
  const raft = { state: { id: 2, term: 1 } } as unknown as Raft;
  const travel = () => {
    for (const chunk of chunks.splice(0)) {
      if (chunk.totalBytes === null) early.push(chunk.offset + chunk.data.length);
      receiver.receive(chunk);
    }
    taker.settle();
    for (const offset of answers.splice(0)) {
      const kind = "snapshotChunkResponse";
      sender.answered(
        raft,
        { kind, from: 1, to: 2, term: 1, index: 1, snapshotTerm: 1, offset },
        now,
      );
    }
  };
  sender.begin(raft);
  for (; done.position === null; now++) {
    maker.elapse(now, RAFT, store);
    giver.pending.shift()?.complete();
    sender.grown(raft, now);
    travel();
  }
  const made = early.at(-1)!;
  assert(made > 2_000_000 && made < body.bodyBytes!, `${made} bytes came before its end`);
  for (; chunks.length > 0; now++) travel();
  for (let i = 0; !receiver.isReady && i < 100; i++) receiver.elapse();
  const received = receiver.takeReady()!;
  assertEquals(received.store.beginSnapshot().head, store.beginSnapshot().head);
  assertEquals(taker.files.list(), [POSITION]);
  assertEquals([giver.messages.at(-1), taker.messages.at(-1)], [
    "Snapshot taken",
    "Snapshot received from the leader",
  ]);
});

Deno.test("how long a snapshot is may be told after all of it came", () => {
  const body = bodyOf(filledStore());
  const bench = new Bench();
  const answers: number[] = [];
  const receiver = bench.receiver((_, offset) => answers.push(offset));
  for (let offset = 0; offset < body.length; offset += 300_000) {
    receiver.receive(earlyPieceOf(body, offset, 300_000));
    bench.settle();
  }
  assertEquals([answers.at(-1), bench.files.list()], [body.length, []]);
  receiver.receive(pieceOf(body, 2, 0, 0));
  bench.settle();
  assertEquals(bench.files.list(), [POSITION]);
  while (!receiver.isReady) receiver.elapse();
  assertEquals(receiver.takeReady()!.store.keys, KEYS);
});

Deno.test("the same while what came last is on its way to the disk", () => {
  const body = bodyOf(filledStore());
  const bench = new Bench();
  const receiver = bench.receiver(() => {});
  receiver.receive(earlyPieceOf(body, 0, body.length));
  receiver.receive(pieceOf(body, 2, 0, 0));
  bench.settle();
  assertEquals(bench.files.list(), [POSITION]);
});

Deno.test("a length that what came does not fit is that of another snapshot: it begins again", () => {
  const body = bodyOf(filledStore());
  for (const totalBytes of [500_000, 600_000, body.length - 1, body.length + 1]) {
    const isWhole = totalBytes > 600_000;
    const bench = new Bench();
    const answers: number[] = [];
    const receiver = bench.receiver((_, offset) => answers.push(offset));
    receiver.receive(earlyPieceOf(body, 0, isWhole ? body.length : 600_000));
    bench.settle();
    receiver.receive({ ...pieceOf(body, 2, 0, 0), totalBytes });
    bench.settle();
    assertEquals(answers, [isWhole ? body.length : 600_000, 0], `${totalBytes}`);
    assertEquals([bench.files.list(), bench.fatal], [[], []]);
  }
});

Deno.test("what comes of another snapshot while one is loaded is not answered: nothing of it is held", () => {
  const body = bodyOf(filledStore());
  const bench = new Bench();
  const answers: number[] = [];
  const receiver = bench.receiver((_, offset) => answers.push(offset));
  receiver.receive(pieceOf(body, 2, 0, body.length));
  bench.settle();
  assertEquals(answers.splice(0), [body.length]);
  assert(receiver.isLoading);
  receiver.receive({ ...earlyPieceOf(body, 0, 0), index: 9 });
  assertEquals(answers, []);
});

Deno.test("what a running snapshot is read from is lost with it", () => {
  const bench = new Bench();
  const maker = bench.maker({ position: null });
  const store = filledStore();
  maker.want();
  maker.elapse(0, RAFT, store);
  const { body } = maker.openRunning()!;
  maker.elapse(0, RAFT, store);
  bench.settle();
  assertEquals([body.isLost, body.bodyBytes], [false, null]);
  maker.giveWay();
  assertEquals(body.isLost, true);
  body.close();
});

Deno.test("what is loaded of a snapshot that comes damaged, or not to its end, is nobody's", () => {
  const body = bodyOf(filledStore());
  const bench = new Bench();
  const receiver = bench.receiver(() => {});
  for (let offset = 0; offset < 1_000_000; offset += 100_000) {
    receiver.receive(pieceOf(body, 2, offset, 100_000));
    bench.settle();
  }
  const bad = pieceOf(body, 2, 1_000_000, 100_000);
  bad.data[50_000]! ^= 1;
  receiver.receive(bad);
  bench.settle();
  assert(!receiver.isReceiving);
  assertEquals(bench.messages, ["A received snapshot could not be stored or read"]);
  // And again, from the beginning.
  for (let offset = 0; offset < body.length; offset += 100_000) {
    receiver.receive(pieceOf(body, 2, offset, 100_000));
    bench.settle();
  }
  while (!receiver.isReady) receiver.elapse();
  assertEquals(receiver.takeReady()!.store.keys, KEYS);
  assertEquals(bench.fatal, []);
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

/** The snapshots of a follower whose log has two entries. */
function followerSnapshots(bench: Bench, sent: Message[] = []): Snapshots {
  const log = { entries: [], durableIndex: 2, firstIndex: 2, termAt: () => 1 };
  const output = { messages: [] };
  const state = { id: 1, role: { kind: "follower" }, commitIndex: 0, output, log };
  const raft = { state, configurationAt: () => CONFIGURATION, restore: () => true };
  return new Snapshots({
    raft: raft as unknown as Raft,
    files: bench.files,
    storeOptions: STORE_OPTIONS,
    limits: { ...DEFAULT_STORAGE_LIMITS, snapshotLogBytesMin: 1_000 },
    clock: bench.clock,
    host: bench.host,
    links: { send: (message) => void sent.push(message) },
    reader: bench.log.reader,
    compaction: { compact() {} },
    catchUp: {
      reader: bench.log.reader,
      pace: { limit() {} },
      host: bench.host,
      meters: new Meters().catchUp,
    },
    takesPieces: () => true,
    taken: new TimeHistogram(),
  });
}

/** What comes of a turn of the core. */
function ready(snapshotChunks: readonly SnapshotChunk[]): Ready {
  const nothing = { entriesNeeded: [], snapshotsNeeded: [], snapshotAnswers: [] };
  return { ...nothing, snapshotChunks } as unknown as Ready;
}

Deno.test("what the disk has stored of a snapshot is answered at once: its sender waits for that", () => {
  const bench = new Bench();
  const sent: Message[] = [];
  const snapshots = followerSnapshots(bench, sent);
  snapshots.take(ready([pieceOf(bodyOf(filledStore()), 2, 0, 300_000)]), 0);
  assertEquals([sent, bench.turns], [[], 0]);
  bench.settle();
  assertEquals(sent.map(({ kind }) => kind), ["snapshotChunkResponse"]);
  assertEquals(bench.turns, 1, "what is sent leaves with a turn");
});

Deno.test("whoever received a snapshot takes its own again as soon as one is due", () => {
  const body = bodyOf(filledStore());
  const bench = new Bench();
  const snapshots = followerSnapshots(bench);
  snapshots.take(ready([pieceOf(body, 2, 0, body.length)]), 0);
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
