/** Snapshots that a leader can't read for its followers: they get another one, and it continues. */
import { assertEquals, assertThrows } from "@std/assert";
import { Store } from "../../lib/kv/store.ts";
import type { LogEvent } from "../../lib/node/api.ts";
import { Meters } from "../../lib/node/facts/meters.ts";
import { DEFAULT_STORAGE_LIMITS } from "../../lib/node/limits.ts";
import { ReadableSnapshots } from "../../lib/node/snapshots/readable_snapshots.ts";
import { Snapshots } from "../../lib/node/snapshots/snapshots.ts";
import { makeProgress } from "../../lib/raft/progress.ts";
import type { Raft } from "../../lib/raft/raft.ts";
import type { Message, Ready, SnapshotChunk } from "../../lib/raft/types.ts";
import { ForeignFileError } from "../../lib/storage/errors.ts";
import { TimeHistogram } from "../../lib/util/time_histogram.ts";
import { SimDisk } from "../sim/sim_disk.ts";
import { batch, entry, openFormed, persist } from "../storage/helpers.ts";
import { takeSnapshot } from "../storage/snapshot_helpers.ts";

const NEWEST = "1/snapshot/0000000000000007-0000000000000001.snap";
const NOTHING = { entriesNeeded: [], snapshotsNeeded: [], snapshotChunks: [], snapshotAnswers: [] };

/** A leader with snapshots at 4 and 7, and follower 2, which needs one. */
class Leader {
  readonly disk = new SimDisk();
  readonly sent: Message[] = [];
  readonly events: LogEvent[] = [];
  readonly snapshots: Snapshots;
  readonly #opened = openFormed(this.disk, { reserveBytes: 0 });
  readonly #store = new Store({ hashSeed: 5 });
  #nowMs = 0;

  constructor() {
    const { directory, log } = this.#opened;
    for (let index = 1; index <= 9; index++) persist(this.disk, log, batch(null, entry(index, 1)));
    for (const index of [4, 7]) {
      takeSnapshot(this.disk, directory, { index, term: 1 }, `contents at ${index}`);
    }
    const progress = { ...makeProgress(2, 1), mode: "snapshot" };
    const memory = { entries: [], lastIndex: 9, durableIndex: 9, firstIndex: 10 };
    const role = { kind: "leader", progress: new Map([[2, progress]]) };
    const raft = {
      state: { id: 1, term: 1, role, log: memory, output: { messages: [] } },
      leader: role,
      needsSnapshot: () => true,
      snapshotFailed() {},
    };
    const host = {
      ...{ scheduleTurn() {}, fatal() {} },
      log: (event: LogEvent) => void this.events.push(event),
    };
    this.snapshots = new Snapshots({
      raft: raft as unknown as Raft,
      files: directory.snapshots,
      storeOptions: { hashSeed: 5 },
      limits: DEFAULT_STORAGE_LIMITS,
      clock: { monotonicMs: () => this.#nowMs, wallMs: () => 0 },
      host,
      links: { send: (message) => void this.sent.push(message) },
      reader: log.reader,
      compaction: { compact() {} },
      catchUp: {
        reader: log.reader,
        pace: { limit() {} },
        host,
        meters: new Meters().catchUp,
      },
      takesPieces: () => false,
      taken: new TimeHistogram(),
    });
    this.take({ snapshotsNeeded: [2] });
  }

  take(ready: Partial<Ready>): void {
    this.snapshots.take({ ...NOTHING, ...ready } as Ready, this.#nowMs);
    this.elapse(20);
  }

  elapse(ms: number): void {
    this.#nowMs += ms;
    this.snapshots.elapse(this.#nowMs, this.#store, this.#opened.log);
  }

  /** The indexes of the snapshots that chunks were sent of, and the errors that were logged. */
  get told(): [number[], string[]] {
    const indexes = this.sent.map((message) => (message as SnapshotChunk).index);
    const errors = this.events.filter(({ level }) => level === "error");
    return [indexes, errors.map(({ message }) => message)];
  }

  answer(index: number, offset: number): void {
    const kind = "snapshotChunkResponse";
    this.take({
      snapshotAnswers: [{ kind, from: 2, to: 1, term: 1, index, snapshotTerm: 1, offset }],
    });
  }
}

const ERROR = "A snapshot can't be read: others get an older one, or the next";

Deno.test("a snapshot that can't be opened: the follower gets the one before, after one error line", () => {
  for (const spoil of ["damage", "disk", "gone"] as const) {
    const leader = new Leader();
    leader.sent.length = leader.events.length = 0;
    leader.snapshots.peerLost(2);
    if (spoil === "gone") leader.disk.vanish(NEWEST);
    else if (spoil === "disk") leader.disk.faults.readFails = (path) => path === NEWEST;
    else {
      leader.disk.corrupt(NEWEST, (bytes) => {
        bytes[50]! ^= 1;
        return bytes;
      });
    }
    leader.take({ snapshotsNeeded: [2] });
    leader.elapse(20);
    assertEquals(leader.told, [[4], [ERROR]], spoil);
    leader.take({ snapshotsNeeded: [2] });
    assertEquals(leader.told[1], [ERROR], spoil);
  }
});

Deno.test("a snapshot that can't be read on while it is sent, or became shorter: so, too", () => {
  for (const spoil of ["disk", "shorter"] as const) {
    const leader = new Leader();
    assertEquals(leader.told, [[7], []]);
    if (spoil === "disk") leader.disk.faults.readFails = (path) => path === NEWEST;
    else leader.disk.corrupt(NEWEST, (bytes) => bytes.subarray(0, 60));
    leader.answer(7, spoil === "disk" ? 0 : 40);
    leader.elapse(20);
    assertEquals(leader.told, [[7, 4], [ERROR]], spoil);
    leader.answer(4, 0);
    assertEquals(leader.told[0].slice(2), [4], spoil);
  }
});

Deno.test("a snapshot whose records are damaged is not sent on, from its beginning or once it begins again", () => {
  for (const resumes of [false, true]) {
    const leader = new Leader();
    leader.disk.corrupt(NEWEST, (bytes) => {
      bytes[bytes.length - 60]! ^= 1;
      return bytes;
    });
    if (resumes) leader.answer(7, 40); // what a stream before this one has brought is not looked at again
    leader.sent.length = 0;
    leader.answer(7, 0);
    leader.elapse(20);
    assertEquals(leader.told, [[4], [ERROR]], `resumes: ${resumes}`);
    leader.answer(4, 0);
    assertEquals(leader.told[0], [4, 4]);
  }
});

Deno.test("what is no fault of a file or the disk is none of a snapshot", () => {
  for (const error of [new ForeignFileError("of a later build"), new Error("a fault of ours")]) {
    const open = () => {
      throw error;
    };
    const snapshots = new ReadableSnapshots({ list: () => [], open, bytesOf: () => 0 }, {
      log() {},
    });
    assertThrows(() => snapshots.open({ index: 1, term: 1 }), Error, error.message);
  }
});
