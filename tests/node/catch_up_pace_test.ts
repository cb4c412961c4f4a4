/** Writes are slowed down for a follower in danger, and given up where that does not help. */
import { assertEquals } from "@std/assert";
import type { LogEvent } from "../../lib/node/api.ts";
import { Meters } from "../../lib/node/facts/meters.ts";
import { WritePace } from "../../lib/node/log/write_pace.ts";
import { CatchUpPace } from "../../lib/node/snapshots/catch_up_pace.ts";

/** Entry `i` ends `100 * i` bytes into the log, which has the entries after `beginsAfter`. */
function setup() {
  const log = { last: 100, beginsAfter: 0 };
  const shares: number[] = [];
  const events: LogEvent[] = [];
  const meters = new Meters().catchUp;
  const pace = new CatchUpPace({
    reader: {
      read() {},
      reaches: (index) => index >= log.beginsAfter,
      bytesAfter: (index) => 100 * (log.last - Math.max(index, log.beginsAfter)),
      get writtenBytes() {
        return 100 * log.last;
      },
    },
    pace: { limit: (share) => void shares.push(share) },
    host: { scheduleTurn() {}, fatal() {}, log: (event) => void events.push(event) },
    meters,
  });
  return { log, shares, events, meters, pace };
}

const BYTES_MAX = 10_000;

Deno.test("pace: who needs nothing before the newest snapshot is in no danger", () => {
  const { pace, shares } = setup();
  assertEquals(pace.look(0, null, 50, BYTES_MAX), false);
  assertEquals(pace.look(0, { id: 2, index: 50, streamedBytes: 0 }, 50, BYTES_MAX), false);
  assertEquals([pace.isWatching, shares], [false, []]);
});

Deno.test("pace: the more is kept for a follower that comes no nearer, the less is written, down to half", () => {
  const { pace, shares, log } = setup();
  const at = (nowMs: number, index: number) =>
    pace.look(nowMs, { id: 2, index, streamedBytes: 0 }, 80, BYTES_MAX);
  at(0, 40);
  // It comes nearer: it is left to itself.
  log.last += 10;
  at(900, 60);
  log.last += 10;
  at(1_800, 60);
  assertEquals(shares, [1, 1, 1]);
  // No nearer for a second, and 2,000 bytes of 10,000 are kept for it.
  at(2_000, 60);
  assertEquals(shares.at(-1), 0.9);
  pace.look(2_100, { id: 2, index: 60, streamedBytes: 0 }, 160, BYTES_MAX);
  assertEquals(shares.at(-1), 0.5);
  pace.look(2_200, { id: 2, index: 60, streamedBytes: 0 }, 160, BYTES_MAX / 100);
  assertEquals(shares.at(-1), 0.5, "never less");
  at(2_300, 90);
  assertEquals([shares.at(-1), pace.isWatching], [1, false]);
});

Deno.test("pace: a follower that does not move at all slows nobody down for longer than it may load", () => {
  const { pace, shares, log } = setup();
  const at = (nowMs: number, index: number, streamedBytes = 0) => {
    log.last += 1;
    pace.look(nowMs, { id: 2, index, streamedBytes }, 80, BYTES_MAX);
    return shares.at(-1)! < 1;
  };
  assertEquals([0, 1_000, 29_900, 30_000, 90_000].map((ms) => at(ms, 40)), [
    ...[false, true, true],
    ...[false, false],
  ]);
  // It moves, by an entry or by a piece of a snapshot, and comes no nearer.
  assertEquals([at(91_000, 41), at(120_900, 41), at(121_000, 41)], [true, true, false]);
  assertEquals([at(122_000, 41, 5), at(151_900, 41, 5), at(152_000, 41, 5)], [true, true, false]);
});

Deno.test("pace: a follower whose files are gone is given up, with both rates, and served again later", () => {
  const { pace, shares, log, events, meters } = setup();
  const at = (nowMs: number, streamedBytes: number) =>
    pace.look(nowMs, { id: 3, index: 40, streamedBytes }, 80, BYTES_MAX);
  at(0, 1_000);
  log.last += 100;
  at(1_000, 3_000);
  log.beginsAfter = 150;
  assertEquals(at(2_000, 5_000), true);
  assertEquals(events.map(({ level, fields }) => [level, fields]), [
    ["warning", { peer: 3, writeBytesPerSecond: 5_000, followerBytesPerSecond: 2_000 }],
  ]);
  assertEquals(meters, { givenUp: 1, writeBytesPerSecond: 5_000, followerBytesPerSecond: 2_000 });
  assertEquals([shares.at(-1), pace.isWatching], [1, false]);
  const may = [2_000, 11_999, 12_000].map((nowMs) => pace.mayServe(3, nowMs));
  assertEquals([may, pace.mayServe(2, 2_000)], [[false, false, true], true]);
});

Deno.test("pace: one that was never in reach was never given up", () => {
  const { pace, log, events } = setup();
  log.beginsAfter = 90;
  assertEquals(pace.look(0, { id: 2, index: 40, streamedBytes: 0 }, 95, BYTES_MAX), false);
  assertEquals(events, []);
});

Deno.test("pace: writes wait as long as makes the share, and never longer than 100 ms", () => {
  const pace = new WritePace();
  // 100 bytes a millisecond.
  for (let ms = 0; ms <= 2_000; ms += 10) pace.proposed(1_000, ms);
  assertEquals([pace.nextMs, pace.share], [0, 1]);
  pace.limit(0.5, 2_000);
  pace.proposed(1_000, 2_000);
  assertEquals(Math.round(pace.nextMs - 2_000), 20);
  pace.proposed(1_000_000, 2_020);
  assertEquals(pace.nextMs, 2_120);
  pace.limit(1, 2_030);
  assertEquals(pace.nextMs, 0);
});

Deno.test("pace: a share of what is written while something is, not of a pause before it", () => {
  const pace = new WritePace();
  for (let ms = 0; ms <= 2_000; ms += 10) pace.proposed(1_000, ms);
  pace.limit(0.5, 60_000);
  pace.proposed(1_000, 60_000);
  assertEquals(Math.round(pace.nextMs - 60_000), 20);
  pace.limit(1, 61_000);
  // The same where the pause ends with a write.
  pace.proposed(10, 120_000);
  pace.limit(0.5, 120_010);
  pace.proposed(1_000, 120_010);
  assertEquals(Math.round(pace.nextMs - 120_010), 20);
});
