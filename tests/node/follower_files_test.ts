/** What is read for followers, and which files stay for them. */
import { assertEquals } from "@std/assert";
import type { LogEvent } from "../../lib/node/api.ts";
import { catchUpBytesMax, DEFAULT_STORAGE_LIMITS } from "../../lib/node/limits.ts";
import { FollowerFiles } from "../../lib/node/snapshots/follower_files.ts";
import type { Raft } from "../../lib/raft/raft.ts";
import type { EntriesRequest, Entry } from "../../lib/raft/types.ts";
import { DataDirectoryError } from "../../lib/storage/errors.ts";
import type { EntriesRead } from "../../lib/storage/types.ts";

const REQUEST: EntriesRequest = { follower: 2, fromIndex: 3, toIndex: 9, bytesMax: 1_000 };
const MIB = 1_048_576;

function setup() {
  const role = { kind: "leader" };
  const handed: unknown[] = [];
  const compactions: unknown[] = [];
  const events: LogEvent[] = [];
  const fatal: Error[] = [];
  const answers: EntriesRead[] = [];
  const turns = { count: 0 };
  const raft = {
    state: { role },
    noteTime() {},
    entriesRead: (...args: unknown[]) => handed.push(args),
  } as unknown as Raft;
  const files = new FollowerFiles({
    raft,
    reader: {
      read: (_, done) => void answers.push(done),
      reaches: () => true,
      bytesAfter: () => 0,
      writtenBytes: 0,
    },
    compaction: { compact: (...args) => void compactions.push(args) },
    limits: DEFAULT_STORAGE_LIMITS,
    host: {
      scheduleTurn: () => turns.count++,
      fatal: (error) => void fatal.push(error),
      log: (event) => void events.push(event),
    },
    clock: { monotonicMs: () => 0, wallMs: () => 0 },
    keepFromIndex: 101,
  });
  return { files, role, handed, compactions, events, fatal, answers, turns };
}

Deno.test("files: what was read is handed to the core, and a turn asked for", () => {
  const { files, handed, answers, turns } = setup();
  const entries: Entry[] = [{ index: 3, term: 1, data: new Uint8Array(1) }];
  files.read(REQUEST);
  assertEquals(handed, []);
  answers[0]!(null, entries);
  assertEquals([handed, turns.count], [[[REQUEST, entries]], 1]);
});

Deno.test("files: damage is said with its place, and the follower gets a snapshot", () => {
  const { files, handed, answers, events, fatal } = setup();
  files.read(REQUEST);
  answers[0]!(new DataDirectoryError("1/wal/x.log is damaged at byte 7"), null);
  assertEquals(handed, [[REQUEST, null]]);
  assertEquals(events.map(({ level, fields }) => [level, fields]), [
    ["error", { peer: 2, fromIndex: 3, reason: "1/wal/x.log is damaged at byte 7" }],
  ]);
  assertEquals(fatal, []);
});

Deno.test("files: they stay for followers as long as they lag, and go soon after, at once on a full disk", () => {
  const { files, role, compactions } = setup();
  const needs = (fromIndex: number) => ({ fromIndex, bytesMax: 64 * MIB });
  files.elapse(0, 40, 0, true);
  assertEquals([compactions, files.nextDeadlineMs()], [[], 0]);
  files.elapse(1_000, 50, 0, true);
  files.elapse(1_500, 60, 0, true);
  assertEquals(compactions, [[101, needs(50)]]);
  // The disk is full: that does not wait for the next look.
  files.elapse(1_600, 70, 0, false);
  assertEquals(compactions.at(-1), [101, needs(70)]);
  // Its leadership is over, and may come back: what its followers needed stays for a while.
  role.kind = "follower";
  files.elapse(3_000, Infinity, 0, true);
  assertEquals(compactions.at(-1), [101, needs(70)]);
  files.elapse(7_000, Infinity, 0, true);
  assertEquals([compactions.at(-1), files.nextDeadlineMs()], [[101, needs(Infinity)], Infinity]);
  const count = compactions.length;
  files.elapse(9_000, Infinity, 0, true);
  assertEquals(compactions.length, count);
  files.compact(201);
  assertEquals(compactions.at(-1), [201, needs(Infinity)]);
});

Deno.test("files: a quarter of the contents stays, 64 MiB at least, or what is set", () => {
  const auto = DEFAULT_STORAGE_LIMITS;
  assertEquals(catchUpBytesMax(auto, 1_000), 64 * MIB);
  assertEquals(catchUpBytesMax(auto, 1_000 * MIB), 250 * MIB);
  assertEquals(catchUpBytesMax({ ...auto, catchUpBytes: 7 }, 1_000 * MIB), 7);
});
