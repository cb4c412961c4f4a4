import { assert, assertEquals } from "@std/assert";
import { RoleLog } from "../../lib/node/reports/role_log.ts";
import type { LogEvent } from "../../lib/node/api.ts";
import type { RaftEvent } from "../../lib/raft/raft.ts";

function setUp() {
  const events: LogEvent[] = [];
  const log = new RoleLog({ log: (event) => events.push(event) });
  const change = (from: RaftEvent["from"], to: RaftEvent["to"], leaderId: number, nowMs: number) =>
    log.changed({ from, to, term: 3, leaderId, reason: "because" }, nowMs);
  return { events, log, change };
}

Deno.test("roles: a server without a leader logs so less and less often, and counts", () => {
  const { events, log, change } = setUp();
  change("follower", "preCandidate", 0, 0);
  for (let nowMs = 500; nowMs < 3_600_000; nowMs += 500) {
    change("preCandidate", "preCandidate", 0, nowMs);
    log.elapse(nowMs);
  }
  // Some at once, then every minute: 7,200 campaigns were 7,200 lines.
  assert(events.length > 60 && events.length < 80, `${events.length} lines in an hour`);
  const omitted = events.reduce((sum, { fields }) => sum + Number(fields.omitted ?? 0), 0);
  assert(omitted + events.length > 7_000, `${omitted} are told of`);
  assertEquals(events.at(-1)!.message, "Still preCandidate");
});

Deno.test("roles: the loss of a leader is a warning, everything else is not", () => {
  const { events, change } = setUp();
  const said = () =>
    events.splice(0).map(({ level, message, fields }) => {
      return [level, message, fields.lostLeader];
    });
  change("follower", "follower", 2, 0);
  assertEquals(said(), [["info", "Still follower", undefined]]);
  change("follower", "preCandidate", 0, 1_000);
  assertEquals(said(), [["warning", "Now preCandidate, was follower", 2]]);
  change("preCandidate", "candidate", 0, 1_010);
  change("candidate", "leader", 1, 1_020);
  assertEquals(said(), [
    ["info", "Now candidate, was preCandidate", undefined],
    ["info", "Now leader, was candidate", undefined],
  ]);
  change("leader", "follower", 0, 9_000);
  assertEquals(said(), [["warning", "Now follower, was leader", 1]]);
  change("follower", "follower", 3, 9_100);
  change("follower", "follower", 3, 9_200);
  assertEquals(said().map(([level]) => level), ["info", "info"]);
});

Deno.test("roles: a leadership that comes and goes fills no log, and its end is logged", () => {
  const { events, log, change } = setUp();
  let nowMs = 0;
  for (; nowMs < 3_600_000; nowMs += 1_000) {
    change("follower", "preCandidate", 0, nowMs);
    change("preCandidate", "follower", 2, nowMs + 400);
    for (let ms = 0; ms < 1_000; ms += 100) log.elapse(nowMs + ms);
  }
  assert(events.length < 150, `${events.length} lines in an hour`);
  for (const untilMs = nowMs + 120_000; nowMs < untilMs; nowMs += 100) log.elapse(nowMs);
  assertEquals(events.at(-1)!.fields.leader, 2, "the log ends with what is so");
});
