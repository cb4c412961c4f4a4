/** Events and roles on the line of time. */
import { assert, assertEquals } from "@std/assert";
import type { EventFacts } from "../../lib/wire/status.ts";
import { type EventKind, kindOf, LANE_MS, placeInTime, Timeline } from "../../page/timeline.ts";

function event(serverId: number, number: number, atMs: number, message: string): EventFacts {
  return { serverId, number, atMs, level: "info", message, detail: "" };
}

/** Lines that servers write; the next test looks whether they are still written so. */
const LINES: readonly (readonly [string, EventKind, string])[] = [
  ["Now leader, was candidate", "election", "lib/node/reports/role_log.ts"],
  ["Still preCandidate", "election", "lib/node/reports/role_log.ts"],
  [
    "Handing the leadership over: this server's disk is full, and that one's is not",
    "election",
    "lib/node/space.ts",
  ],
  ["Snapshot taken", "snapshot", "lib/node/snapshots/snapshot_maker.ts"],
  ["Sending a snapshot", "snapshot", "lib/node/snapshots/snapshot_streams.ts"],
  ["Snapshot received from the leader", "snapshot", "lib/node/snapshots/snapshot_receiver.ts"],
  ["No room for a snapshot", "snapshot", "lib/node/snapshots/snapshot_maker.ts"],
  ["Slow disk: writing and syncing took long", "disk", "lib/node/log/persister.ts"],
  [
    "Disk full: sets are refused until there is room; deletes and reads continue",
    "disk",
    "lib/node/log/persister.ts",
  ],
  ["There is room again", "disk", "lib/node/log/persister.ts"],
  ["Peer up", "peer", "lib/node/peers/peer_log.ts"],
  ["Peer down", "peer", "lib/node/peers/peer_log.ts"],
  ["Two servers were started under the same id", "peer", "lib/node/peers/peer_log.ts"],
  ["This server stood still", "clock", "lib/node/reports/standstill.ts"],
  [
    "This server's wall clock and the log's time agree again",
    "clock",
    "lib/node/time/clock_watch.ts",
  ],
  ["Serving", "start", "lib/server.ts"],
  ["Shutting down", "start", "lib/signals.ts"],
  ["Cluster formed", "start", "lib/node/peers/peer_links.ts"],
  ["The log is repaired", "other", "lib/node/replica.ts"],
];

Deno.test("time line: each line of a server's log is of its kind", () => {
  for (const [message, kind] of LINES) assertEquals(kindOf({ message }), kind, message);
});

Deno.test("time line: the lines are those that servers write", () => {
  for (const [message, , path] of LINES) {
    const source = Deno.readTextFileSync(new URL(`../../${path}`, import.meta.url));
    // The roles are put in as the line is made.
    const written = message.replace(/^(Now|Still) .*/, "$1 ${to}");
    assert(source.includes(written), `${path} does not write: ${written}`);
  }
});

Deno.test("time line: an event is kept once, in the order of time, and few enough", () => {
  const timeline = new Timeline();
  assert(timeline.addEvents([event(1, 2, 200, "b"), event(2, 1, 100, "a")]));
  assert(!timeline.addEvents([event(1, 2, 200, "b")]));
  // The same number of another process.
  assert(timeline.addEvents([event(1, 2, 150, "c")]));
  assertEquals(timeline.events.map(({ message }) => message), ["a", "c", "b"]);
  for (let at = 0; at < 1_000; at++) timeline.addEvents([event(3, at, 1_000 + at, "x")]);
  assertEquals(timeline.events.length, 400);
});

Deno.test("time line: roles are spans, the first of them from the log", () => {
  const timeline = new Timeline();
  timeline.addEvents([
    event(1, 1, 1_000, "Now preCandidate, was follower"),
    event(1, 2, 2_000, "Now leader, was candidate"),
    event(2, 1, 2_500, "Now follower, was candidate"),
    event(2, 2, 3_000, "Peer up"),
  ]);
  for (const atMs of [10_000, 11_000]) timeline.noteRole(1, "leader", atMs);
  for (const atMs of [12_000, 13_000]) timeline.noteRole(1, "unheard", atMs);
  assertEquals(timeline.spansOf(1), [
    { role: "candidate", fromMs: 1_000, toMs: 2_000 },
    { role: "leader", fromMs: 2_000, toMs: 12_000 },
    { role: "unheard", fromMs: 12_000, toMs: 13_000 },
  ]);
  // The page was hidden meanwhile.
  timeline.noteRole(1, "unheard", 60_000);
  assertEquals(timeline.spansOf(1).slice(-2), [
    { role: "unheard", fromMs: 12_000, toMs: 13_000 },
    { role: "unheard", fromMs: 60_000, toMs: 60_000 },
  ]);
  timeline.noteRole(1, "follower", 60_001 + LANE_MS);
  assertEquals(timeline.spansOf(1).map(({ role }) => role), ["follower"]);
  // What a dead server was is known up to its last line.
  timeline.noteRole(2, "unheard", 100_000);
  assertEquals(timeline.spansOf(2), [
    { role: "follower", fromMs: 2_500, toMs: 3_000 },
    { role: "unheard", fromMs: 100_000, toMs: 100_000 },
  ]);
  assertEquals([0, 150_000, 300_000].map((at) => placeInTime(at, LANE_MS)), [0, 0.5, 1]);
});
