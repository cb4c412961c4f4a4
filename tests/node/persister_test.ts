import { TimeHistogram } from "../../lib/util/time_histogram.ts";
import { assertEquals, assertThrows } from "@std/assert";
import { DiskError, DiskFullError } from "../../lib/host/ports.ts";
import { Persister } from "../../lib/node/log/persister.ts";
import type { LogEvent } from "../../lib/node/api.ts";
import type { PersistBatch } from "../../lib/raft/types.ts";
import type { LogStorage } from "../../lib/storage/types.ts";

/** A log whose writes end when the test says so. */
class FakeLog implements LogStorage {
  readonly written: PersistBatch[] = [];
  done: ((error: Error | null) => void) | null = null;
  marks = 0;
  room = true;
  seeks = 0;

  /** What a write does that takes a while, and a sync that blocks. */
  inWrite = () => {};
  inSync = () => {};

  persist(
    batch: PersistBatch,
    done: (error: Error | null) => void,
    _onSync?: () => void,
    onWrite: (isOver: boolean) => void = () => {},
  ): void {
    onWrite(false);
    this.inWrite();
    onWrite(true);
    this.inSync();
    this.written.push(batch);
    this.done = done;
  }
  markSynced(done: (error: Error | null) => void): void {
    this.marks++;
    this.done = done;
  }
  hasRoom(): boolean {
    return this.room;
  }
  seekRoom(): void {
    this.seeks++;
  }
  roomBytes(): number {
    return this.room ? Infinity : 0;
  }
  bytes(): number {
    return 0;
  }
  earlierBytes(): number {
    return 0;
  }
  compact(): void {}
  readonly reader = { read() {}, reaches: () => false, bytesAfter: () => 0, writtenBytes: 0 };
  restart(): void {}
  finishRepair(): void {}
  close(): void {}

  finish(error: Error | null = null): void {
    const done = this.done!;
    this.done = null;
    done(error);
  }
}

function setup(isSuspectOnDisk = false) {
  const log = new FakeLog();
  const clock = { now: 0, monotonicMs: () => clock.now, wallMs: () => clock.now };
  const stood = { ms: 0 };
  const fatal: Error[] = [];
  const events: LogEvent[] = [];
  const persisted: PersistBatch[] = [];
  const persister = new Persister({
    log,
    clock,
    slowSyncMs: 100,
    meters: { write: new TimeHistogram(), fsync: new TimeHistogram() },
    isSuspectOnDisk,
    standstill: { totalMs: () => stood.ms },
    raft: { noteTime() {}, noteDiskProgress() {}, noteDiskFull() {} },
    host: {
      scheduleTurn: () => {},
      fatal: (error) => fatal.push(error),
      log: (event) => events.push(event),
    },
    events: { persisted: (batch) => persisted.push(batch) },
  });
  const tick = (ms: number) => {
    clock.now += ms;
    persister.elapse(clock.now);
  };
  return { log, clock, stood, fatal, events, persisted, persister, tick };
}

function batch(term: number): PersistBatch {
  const hardState = { term, votedFor: 0, suspect: false };
  return { hardState, entries: [], messagesAfterSync: [] };
}

Deno.test("a batch counts as persisted only once its sync has ended", () => {
  const { log, persister, persisted } = setup();
  const first = batch(1);
  persister.persist(first);
  assertEquals(persister.isBusy, true);
  assertEquals(persisted, []);
  log.finish();
  assertEquals(persisted, [first]);
  assertEquals(persister.isBusy, false);
});

Deno.test("two batches under way at once are a bug", () => {
  const { persister } = setup();
  persister.persist(batch(1));
  assertThrows(() => persister.persist(batch(2)), Error, "before the last one is durable");
});

Deno.test("a failed sync ends the process and is never tried again", () => {
  const { log, persister, fatal, persisted, tick } = setup();
  persister.persist(batch(1));
  log.finish(new DiskError("sync of wal/1.log failed"));
  for (let i = 0; i < 10; i++) tick(1000);
  assertEquals(fatal.length, 1);
  assertEquals(log.written.length, 1);
  assertEquals(persisted, []);
});

Deno.test("a full disk is waited out: the same batch is offered again until it fits", () => {
  const { log, persister, fatal, persisted, events, tick } = setup();
  const first = batch(1);
  persister.persist(first);
  log.finish(new DiskFullError("no room"));
  tick(10);
  assertEquals(log.written.length, 1);
  tick(200);
  assertEquals(log.written, [first, first]);
  log.finish();
  assertEquals(persisted, [first]);
  assertEquals(fatal, []);
  assertEquals(events.filter((event) => event.level === "error").length, 1);
});

/** Refuses what it has no room for, until nothing is offered; returns what was taken. */
function serve(bench: ReturnType<typeof setup>, fits: (batch: PersistBatch) => boolean) {
  const { log, tick, persisted } = bench;
  const taken: PersistBatch[] = [];
  for (let ms = 0; ms < 20_000 && persisted.length === 0; ms += 200) {
    while (log.done !== null) {
      const last = log.written.at(-1)!;
      if (fits(last)) taken.push(last);
      log.finish(fits(last) ? null : new DiskFullError("no room"));
    }
    tick(ms);
  }
  return taken;
}

const LONG: PersistBatch = {
  hardState: { term: 3, votedFor: 2, suspect: false },
  entries: Array.from(
    { length: 9 },
    (_, i) => ({ index: 5 + i, term: 3, data: new Uint8Array(9) }),
  ),
  messagesAfterSync: [],
};

Deno.test("a batch that a full disk refuses goes in pieces: the hard state by itself, then entries in order", () => {
  const bench = setup();
  const { persister, persisted } = bench;
  persister.persist(LONG);
  const taken = serve(bench, ({ entries }) => entries.length <= 2);
  assertEquals(taken[0], { ...LONG, entries: [] });
  assertEquals(taken.flatMap(({ entries }) => entries), LONG.entries);
  assertEquals(taken.slice(1).every(({ hardState }) => hardState === null), true);
  assertEquals([persisted, persister.isStuck], [[LONG], false], "durable is it as a whole, once");
});

Deno.test("a refused batch is stuck until all of it is durable, and the hard state does not wait for that", () => {
  const bench = setup();
  const { persister, persisted } = bench;
  persister.persist(LONG);
  const taken = serve(bench, ({ entries }) => entries.length === 0);
  assertEquals(taken, [{ ...LONG, entries: [] }]);
  assertEquals([persister.isStuck, persister.isBusy, persisted], [true, true, []]);
});

Deno.test("the hard state that ends suspicion is never durable before the entries that end it", () => {
  const bench = setup(true);
  const { persister, log } = bench;
  persister.persist(LONG);
  assertEquals(serve(bench, ({ entries }) => entries.length <= 2), []);
  assertEquals(log.written.every((one) => one === LONG), true);
});

Deno.test("where the reserve was used, room is looked for with each tick, and logged once it is there", () => {
  const { log, persister, events, tick } = setup();
  log.room = false;
  persister.persist(batch(1));
  log.finish();
  tick(250);
  assertEquals(log.seeks, 1);
  log.room = true;
  tick(250);
  assertEquals(events.at(-1)?.message, "There is room again");
});

Deno.test("a disk that is full before anything is written is logged, and so is room while a batch is under way", () => {
  const { log, persister, events, tick } = setup();
  log.room = false;
  tick(10);
  assertEquals(events.map((event) => event.level), ["error"]);
  persister.persist(batch(1));
  log.room = true;
  tick(10);
  assertEquals(events.at(-1)?.message, "There is room again");
});

Deno.test("an idle log's end is marked as synced, once", () => {
  const { log, persister, tick } = setup();
  tick(1000);
  assertEquals(log.marks, 0, "nothing was written, nothing to mark");
  persister.persist(batch(1));
  log.finish();
  tick(10);
  assertEquals(log.marks, 0);
  tick(60);
  assertEquals(log.marks, 1);
  log.finish();
  tick(1000);
  assertEquals(log.marks, 1);
});

Deno.test("a batch that comes while the end is being marked waits for that", () => {
  const { log, persister, persisted, tick } = setup();
  persister.persist(batch(1));
  log.finish();
  tick(60);
  const second = batch(2);
  persister.persist(second);
  assertEquals(log.written.length, 1);
  log.finish();
  assertEquals(log.written.length, 2);
  log.finish();
  assertEquals(persisted.at(-1), second);
});

Deno.test("a slow sync is logged with how long it took", () => {
  const { log, clock, persister, events } = setup();
  persister.persist(batch(1));
  clock.now = 150;
  log.finish();
  assertEquals(events.map((event) => event.fields.tookMs), [150]);
});

Deno.test("entries that go to others wait for the next turn, or a tick, and nothing else does", () => {
  const { log, persister, tick } = setup();
  const entry = { index: 1, term: 1, data: new Uint8Array(16) };
  const withEntry = { ...batch(1), entries: [entry] };
  persister.persist(withEntry, true);
  assertEquals([log.written.length, persister.isBusy, persister.isWaiting], [0, true, true]);
  persister.writeWaiting();
  assertEquals([log.written.length, persister.isBusy, persister.isWaiting], [1, true, false]);
  persister.writeWaiting();
  tick(10);
  assertEquals(log.written, [withEntry]);
  log.finish();
  persister.persist(withEntry, true);
  tick(10);
  persister.writeWaiting();
  assertEquals([log.written.length, persister.isWaiting], [2, false]);
  log.finish();
  persister.persist(withEntry, false);
  assertEquals(log.written.length, 3);
  log.finish();
  persister.persist(batch(2), true);
  assertEquals(log.written.length, 4);
});

Deno.test("a batch that comes while the end of the log is marked follows once that is done", () => {
  const { log, persister, tick } = setup();
  persister.persist(batch(1));
  log.finish();
  tick(60);
  assertEquals(log.marks, 1);
  const entry = { index: 1, term: 1, data: new Uint8Array(16) };
  persister.persist({ ...batch(1), entries: [entry] }, true);
  persister.writeWaiting();
  assertEquals([log.written.length, persister.isWaiting], [1, true]);
  log.finish();
  assertEquals([log.written.length, persister.isWaiting], [2, false]);
});

Deno.test("a slow batch tells its write, its sync and the time in which the server stood still apart", () => {
  const { log, clock, stood, events, persister } = setup();
  const slow = () => events.splice(0).map(({ fields }) => fields);
  const run = (writeMs: number, syncMs: number, stoodStillMs: number, blockingSyncMs = 0) => {
    const block = (ms: number) => {
      clock.now += ms;
      // What blocks holds up the ticks as well.
      stood.ms += ms;
    };
    log.inWrite = () => block(writeMs);
    log.inSync = () => block(blockingSyncMs);
    persister.persist(batch(1));
    clock.now += syncMs + stoodStillMs;
    stood.ms += stoodStillMs;
    log.finish();
    return slow();
  };
  const entries = 0;
  assertEquals(run(20, 50, 0), []);
  assertEquals(run(150, 5, 0), [
    { tookMs: 155, writeMs: 150, syncMs: 5, stoodStillMs: 0, entries },
  ]);
  assertEquals(run(1, 400, 0), [{
    tookMs: 401,
    writeMs: 1,
    syncMs: 400,
    stoodStillMs: 0,
    entries,
  }]);
  assertEquals(run(1, 9, 6_000), [
    { tookMs: 6_010, writeMs: 1, syncMs: 9, stoodStillMs: 6_000, entries },
  ]);
  assertEquals(run(1, 0, 0, 3_000), [
    { tookMs: 3_001, writeMs: 1, syncMs: 3_000, stoodStillMs: 0, entries },
  ]);
  assertEquals(run(200, 300, 500), [
    { tookMs: 1_000, writeMs: 200, syncMs: 300, stoodStillMs: 500, entries },
  ]);
});

Deno.test("a disk that stays slow is logged less and less often", () => {
  const { log, events, persister, tick } = setup();
  for (let ms = 0; ms < 600_000; ms += 200) {
    persister.persist(batch(1));
    tick(200);
    log.finish();
  }
  assertEquals(events.length > 10 && events.length < 25, true, `${events.length} lines`);
  const omitted = events.reduce((sum, { fields }) => sum + Number(fields.omitted ?? 0), 0);
  assertEquals(omitted + events.length > 2_700, true, "all are counted");
});
